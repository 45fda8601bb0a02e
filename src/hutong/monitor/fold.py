"""What states of topics have in common: sums of trade, curves, and which cells changed since the last frame."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from hutong.kernel.money import divide_half_up
from hutong.monitor.documents import SECTIONS, Figures, Identity, Kind, Past, Point
from hutong.monitor.ledger import RETURN, SALE, VOID, LedgerSale
from hutong.platform.tail import Horizon

WEEK = timedelta(days=7)
RECENT = 20


class Loaded(msgspec.Struct):
    """What every load answers besides its totals."""

    horizon: str
    as_of: datetime
    """When the load's transaction began: not later than its snapshot, as ``statement_timestamp()`` would be."""


class Tally(msgspec.Struct, array_like=True):
    """Sums of trade in some span; the columns of store_minute."""

    value: int = 0
    tickets: int = 0
    items: int = 0
    returns: int = 0
    return_value: int = 0
    voids: int = 0

    def add(self, other: "Tally") -> None:
        """Add another span's sums."""
        self.value += other.value
        self.tickets += other.tickets
        self.items += other.items
        self.returns += other.returns
        self.return_value += other.return_value
        self.voids += other.voids

    def count(self, sale: LedgerSale) -> None:
        """Count a sale as capture does (0001_capture.sql): tickets and items of sales only, returns positive, voids without value."""
        self.value += sale.total
        if sale.kind == SALE:
            self.tickets += 1
            self.items += sale.items
        elif sale.kind == RETURN:
            self.returns += 1
            self.return_value -= sale.total
        elif sale.kind == VOID:
            self.voids += 1

    def figures(self) -> Figures:
        """The sums as documents show them."""
        tickets = self.tickets
        return Figures(
            self.value, tickets, self.items, self.returns, self.return_value, self.voids,
            divide_half_up(self.value + self.return_value, tickets) if tickets else None,
            divide_half_up(self.items * 100, tickets) if tickets else None,
        )  # fmt: skip


class MinuteTally(msgspec.Struct, array_like=True):
    """One minute of a load."""

    minute: int
    tally: Tally


class Folded:
    """A state: loaded by SQL once, then counted on. A subclass says what its sections hold; this keeps what is to be sent.

    Changed cells and sections are sent as values. A whole section that came out as it was last sent is left out, unless
    somebody was given a whole document meanwhile.
    """

    kind: ClassVar[Kind]
    shape: ClassVar[type[Any]]

    def __init__(self, day: date, zone: str, loaded: Loaded) -> None:
        self.day = day
        self.zone = ZoneInfo(zone)
        self.horizon = Horizon.of(loaded.horizon)
        self.as_of = loaded.as_of
        self.newest: datetime | None = None
        self.minute: int | None = -1
        """The running minute of the day, None when the day is not running; -1 before the first look at the clock."""
        self._cells: dict[str, set[Any]] = {}
        self._whole: set[str] = set()
        self._must: set[str] = set()
        self._sent: dict[str, Any] = {}

    # what a subclass says ------------------------------------------------------------------------------------------

    def keys(self, section: str) -> Iterable[Any]:
        """The inner keys of a map section."""
        raise NotImplementedError

    def cell(self, section: str, key: Any) -> tuple[str, Any]:
        """A map section's key as shown and its cell, None when there is nothing to show."""
        raise NotImplementedError

    def section(self, section: str) -> Any:
        """A section that is replaced whole."""
        raise NotImplementedError

    def count(self, sale: LedgerSale) -> None:
        """Count a sale."""
        raise NotImplementedError

    def moved(self, minute: int | None) -> None:
        """The clock moved on to another minute of the day (None: the day is not running)."""

    # what the hub asks ---------------------------------------------------------------------------------------------

    def apply(self, item: Any) -> None:
        """Count one sale."""
        self.newest = max(self.newest, item.captured_at) if self.newest is not None else item.captured_at
        self.count(item)

    def document(self, now: datetime) -> Any:
        """The whole document at ``now``."""
        self._tick(now)
        self._must |= self._whole
        return self.shape(**{name: self._build(name, how) for name, how in SECTIONS[self.kind].items()})

    def changes(self, now: datetime) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Sections to set and cells to merge since the last call."""
        self._tick(now)
        sections: dict[str, Any] = {}
        for name in self._whole:
            value = self.section(name)
            if name in self._must or name not in self._sent or self._sent[name] != value:
                sections[name] = self._sent[name] = value
        cells = {name: dict(self.cell(name, key) for key in keys) for name, keys in self._cells.items() if keys}
        self._whole, self._must, self._cells = set(), set(), {}
        return sections, cells

    # for subclasses ------------------------------------------------------------------------------------------------

    def touch(self, section: str, key: Any = None) -> None:
        """A section, or one cell of a map section, is to be sent."""
        if key is None:
            self._whole.add(section)
        else:
            self._cells.setdefault(section, set()).add(key)

    def identity_fields(self) -> dict[str, Any]:
        """The fields of ``Identity`` that the clock decides."""
        return {"kind": self.kind, "business_date": self.day, "zone": self.zone.key, "today": self.minute is not None}

    def _build(self, name: str, how: str) -> Any:
        if how == "whole":
            return self.section(name)
        return {key: cell for key, cell in (self.cell(name, each) for each in list(self.keys(name))) if cell is not None}

    def _tick(self, now: datetime) -> None:
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute if local.date() == self.day else None
        if minute != self.minute:
            if (minute is None) != (self.minute is None):
                self.touch("identity")
            self.minute = minute
            self.moved(minute)


class Trading(Folded):
    """A state with today's and last week's curve: of a store, a retailer or the network."""

    def __init__(self, day: date, zone: str, loaded: Loaded, minutes: Iterable[MinuteTally], week: Iterable[MinuteTally]) -> None:
        super().__init__(day, zone, loaded)
        self.minutes = {each.minute: each.tally for each in minutes}
        self.week = {each.minute: each.tally for each in week}
        self.today = total(self.minutes.values())

    def count(self, sale: LedgerSale) -> None:
        today = sale.business_date == self.day
        curve = self.minutes if today else self.week
        curve.setdefault(sale.minute, Tally()).count(sale)
        self.touch("minutes" if today else "last_week_minutes", sale.minute)
        if today:
            self.today.count(sale)
            self.touch("today")
            self.count_today(sale)
        else:
            self.touch("last_week")

    def count_today(self, sale: LedgerSale) -> None:
        """Count a sale of the document's own day."""
        raise NotImplementedError

    def moved(self, minute: int | None) -> None:
        self.touch("last_week")

    def keys(self, section: str) -> Iterable[Any]:
        return self.minutes if section == "minutes" else self.week

    def cell(self, section: str, key: Any) -> tuple[str, Any]:
        tally = (self.minutes if section == "minutes" else self.week)[key]
        return str(key), point(tally.value, tally.tickets)

    def section(self, section: str) -> Any:
        return self.today.figures() if section == "today" else self.past()

    def past(self) -> Past:
        """Last week's same weekday: up to and with the minute that runs now, and as a whole."""
        to_minute = 1440 if self.minute is None else self.minute + 1
        so_far, whole = total(tally for minute, tally in self.week.items() if minute < to_minute), total(self.week.values())
        return Past(self.day - WEEK, to_minute, so_far.figures(), whole.value, whole.tickets)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of some spans."""
    result = Tally()
    for each in tallies:
        result.add(each)
    return result


def point(value: int, count: int) -> Point | None:
    """A point of a curve, None where nothing happened."""
    return (value, count) if value or count else None


def identity(state: Folded, code: str, name_zh: str, name_en: str, currency: str) -> Identity:
    """Whose document it is."""
    return Identity(code=code, name_zh=name_zh, name_en=name_en, currency=currency, **state.identity_fields())
