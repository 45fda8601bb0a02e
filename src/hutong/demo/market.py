"""What can be bought where: the wares of each retailer with prices, popularity by format and time of day, promotions and price changes."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from hutong.demo.categories import leaves
from hutong.demo.chance import chance
from hutong.demo.fresh import UNREGISTERED, piece_items, weighed_items
from hutong.demo.goods import carries, launch_of, price_at, products
from hutong.demo.groups import RETAILERS
from hutong.demo.rhythm import Rhythm
from hutong.demo.stores import ALL_STORES, Store, stores

ZONE = ZoneInfo("Asia/Shanghai")
PROMOTED = 0.06
REPRICED = 24

_DEPARTMENTS = {
    "convenience": "drinks 30 deli 24 snacks 16 dairy 9 alcohol 5 staples 5 frozen 4 household 2 personal 2 paperware 1 wellness 0.5 digital 0.5 unregistered 0.5",
    "supermarket": "produce 26 butcher 10 dairy 11 snacks 11 drinks 10 staples 9 frozen 6 deli 6 household 4 personal 3 alcohol 2 baby 0.8 pet 0.6 beauty 0.5"
    " paperware 0.5 wellness 0.5 home 0.5 unregistered 0.6",
    "hypermarket": "produce 18 butcher 9 dairy 10 snacks 12 drinks 11 staples 9 frozen 6 deli 5 household 6 personal 5 alcohol 3 baby 1.5 pet 1 beauty 1"
    " paperware 1 wellness 0.8 home 1.5 apparel 1 appliances 0.3 unregistered 0.6",
    "department_store": "apparel 60 beauty 22 home 10 baby 3 digital 2 wellness 2 appliances 1 unregistered 0.3",
    "electronics": "digital 75 appliances 25 unregistered 0.2",
}
"""How many of a hundred lines are of which department."""
_TIMES = {
    "morning": {"deli": 1.7, "dairy": 1.4, "alcohol": 0.1, "produce": 1.3},
    "day": {},
    "evening": {"alcohol": 1.8, "snacks": 1.3, "deli": 0.9},
}


@dataclass(frozen=True, slots=True)
class Ware:
    """One thing on a retailer's shelf; ``price`` in fen a piece or a kilogram, ``vat`` in basis points and ``rate`` the same in percent."""

    code: str
    price: int
    vat: int
    rate: str
    department: str
    weighed: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """What shoppers of one format take at one time of day: wares with the running totals of their popularity."""

    wares: tuple[Ware, ...]
    popularity: tuple[float, ...]


@lru_cache(maxsize=8)
def wares(retailer: int) -> tuple[Ware, ...]:
    """Everything that a retailer rings up, registered or not, except what launches."""
    offered = RETAILERS[retailer].departments
    found = [
        Ware(item.gtin, price_at(retailer, item.gtin, item.price), item.vat, _percent(item.vat), item.department)
        for item in products()
        if carries(retailer, item)
    ]
    for own in (*(weighed_items() if "produce" in offered else ()), *(piece_items() if "deli" in offered else ())):
        leaf = leaves()[own.leaf]
        found.append(
            Ware(own.number, price_at(retailer, own.number, own.price), leaf.vat, _percent(leaf.vat), leaf.department, own.weighed)
        )
    found += [Ware(code, price, 1300, "13", "unregistered") for code, price in UNREGISTERED]
    return tuple(found)


def launching(retailer: int, day: date) -> Ware | None:
    """The day's limited edition as this retailer sells it, or None where it is not listed."""
    item = launch_of(day)
    if item.department not in RETAILERS[retailer].departments:
        return None
    return Ware(item.gtin, price_at(retailer, item.gtin, item.price), item.vat, _percent(item.vat), item.department)


@lru_cache(maxsize=64)
def shelf(retailer: int, format: str, time: str) -> Shelf:
    """The shelf of a retailer's stores of a format in the ``morning``, by ``day`` or in the ``evening``."""
    words = _DEPARTMENTS[format].split()
    shares = {name: float(share) * _TIMES[time].get(name, 1.0) for name, share in zip(words[::2], words[1::2], strict=True)}
    chosen: list[Ware] = []
    weights: list[float] = []
    for department, share in shares.items():
        of_it = [ware for ware in wares(retailer) if ware.department == department]
        chance("rank", retailer, department).shuffle(of_it)
        # Zipf, and dearer goods are taken less often
        popularity = [1 / (rank + 3) ** 0.9 * (ware.price / 1000) ** -0.4 for rank, ware in enumerate(of_it)]
        chosen += of_it
        weights += [share * each / sum(popularity) for each in popularity]
    return Shelf(tuple(chosen), tuple(accumulate(weights)))


def time_of_day(minute: int) -> str:
    """Which shelf counts at a minute of the day."""
    return "morning" if 300 <= minute < 600 else "evening" if minute >= 1020 or minute < 300 else "day"


@lru_cache(maxsize=64)
def promotions(retailer: int, day: date) -> dict[str, int]:
    """The codes that this retailer sells cheaper on this day, with the percentage taken off."""
    random = chance("promotions", retailer, day)
    codes = [ware.code for ware in wares(retailer) if ware.department != "unregistered"]
    return {code: random.choice((5, 10, 15, 20, 30)) for code in random.sample(codes, round(len(codes) * PROMOTED))}


@lru_cache(maxsize=64)
def price_changes(retailer: int, day: date) -> dict[str, tuple[int, int]]:
    """The codes whose price changes during this day, until midnight: from which minute, and to how many fen."""
    random = chance("prices", retailer, day)
    registered = [ware for ware in wares(retailer) if ware.department != "unregistered"]
    return {
        ware.code: (random.randrange(480, 1260, 15), max(10, round(ware.price * random.choice((0.8, 0.85, 0.9, 0.95, 1.05))) // 10 * 10))
        for ware in random.sample(registered, REPRICED)
    }


class Market:
    """The demonstration network as trade needs it: its stores and their rhythm."""

    def __init__(self, count: int = ALL_STORES) -> None:
        self.stores: tuple[Store, ...] = stores(count)
        self.rhythm = Rhythm(self.stores)


def local(moment: float) -> datetime:
    """A moment (seconds since 1970) on the network's clock."""
    return datetime.fromtimestamp(moment, ZONE)


def _percent(basis_points: int) -> str:
    return f"{basis_points / 100:g}"
