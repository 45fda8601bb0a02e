"""The network's places and names, kept in memory: what totals are keyed by, as documents show it."""

import asyncio
import time
from collections.abc import Iterable
from datetime import date

import msgspec

from hutong.kernel.gs1 import shown_gtin
from hutong.monitor.documents import Named
from hutong.platform.database import Database
from hutong.platform.scope import Scope

FRESH_SECONDS = 60.0
"""How old names may be when a topic loads; a store that is not known yet is looked up at once."""

NOWHERE = 0
"""The province of stores without a place."""


class StorePlace(msgspec.Struct, frozen=True, array_like=True):
    """A store with where it stands; hours as its retailer wrote them."""

    id: int
    retailer_id: int
    gln: str
    name_zh: str
    name_en: str
    province: int
    city: int
    zone: str
    format: str
    address: str
    hours: msgspec.Raw
    closed_on: date | None


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """A retailer or a brand; a brand has no currency or zone of its own."""

    id: int
    code: str
    name_zh: str
    name_en: str
    currency: str = ""
    zone: str = ""

    @property
    def named(self) -> Named:
        return Named(self.code, self.name_zh, self.name_en)


class ProvincePlace(msgspec.Struct, frozen=True, array_like=True):
    """A province-level unit with its place on the tile map."""

    code: int
    name_zh: str
    name_en: str
    column: int
    row: int
    trading: bool


class CityPlace(msgspec.Struct, frozen=True, array_like=True):
    """A city of a province."""

    code: int
    name_zh: str
    name_en: str
    province: int


class Pages(msgspec.Struct, frozen=True):
    """All of it, as one query reads it."""

    stores: list[StorePlace]
    retailers: list[Owner]
    brands: list[Owner]
    provinces: list[ProvincePlace]
    cities: list[CityPlace]


READ = """select json_build_object(
    'stores', (select coalesce(json_agg(json_build_array(id, retailer_id, gln, name_zh, name_en, coalesce(province_code, 0),
                      coalesce(city_code, 0), zone, format, address, hours, closed_on)), '[]') from store),
    'retailers', (select coalesce(json_agg(json_build_array(id, code, name_zh, name_en, currency, zone)), '[]') from retailer),
    'brands', (select coalesce(json_agg(json_build_array(id, code, name_zh, name_en)), '[]') from brand),
    'provinces', (select coalesce(json_agg(json_build_array(code, name_zh, name_en, grid_column, grid_row,
                      trading or exists (select from store s where s.province_code = p.code))), '[]') from province p),
    'cities', (select coalesce(json_agg(json_build_array(code, name_zh, name_en, province_code)), '[]') from city))::text"""

UNKNOWN_CITY = CityPlace(0, "", "", NOWHERE)


class Atlas:
    """Stores, retailers, brands, provinces and cities by id. Read for the network: documents are guarded by who may open them."""

    def __init__(self) -> None:
        self.stores: dict[int, StorePlace] = {}
        self.retailers: dict[int, Owner] = {}
        self.brands: dict[int, Owner] = {}
        self.provinces: dict[int, ProvincePlace] = {}
        self.cities: dict[int, CityPlace] = {}
        self.store_by_gln: dict[str, StorePlace] = {}
        self.retailer_by_code: dict[str, Owner] = {}
        self.brand_by_code: dict[str, Owner] = {}
        self.stores_of: dict[int, list[StorePlace]] = {}
        self.counts: dict[int, int] = {}
        """Open stores by province."""
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def refresh(self, database: Database, *, older_than: float = FRESH_SECONDS) -> None:
        """Read everything anew if what is here is older than so many seconds."""
        async with self._lock:
            if time.monotonic() - self._read_at < older_than:
                return
            async with database.read(Scope.of_network()) as reader:
                pages = msgspec.json.decode(await reader.value(READ), type=Pages)
            self.take(pages)
            self._read_at = time.monotonic()

    def take(self, pages: Pages) -> None:
        """Put freshly read pages in place of the old ones."""
        self.stores = {each.id: each for each in pages.stores}
        self.retailers = {each.id: each for each in pages.retailers}
        self.brands = {each.id: each for each in pages.brands}
        self.provinces = {each.code: each for each in pages.provinces}
        self.cities = {each.code: each for each in pages.cities}
        self.store_by_gln = {each.gln: each for each in pages.stores}
        self.retailer_by_code = {each.code: each for each in pages.retailers}
        self.brand_by_code = {each.code: each for each in pages.brands}
        self.stores_of, self.counts = {}, {}
        for store in pages.stores:
            self.stores_of.setdefault(store.retailer_id, []).append(store)
            if store.closed_on is None:
                self.counts[store.province] = self.counts.get(store.province, 0) + 1

    def knows(self, stores: Iterable[int]) -> bool:
        """Whether all these stores are known."""
        return all(each in self.stores for each in stores)

    def city_of(self, store: StorePlace) -> CityPlace:
        """The store's city; without one, a city without a name."""
        return self.cities.get(store.city, UNKNOWN_CITY)

    def named_store(self, store: StorePlace) -> Named:
        """A store by its GLN."""
        return Named(store.gln, store.name_zh, store.name_en)

    def province(self, code: int) -> ProvincePlace:
        """A province; stores without a place stand in one without a name, off the map."""
        return self.provinces.get(code) or ProvincePlace(code, "", "", 0, 0, False)

    def currency(self, retailer_id: int) -> str:
        """The currency that a retailer's amounts are in."""
        return self.retailers[retailer_id].currency


def product_named(gtin: str | None, code: str | None, name_zh: str, name_en: str) -> Named:
    """A product as documents show it: by its GTIN as printed, or by its retailer's own number."""
    return Named(shown_gtin(gtin) if gtin else code or "", name_zh, name_en)
