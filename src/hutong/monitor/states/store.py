"""A store's state: today against last week, the last sales, the top products, the tills."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec

from hutong.monitor.atlas import Atlas, StorePlace, product_named
from hutong.monitor.documents import Named, ProductRank, SalePassing, StoreDocument, StoreIdentity, TillLife
from hutong.monitor.fold import RECENT, WEEK, Loaded, MinuteTally, Trading
from hutong.monitor.ledger import KINDS, SALE, LedgerLine, LedgerSale, day_literal
from hutong.monitor.ranking import Ranking
from hutong.platform.database import Reader

TOP = 10

LOAD = """select json_build_object(
    'horizon', pg_current_snapshot()::text, 'as_of', now(),
    'minutes', (select coalesce(json_agg(json_build_array(minute, json_build_array(value, tickets, items, returns, return_value, voids))), '[]')
                from store_minute where retailer_id = :retailer and store_id = :store and business_date = DAY),
    'week', (select coalesce(json_agg(json_build_array(minute, json_build_array(value, tickets, items, returns, return_value, voids))), '[]')
             from store_minute where retailer_id = :retailer and store_id = :store and business_date = WEEK),
    'recent', (select coalesce(json_agg(json_build_array(0, s.id, s.retailer_id, s.store_id, s.business_date, t.code, t.name, s.receipt, s.kind,
                      s.completed_at, s.captured_at, s.minute, s.total, s.items, s.line_count, l.lines) order by s.id desc), '[]')
               from (select * from sale where retailer_id = :retailer and store_id = :store and business_date = DAY
                     order by id desc limit 20) s
               join till t on t.retailer_id = s.retailer_id and t.store_id = s.store_id and t.id = s.till_id
               cross join lateral (
                   select coalesce(json_agg(json_build_array(l.line, l.product_id, l.brand_id, (l.quantity * 1000)::bigint, l.amount, p.gtin,
                                            coalesce(p.code, l.code), p.name_zh, p.name_en) order by l.line), '[]') as lines
                   from sale_line l join product p on p.id = l.product_id
                   where l.retailer_id = s.retailer_id and l.sale_id = s.id and l.business_date = DAY and l.line <= 3) l),
    'products', (select coalesce(json_agg(json_build_array(h.product_id, h.value, (h.quantity * 1000)::bigint, p.gtin, p.code, p.name_zh,
                                                           p.name_en)), '[]')
                 from (select l.product_id, sum(l.amount) as value, sum(l.quantity) as quantity
                       from sale s join sale_line l on l.retailer_id = s.retailer_id and l.sale_id = s.id and l.business_date = DAY
                       where s.retailer_id = :retailer and s.store_id = :store and s.business_date = DAY group by l.product_id) h
                 join product p on p.id = h.product_id),
    'tills', (select coalesce(json_agg(json_build_array(t.code, t.name, t.last_seen_at, s.last, coalesce(s.tickets, 0),
                                                        t.revoked_at is not null)), '[]')
              from till t left join (
                  select till_id, max(completed_at) as last, count(*) filter (where kind = 1) as tickets from sale
                  where retailer_id = :retailer and store_id = :store and business_date = DAY group by till_id) s on s.till_id = t.id
              where t.retailer_id = :retailer and t.store_id = :store))::text"""


class LoadedProduct(msgspec.Struct, array_like=True):
    """A product's trade in a load; quantity in thousandths."""

    product_id: int
    value: int
    quantity: int
    gtin: str | None
    code: str | None
    name_zh: str
    name_en: str


class Till(msgspec.Struct, array_like=True):
    """A till as it is counted on."""

    code: str
    name: str
    seen: datetime | None
    last: datetime | None
    tickets: int
    revoked: bool


class LoadedStore(Loaded):
    """A load of a store."""

    minutes: list[MinuteTally]
    week: list[MinuteTally]
    recent: list[LedgerSale]
    products: list[LoadedProduct]
    tills: list[Till]


class ProductTally:
    """Products with their value and quantity, and the first of them."""

    def __init__(self, products: Iterable[LoadedProduct], first: int) -> None:
        self.sums: dict[int, list[int]] = {}
        self.ranking = Ranking(first, self.sums, lambda sums: sums[0])
        self.names: dict[int, Named] = {}
        for each in products:
            self.sums[each.product_id] = [each.value, each.quantity]
            self.names[each.product_id] = product_named(each.gtin, each.code, each.name_zh, each.name_en)

    def count(self, line: LedgerLine) -> None:
        """Count a line."""
        sums = self.sums.get(line.product_id)
        if sums is None:
            self.sums[line.product_id] = [line.amount, line.quantity]
            self.names[line.product_id] = named_of(line)
        else:
            sums[0] += line.amount
            sums[1] += line.quantity
        self.ranking.changed(line.product_id)

    def top(self) -> list[ProductRank]:
        """The first by value; at the same value the one known longer."""
        return [ProductRank(self.names[each], *self.sums[each]) for each in self.ranking.first()]


class StoreState(Trading):
    """One store's day."""

    kind = "store"
    shape = StoreDocument

    def __init__(self, atlas: Atlas, place: StorePlace, day: date, loaded: LoadedStore) -> None:
        super().__init__(day, place.zone, loaded, loaded.minutes, loaded.week)
        self.atlas = atlas
        self.place = place
        self.products = ProductTally(loaded.products, TOP)
        self.tills = {each.code: each for each in loaded.tills}
        self.recent = [(each.id, passing(each)) for each in loaded.recent]

    @staticmethod
    async def load(reader: Reader, atlas: Atlas, store_id: int, day: date) -> "StoreState":
        """The state as of the reader's snapshot."""
        place = atlas.stores[store_id]
        sql = LOAD.replace("DAY", day_literal(day)).replace("WEEK", day_literal(day - WEEK))
        loaded = msgspec.json.decode(await reader.value(sql, retailer=place.retailer_id, store=store_id), type=LoadedStore)
        return StoreState(atlas, place, day, loaded)

    def count_today(self, sale: LedgerSale) -> None:
        for line in sale.lines:
            self.products.count(line)
        if sale.lines:
            self.touch("products")
        till = self.tills.setdefault(sale.till, Till(sale.till, sale.till_name, None, None, 0, False))
        till.last = max(till.last, sale.completed_at) if till.last is not None else sale.completed_at
        till.tickets += sale.kind == SALE
        self.touch("tills", sale.till)
        if keep_newest(self.recent, sale.id, lambda: passing(sale)):
            self.touch("recent")

    def seen(self, code: str, at: datetime | None, revoked: bool) -> bool:
        """Take a till's last sign of life, as the directory has it now; whether that is news."""
        till = self.tills.get(code)
        if till is None or (till.seen, till.revoked) == (at, revoked):
            return False
        till.seen, till.revoked = at, revoked
        self.touch("tills", code)
        return True

    def keys(self, section: str) -> Iterable[Any]:
        return self.tills if section == "tills" else super().keys(section)

    def cell(self, section: str, key: Any) -> tuple[str, Any]:
        if section != "tills":
            return super().cell(section, key)
        till = self.tills[key]
        return key, TillLife(till.name, till.seen, till.last, till.tickets, till.revoked)

    def section(self, section: str) -> Any:
        match section:
            case "identity":
                return self.identity()
            case "recent":
                return [each for _, each in self.recent]
            case "products":
                return self.products.top()
        return super().section(section)

    def identity(self) -> StoreIdentity:
        """The store with its place and retailer."""
        place, retailer = self.place, self.atlas.retailers[self.place.retailer_id]
        province, city = self.atlas.provinces.get(place.province), self.atlas.cities.get(place.city)
        return StoreIdentity(
            code=place.gln, name_zh=place.name_zh, name_en=place.name_en, currency=retailer.currency, retailer=retailer.named,
            province=Named(str(province.code), province.name_zh, province.name_en) if province else None,
            city=Named(str(city.code), city.name_zh, city.name_en) if city else None,
            format=place.format, address=place.address, **self.identity_fields(),
        )  # fmt: skip


def named_of(line: LedgerLine) -> Named:
    """A line's product as documents show it."""
    return product_named(line.gtin, line.code, line.name_zh, line.name_en)


def passing(sale: LedgerSale) -> SalePassing:
    """A sale among the last ones of its store."""
    return SalePassing(
        sale.id, KINDS[sale.kind], sale.receipt, sale.till, sale.completed_at, sale.total, sale.items, sale.line_count,
        [named_of(each) for each in sale.lines[:3]],
    )  # fmt: skip


def keep_newest(recent: list[tuple[Any, Any]], key: Any, make: Any) -> bool:
    """Put what ``make`` makes among the last 20, which stand in falling order of their keys; False if it is older than all of them.

    The order is that of ids, made when the sale was (UUIDv7), not that of commits: it is the same in whatever order news comes.
    """
    if len(recent) >= RECENT and key <= recent[-1][0]:
        return False
    place = next((index for index, (other, _) in enumerate(recent) if key > other), len(recent))
    recent.insert(place, (key, make()))
    del recent[RECENT:]
    return True
