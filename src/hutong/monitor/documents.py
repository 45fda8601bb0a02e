"""The exact shape of what is watched: one document a topic, and the frames that carry its changes.

Units everywhere: amounts are integers in minor units (fen) of the document's ``currency``, net of returns; quantities are
integers in thousandths of the product's unit; times are ISO 8601 in UTC; a ``minute`` is 0 to 1439 of the store's own day.

A document is a flat object of sections. A section that is a *map* (its keys are strings) is changed cell by cell, every
other section is replaced whole. ``SECTIONS`` says which is which; ``hutong.platform.live.apply_frame`` is the reference for
clients. The drill from province to store (``Place``) stands in ``places.py``.
"""

from datetime import date, datetime
from typing import Any, Literal

import msgspec

Kind = Literal["network", "retailer", "store", "brand"]
Status = Literal["silent", "low", "steady", "quiet", "closed"]
"""A store's state now. silent: open, and by its usual trade at least six tickets are missing since its last one; low: less than
half of its usual tickets so far; steady: as usual or above; quiet: too little is usual at this time to tell; closed: outside
its hours, or the day is over."""
TROUBLE: tuple[Status, ...] = ("silent", "low", "steady", "quiet", "closed")
"""The order of ranking: those in trouble first."""


class Figures(msgspec.Struct, frozen=True):
    """Trade in a span of time. ``value`` is net of returns, ``tickets`` counts sales only, ``return_value`` is positive."""

    value: int = 0
    tickets: int = 0
    items: int = 0
    returns: int = 0
    return_value: int = 0
    voids: int = 0
    average_ticket: int | None = None
    """Value of sales (returns added back) a ticket, minor units, rounded half up; None without tickets."""
    items_a_basket: int | None = None
    """Items a ticket in hundredths, rounded half up; None without tickets."""


class Past(msgspec.Struct, frozen=True):
    """The same weekday of last week, counted up to the same minute as today (the whole day when the day is over)."""

    date: date
    to_minute: int
    figures: Figures
    whole_day_value: int
    whole_day_tickets: int


class Alike(msgspec.Struct, frozen=True):
    """What of today may be compared with last week: the trade of the stores that also traded on that day; not that of newer ones."""

    stores: int
    figures: Figures


Point = tuple[int, int]
"""One minute of a curve: (value, tickets); for a brand (value, quantity)."""
Curve = dict[str, Point]
"""Minute ("0" to "1439") to its point; minutes without trade are absent (a minute can be below zero through returns)."""


class Named(msgspec.Struct, frozen=True):
    """Something with a key and a name in Chinese and English."""

    code: str
    name_zh: str
    name_en: str


class Identity(msgspec.Struct, frozen=True):
    """Whose document this is: ``code`` is the retailer's or brand's code, the store's GLN, or "network"."""

    kind: Kind
    code: str
    name_zh: str
    name_en: str
    business_date: date
    zone: str
    currency: str
    today: bool
    """Whether ``business_date`` is the running day; if not, nothing is compared "to now"."""


class StoreIdentity(Identity, frozen=True):
    """A store's identity and place."""

    retailer: Named = Named("", "", "")
    province: Named | None = None
    city: Named | None = None
    format: str = ""
    address: str = ""


class SalePassing(msgspec.Struct, frozen=True):
    """One of the last sales of a store, newest first; ``id`` opens its receipt."""

    id: str
    kind: Literal["sale", "return", "void"]
    receipt: str
    till: str
    completed_at: datetime
    value: int
    items: int
    line_count: int
    products: list[Named]
    """The first three products."""


class ProductRank(msgspec.Struct, frozen=True):
    """A product by its value of the day; ``code`` is the GTIN as printed, or the retailer's own number."""

    product: Named
    value: int
    quantity: int


class TillLife(msgspec.Struct, frozen=True):
    """A till with its last sign of life: the later of what it sent and its last sale. None: never seen."""

    name: str
    last_seen_at: datetime | None
    last_sale_at: datetime | None
    tickets: int
    revoked: bool


class StoreDocument(msgspec.Struct, frozen=True):
    """What a store watches."""

    identity: StoreIdentity
    today: Figures
    last_week: Past
    minutes: Curve
    """map"""
    last_week_minutes: Curve
    """map"""
    recent: list[SalePassing]
    """The last 20, newest first."""
    products: list[ProductRank]
    """The top 10 by value."""
    tills: dict[str, TillLife]
    """map: till code to its life."""


class BrandFigures(msgspec.Struct, frozen=True):
    """A brand's trade: value net of returns, quantity in thousandths, lines (returned lines included)."""

    value: int = 0
    quantity: int = 0
    lines: int = 0


class BrandCell(msgspec.Struct, frozen=True):
    """A brand's trade in one retailer or province."""

    name_zh: str
    name_en: str
    value: int
    quantity: int
    lines: int


class StoreRank(msgspec.Struct, frozen=True):
    """A store in a ranking by value; for a brand ``count`` is lines, for the network tickets."""

    gln: str
    name_zh: str
    name_en: str
    city_zh: str
    city_en: str
    value: int
    count: int


class LinePassing(msgspec.Struct, frozen=True):
    """One of a brand's last lines: nothing of its basket, till, cashier or member. A returned line is negative."""

    completed_at: datetime
    product: Named
    store: Named
    city_zh: str
    city_en: str
    quantity: int
    amount: int


class Launch(msgspec.Struct, frozen=True):
    """A product that came to the market in the last 90 days: its value and quantity a day since then (today runs)."""

    product: Named
    launched_on: date
    days: list[tuple[int, int, int]]
    """(days since launch, value, quantity), ascending; days without trade are absent."""


class StoppedStore(msgspec.Struct, frozen=True):
    """A store that sold the brand on most of the seven days before and has sold none of it today, late for its habit."""

    gln: str
    name_zh: str
    name_en: str
    city_zh: str
    city_en: str
    last_sold_on: date
    days_sold: int
    """On how many of the seven days before."""
    usual_value: int
    """Mean value of a day on which it sold."""


class Stopped(msgspec.Struct, frozen=True):
    """How many stores stopped selling the brand, and the 20 that usually sell the most."""

    count: int = 0
    stores: list[StoppedStore] = []


class BrandDocument(msgspec.Struct, frozen=True):
    """What a brand watches: its own lines in every retailer's stores."""

    identity: Identity
    today: BrandFigures
    minutes: Curve
    """map; points are (value, quantity in thousandths)"""
    retailers: dict[str, BrandCell]
    """map: retailer code to its cell"""
    provinces: dict[str, BrandCell]
    """map: province code ("44") to its cell; "0" is stores without a place"""
    stores: list[StoreRank]
    """The top 20 by value."""
    products: list[ProductRank]
    """The top 20 by value."""
    recent: list[LinePassing]
    """The last 20 lines, newest first."""
    launches: list[Launch]
    """The five latest launches."""
    stopped: Stopped


class StoreCell(msgspec.Struct, frozen=True):
    """A store in its retailer's document."""

    name_zh: str
    name_en: str
    province: str
    city_zh: str
    city_en: str
    value: int
    tickets: int
    last_sale_at: datetime | None
    """To the minute."""
    usual_value: int
    """Usual value up to now (mean of the last four same weekdays); 0 when nothing is known."""
    usual_tickets: int
    """Usual tickets up to now, in hundredths."""
    status: Status


class RetailerDocument(msgspec.Struct, frozen=True):
    """What a retailer's head office watches. Rank ``stores`` with ``ranked_stores``: trouble first, then by value."""

    identity: Identity
    today: Figures
    last_week: Past
    minutes: Curve
    """map"""
    last_week_minutes: Curve
    """map"""
    statuses: dict[str, int]
    """map: status to the number of stores in it"""
    stores: dict[str, StoreCell]
    """map: GLN to its cell; every store of the retailer"""


class ProvinceCell(msgspec.Struct, frozen=True):
    """A province-level unit on the tile map (``column`` and ``row`` count from 0)."""

    name_zh: str
    name_en: str
    column: int
    row: int
    trading: bool
    stores: int
    value: int
    tickets: int


class RetailerCell(msgspec.Struct, frozen=True):
    """A retailer on the network's screen."""

    name_zh: str
    name_en: str
    value: int
    tickets: int
    stores: int


class BrandRank(msgspec.Struct, frozen=True):
    """A brand in the network's ranking."""

    brand: Named
    value: int
    quantity: int


class NetworkSale(msgspec.Struct, frozen=True):
    """A sale passing by on the big screen."""

    completed_at: datetime
    store: Named
    city_zh: str
    city_en: str
    province: str
    kind: Literal["sale", "return", "void"]
    value: int


class NetworkDocument(msgspec.Struct, frozen=True):
    """The big screen."""

    identity: Identity
    today: Figures
    alike: Alike
    last_week: Past
    minutes: Curve
    """map"""
    last_week_minutes: Curve
    """map"""
    provinces: dict[str, ProvinceCell]
    """map: province code to its cell; all 34 units, "0" for stores without a place if they trade"""
    retailers: dict[str, RetailerCell]
    """map: retailer code to its cell"""
    stores: list[StoreRank]
    """The top 20 by value."""
    brands: list[BrandRank]
    """The top 20 by value."""
    recent: list[NetworkSale]
    """The last 20, newest first."""


Document = StoreDocument | BrandDocument | RetailerDocument | NetworkDocument

SECTIONS: dict[Kind, dict[str, Literal["map", "whole"]]] = {
    "store": {"identity": "whole", "today": "whole", "last_week": "whole", "minutes": "map", "last_week_minutes": "map",
              "recent": "whole", "products": "whole", "tills": "map"},
    "brand": {"identity": "whole", "today": "whole", "minutes": "map", "retailers": "map", "provinces": "map", "stores": "whole",
              "products": "whole", "recent": "whole", "launches": "whole", "stopped": "whole"},
    "retailer": {"identity": "whole", "today": "whole", "last_week": "whole", "minutes": "map", "last_week_minutes": "map",
                 "statuses": "map", "stores": "map"},
    "network": {"identity": "whole", "today": "whole", "alike": "whole", "last_week": "whole", "minutes": "map", "last_week_minutes": "map",
                "provinces": "map", "retailers": "map", "stores": "whole", "brands": "whole", "recent": "whole"},
}  # fmt: skip
"""Which sections of each kind of document change cell by cell and which are replaced whole."""


class Snapshot(msgspec.Struct, frozen=True):
    """The whole document: the answer of ``GET /v1/monitor/…``, and the data of an SSE event ``snapshot``."""

    topic: str
    """``store/6901234567892/2026-11-22``"""
    epoch: str
    """The process that numbers the frames: a sequence means something only within its epoch."""
    seq: int
    as_of: datetime
    """Everything committed up to this time is included."""
    newest: datetime | None
    """When the newest sale that this process has folded in was captured (start of its transaction)."""
    document: Any
    """A ``Document`` of the topic's kind."""


def ranked_stores(stores: dict[str, StoreCell]) -> list[tuple[str, StoreCell]]:
    """A retailer's stores as they are listed: by status in the order of ``TROUBLE``, then by value down, then by GLN."""
    order = {status: place for place, status in enumerate(TROUBLE)}
    return sorted(stores.items(), key=lambda item: (order[item[1].status], -item[1].value, item[0]))
