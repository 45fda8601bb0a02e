"""Which topics there are, how each is loaded, and which of them a sale counts for: the hub's ``Source``."""

from collections.abc import Collection, Hashable, Iterable
from datetime import date
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import psycopg

from hutong.kernel.errors import NotFound
from hutong.monitor.atlas import Atlas
from hutong.monitor.documents import Kind
from hutong.monitor.fold import WEEK, Folded
from hutong.monitor.ledger import LedgerSale, read_sales
from hutong.monitor.states.brand import BrandState, precedence
from hutong.monitor.states.network import NetworkState
from hutong.monitor.states.retailer import RetailerState
from hutong.monitor.states.store import StoreState
from hutong.platform.database import Database, Reader
from hutong.platform.live import News
from hutong.platform.scope import Scope
from hutong.platform.tail import Event

COUNTED = "monitor.usual_counted"
"""The event that says that what is usual was counted anew."""


class Key(NamedTuple):
    """A topic: a kind of document, of a retailer, store or brand by id (0 for the network), on a business date."""

    kind: Kind
    id: int
    day: date


class MonitorSource:
    """Loads states for the network: who may open a topic is decided before (``hutong.monitor.access``)."""

    def __init__(self, database: Database, network_zone: str) -> None:
        self.database = database
        self.network_zone = network_zone
        self.atlas = Atlas()
        self._states: WeakValueDictionary[Key, Folded] = WeakValueDictionary()

    def name(self, key: Any) -> str:
        """``store/6901234567892/2026-11-22``."""
        return f"{key.kind}/{self.code(key)}/{key.day.isoformat()}"

    def code(self, key: Key) -> str:
        """The code that a topic is asked for by."""
        match key.kind:
            case "store":
                return self.atlas.stores[key.id].gln
            case "retailer":
                return self.atlas.retailers[key.id].code
            case "brand":
                return self.atlas.brands[key.id].code
        return "network"

    async def load(self, key: Any) -> Folded:
        """A topic's state as of one snapshot. A store or brand made since the names were read is looked up once more."""
        await self.atlas.refresh(self.database)
        try:
            state = await self._load(key)
        except KeyError:
            await self.atlas.refresh(self.database, older_than=0)
            state = await self._load(key)
        self._states[key] = state
        return state

    async def _load(self, key: Key) -> Folded:
        async with self.database.read(Scope.of_network()) as reader:
            return await self._load_from(reader, key)

    async def _load_from(self, reader: Reader, key: Key) -> Folded:
        match key.kind:
            case "store":
                return await StoreState.load(reader, self.atlas, key.id, key.day)
            case "retailer":
                return await RetailerState.load(reader, self.atlas, key.id, key.day)
            case "brand":
                return await BrandState.load(reader, self.database, self.atlas, key.id, key.day, self.network_zone)
            case "network":
                return await NetworkState.load(reader, self.atlas, key.day, self.network_zone)
        raise NotFound

    async def read(self, connection: psycopg.AsyncConnection[Any], events: list[Event], live: Collection[Hashable]) -> News:
        """The sales that count for a live topic, and the topics that must be loaded afresh."""
        keys = [key for key in live if isinstance(key, Key)]
        wide = any(key.kind in ("network", "brand") for key in keys)
        retailers = {key.id for key in keys if key.kind == "retailer"}
        stores = {key.id for key in keys if key.kind == "store"}
        captured = [
            each for each in events
            if each.kind == "sale.captured" and (wide or each.store_id in stores or each.retailer_id in retailers)
        ]  # fmt: skip
        sales: list[LedgerSale] = []
        if captured:
            days = {key.day for key in keys} | {key.day - WEEK for key in keys if key.kind != "brand"}
            sales = await read_sales(connection, captured, days)
            if not self._known(sales):
                await self.atlas.refresh(self.database, older_than=0)
        reload = {key for event in events if event.kind != "sale.captured" for key in self._concerned(event, keys)}
        reload |= {key for sale in sales for key in self._outranked(sale)}
        return News(sales, reload)

    def keys_of(self, item: LedgerSale) -> Iterable[Key]:
        """A sale counts for its own day and, except for brands, for the same weekday a week later."""
        day = item.business_date
        for each in (day, day + WEEK):
            yield Key("store", item.store_id, each)
            yield Key("retailer", item.retailer_id, each)
            yield Key("network", 0, each)
        for brand in {line.brand_id for line in item.lines}:
            if brand is not None:
                yield Key("brand", brand, day)

    async def pulse(self, live: Collection[Hashable]) -> list[Key]:
        """Tills' signs of life, which are no events, are looked up now and then; answers the stores where one changed."""
        states = [state for key in live if isinstance(key, Key) and isinstance(state := self._states.get(key), StoreState)]
        if not states:
            return []
        by_store: dict[int, list[StoreState]] = {}
        for state in states:
            by_store.setdefault(state.place.id, []).append(state)
        async with self.database.read(Scope.of_network()) as reader:
            rows = await reader.rows(
                "select store_id, code, last_seen_at, revoked_at is not null as revoked from till where store_id = any (cast(:stores as integer[]))",
                stores=list(by_store),
            )
        changed = [
            state for row in rows for state in by_store[row.store_id] if state.seen(row.code, row.last_seen_at, row.revoked)
        ]  # fmt: skip
        return [Key("store", state.place.id, state.day) for state in changed]

    def _known(self, sales: list[LedgerSale]) -> bool:
        atlas = self.atlas
        return atlas.knows(each.store_id for each in sales) and all(
            line.brand_id is None or line.brand_id in atlas.brands for each in sales for line in each.lines
        )

    def _concerned(self, event: Event, keys: list[Key]) -> list[Key]:
        """Topics that show a product's name or brand, when it is registered or changed; all with habits when those were counted."""
        if event.kind == COUNTED:
            return [key for key in keys if key.kind in ("retailer", "brand")]
        if event.kind != "product.registered":
            return []
        products = set((event.body or {}).get("product_ids", ()))
        return [key for key in keys if self._shows(key, event.brand_id, products)]

    def _shows(self, key: Key, brand_id: int | None, products: set[int]) -> bool:
        state = self._states.get(key)
        if isinstance(state, StoreState):
            return not products.isdisjoint(state.products.sums)
        if isinstance(state, BrandState):
            return key.id == brand_id or not products.isdisjoint(state.products.sums)
        return key.kind == "network" and brand_id is not None  # the ranking of brands

    def _outranked(self, sale: LedgerSale) -> Iterable[Key]:
        """Documents in one currency that this sale makes one in another (see ``one_currency``)."""
        currency = self.atlas.currency(sale.retailer_id)
        keys = [
            Key("network", 0, sale.business_date),
            *(Key("brand", line.brand_id, sale.business_date) for line in sale.lines if line.brand_id),
        ]
        for key in keys:
            state = self._states.get(key)
            if not isinstance(state, BrandState | NetworkState) or currency == state.currency:
                continue
            if not state.traded or precedence(currency) < precedence(state.currency):
                yield key


async def latest_day(reader: Reader, key: Key) -> date | None:
    """The newest business date not after ``key.day`` on which there was trade."""
    table, column = {
        "network": ("retailer_day", None), "retailer": ("retailer_day", "retailer_id"),
        "store": ("store_day", "store_id"), "brand": ("brand_day", "brand_id"),
    }[key.kind]  # fmt: skip
    condition = f"and {column} = :id" if column else ""
    found: date | None = await reader.value(
        f"select business_date from {table} where business_date <= :day {condition} order by business_date desc limit 1",
        day=key.day,
        id=key.id,
    )
    return found
