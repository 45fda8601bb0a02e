"""What is known of live payments in this process: one payment for its till, and a store's payments of a day."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from hutong.kernel.errors import NotFound
from hutong.kernel.ids import time_of
from hutong.payments.machine import OPEN
from hutong.payments.views import COLUMNS, REFUND, TABLES, whole_view
from hutong.payments.wire import PaymentView
from hutong.platform.database import Reader
from hutong.platform.tail import Horizon

SHOWN = 80
"""The newest payments of a day that a store's document holds; those that are open are there beside them, however old."""
MOST_OF_A_DAY = 20_000
MOST_OPEN = 500
UNCLAIMED_AFTER = timedelta(minutes=15)
"""A payment that no sale has claimed for so long stands out: was it rung up at all?"""
OLDEST_ID = timedelta(hours=27)
"""How long before a payment was recorded its id may have been made; a little more than the desk allows."""
OPEN_STATES = frozenset({*(each.value for each in OPEN), "refunding"})
"""What somebody has to wait for or look at."""

LIVE = f"select {COLUMNS}, p.changed_at {TABLES}"
STAMP = "select pg_current_snapshot()::text as horizon, now() as as_of"
PLACE = """select s.id, s.retailer_id, s.gln as code, s.name_zh, s.name_en, s.zone, r.code as retailer, r.name_zh as retailer_zh, r.name_en as retailer_en
    from store s join retailer r on r.id = s.retailer_id where s.id = :store"""
OF_DAY = f"""{LIVE} where p.store_id = :store and p.id >= :first and p.id < :beyond and p.made_at >= :begins and p.made_at < :ends
    order by p.id desc limit {MOST_OF_A_DAY}"""
OPEN_NOW = f"""{LIVE} where p.store_id = :store and p.state in ('sending', 'unknown', 'waiting', 'cancelling', 'refunding')
    order by p.id desc limit {MOST_OPEN}"""


class PaymentKey(NamedTuple):
    """The topic of one payment in one language."""

    id: UUID
    retailer_id: int
    store_id: int
    locale: str


class StoreKey(NamedTuple):
    """The topic of a store's payments of one day of its calendar."""

    store_id: int
    day: date


class PaymentRow(msgspec.Struct, frozen=True):
    """A payment in a store's list. ``claimed``: a sale has named it as its tender."""

    id: UUID
    made_at: datetime
    changed_at: datetime
    till: str
    amount: int
    method: str
    state: str
    who_fixes: str
    refunded: int
    refund_pending: int
    claimed: bool


class Sum(msgspec.Struct):
    """How many, and how much in fen."""

    count: int = 0
    amount: int = 0


class Unclaimed(msgspec.Struct, frozen=True):
    """Paid, given back in no part, and claimed by no sale for longer than a quarter of an hour."""

    count: int = 0
    amount: int = 0
    oldest: datetime | None = None


class StoreIdentity(msgspec.Struct, frozen=True):
    """Whose payments these are, of which day."""

    kind: str
    code: str
    name_zh: str
    name_en: str
    retailer: dict[str, str]
    zone: str
    currency: str
    business_date: date
    today: bool


class StorePaymentsDocument(msgspec.Struct, frozen=True):
    """A store's payments of a day. ``totals`` by state; ``rows``: the newest 80 and all open ones, by id."""

    identity: StoreIdentity
    totals: dict[str, Sum]
    refunded: Sum
    unclaimed: Unclaimed
    rows: dict[str, PaymentRow]


class ProgressDocument(msgspec.Struct, frozen=True):
    """One payment, whole."""

    payment: PaymentView


class Changed(msgspec.Struct, frozen=True):
    """A payment as it is after something happened to it in the transaction ``xid``; ``keys`` are the topics that it is news for."""

    xid: int
    keys: tuple[PaymentKey | StoreKey, ...]
    row: dict[str, Any]
    refunds: list[dict[str, Any]]


def row_of(row: Mapping[Any, Any]) -> PaymentRow:
    """A list's row of a payment from ``LIVE``."""
    return PaymentRow(
        row["id"], row["made_at"], row["changed_at"], row["till"], row["amount"], row["method"], row["state"], row["who_fixes"],
        row["refunded"], row["refund_pending"], row["claimed_by"] is not None,
    )  # fmt: skip


def hours_of(day: date, zone: str) -> tuple[datetime, datetime]:
    """When a day of a zone's calendar begins and ends, in UTC."""
    begins = datetime.combine(day, time(), ZoneInfo(zone))
    return begins.astimezone(UTC), datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def first_id(at: datetime) -> UUID:
    """Not greater than any UUIDv7 made at this moment or later."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def refunds_since(payment: UUID) -> UUID:
    """The first id that a refund of this payment can have: months before it need not be looked through."""
    return first_id(time_of(payment) - timedelta(days=2))


class PaymentState:
    """One payment in one language."""

    def __init__(self, horizon: Horizon, as_of: datetime, key: PaymentKey, view: PaymentView) -> None:
        self.horizon = horizon
        self.as_of = as_of
        self.newest: datetime | None = None
        self.key = key
        self.view = view
        self._changed = False

    @staticmethod
    async def load(reader: Reader, key: PaymentKey) -> "PaymentState":
        """As of the reader's snapshot. Raises NotFound."""
        stamp = await reader.row(STAMP)
        row = await reader.row(f"{LIVE} where p.retailer_id = :retailer and p.id = :id", retailer=key.retailer_id, id=key.id)
        if row is None or stamp is None:
            raise NotFound
        refunds = await reader.rows(
            f"{REFUND} where retailer_id = :retailer and payment_id = :id and id >= :since order by id",
            retailer=key.retailer_id, id=key.id, since=refunds_since(key.id),
        )  # fmt: skip
        view = _view(dict(row._mapping), [dict(each._mapping) for each in refunds], key.locale)
        return PaymentState(Horizon.of(stamp.horizon), stamp.as_of, key, view)

    def document(self, _now: datetime) -> ProgressDocument:
        return ProgressDocument(self.view)

    def apply(self, item: Changed) -> None:
        """Take the payment as it is now."""
        self.view = _view(item.row, item.refunds, self.key.locale)
        self.newest = item.row["changed_at"]
        self._changed = True

    def changes(self, _now: datetime) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        changed, self._changed = self._changed, False
        return ({"payment": self.view} if changed else {}), {}


def _view(row: dict[str, Any], refunds: list[dict[str, Any]], locale: str) -> PaymentView:
    return whole_view({key: value for key, value in row.items() if key != "changed_at"}, refunds, locale)


class StoreState:
    """A store's payments of a day, with those of other days that are still open."""

    def __init__(self, horizon: Horizon, as_of: datetime, key: StoreKey, place: Mapping[Any, Any], rows: Iterable[PaymentRow]) -> None:
        self.horizon = horizon
        self.as_of = as_of
        self.newest: datetime | None = None
        self.key = key
        self.place = place
        self.begins, self.ends = hours_of(key.day, place["zone"])
        self.rows: dict[UUID, PaymentRow] = {}
        self.totals: dict[str, Sum] = {}
        self.refunded = Sum()
        self._waiting: set[UUID] = set()
        """Paid ones that no sale has claimed yet."""
        self._touched: set[UUID] = set()
        self._sent: set[UUID] = set()
        self._said: tuple[Any, ...] = ()
        for row in rows:
            self.put(row)
        self._touched.clear()

    @staticmethod
    async def load(reader: Reader, key: StoreKey) -> "StoreState":
        """As of the reader's snapshot. Raises NotFound."""
        stamp, place = await reader.row(STAMP), await reader.row(PLACE, store=key.store_id)
        if place is None or stamp is None:
            raise NotFound
        begins, ends = hours_of(key.day, place.zone)
        today = await reader.rows(
            OF_DAY, store=key.store_id, first=first_id(begins - OLDEST_ID), beyond=first_id(ends + timedelta(minutes=10)), begins=begins, ends=ends
        )  # fmt: skip
        still = await reader.rows(OPEN_NOW, store=key.store_id)
        rows = [row_of(row._mapping) for row in (*today, *still)]
        return StoreState(Horizon.of(stamp.horizon), stamp.as_of, key, place._mapping, rows)

    def put(self, row: PaymentRow) -> None:
        """Take a payment as it is now; counted once, under the state that it has."""
        before = self.rows.pop(row.id, None)
        if before is not None:
            self._count(before, -1)
        self._waiting.discard(row.id)
        self._touched.add(row.id)
        if not (self._of_day(row) or row.state in OPEN_STATES):
            return
        self.rows[row.id] = row
        self._count(row, 1)
        if row.state == "paid" and not row.claimed and not row.refunded and not row.refund_pending:
            self._waiting.add(row.id)

    def _of_day(self, row: PaymentRow) -> bool:
        return self.begins <= row.made_at < self.ends

    def _count(self, row: PaymentRow, sign: int) -> None:
        if not self._of_day(row):
            return
        total = self.totals.setdefault(row.state, Sum())
        self.totals[row.state] = Sum(total.count + sign, total.amount + sign * row.amount)
        if row.refunded and row.state == "paid":
            self.refunded = Sum(self.refunded.count + sign, self.refunded.amount + sign * row.refunded)

    def apply(self, item: Changed) -> None:
        """Take a payment as it is now, unless it is of another day and settled."""
        self.put(row_of(item.row))
        self.newest = item.row["changed_at"]

    def document(self, now: datetime) -> StorePaymentsDocument:
        shown = self._shown()
        return StorePaymentsDocument(
            self.identity(now), self._totals(), self.refunded, self._unclaimed(now), {str(each): self.rows[each] for each in shown}
        )

    def changes(self, now: datetime) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        touched, self._touched = self._touched, set()
        shown = self._shown()
        cells: dict[str, Any] = {str(each): self.rows[each] for each in shown if each in touched or each not in self._sent}
        cells |= {str(each): None for each in self._sent - shown}
        self._sent = shown
        said = {"totals": self._totals(), "refunded": self.refunded, "unclaimed": self._unclaimed(now)}
        before, self._said = self._said, tuple(said.values())
        sections = {name: value for (name, value), old in zip(said.items(), before or (None,) * 3, strict=True) if value != old}
        return sections, ({"rows": cells} if cells else {})

    def identity(self, now: datetime) -> StoreIdentity:
        place = self.place
        return StoreIdentity(
            "store", place["code"], place["name_zh"], place["name_en"],
            {"code": place["retailer"], "name_zh": place["retailer_zh"], "name_en": place["retailer_en"]},
            place["zone"], "CNY", self.key.day, now.astimezone(ZoneInfo(place["zone"])).date() == self.key.day,
        )  # fmt: skip

    def _totals(self) -> dict[str, Sum]:
        return {state: total for state, total in self.totals.items() if total.count}

    def _shown(self) -> set[UUID]:
        newest = sorted(self.rows, reverse=True)[:SHOWN]
        return {*newest, *(each for each, row in self.rows.items() if row.state in OPEN_STATES)}

    def _unclaimed(self, now: datetime) -> Unclaimed:
        late = [row for each in self._waiting if (row := self.rows[each]).changed_at <= now - UNCLAIMED_AFTER]
        return Unclaimed(len(late), sum(row.amount for row in late), min((row.changed_at for row in late), default=None))


def day_now(zone: str, now: datetime) -> date:
    """The day that a zone's calendar shows."""
    return now.astimezone(ZoneInfo(zone)).date()
