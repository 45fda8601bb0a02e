"""One network with rows in every table, and everybody who might ask: what the security tests share within a module."""

import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg

from hutong.app import create_app
from hutong.kernel.clock import now
from hutong.kernel.gs1 import check_digit
from hutong.kernel.ids import uuid7
from hutong.platform.config import Settings
from hutong.sales.books import book_news
from tests.security.bookkeeping import fill_books
from tests.security.paying import fill_payments, open_accounts
from tests.support import sales
from tests.support.network import PASSWORD, PASSWORD_HASH, Network, Store, insert_network, known_key, stored
from tests.support.postgres import SharedPostgres

PEOPLE = (
    "operator", "office", "manager", "manager-2", "cashier", "integrator", "office-two", "manager-two", "brand", "brand-two", "nobody",
)  # fmt: skip
KEYS = ("key-one", "key-poor", "key-two", "key-brand", "key-brand-two", "till", "till-s02", "till-two")
EVERYBODY = (*PEOPLE, *KEYS)
OUTSIDE = "https://93.184.216.34/x"
FAR_AWAY = ("203.0.113.9", 50_000)
"""Whose requests come from this machine itself may see more (metrics)."""

# Where each stands: the retailers, stores and brands that are its own. The operator's are all.
PLACES: dict[str, tuple[str | None, str | None, str | None]] = {
    "office": ("one", None, None), "integrator": ("one", None, None), "key-one": ("one", None, None), "key-poor": ("one", None, None),
    "manager": ("one", "S01", None), "cashier": ("one", "S01", None), "till": ("one", "S01", None),
    "manager-2": ("one", "S02", None), "till-s02": ("one", "S02", None),
    "office-two": ("two", None, None), "key-two": ("two", None, None), "manager-two": ("two", "T01", None), "till-two": ("two", "T01", None),
    "brand": (None, None, "yunqi"), "key-brand": (None, None, "yunqi"), "brand-two": (None, None, "beiya"), "key-brand-two": (None, None, "beiya"),
}  # fmt: skip


@dataclass
class Mark:
    """A text that only some may ever be sent: of a brand, a store, a retailer's head office, or (``*``) all its stores."""

    text: str
    retailer: str | None = None
    store: str | None = None
    brand: str | None = None
    himself: str = ""

    def is_for(self, who: str) -> bool:
        """Whether ``who`` may see it: it is of their place, or of one of their retailer's stores."""
        if who in ("operator", self.himself):
            return True
        retailer, store, brand = PLACES.get(who, (None, None, None))
        if self.brand is not None:
            return brand == self.brand
        return retailer == self.retailer and (store is None or self.store in (store, "*"))


@dataclass
class Stage:
    """The network, the application on it, and clients; ``owner`` is a connection past row-level security."""

    app: Any
    network: Network
    owner: psycopg.Connection[Any]
    settings: Settings
    sales: dict[str, dict[str, Any]] = field(default_factory=dict)
    payments: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    number: Iterator[int] = field(default_factory=lambda: count(1001))

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A further client, from far away."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=FAR_AWAY)
        return httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60, **options)

    def session(self, person_id: int) -> tuple[str, str]:
        """A fresh session of a person: the cookie and the CSRF token."""
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.owner.execute(
            "insert into browser_session (token_hash, person_id, csrf, expires_at) values (%s, %s, %s, now() + interval '1 hour')",
            [stored(token), person_id, csrf],
        )
        return token, csrf

    def as_person(self, person_id: int) -> httpx.AsyncClient:
        """A client signed in as this person."""
        token, csrf = self.session(person_id)
        return self.client(cookies={"hutong_session": token}, headers={"X-CSRF-Token": csrf})

    def with_key(self, key: str) -> httpx.AsyncClient:
        return self.client(headers={"Authorization": f"Bearer {key}"})

    def id(self, sql: str, *values: Any) -> int:
        """The id that a statement returns."""
        row = self.owner.execute(sql, values).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(row[0])

    # Things that a request is about, made anew for each: a till, a person …

    def name(self, start: str = "x") -> str:
        """A code that nothing has yet."""
        return f"{start}{next(self.number)}"

    def gln(self) -> str:
        body = f"69088{next(self.number):07d}"
        return body + check_digit(body)

    def till(self, store: Store | None = None) -> tuple[int, str]:
        """A till that is enrolled, and its key."""
        store, code = store or self.network.store, self.name("t")
        key = known_key("ht", f"fresh {code}")
        sql = "insert into till (retailer_id, store_id, code, key_hash, enrolled_at) values (%s, %s, %s, %s, now()) returning id"
        return self.id(sql, store.retailer_id, store.id, code, stored(key)), key

    def person(self, role: str = "store_manager", place: Any = None, *, login: str = "") -> tuple[int, int]:
        """A person with one role (default: manager of the first store), and the role's id."""
        retailer, store, brand = place or (self.network.one.id, self.network.store.id, None)
        sql = "insert into person (login, name, password_hash) values (%s, 'Fresh Person', %s) returning id"
        person = self.id(sql, login or self.name("fresh"), PASSWORD_HASH)
        sql = "insert into role_grant (person_id, role, retailer_id, store_id, brand_id) values (%s, %s, %s, %s, %s) returning id"
        return person, self.id(sql, person, role, retailer, store, brand)

    def key(self) -> int:
        """An API key of the first retailer."""
        sql = "insert into api_key (name, hint, key_hash, retailer_id, permissions) values ('fresh', 'hk_', %s, %s, '{sales:read}') returning id"
        return self.id(sql, secrets.token_bytes(32), self.network.one.id)

    def webhook(self) -> str:
        """A webhook of the first retailer."""
        webhook, secret = str(uuid7()), "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        sql = "insert into webhook (id, retailer_id, url, kinds, secret) values (%s, %s, %s, '{sale.captured}', %s)"
        self.owner.execute(sql, [webhook, self.network.one.id, self.address(), secret])
        return webhook

    def address(self) -> str:
        """An address for a webhook. Those made before for it are ended: there may be so many only."""
        self.owner.execute("update webhook set deleted_at = now() where deleted_at is null and url = %s", [OUTSIDE])
        return OUTSIDE

    def delivery(self, webhook: str) -> str:
        """A dead delivery of a webhook of the first retailer."""
        sql = "insert into webhook_delivery (id, webhook_id, retailer_id, kind, payload, status) values (%s, %s, %s, 'ping', '{}', 'dead')"
        delivery = str(uuid7())
        self.owner.execute(sql, [delivery, webhook, self.network.one.id])
        return delivery

    def product(self) -> tuple[int, str]:
        """A product under an own number of the first retailer."""
        code = self.name("9")
        sql = "insert into product (retailer_id, code, name_en, registered_at) values (%s, %s, 'Fresh', now()) returning id"
        return self.id(sql, self.network.one.id, code), code


@asynccontextmanager
async def open_stage(postgres: SharedPostgres, folder: Path) -> AsyncIterator[Stage]:
    """The network with a sale and its return in three stores, rows in every other table, and a client for everybody."""
    with postgres.fresh_database() as url, psycopg.connect(url, autocommit=True) as owner:
        network = insert_network(url)
        settings = Settings(database_url=url, data_dir=folder, base_url="http://test", jobs=False)
        app = create_app(settings)
        async with app.router.lifespan_context(app), AsyncExitStack() as stack:
            app.state.stream_seconds = 0.05  # a stream that may be watched ends itself, so that a test can go on
            stage = Stage(app, network, owner, settings)
            fill(stage)
            stage.clients = clients_of(stage)
            for client in stage.clients.values():
                stack.push_async_callback(client.aclose)
            await open_accounts(stage)
            fill_payments(stage)
            fill_books(stage)
            await trade(stage)
            yield stage


def clients_of(stage: Stage) -> dict[str, httpx.AsyncClient]:
    """A client for everybody by name, and ``signed out``."""
    network = stage.network
    poor = known_key("hk", "poor")
    stage.owner.execute(
        "insert into api_key (name, hint, key_hash, retailer_id, permissions) values ('poor', 'hk_', %s, %s, '{catalog:read}')",
        [stored(poor), network.one.id],
    )
    keys = {
        "key-one": network.one.history_key, "key-poor": poor, "key-two": network.two.key,
        "key-brand": network.brands[0].key, "key-brand-two": network.brands[1].key,
        "till": network.till.key, "till-s02": network.one.stores[1].tills[0].key, "till-two": network.two.stores[0].tills[0].key,
    }  # fmt: skip
    people = {login: stage.as_person(network.people[login].id) for login in PEOPLE}
    return people | {name: stage.with_key(key) for name, key in keys.items()} | {"signed out": stage.client()}


async def trade(stage: Stage) -> None:
    """A sale and its return in S01, S02 and T01, each with a cashier's code and a receipt's number of its own."""
    network = stage.network
    for code, store, key in (
        ("S01", network.one.stores[0], "key-one"), ("S02", network.one.stores[1], "key-one"), ("T01", network.two.stores[0], "key-two"),
    ):  # fmt: skip
        lines = [sales.line(network.products[0]), sales.line(network.products[3], 2000)]
        sold = sales.sale(network, lines, store=store, cashier=f"cashier-{code}", receipt=f"receipt-{code}")
        back = sales.return_of(network, sold, [1], cashier=f"cashier-{code}")
        for each in (sold, back):
            answer = await stage.clients[key].post("/v1/sales", json=each)
            assert answer.status_code == 201, answer.text
        stage.sales[code] = sold
        retailer = "one" if code.startswith("S") else "two"
        stage.marks += [Mark(text, retailer, code) for text in (f"cashier-{code}", f"receipt-{code}", sold["id"], back["id"])]
    await keep_books(stage)


async def keep_books(stage: Stage) -> None:
    """The ledger of that trade, a debt to a brand, and a day that is closed."""
    await book_news(stage.app.state.database)
    for retailer in (stage.network.one, stage.network.two):
        stage.owner.execute(
            """select ledger_post_one(%(retailer)s, ledger_id(now(), 'probe:owed'), current_date - 5, now(), 'split.owed', 'probe:owed', null, 'posted',
                   null, 'CNY', array['brand_share:' || %(brand)s, 'brand_payable:' || %(brand)s], '{E,L}', array[%(store)s, %(store)s], '{500,-500}')""",
            {"retailer": retailer.id, "brand": stage.network.brands[0].code, "store": retailer.stores[0].id},
        )
        stage.owner.execute("select ledger_close(%s, current_date - 3), ledger_count(%s)", [retailer.id, retailer.id])


def fill(stage: Stage) -> None:
    """Rows that no sale brings, each with a text of its own."""
    network, owner = stage.network, stage.owner
    for code, retailer in (("one", network.one), ("two", network.two)):
        stage.marks += [Mark(f"integrator {code}", code), Mark(f"history {code}", code)]  # names of keys
        for store in retailer.stores:
            place = [retailer.id, store.id]
            owner.execute("update till set name = %s || code where store_id = %s", [f"desk-of-{store.code}-", store.id])
            stage.marks.append(Mark(f"desk-of-{store.code}-", code, store.code))
            owner.execute(
                """insert into till_enrolment (retailer_id, store_id, till_id, code_hash, expires_at)
                   values (%s, %s, %s, %s, now() - interval '1 day')""",
                [*place, store.tills[0].id, secrets.token_bytes(32)],
            )
            habit = json.dumps([store.id, 4, [1] * 24, [1] * 24])
            owner.execute("insert into usual_day select %s, %s, weekday, %s from generate_series(1, 7) weekday", [*place, habit])
            owner.execute("insert into usual_brand values (%s, %s, %s, 1, 1, 1, current_date)", [network.brands[0].id, *place])
    for login, person in network.people.items():
        retailer_code, _, brand_code = PLACES.get(login, (None, None, None))
        if person.role and login not in ("operator", "gone"):
            stage.marks.append(Mark(f"{login.capitalize()} Person", retailer_code, None, brand_code, login))
    for brand in network.brands:
        owner.execute("insert into launch_day values (%s, 1, current_date, 1, 1)", [brand.id])
    owner.execute("insert into usual_state values ('probe', current_date)")
    owner.execute("insert into sign_in_attempt (subject) values ('probe')")
    owner.execute("insert into category (code, name_zh, name_en) values ('tea', '茶', 'Tea')")
    for retailer_id, brand_id in (
        (network.one.id, None),
        (network.two.id, None),
        (None, network.brands[0].id),
        (None, network.brands[1].id),
    ):
        hook = str(uuid7())
        address = f"https://hooks.example/{hook}"
        owner.execute(
            "insert into webhook (id, retailer_id, brand_id, url, kinds, secret) values (%s, %s, %s, %s, '{sale.captured}', 'whsec_probe')",
            [hook, retailer_id, brand_id, address],
        )
        owner.execute(
            """insert into webhook_delivery (id, webhook_id, retailer_id, brand_id, kind, payload, status)
               values (%s, %s, %s, %s, 'sale.captured', '{}', 'dead')""",
            [str(uuid7()), hook, retailer_id, brand_id],
        )
        places = {network.one.id: ("one", None), network.two.id: ("two", None)}
        retailer_code, brand_code = places[retailer_id] if retailer_id else (None, "yunqi" if brand_id == network.brands[0].id else "beiya")
        stage.marks.append(Mark(hook, retailer_code, None, brand_code))
    stage.marks.append(Mark("Loose apples", "one", "*"))


async def sign_in(stage: Stage, client: httpx.AsyncClient, login: str, **fields: str) -> httpx.Response:
    """Sign in by the page, as a browser does."""
    return await client.post("/sign-in", data={"login": login, "password": PASSWORD, **fields})


def soon() -> str:
    """A moment that has not come yet, as the API writes it."""
    return now().replace(year=now().year + 1, month=1, day=1).isoformat()
