"""A small invented network for tests: two retailers, five stores, three brands, people of every role, keys that are known."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from hutong.kernel.gs1 import check_digit

PASSWORD = "correct horse battery staple"
# argon2id of PASSWORD with the cheapest parameters there are: a test that signs in should not wait for the hash.
PASSWORD_HASH = "$argon2id$v=19$m=8,t=1,p=1$Y79pOpoPfUFBm05SqvSzRA$g7elGGJG3PskfO1SVQ3osYvrRdE0HDgYV8pNb+A4HYQ"


@dataclass(frozen=True)
class Till:
    """A till that is enrolled; ``key`` is its bearer key."""

    id: int
    code: str
    key: str


@dataclass(frozen=True)
class Store:
    """A store and its tills."""

    id: int
    retailer_id: int
    gln: str
    code: str
    name_zh: str
    name_en: str
    province_code: int
    city_code: int
    tills: tuple[Till, ...]


@dataclass(frozen=True)
class Retailer:
    """A retailer with its stores and the keys of its integrator."""

    id: int
    code: str
    name_zh: str
    name_en: str
    chain_id: int
    stores: tuple[Store, ...]
    key: str
    history_key: str


@dataclass(frozen=True)
class Brand:
    """A brand; ``key`` reads its sales."""

    id: int
    code: str
    name_zh: str
    name_en: str
    prefix: str
    key: str


@dataclass(frozen=True)
class Product:
    """A registered product; ``code`` is what a till rings up, ``price`` is in fen, ``vat_rate`` in basis points."""

    id: int
    code: str
    gtin: str | None
    brand_id: int | None
    name_zh: str
    name_en: str
    price: int
    vat_rate: int


@dataclass(frozen=True)
class Person:
    """A person who signs in with ``PASSWORD``."""

    id: int
    login: str
    role: str | None
    retailer_id: int | None = None
    store_id: int | None = None
    brand_id: int | None = None


@dataclass(frozen=True)
class Network:
    """Everything in the network by name.

    ``one`` has three stores (two in Shanghai, one in Guangdong), ``two`` has two (one in each). ``people`` are found by login: operator,
    office, manager, cashier, integrator (of ``one`` and its first store), manager-2 (its second store), office-two, manager-two (of ``two``), brand, brand-two (of the first and second brand),
    nobody (no role) and gone (disabled). ``products`` are six of the three brands, two of nobody, and ``weighed``, a number of ``one``'s own.
    """

    one: Retailer
    two: Retailer
    brands: tuple[Brand, ...]
    products: tuple[Product, ...]
    weighed: Product
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The first store of the first retailer."""
        return self.one.stores[0]

    @property
    def till(self) -> Till:
        """The first till of the first store."""
        return self.store.tills[0]

    @property
    def stores(self) -> tuple[Store, ...]:
        """All five stores."""
        return self.one.stores + self.two.stores


INTEGRATOR = ["sales:capture", "sales:read", "catalog:read", "catalog:write", "tills:register", "monitor:read"]

STORES: dict[str, list[tuple[str, str, str, int, int]]] = {
    "one": [
        ("S01", "徐汇店", "Xuhui", 31, 3101),
        ("S02", "静安店", "Jing'an", 31, 3101),
        ("S03", "天河店", "Tianhe", 44, 4401),
    ],
    "two": [
        ("T01", "浦东店", "Pudong", 31, 3101),
        ("T02", "南山店", "Nanshan", 44, 4403),
    ],
}
RETAILERS = [
    ("one", "青松超市", "Qingsong Supermarkets", "supermarket", 2),
    ("two", "望月百货", "Wangyue Department Stores", "department_store", 1),
]
BRANDS = [
    ("yunqi", "云栖茶业", "Yunqi Tea", "69099001"),
    ("beiya", "北崖乳业", "Beiya Dairy", "69099002"),
    ("linglan", "铃兰日化", "Linglan Home Care", "69099003"),
]
# (name zh, name en, brand's place or None, price in fen, VAT in basis points)
PRODUCTS = [
    ("云栖龙井 100克", "Yunqi Longjing 100 g", 0, 12800, 1300),
    ("云栖茉莉花茶 500毫升", "Yunqi jasmine tea 500 ml", 0, 550, 1300),
    ("云栖乌龙茶 500毫升", "Yunqi oolong 500 ml", 0, 600, 1300),
    ("北崖鲜牛奶 950毫升", "Beiya fresh milk 950 ml", 1, 1890, 900),
    ("北崖酸奶 200克", "Beiya yoghurt 200 g", 1, 790, 900),
    ("铃兰洗衣液 2千克", "Linglan laundry liquid 2 kg", 2, 3990, 1300),
    ("无牌纸巾 3包", "Plain tissues 3 packs", None, 990, 1300),
    ("无牌矿泉水 550毫升", "Plain mineral water 550 ml", None, 199, 1300),
]
PEOPLE = [
    # login, role, retailer, store's place, brand's place
    ("operator", "network_operator", None, None, None),
    ("office", "head_office", "one", None, None),
    ("manager", "store_manager", "one", 0, None),
    ("manager-2", "store_manager", "one", 1, None),
    ("cashier", "cashier", "one", 0, None),
    ("integrator", "integrator", "one", None, None),
    ("office-two", "head_office", "two", None, None),
    ("manager-two", "store_manager", "two", 0, None),
    ("brand", "brand_manager", None, None, 0),
    ("brand-two", "brand_manager", None, None, 1),
    ("nobody", None, None, None, None),
    ("gone", "network_operator", None, None, None),
]


def known_key(prefix: str, name: str) -> str:
    """The key that a test network gives to ``name``: always the same, shaped like a real one (``ht_`` or ``hk_`` and 43 characters)."""
    return f"{prefix}_{sha256(name.encode()).hexdigest()[:43]}"


def stored(key: str) -> bytes:
    """A bearer key or session token as the database keeps it."""
    return sha256(key.encode()).digest()


def insert_network(url: str) -> Network:
    """Write the network into a fresh migrated database, as owner, in one transaction."""
    with psycopg.connect(url) as owner:
        _insert_places(owner)
        brands = tuple(_insert_brand(owner, *row) for row in BRANDS)
        retailers = {row[0]: _insert_retailer(owner, *row) for row in RETAILERS}
        products = tuple(_insert_product(owner, place, brands, *row) for place, row in enumerate(PRODUCTS))
        weighed = _insert_weighed(owner, retailers["one"].id)
        people = {row[0]: _insert_person(owner, retailers, brands, *row) for row in PEOPLE}
        for retailer in retailers.values():
            _insert_prices(owner, retailer.id, products)
        _insert_prices(owner, retailers["one"].id, (weighed,))
    return Network(retailers["one"], retailers["two"], brands, products, weighed, people)


def _id(owner: psycopg.Connection[Any], sql: str, *values: Any) -> int:
    row = owner.execute(sql, values).fetchone()
    assert row is not None
    return int(row[0])


def _insert_places(owner: psycopg.Connection[Any]) -> None:
    for code, zh, en, column, line in [(31, "上海", "Shanghai", 9, 5), (44, "广东", "Guangdong", 7, 8)]:
        owner.execute("insert into province values (%s, %s, %s, %s, %s, true) on conflict do nothing", [code, zh, en, column, line])
    for code, province, zh, en in [(3101, 31, "上海", "Shanghai"), (4401, 44, "广州", "Guangzhou"), (4403, 44, "深圳", "Shenzhen")]:
        owner.execute("insert into city values (%s, %s, %s, %s) on conflict do nothing", [code, province, zh, en])


def _insert_brand(owner: psycopg.Connection[Any], code: str, zh: str, en: str, prefix: str) -> Brand:
    brand = _id(owner, "insert into brand (code, name_zh, name_en) values (%s, %s, %s) returning id", code, zh, en)
    owner.execute("insert into brand_prefix (brand_id, prefix) values (%s, %s)", [brand, prefix])
    key = _insert_key(owner, f"brand {code}", None, brand, ["sales:read", "monitor:read", "catalog:read"])
    return Brand(brand, code, zh, en, prefix, key)


def _insert_key(owner: psycopg.Connection[Any], name: str, retailer: int | None, brand: int | None, permissions: list[str]) -> str:
    key = known_key("hk", name)
    owner.execute(
        "insert into api_key (name, hint, key_hash, retailer_id, brand_id, permissions) values (%s, %s, %s, %s, %s, %s)",
        [name, key[:7], stored(key), retailer, brand, permissions],
    )
    return key


def _insert_retailer(owner: psycopg.Connection[Any], code: str, zh: str, en: str, kind: str, tills: int) -> Retailer:
    retailer = _id(owner, "insert into retailer (code, name_zh, name_en, kind) values (%s, %s, %s, %s) returning id", code, zh, en, kind)
    chain = _id(
        owner,
        "insert into chain (retailer_id, code, name_zh, name_en, format) values (%s, 'main', %s, %s, %s) returning id",
        retailer,
        zh,
        en,
        kind,
    )
    stores = tuple(_insert_store(owner, retailer, chain, kind, tills, *row) for row in STORES[code])
    return Retailer(
        retailer, code, zh, en, chain, stores,
        _insert_key(owner, f"integrator {code}", retailer, None, INTEGRATOR),
        _insert_key(owner, f"history {code}", retailer, None, [*INTEGRATOR, "sales:history"]),
    )  # fmt: skip


def _insert_store(
    owner: psycopg.Connection[Any], retailer: int, chain: int, kind: str, tills: int, code: str, zh: str, en: str, province: int, city: int
) -> Store:
    body = f"6909900000{'12'[code[0] == 'T']}{code[-1]}"
    gln = body + check_digit(body)
    store = _id(
        owner,
        """insert into store (retailer_id, chain_id, gln, code, name_zh, name_en, province_code, city_code, format, hours, opened_on)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '2020-01-01') returning id""",
        retailer, chain, gln, code, zh, en, province, city, kind, Jsonb(dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "08:00-22:00")),
    )  # fmt: skip
    enrolled = tuple(_insert_till(owner, retailer, store, code, f"{number:02d}") for number in range(1, tills + 1))
    return Store(store, retailer, gln, code, zh, en, province, city, enrolled)


def _insert_till(owner: psycopg.Connection[Any], retailer: int, store: int, store_code: str, code: str) -> Till:
    key = known_key("ht", f"{store_code} {code}")
    till = _id(
        owner,
        "insert into till (retailer_id, store_id, code, name, key_hash, enrolled_at) values (%s, %s, %s, %s, %s, now()) returning id",
        retailer, store, code, f"Till {code}", stored(key),
    )  # fmt: skip
    return Till(till, code, key)


def _insert_product(
    owner: psycopg.Connection[Any], place: int, brands: tuple[Brand, ...], zh: str, en: str, brand_place: int | None, price: int, vat: int
) -> Product:
    brand = None if brand_place is None else brands[brand_place]
    body = f"{brand.prefix if brand else '69099009'}{place + 1:04d}"
    code = body + check_digit(body)
    gtin, brand_id = code.zfill(14), brand.id if brand else None
    product = _id(
        owner,
        """insert into product (gtin, name_zh, name_en, brand_id, vat_rate, launched_on, registered_at)
           values (%s, %s, %s, %s, %s, '2024-01-01', now()) returning id""",
        gtin, zh, en, brand_id, vat,
    )  # fmt: skip
    return Product(product, code, gtin, brand_id, zh, en, price, vat)


def _insert_weighed(owner: psycopg.Connection[Any], retailer: int) -> Product:
    zh, en = "散装苹果", "Loose apples"
    product = _id(
        owner,
        """insert into product (retailer_id, code, name_zh, name_en, unit, vat_rate, registered_at)
           values (%s, '00417', %s, %s, 'KGM', 900, now()) returning id""",
        retailer, zh, en,
    )  # fmt: skip
    return Product(product, "00417", None, None, zh, en, 1180, 900)


def _insert_prices(owner: psycopg.Connection[Any], retailer: int, products: tuple[Product, ...]) -> None:
    for product in products:
        owner.execute("insert into price values (%s, 0, %s, '2024-01-01', %s)", [retailer, product.id, product.price])


def _insert_person(
    owner: psycopg.Connection[Any],
    retailers: dict[str, Retailer],
    brands: tuple[Brand, ...],
    login: str,
    role: str | None,
    retailer_code: str | None,
    store_place: int | None,
    brand_place: int | None,
) -> Person:
    retailer = retailers[retailer_code] if retailer_code else None
    store_id = retailer.stores[store_place].id if retailer and store_place is not None else None
    brand_id = None if brand_place is None else brands[brand_place].id
    person = _id(
        owner,
        "insert into person (login, name, password_hash, locale, disabled_at) values (%s, %s, %s, 'en', %s) returning id",
        login, f"{login.capitalize()} Person", PASSWORD_HASH, "2024-01-01" if login == "gone" else None,
    )  # fmt: skip
    if role:
        owner.execute(
            "insert into role_grant (person_id, role, retailer_id, store_id, brand_id) values (%s, %s, %s, %s, %s)",
            [person, role, retailer.id if retailer else None, store_id, brand_id],
        )
    return Person(person, login, role, retailer.id if retailer else None, store_id, brand_id)
