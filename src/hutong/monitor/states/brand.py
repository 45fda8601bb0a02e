"""A brand's state: its own lines in every retailer's stores, without baskets, tills or members."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from hutong.monitor.atlas import Atlas, StorePlace, product_named
from hutong.monitor.documents import (
    BrandCell,
    BrandDocument,
    BrandFigures,
    Launch,
    LinePassing,
    Stopped,
    StoppedStore,
    StoreRank,
)
from hutong.monitor.fold import Folded, Loaded, identity, point
from hutong.monitor.ledger import LedgerLine, LedgerSale, day_literal
from hutong.monitor.ranking import Ranking
from hutong.monitor.states.store import LoadedProduct, ProductTally, keep_newest, named_of
from hutong.platform.database import Database, Reader

TOP = 20
LAUNCH_DAYS = 90
LAUNCHES = 5
HABIT_DAYS = 4
"""On how many of the seven days before a store must have sold the brand to count as a seller of it."""

# Two statements, at once, on two connections with one snapshot: each reads rows that lie scattered over the whole day. Words in
# capitals are written into them.
LOAD = f"""
with minutes as materialized (
    select province_code, minute, sum(value) as value, (sum(quantity) * 1000)::bigint as quantity, sum(lines) as lines
    from brand_minute where brand_id = :brand and business_date = DAY and RETAILERS
    group by grouping sets ((province_code), (minute)))
select json_build_object(
    'horizon', pg_current_snapshot()::text, 'as_of', now(),
    'minutes', (select coalesce(json_agg(json_build_array(minute, value, quantity)), '[]') from minutes where minute is not null),
    'retailers', (select coalesce(json_agg(json_build_array(retailer_id, json_build_array(value, (quantity * 1000)::bigint, lines))), '[]')
                  from brand_day where brand_id = :brand and business_date = DAY and RETAILERS),
    'provinces', (select coalesce(json_agg(json_build_array(province_code, json_build_array(value, quantity, lines))), '[]')
                  from minutes where province_code is not null),
    'recent', (select coalesce(json_agg(json_build_array(l.sale_id, l.store_id, s.completed_at, json_build_array(l.line, l.product_id,
                      l.brand_id, (l.quantity * 1000)::bigint, l.amount, p.gtin, coalesce(p.code, l.code), p.name_zh, p.name_en))), '[]')
               from (select * from sale_line where brand_id = :brand and business_date = DAY
                     and RETAILERS order by sale_id desc, line limit 20) l
               join sale s on s.retailer_id = l.retailer_id and s.store_id = l.store_id and s.business_date = DAY and s.id = l.sale_id
               join product p on p.id = l.product_id),
    'launches', (select coalesce(json_agg(json_build_array(p.id, p.launched_on, p.gtin, p.code, p.name_zh, p.name_en, (
                        select coalesce(json_agg(json_build_array(d.business_date - p.launched_on, d.value, (d.quantity * 1000)::bigint)
                                                 order by d.business_date), '[]')
                        from launch_day d where d.brand_id = :brand and d.product_id = p.id and d.business_date < DAY
                        and d.business_date >= p.launched_on)) order by p.launched_on desc, p.id), '[]')
                 from (select * from product where brand_id = :brand and launched_on between DAY - {LAUNCH_DAYS} and DAY
                       order by launched_on desc, id limit {LAUNCHES}) p),
    'sellers', (select coalesce(json_agg(json_build_array(store_id, days, value, latest_start, last_on)), '[]')
                from usual_brand where brand_id = :brand and days >= {HABIT_DAYS}
                and exists (select from usual_state where name = 'brands' and day = DAY)))::text"""

LOAD_HOURS = """
with hours as materialized (
    select store_id, product_id, sum(value) as value, (sum(quantity) * 1000)::bigint as quantity, sum(lines) as lines
    from product_hour where brand_id = :brand and business_date = DAY and RETAILERS
    and product_id = any (PRODUCTS)
    group by grouping sets ((store_id), (product_id)))
select json_build_object(
    'stores', (select coalesce(json_agg(json_build_array(store_id, json_build_array(value, quantity, lines))), '[]')
               from hours where store_id is not null),
    'products', (select coalesce(json_agg(json_build_array(h.product_id, h.value, h.quantity, p.gtin, p.code, p.name_zh, p.name_en)), '[]')
                 from hours h join product p on p.id = h.product_id where h.product_id is not null))::text"""


class Sums(msgspec.Struct, array_like=True):
    """A brand's trade somewhere; quantity in thousandths."""

    value: int = 0
    quantity: int = 0
    lines: int = 0

    def count(self, line: LedgerLine) -> None:
        """Count a line."""
        self.value += line.amount
        self.quantity += line.quantity
        self.lines += 1


class RecentLine(msgspec.Struct, array_like=True):
    """One of the last lines in a load."""

    sale_id: str
    store_id: int
    completed_at: datetime
    line: LedgerLine


class LaunchedProduct(msgspec.Struct, array_like=True):
    """A product that was launched lately, with its days before this one."""

    product_id: int
    launched_on: date
    gtin: str | None
    code: str | None
    name_zh: str
    name_en: str
    days: list[tuple[int, int, int]]


class Seller(msgspec.Struct, array_like=True):
    """A store that sold the brand in the seven days before: ``latest_start`` is the hour by which each of its days had begun."""

    store_id: int
    days: int
    value: int
    latest_start: int
    last_on: date


class LoadedHours(msgspec.Struct):
    """The half of a load that comes from product_hour."""

    stores: list[tuple[int, Sums]]
    products: list[LoadedProduct]


class LoadedBrand(Loaded):
    """The other half of a load of a brand."""

    minutes: list[tuple[int, int, int]]
    retailers: list[tuple[int, Sums]]
    provinces: list[tuple[int, Sums]]
    recent: list[RecentLine]
    launches: list[LaunchedProduct]
    sellers: list[Seller]


class BrandState(Folded):
    """One brand's day, in one currency: the retailers that account in another are left out."""

    kind = "brand"
    shape = BrandDocument

    def __init__(self, atlas: Atlas, brand_id: int, day: date, zone: str, currency: str, loaded: LoadedBrand, hours: LoadedHours) -> None:
        super().__init__(day, zone, loaded)
        self.atlas = atlas
        self.owner = atlas.brands[brand_id]
        self.currency = currency
        self.minutes = {minute: [value, quantity] for minute, value, quantity in loaded.minutes}
        self.places = {"retailers": dict(loaded.retailers), "provinces": dict(loaded.provinces)}
        self.stores = dict(hours.stores)
        self.first_stores = Ranking(TOP, self.stores, lambda sums: sums.value)
        self.today = Sums(*(sum(getattr(each, name) for _, each in loaded.retailers) for name in Sums.__struct_fields__))
        self.products = ProductTally(hours.products, TOP)
        self.launches = loaded.launches
        self.sellers = sorted(loaded.sellers, key=lambda each: (-each.value // each.days, each.store_id))
        self.recent: list[tuple[Any, LinePassing]] = []
        for each in loaded.recent:
            keep_newest(self.recent, (each.sale_id, -each.line.line), self.maker(each.store_id, each.completed_at, each.line))

    @staticmethod
    async def load(reader: Reader, database: Database, atlas: Atlas, brand_id: int, day: date, zone: str) -> "BrandState":
        """The state as of the reader's snapshot, which a second reader of the same scope shares."""
        traded = await reader.row(
            f"""select array(select retailer_id from brand_day where business_date = {day_literal(day)} and brand_id = :brand) as retailers,
                       array(select id from product where brand_id = :brand or former_brand_ids @> array[cast(:brand as integer)]) as products,
                       pg_export_snapshot() as snapshot""",
            brand=brand_id,
        )
        assert traded is not None
        currency, retailers = one_currency(atlas, traded.retailers)
        condition = "true" if len(retailers) == len(atlas.retailers) else f"retailer_id = any ({id_list(retailers)})"
        written = {"DAY": day_literal(day), "RETAILERS": condition, "PRODUCTS": id_list(traded.products)}
        async with database.read(reader.scope, traded.snapshot) as second:
            halves = await asyncio.gather(
                reader.value(fill(LOAD, written), brand=brand_id),
                second.value(fill(LOAD_HOURS, written), brand=brand_id),
                return_exceptions=True,  # neither connection is given back while it is at work
            )
        texts: list[str] = []
        for each in halves:
            if isinstance(each, BaseException):
                raise each
            texts.append(each)
        loaded, hours = msgspec.json.decode(texts[0], type=LoadedBrand), msgspec.json.decode(texts[1], type=LoadedHours)
        return BrandState(atlas, brand_id, day, zone, currency, loaded, hours)

    def count(self, sale: LedgerSale) -> None:
        if sale.business_date != self.day or self.atlas.currency(sale.retailer_id) != self.currency:
            return
        lines = [each for each in sale.lines if each.brand_id == self.owner.id]
        place = self.atlas.stores[sale.store_id]
        for line in lines:
            minute = self.minutes.setdefault(sale.minute, [0, 0])
            minute[0] += line.amount
            minute[1] += line.quantity
            self.today.count(line)
            self.places["retailers"].setdefault(sale.retailer_id, Sums()).count(line)
            self.places["provinces"].setdefault(place.province, Sums()).count(line)
            if sale.store_id not in self.stores:
                self.stores[sale.store_id] = Sums()
                self.touch("stopped")
            self.stores[sale.store_id].count(line)
            self.first_stores.changed(sale.store_id)
            self.products.count(line)
            if keep_newest(self.recent, (sale.id, -line.line), self.maker(sale.store_id, sale.completed_at, line)):
                self.touch("recent")
        if lines:
            self.touch("minutes", sale.minute)
            self.touch("retailers", sale.retailer_id)
            self.touch("provinces", place.province)
            for section in ("today", "stores", "products", "launches") if self.launches else ("today", "stores", "products"):
                self.touch(section)

    @property
    def traded(self) -> bool:
        """Whether anything was counted yet: until then the currency is not decided."""
        return bool(self.stores)

    def maker(self, store_id: int, completed_at: datetime, line: LedgerLine) -> Any:
        """What makes a line as it is shown, once it is known to be among the last."""
        place = self.atlas.stores[store_id]
        city = self.atlas.city_of(place)
        return lambda: LinePassing(
            completed_at, named_of(line), self.atlas.named_store(place), city.name_zh, city.name_en, line.quantity, line.amount
        )

    def moved(self, minute: int | None) -> None:
        self.touch("stopped")

    def keys(self, section: str) -> Iterable[Any]:
        return self.minutes if section == "minutes" else self.places[section]

    def cell(self, section: str, key: Any) -> tuple[str, Any]:
        if section == "minutes":
            return str(key), point(*self.minutes[key])
        sums = self.places[section][key]
        if section == "retailers":
            retailer = self.atlas.retailers[key]
            return retailer.code, BrandCell(retailer.name_zh, retailer.name_en, sums.value, sums.quantity, sums.lines)
        province = self.atlas.province(key)
        return str(key), BrandCell(province.name_zh, province.name_en, sums.value, sums.quantity, sums.lines)

    def section(self, section: str) -> Any:
        match section:
            case "identity":
                return identity(self, self.owner.code, self.owner.name_zh, self.owner.name_en, self.currency)
            case "today":
                return BrandFigures(self.today.value, self.today.quantity, self.today.lines)
            case "stores":
                first = [(each, self.stores[each]) for each in self.first_stores.first()]
                return [store_rank(self.atlas, each, sums.value, sums.lines) for each, sums in first]
            case "products":
                return self.products.top()
            case "recent":
                return [each for _, each in self.recent]
            case "launches":
                return [self.launch(each) for each in self.launches]
        return self.stopped()

    def launch(self, product: LaunchedProduct) -> Launch:
        """A launch with the running day at its end."""
        today = self.products.sums.get(product.product_id)
        days = [*product.days, ((self.day - product.launched_on).days, today[0], today[1])] if today else product.days
        named = product_named(product.gtin, product.code, product.name_zh, product.name_en)
        return Launch(named, product.launched_on, days)

    def stopped(self) -> Stopped:
        """Stores that sold the brand on most days of the week before, and not today by the hour they usually have."""
        hour = 24 if self.minute is None else self.minute // 60
        silent = [each for each in self.sellers if each.store_id not in self.stores and each.latest_start < hour]
        shown = [(each, self.atlas.stores[each.store_id]) for each in silent[:TOP] if each.store_id in self.atlas.stores]
        return Stopped(len(silent), [self.stopped_store(each, place) for each, place in shown])

    def stopped_store(self, seller: Seller, place: StorePlace) -> StoppedStore:
        """A store that stopped."""
        city = self.atlas.city_of(place)
        return StoppedStore(
            place.gln, place.name_zh, place.name_en, city.name_zh, city.name_en, seller.last_on, seller.days, seller.value // seller.days
        )


def store_rank(atlas: Atlas, store_id: int, value: int, count: int) -> StoreRank:
    """A store in a ranking; a brand counts its lines, the network its tickets."""
    place = atlas.stores[store_id]
    city = atlas.city_of(place)
    return StoreRank(place.gln, place.name_zh, place.name_en, city.name_zh, city.name_en, value, count)


def one_currency(atlas: Atlas, traded: Sequence[int]) -> tuple[str, list[int]]:
    """The currency of a document over several retailers, and those of them that account in it.

    Amounts of two currencies are never added: yuan if any retailer that traded accounts in it, else the first by name.
    """
    currency = min((atlas.currency(each) for each in traded if each in atlas.retailers), key=precedence, default="CNY")
    return currency, [each.id for each in atlas.retailers.values() if each.currency == currency]


def id_list(ids: Iterable[int]) -> str:
    """Ids written into a statement, so that the planner sees how many there are: as parameters it takes an index scan, row by row."""
    return "'{" + ",".join(str(int(each)) for each in ids) + "}'::integer[]"


def fill(sql: str, written: dict[str, str]) -> str:
    """Write values of our own into a statement."""
    for name, value in written.items():
        sql = sql.replace(name, value)
    return sql


def precedence(currency: str) -> tuple[bool, str]:
    """The order in which a currency is chosen."""
    return currency != "CNY", currency
