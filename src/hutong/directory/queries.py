"""Looking things up in the directory: by id, code or GLN, and page by page; row-level security decides what is found."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from hutong.directory.permissions import Permission, Principal
from hutong.kernel.errors import Malformed, NotFound
from hutong.platform.database import Reader

LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class RetailerRef:
    """What other modules need of a retailer."""

    id: int
    code: str
    name_zh: str
    name_en: str
    kind: str
    currency: str
    zone: str


@dataclass(frozen=True, slots=True)
class BrandRef:
    """What other modules need of a brand."""

    id: int
    code: str
    name_zh: str
    name_en: str
    owner: str


@dataclass(frozen=True, slots=True)
class StoreRef:
    """What other modules need of a store; ``currency`` is its retailer's, ``zone`` its own."""

    id: int
    retailer_id: int
    chain_id: int | None
    gln: str
    code: str
    name_zh: str
    name_en: str
    province_code: int | None
    city_code: int | None
    format: str
    zone: str
    currency: str
    closed: bool


@dataclass(frozen=True, slots=True)
class TillRef:
    """What other modules need of a till."""

    id: int
    retailer_id: int
    store_id: int
    code: str
    name: str
    enrolled: bool
    revoked: bool
    last_seen_at: datetime | None


_RETAILER = "select id, code, name_zh, name_en, kind, currency, zone from retailer"
_BRAND = "select id, code, name_zh, name_en, owner from brand"
_STORE = """select s.id, s.retailer_id, s.chain_id, s.gln, s.code, s.name_zh, s.name_en, s.province_code, s.city_code, s.format, s.zone,
    r.currency, s.closed_on is not null and s.closed_on <= (now() at time zone s.zone)::date as closed
    from store s join retailer r on r.id = s.retailer_id"""
_TILL = """select id, retailer_id, store_id, code, name, key_hash is not null as enrolled, revoked_at is not null as revoked, last_seen_at
    from till"""


async def retailers(reader: Reader) -> list[RetailerRef]:
    """All retailers, by code."""
    return [RetailerRef(**row._mapping) for row in await reader.rows(f"{_RETAILER} order by code")]


async def retailer_by_id(reader: Reader, retailer_id: int) -> RetailerRef | None:
    row = await reader.row(f"{_RETAILER} where id = :id", id=retailer_id)
    return None if row is None else RetailerRef(**row._mapping)


async def retailer_by_code(reader: Reader, code: str) -> RetailerRef | None:
    row = await reader.row(f"{_RETAILER} where code = :code", code=code)
    return None if row is None else RetailerRef(**row._mapping)


async def brands(reader: Reader) -> list[BrandRef]:
    """All brands, by code."""
    return [BrandRef(**row._mapping) for row in await reader.rows(f"{_BRAND} order by code")]


async def brand_by_id(reader: Reader, brand_id: int) -> BrandRef | None:
    row = await reader.row(f"{_BRAND} where id = :id", id=brand_id)
    return None if row is None else BrandRef(**row._mapping)


async def brand_by_code(reader: Reader, code: str) -> BrandRef | None:
    row = await reader.row(f"{_BRAND} where code = :code", code=code)
    return None if row is None else BrandRef(**row._mapping)


async def brand_prefixes(reader: Reader) -> dict[str, int]:
    """GS1 company prefix (as GTIN-13 digits) to brand id; the longest prefix that fits a GTIN decides."""
    return {row.prefix: row.brand_id for row in await reader.rows("select prefix, brand_id from brand_prefix")}


async def store_by_id(reader: Reader, store_id: int) -> StoreRef | None:
    row = await reader.row(f"{_STORE} where s.id = :id", id=store_id)
    return None if row is None else StoreRef(**row._mapping)


async def store_by_gln(reader: Reader, gln: str) -> StoreRef | None:
    row = await reader.row(f"{_STORE} where s.gln = :gln", gln=gln)
    return None if row is None else StoreRef(**row._mapping)


async def store_by_code(reader: Reader, retailer_id: int, code: str) -> StoreRef | None:
    row = await reader.row(f"{_STORE} where s.retailer_id = :retailer_id and s.code = :code", retailer_id=retailer_id, code=code)
    return None if row is None else StoreRef(**row._mapping)


async def stores_by_gln(reader: Reader, glns: Sequence[str] | None = None) -> dict[str, StoreRef]:
    """GLN to store: of these GLNs, or all that the scope shows."""
    where = "" if glns is None else " where s.gln = any(cast(:glns as bpchar[]))"
    return {
        row.gln: StoreRef(**row._mapping) for row in await reader.rows(_STORE + where, **({} if glns is None else {"glns": list(glns)}))
    }


async def stores(reader: Reader, retailer_id: int | None = None) -> list[StoreRef]:
    """All stores that the scope shows (of one retailer), by id."""
    where = "" if retailer_id is None else " where s.retailer_id = :retailer_id"
    return [
        StoreRef(**row._mapping)
        for row in await reader.rows(f"{_STORE}{where} order by s.id", **({} if retailer_id is None else {"retailer_id": retailer_id}))
    ]


async def till_by_code(reader: Reader, store_id: int, code: str) -> TillRef | None:
    row = await reader.row(f"{_TILL} where store_id = :store_id and code = :code", store_id=store_id, code=code)
    return None if row is None else TillRef(**row._mapping)


async def till_by_id(reader: Reader, till_id: int) -> TillRef | None:
    row = await reader.row(f"{_TILL} where id = :id", id=till_id)
    return None if row is None else TillRef(**row._mapping)


async def tills_of_store(reader: Reader, store_id: int) -> list[TillRef]:
    """The tills of one store, by code."""
    return [TillRef(**row._mapping) for row in await reader.rows(f"{_TILL} where store_id = :store_id order by code", store_id=store_id)]


async def tills_by_code(reader: Reader, store_ids: Sequence[int]) -> dict[tuple[int, str], TillRef]:
    """(store id, till code) to till, for these stores."""
    found = await reader.rows(f"{_TILL} where store_id = any(:store_ids)", store_ids=list(store_ids))
    return {(row.store_id, row.code): TillRef(**row._mapping) for row in found}


async def provinces(reader: Reader) -> Sequence[Row[Any]]:
    """All province-level units: code, name_zh, name_en, grid_column, grid_row, trading."""
    return await reader.rows("select code, name_zh, name_en, grid_column, grid_row, trading from province order by code")


async def cities(reader: Reader, province_code: int | None = None) -> Sequence[Row[Any]]:
    """All cities (of one province): code, province_code, name_zh, name_en."""
    return await reader.rows(
        """select code, province_code, name_zh, name_en from city
           where cast(:province as integer) is null or province_code = :province order by code""",
        province=province_code,
    )


async def find_stores(
    reader: Reader,
    *,
    retailer: str | None = None,
    province: int | None = None,
    city: int | None = None,
    q: str | None = None,
    gln: str | None = None,
    after: int = 0,
    limit: int = 50,
) -> Sequence[Row[Any]]:
    """One page of stores by id, with names of places, tills and their last sign of life; ``limit`` + 1 rows say there is more."""
    return await reader.rows(
        """select s.id, s.gln, s.code, s.name_zh, s.name_en, r.code as retailer, r.name_zh as retailer_zh, r.name_en as retailer_en,
                  s.province_code, p.name_zh as province_zh, p.name_en as province_en, s.city_code, c.name_zh as city_zh, c.name_en as city_en,
                  s.address, s.format, s.zone, s.latitude, s.longitude, s.hours, s.opened_on, s.closed_on, ch.code as chain,
                  (select count(*) from till t where t.store_id = s.id and t.retailer_id = s.retailer_id) as tills,
                  (select max(t.last_seen_at) from till t where t.store_id = s.id and t.retailer_id = s.retailer_id) as last_seen_at
           from store s join retailer r on r.id = s.retailer_id
           left join province p on p.code = s.province_code left join city c on c.code = s.city_code
           left join chain ch on ch.retailer_id = s.retailer_id and ch.id = s.chain_id
           where s.id > :after
             and (cast(:retailer as text) is null or r.code = :retailer)
             and (cast(:province as integer) is null or s.province_code = :province)
             and (cast(:city as integer) is null or s.city_code = :city)
             and (cast(:gln as bpchar) is null or s.gln = :gln)
             and (cast(:q as text) is null or s.gln = :q or s.code ilike :like or s.name_zh ilike :like or s.name_en ilike :like
                  or s.address ilike :like)
           order by s.id limit :limit""",
        retailer=retailer, province=province, city=city, gln=gln, q=q or None, like=f"%{like_escaped(q or '')}%", after=after, limit=limit + 1,
    )  # fmt: skip


async def store_for(reader: Reader, by: Principal, permission: Permission, gln: str) -> StoreRef:
    """The store with this GLN, if ``by`` holds ``permission`` there. Raises NotFound."""
    store = await store_by_gln(reader, gln)
    if store is None:
        raise NotFound
    by.must(permission, retailer_id=store.retailer_id, store_id=store.id)
    return store


def like_escaped(text: str) -> str:
    """``text`` so that LIKE takes each of its characters as itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def cursor(row_id: int) -> str:
    """An opaque place in a list, behind the row with this id."""
    return urlsafe_b64encode(str(row_id).encode()).decode().rstrip("=")


def after(text: str | None) -> int:
    """The id behind which a page starts; 0 without a cursor. Raises Malformed for one that this program did not make."""
    if not text:
        return 0
    try:
        place = int(urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except ValueError:
        raise Malformed("This cursor was not made here; leave it out to start from the beginning.") from None
    if not 0 <= place < 2**63:
        raise Malformed("This cursor was not made here; leave it out to start from the beginning.")
    return place


def page(items: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    """A list answer from up to ``limit`` + 1 rows with an ``id``: ``items`` and, if there are more, ``next_cursor``."""
    shown = list(items[:limit])
    return {"items": shown, "next_cursor": cursor(shown[-1]["id"]) if len(items) > limit else None}
