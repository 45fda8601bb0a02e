"""The products of the demonstration: some 3,000 with valid GTINs, what each retailer asks for them, and one launching each day."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import product as combinations

from hutong.demo.categories import Leaf, leaves
from hutong.demo.chance import chance
from hutong.demo.groups import RETAILERS
from hutong.demo.makers import Brand, brands
from hutong.kernel.gs1 import check_digit
from hutong.kernel.money import split

OF_ONE_BRAND = 76
LAUNCHING_BRAND = "qinghe"


@dataclass(frozen=True, slots=True)
class Product:
    """A maker's product; ``price`` is the maker's own in fen, ``vat`` in basis points, ``brand`` and ``leaf`` are codes."""

    gtin: str
    zh: str
    en: str
    brand: str
    leaf: str
    department: str
    vat: int
    price: int


@lru_cache(maxsize=1)
def products() -> tuple[Product, ...]:
    """All products that are on sale from the start, by brand."""
    return tuple(made for brand in brands() for made in _of_brand(brand))


@lru_cache(maxsize=1)
def launches() -> tuple[Product, ...]:
    """Thirty limited editions, one for each day of a month."""
    brand = next(each for each in brands() if each.code == LAUNCHING_BRAND)
    tastes = [
        ("桂花", "Osmanthus"),
        ("青梅", "Green Plum"),
        ("栗子", "Chestnut"),
        ("海盐芝士", "Sea Salt Cheese"),
        ("凤梨", "Pineapple"),
        ("樱花", "Sakura"),
    ]
    kinds = [
        ("酸奶", "Yogurt"),
        ("气泡酸奶", "Sparkling Yogurt"),
        ("希腊酸奶", "Greek Yogurt"),
        ("奶昔", "Milkshake"),
        ("酸奶杯", "Yogurt Cup"),
    ]
    return tuple(
        Product(
            _gtin(brand, 9000 + place), f"{brand.zh} 限定{taste[0]}{kind[0]} 200g", f"{brand.en} Limited {taste[1]} {kind[1]} 200g",
            brand.code, "yogurt", "dairy", leaves()["yogurt"].vat, 990,
        )
        for place, (taste, kind) in enumerate(combinations(tastes, kinds))
    )  # fmt: skip


def launch_of(day: date) -> Product:
    """The limited edition that launches on this day."""
    return launches()[day.toordinal() % len(launches())]


def price_at(retailer: int, code: str, price: int) -> int:
    """What a retailer asks, in fen, for goods whose maker asks ``price``: its level, a little of its own, and a tidy ending."""
    asked = round(price * RETAILERS[retailer].level * chance("price", retailer, code).uniform(0.95, 1.06))
    if asked < 1_000:
        return max(10, asked // 10 * 10)
    return asked // 100 * 100 + (90 if asked < 10_000 else 0)


def carries(retailer: int, item: Product) -> bool:
    """Whether a retailer lists a product: its departments, and most but not all of what is offered."""
    if item.department not in RETAILERS[retailer].departments:
        return False
    listed = {"supermarket": 0.85, "convenience": 0.45, "department_store": 0.95, "electronics": 0.95}[RETAILERS[retailer].kind]
    return chance("listed", retailer, item.gtin).random() < listed


def _of_brand(brand: Brand) -> list[Product]:
    kinds = [leaves()[code] for code in brand.leaves]
    offered = [list(combinations(leaf.flavours, leaf.kinds, leaf.sizes)) for leaf in kinds]
    wanted = split(OF_ONE_BRAND, [1] * len(kinds))
    made: list[Product] = []
    for leaf, choices, count in zip(kinds, offered, wanted, strict=True):
        for flavour, kind, size in chance("range", brand.code, leaf.code).sample(choices, min(count, len(choices))):
            made.append(_product(brand, leaf, len(made) + 1, flavour, kind, size))
    return made


def _product(brand: Brand, leaf: Leaf, number: int, flavour: tuple[str, str], kind: tuple[str, str], size: tuple[str, int]) -> Product:
    random = chance("product", brand.code, number)
    price = max(100, round(size[1] * random.uniform(0.8, 1.25)) // 10 * 10)
    en = " ".join(part for part in (brand.en, flavour[1], kind[1], size[0]) if part)
    return Product(
        _gtin(brand, number), f"{brand.zh} {flavour[0]}{kind[0]} {size[0]}", en, brand.code, leaf.code, leaf.department, leaf.vat, price
    )


def _gtin(brand: Brand, number: int) -> str:
    body = f"{brand.prefix}{number:04d}"
    return body + check_digit(body)
