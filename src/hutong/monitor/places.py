"""The drill from province to city to store, answered from the day's totals."""

from collections.abc import Iterable
from datetime import date, datetime

import msgspec

from hutong.kernel.errors import NotFound
from hutong.monitor.atlas import UNKNOWN_CITY, Atlas
from hutong.monitor.documents import Named
from hutong.monitor.ledger import day_literal
from hutong.monitor.states.retailer import StoreTally, moment
from hutong.platform.database import Reader

MOST_STORES = 200


class PlaceStore(msgspec.Struct, frozen=True):
    """A store in the drill from province to city to store."""

    gln: str
    name_zh: str
    name_en: str
    retailer: Named
    value: int
    tickets: int
    last_sale_at: datetime | None


class PlaceCell(msgspec.Struct, frozen=True):
    """A city of a province."""

    code: str
    name_zh: str
    name_en: str
    stores: int
    value: int
    tickets: int


class Place(msgspec.Struct, frozen=True):
    """``GET /v1/monitor/places/{province}[/{city}]``: cities of a province, or stores of a city; by value down."""

    province: Named
    city: Named | None
    business_date: date
    as_of: datetime
    value: int
    tickets: int
    cities: list[PlaceCell]
    """Empty when a city is asked for."""
    stores: list[PlaceStore]
    """Of the city asked for, or of the whole province (at most 200)."""


LOAD = """select json_build_object('as_of', now(), 'stores', (
    select coalesce(json_agg(json_build_array(s.id, coalesce(d.value, 0), coalesce(d.tickets, 0), d.last_minute)), '[]')
    from store s left join store_day d on d.business_date = DAY and d.retailer_id = s.retailer_id and d.store_id = s.id
    where s.province_code = :province and (cast(:city as integer) is null or s.city_code = :city)
      and (s.closed_on is null or s.closed_on >= DAY)))::text"""


class LoadedPlace(msgspec.Struct):
    """A load of a province or city."""

    as_of: datetime
    stores: list[StoreTally]


async def read_place(reader: Reader, atlas: Atlas, province: int, city: int | None, day: date) -> Place:
    """A province's cities and stores, or a city's stores: those that the reader's scope sees. Raises NotFound."""
    where, town = atlas.provinces.get(province), None if city is None else atlas.cities.get(city)
    if where is None or (city is not None and (town is None or town.province != province)):
        raise NotFound
    loaded = msgspec.json.decode(await reader.value(LOAD.replace("DAY", day_literal(day)), province=province, city=city), type=LoadedPlace)
    tallies = sorted((each for each in loaded.stores if each.store_id in atlas.stores), key=lambda each: (-each.value, each.store_id))
    return Place(
        province=Named(str(where.code), where.name_zh, where.name_en),
        city=None if town is None else Named(str(town.code), town.name_zh, town.name_en),
        business_date=day,
        as_of=loaded.as_of,
        value=sum(each.value for each in tallies),
        tickets=sum(each.tickets for each in tallies),
        cities=[] if town is not None else cities_of(atlas, tallies),
        stores=[_store(atlas, each, day) for each in tallies[:MOST_STORES]],
    )


def cities_of(atlas: Atlas, tallies: Iterable[StoreTally]) -> list[PlaceCell]:
    """The cities that stores stand in, by value."""
    sums: dict[int, list[int]] = {}
    for each in tallies:
        cell = sums.setdefault(atlas.stores[each.store_id].city, [0, 0, 0])
        cell[0] += 1
        cell[1] += each.value
        cell[2] += each.tickets
    cells = []
    for code, (stores, value, tickets) in sums.items():
        city = atlas.cities.get(code, UNKNOWN_CITY)
        cells.append(PlaceCell(str(city.code), city.name_zh, city.name_en, stores, value, tickets))
    return sorted(cells, key=lambda each: (-each.value, each.code))


def _store(atlas: Atlas, tally: StoreTally, day: date) -> PlaceStore:
    place = atlas.stores[tally.store_id]
    return PlaceStore(
        place.gln, place.name_zh, place.name_en, atlas.retailers[place.retailer_id].named, tally.value, tally.tickets,
        moment(day, tally.last, place.zone),
    )  # fmt: skip
