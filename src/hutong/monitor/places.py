"""The drill from province to city to store, answered from the day's totals."""

from datetime import date, datetime

import msgspec

from hutong.monitor.documents import Named


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
