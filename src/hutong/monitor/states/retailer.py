"""A retailer's state: its trade against last week, and every store of it against what is usual there."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hutong.monitor.atlas import Atlas
from hutong.monitor.documents import TROUBLE, RetailerDocument, Status, StoreCell
from hutong.monitor.fold import WEEK, Loaded, MinuteTally, Trading, identity
from hutong.monitor.habit import STEP_MINUTES, UNKNOWN, Habit, Span, span_of, status
from hutong.monitor.ledger import SALE, LedgerSale, day_literal
from hutong.platform.database import Reader

LOAD = """select json_build_object(
    'horizon', pg_current_snapshot()::text, 'as_of', now(),
    'minutes', (select coalesce(json_agg(json_build_array(minute, json_build_array(value, tickets, items, returns, return_value, voids))), '[]')
                from retailer_minute where business_date = DAY and retailer_id = :retailer),
    'week', (select coalesce(json_agg(json_build_array(minute, json_build_array(value, tickets, items, returns, return_value, voids))), '[]')
             from retailer_minute where business_date = WEEK and retailer_id = :retailer),
    'stores', (select coalesce(json_agg(json_build_array(store_id, value, tickets, last_minute)), '[]')
               from store_day where business_date = DAY and retailer_id = :retailer),
    'habits', (select coalesce(json_agg(habit), '[]')
               from usual_day where retailer_id = :retailer and weekday = :weekday))::text"""


class StoreTally(msgspec.Struct, array_like=True):
    """A store's day so far; ``last`` is the latest minute in which anything was rung up."""

    store_id: int
    value: int = 0
    tickets: int = 0
    last: int | None = None


class LoadedRetailer(Loaded):
    """A load of a retailer."""

    minutes: list[MinuteTally]
    week: list[MinuteTally]
    stores: list[StoreTally]
    habits: list[Habit]


class RetailerState(Trading):
    """One retailer's day."""

    kind = "retailer"
    shape = RetailerDocument

    def __init__(self, atlas: Atlas, retailer_id: int, day: date, loaded: LoadedRetailer) -> None:
        self.owner = atlas.retailers[retailer_id]
        super().__init__(day, self.owner.zone, loaded, loaded.minutes, loaded.week)
        self.atlas = atlas
        self.habits = {each.store_id: each for each in loaded.habits}
        self.stores = {each.id: StoreTally(each.id) for each in atlas.stores_of.get(retailer_id, []) if counts(each.closed_on, day)}
        self.stores |= {each.store_id: each for each in loaded.stores if each.store_id in atlas.stores}
        self.spans: dict[int, Span | None] = {each: span_of(bytes(atlas.stores[each].hours), day.weekday()) for each in self.stores}
        self.statuses: dict[int, Status] = {}
        self.status_counts: Counter[Status] = Counter()
        self.step: int | None = -1
        """The running minute in steps; what is usual is counted up to there."""

    @staticmethod
    async def load(reader: Reader, atlas: Atlas, retailer_id: int, day: date) -> "RetailerState":
        """The state as of the reader's snapshot."""
        sql = LOAD.replace("DAY", day_literal(day)).replace("WEEK", day_literal(day - WEEK))
        value = await reader.value(sql, retailer=retailer_id, weekday=day.isoweekday())
        return RetailerState(atlas, retailer_id, day, msgspec.json.decode(value, type=LoadedRetailer))

    def count_today(self, sale: LedgerSale) -> None:
        tally = self.stores.get(sale.store_id)
        if tally is None:
            tally = self.stores[sale.store_id] = StoreTally(sale.store_id)
            self.spans[sale.store_id] = span_of(bytes(self.atlas.stores[sale.store_id].hours), self.day.weekday())
        tally.value += sale.total
        tally.tickets += sale.kind == SALE
        tally.last = sale.minute if tally.last is None else max(tally.last, sale.minute)
        self.judge(sale.store_id)
        self.touch("stores", sale.store_id)

    def moved(self, minute: int | None) -> None:
        super().moved(minute)
        step = None if minute is None else minute - minute % STEP_MINUTES
        if step != self.step:
            self.step = step
            for store_id in self.stores:
                self.judge(store_id)
                self.touch("stores", store_id)

    def judge(self, store_id: int) -> None:
        """Find a store's status anew."""
        if self.step == -1:  # nobody has looked at the clock yet; the first look judges all
            return
        tally = self.stores[store_id]
        found = status(self.spans[store_id], self.habits.get(store_id, UNKNOWN), self.step, tally.tickets, tally.last)
        before = self.statuses.get(store_id)
        if found != before:
            self.statuses[store_id] = found
            self.status_counts[found] += 1
            self.touch("statuses", found)
            if before is not None:
                self.status_counts[before] -= 1
                self.touch("statuses", before)

    def keys(self, section: str) -> Iterable[Any]:
        match section:
            case "stores":
                return self.stores
            case "statuses":
                return TROUBLE
        return super().keys(section)

    def cell(self, section: str, key: Any) -> tuple[str, Any]:
        match section:
            case "stores":
                return self.store_cell(key)
            case "statuses":
                return key, self.status_counts[key]
        return super().cell(section, key)

    def store_cell(self, store_id: int) -> tuple[str, StoreCell]:
        """A store with its figures, what is usual by now, and its status."""
        place, tally, habit = self.atlas.stores[store_id], self.stores[store_id], self.habits.get(store_id, UNKNOWN)
        city, until = self.atlas.city_of(place), 1440 if self.step is None else self.step
        return place.gln, StoreCell(
            place.name_zh, place.name_en, str(place.province), city.name_zh, city.name_en, tally.value, tally.tickets,
            moment(self.day, tally.last, place.zone), habit.value_to(until), habit.tickets_to(until), self.statuses[store_id],
        )  # fmt: skip

    def section(self, section: str) -> Any:
        if section == "identity":
            return identity(self, self.owner.code, self.owner.name_zh, self.owner.name_en, self.owner.currency)
        return super().section(section)


def counts(closed_on: date | None, day: date) -> bool:
    """Whether a store is still there on a day."""
    return closed_on is None or closed_on >= day


@lru_cache(maxsize=20_000)
def moment(day: date, minute: int | None, zone: str) -> datetime | None:
    """A minute of a store's day as a moment in UTC."""
    if minute is None:
        return None
    return datetime.combine(day, time(minute // 60, minute % 60), ZoneInfo(zone)).astimezone(UTC)
