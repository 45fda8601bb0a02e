"""The network's state: the big screen's totals by province, retailer, brand and store, and the sales passing by."""

import heapq
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hutong.kernel.ids import uuid7
from hutong.monitor.atlas import Atlas
from hutong.monitor.documents import Alike, BrandRank, NetworkDocument, NetworkSale, ProvinceCell, RetailerCell
from hutong.monitor.fold import WEEK, Loaded, MinuteTally, Tally, Trading, identity, total
from hutong.monitor.ledger import KINDS, LedgerSale, day_literal
from hutong.monitor.ranking import Ranking
from hutong.monitor.states.brand import one_currency, store_rank
from hutong.monitor.states.retailer import counts
from hutong.monitor.states.store import keep_newest
from hutong.platform.database import Reader

TOP = 20
BEFORE, AFTER = timedelta(hours=2), timedelta(hours=6)
"""A day's passing sales are those whose ids were made within these of its first and last moment (in the retailer's zone)."""

# Each retailer's last keys by the primary key of sale_key, then the newest of those: no index of its own, whatever the day holds.
LOAD = """select json_build_object(
    'horizon', pg_current_snapshot()::text, 'as_of', now(),
    'minutes', (select coalesce(json_agg(json_build_array(minute, json_build_array(value, tickets, items, returns, return_value, voids))), '[]')
                from (select minute, sum(value) as value, sum(tickets) as tickets, sum(items) as items, sum(returns) as returns,
                             sum(return_value) as return_value, sum(voids) as voids from retailer_minute
                      where business_date = DAY and retailer_id = any (cast(:retailers as integer[])) group by minute) m),
    'week', (select coalesce(json_agg(json_build_array(minute, json_build_array(value, tickets, items, returns, return_value, voids))), '[]')
             from (select minute, sum(value) as value, sum(tickets) as tickets, sum(items) as items, sum(returns) as returns,
                          sum(return_value) as return_value, sum(voids) as voids from retailer_minute
                   where business_date = WEEK and retailer_id = any (cast(:retailers as integer[])) group by minute) m),
    'stores', (select coalesce(json_agg(json_build_array(store_id, json_build_array(value, tickets, items, returns, return_value, voids))), '[]')
               from store_day where business_date = DAY and retailer_id = any (cast(:retailers as integer[]))),
    'then', (select coalesce(json_agg(store_id), '[]')
             from store_day where business_date = WEEK and retailer_id = any (cast(:retailers as integer[]))),
    'brands', (select coalesce(json_agg(json_build_array(brand_id, value, quantity)), '[]')
               from (select brand_id, sum(value) as value, (sum(quantity) * 1000)::bigint as quantity from brand_day
                     where business_date = DAY and retailer_id = any (cast(:retailers as integer[])) group by brand_id) b),
    'recent', (select coalesce(json_agg(json_build_array(k.id, s.store_id, s.completed_at, s.kind, s.total)), '[]')
               from (select k.* from unnest(cast(:retailers as integer[]), cast(:lows as uuid[]), cast(:highs as uuid[])) r (id, low, high)
                     cross join lateral (
                         select * from sale_key where retailer_id = r.id and id >= r.low and id < r.high and business_date = DAY
                         order by id desc limit 20) k
                     order by k.id desc limit 20) k
               join sale s on s.retailer_id = k.retailer_id and s.store_id = k.store_id and s.business_date = DAY and s.id = k.id))::text"""


class RecentSale(msgspec.Struct, array_like=True):
    """One of the last sales in a load."""

    id: str
    store_id: int
    completed_at: datetime
    kind: int
    total: int


class LoadedNetwork(Loaded):
    """A load of the network."""

    minutes: list[MinuteTally]
    week: list[MinuteTally]
    stores: list[tuple[int, Tally]]
    then: list[int]
    brands: list[tuple[int, int, int]]
    recent: list[RecentSale]


class NetworkState(Trading):
    """The network's day, in one currency: the retailers that account in another are left out."""

    kind = "network"
    shape = NetworkDocument

    def __init__(
        self, atlas: Atlas, day: date, zone: str, currency: str, windows: dict[int, tuple[str, str]], loaded: LoadedNetwork
    ) -> None:
        super().__init__(day, zone, loaded, loaded.minutes, loaded.week)
        self.atlas = atlas
        self.currency = currency
        self.windows = windows
        """Retailers counted, with the ids that pass by."""
        self.provinces: dict[int, list[int]] = {each: [0, 0] for each in atlas.provinces}
        self.retailers: dict[int, list[int]] = {each: [0, 0] for each in windows}
        self.open_stores = {each: sum(counts(store.closed_on, day) for store in atlas.stores_of.get(each, [])) for each in atlas.retailers}
        self.stores: dict[int, Tally] = {}
        self.first_stores = Ranking(TOP, self.stores, lambda tally: tally.value)
        self.then = set(loaded.then)
        """Stores that traded on the same weekday last week."""
        for store_id, tally in loaded.stores:
            self.add(store_id, tally)
        self.alike = total(tally for store, tally in self.stores.items() if store in self.then)
        self.brands = {brand: [value, quantity] for brand, value, quantity in loaded.brands}
        self.recent: list[tuple[str, NetworkSale]] = []
        for each in loaded.recent:
            keep_newest(self.recent, each.id, self.maker(each.store_id, each.completed_at, each.kind, each.total))

    @staticmethod
    async def load(reader: Reader, atlas: Atlas, day: date, zone: str) -> "NetworkState":
        """The state as of the reader's snapshot."""
        traded = await reader.rows(f"select retailer_id from retailer_day where business_date = {day_literal(day)}")
        currency, retailers = one_currency(atlas, [each.retailer_id for each in traded])
        windows = {each: id_window(day, atlas.retailers[each].zone) for each in retailers}
        value = await reader.value(
            LOAD.replace("DAY", day_literal(day)).replace("WEEK", day_literal(day - WEEK)),
            retailers=list(windows), lows=[low for low, _ in windows.values()], highs=[high for _, high in windows.values()],
        )  # fmt: skip
        return NetworkState(atlas, day, zone, currency, windows, msgspec.json.decode(value, type=LoadedNetwork))

    def add(self, store_id: int, tally: Tally) -> None:
        """Add a store's trade to it, its retailer and its province."""
        place = self.atlas.stores[store_id]
        self.stores.setdefault(store_id, Tally()).add(tally)
        for sums in (self.retailers.setdefault(place.retailer_id, [0, 0]), self.provinces.setdefault(place.province, [0, 0])):
            sums[0] += tally.value
            sums[1] += tally.tickets
        self.first_stores.changed(store_id)

    def count(self, sale: LedgerSale) -> None:
        if self.atlas.currency(sale.retailer_id) != self.currency:
            return
        super().count(sale)
        if sale.business_date != self.day and sale.store_id not in self.then:
            self.then.add(sale.store_id)
            self.alike.add(self.stores.get(sale.store_id, Tally()))
            self.touch("alike")

    def count_today(self, sale: LedgerSale) -> None:
        tally = Tally()
        tally.count(sale)
        self.add(sale.store_id, tally)
        if sale.store_id in self.then:
            self.alike.add(tally)
            self.touch("alike")
        self.touch("retailers", sale.retailer_id)
        self.touch("provinces", self.atlas.stores[sale.store_id].province)
        self.touch("stores")
        for line in sale.lines:
            if line.brand_id is not None:
                sums = self.brands.setdefault(line.brand_id, [0, 0])
                sums[0] += line.amount
                sums[1] += line.quantity
                self.touch("brands")
        low, high = self.window(sale.retailer_id)
        if low <= sale.id < high and keep_newest(self.recent, sale.id, self.maker(sale.store_id, sale.completed_at, sale.kind, sale.total)):
            self.touch("recent")

    @property
    def traded(self) -> bool:
        """Whether anything was counted yet: until then the currency is not decided."""
        return bool(self.stores)

    def window(self, retailer_id: int) -> tuple[str, str]:
        """The ids of a retailer that pass by."""
        if retailer_id not in self.windows:
            self.windows[retailer_id] = id_window(self.day, self.atlas.retailers[retailer_id].zone)
        return self.windows[retailer_id]

    def maker(self, store_id: int, completed_at: datetime, kind: int, total: int) -> Any:
        """What makes a sale as it is shown, once it is known to be among the last."""
        place = self.atlas.stores[store_id]
        city = self.atlas.city_of(place)
        return lambda: NetworkSale(
            completed_at, self.atlas.named_store(place), city.name_zh, city.name_en, str(place.province), KINDS[kind], total
        )

    def keys(self, section: str) -> Iterable[Any]:
        match section:
            case "provinces":
                return self.provinces
            case "retailers":
                return self.retailers
        return super().keys(section)

    def cell(self, section: str, key: Any) -> tuple[str, Any]:
        match section:
            case "provinces":
                place, (value, tickets) = self.atlas.province(key), self.provinces[key]
                stores = self.atlas.counts.get(key, 0)
                return str(key), ProvinceCell(place.name_zh, place.name_en, place.column, place.row, place.trading, stores, value, tickets)
            case "retailers":
                retailer, (value, tickets) = self.atlas.retailers[key], self.retailers[key]
                return retailer.code, RetailerCell(retailer.name_zh, retailer.name_en, value, tickets, self.open_stores.get(key, 0))
        return super().cell(section, key)

    def section(self, section: str) -> Any:
        match section:
            case "identity":
                return identity(self, "network", "胡同", "hutong", self.currency)
            case "stores":
                sold = ((each, self.stores[each]) for each in self.first_stores.first())
                return [store_rank(self.atlas, each, tally.value, tally.tickets) for each, tally in sold]
            case "alike":
                return Alike(len(self.then), self.alike.figures())
            case "brands":
                best = heapq.nlargest(TOP, self.brands.items(), key=lambda item: (item[1][0], -item[0]))
                return [BrandRank(self.atlas.brands[brand].named, value, quantity) for brand, (value, quantity) in best]
            case "recent":
                return [each for _, each in self.recent]
        return super().section(section)


def id_window(day: date, zone: str) -> tuple[str, str]:
    """The least id that passes by on a day, and the least that no longer does."""
    start = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
    low, high = (uuid7(int(each.timestamp() * 1000), bytes(10)) for each in (start - BEFORE, end + AFTER))
    return str(low), str(high)
