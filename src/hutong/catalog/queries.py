"""Reads of the catalogue: products, their names, categories, and what was rung up but nobody has registered yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hutong.catalog.codes import network_gtin, product_key
from hutong.directory import Permission, Principal, RetailerRef, retailer_by_code, retailer_by_id
from hutong.kernel.errors import NotFound
from hutong.kernel.gs1 import gtin14
from hutong.platform.database import Reader


@dataclass(frozen=True, slots=True)
class ProductName:
    """What a product is called; ``gtin`` is a GTIN-14, or ``code`` is its retailer's own number."""

    id: int
    name_zh: str
    name_en: str
    gtin: str | None
    code: str | None
    brand_id: int | None
    unit: str
    registered: bool


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """What a search asks for; empty fields ask for nothing. ``brand`` and ``category`` (with those below it) are codes."""

    q: str = ""
    gtin: str = ""
    brand: str = ""
    category: str = ""
    retailer_id: int | None = None
    registered: bool | None = None


async def product_names(reader: Reader, ids: Iterable[int]) -> dict[int, ProductName]:
    """Names of those of the products that the reader may see, by id. A product nobody registered has empty names."""
    rows = await reader.rows(
        """select id, name_zh, name_en, gtin::text as gtin, code, brand_id, unit, registered_at is not null as registered
           from product where id = any (cast(:ids as integer[]))""",
        ids=list(ids),
    )
    return {row.id: ProductName(**row._mapping) for row in rows}


_PRODUCT = """select p.id, p.gtin::text as gtin, p.code, p.retailer_id, r.code as retailer, p.name_zh, p.name_en,
    p.brand_id, b.code as brand, b.name_zh as brand_zh, b.name_en as brand_en,
    c.code as category, c.name_zh as category_zh, c.name_en as category_en,
    p.unit, p.vat_rate, p.launched_on, p.registered_at, p.created_at
    from product p left join retailer r on r.id = p.retailer_id left join brand b on b.id = p.brand_id left join category c on c.id = p.category_id"""


async def search_products(reader: Reader, wanted: ProductFilter, *, after: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """A page of the products that match, in the order of their ids, behind ``after``. Only what the reader may see."""
    # Each condition is our own text, present or absent; what the caller wrote is only ever a parameter.
    conditions, parameters = ["p.id > :after"], {"after": after, "limit": limit}
    values: dict[str, Any] = dict(parameters)
    if wanted.q:
        conditions.append("(p.name_zh ilike :q or p.name_en ilike :q or p.code ilike :q or p.gtin like :q)")
        values["q"] = f"%{_literal(wanted.q)}%"
    if wanted.gtin:
        conditions.append("p.gtin = :gtin")
        values["gtin"] = gtin14(wanted.gtin) or ""
    if wanted.brand:
        conditions.append("p.brand_id = (select id from brand where code = :brand)")
        values["brand"] = wanted.brand
    if wanted.category:
        conditions.append(
            """p.category_id in (with recursive below (id) as (select id from category where code = :category
               union select k.id from category k join below on k.parent_id = below.id) select id from below)"""
        )
        values["category"] = wanted.category
    if wanted.retailer_id is not None:
        conditions.append("p.retailer_id = :retailer")
        values["retailer"] = wanted.retailer_id
    if wanted.registered is not None:
        conditions.append("p.registered_at is not null" if wanted.registered else "p.registered_at is null")
    rows = await reader.rows(f"{_PRODUCT} where {' and '.join(conditions)} order by p.id limit :limit", **values)
    return [dict(row._mapping) for row in rows]


async def speaking_for(reader: Reader, by: Principal, permission: Permission, code: str | None) -> RetailerRef | None:
    """The retailer that the caller speaks for: the one it names, else its only one, else None (own numbers then mean nothing).

    Raises NotFound for one that it has no ``permission`` at.
    """
    own = {grant.retailer_id for grant in by.grants if permission in grant.permissions and grant.retailer_id is not None}
    if code:
        found = await retailer_by_code(reader, code)
        if found is None or not (found.id in own or by.may(permission, retailer_id=found.id)):
            raise NotFound(f"There is no retailer {code}.")
        return found
    return await retailer_by_id(reader, next(iter(own))) if len(own) == 1 else None


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def product_by_id(reader: Reader, product_id: int) -> dict[str, Any] | None:
    """One product as ``search_products`` answers it, or None if the reader may not see it."""
    row = await reader.row(f"{_PRODUCT} where p.id = :id", id=product_id)
    return None if row is None else dict(row._mapping)


async def product_by_code(reader: Reader, code: str, retailer_id: int | None) -> dict[str, Any] | None:
    """The product behind a GTIN of any length, or behind the retailer's own number; None if there is none to see."""
    gtin = network_gtin(code)
    if gtin is not None:
        row = await reader.row(f"{_PRODUCT} where p.gtin = :gtin", gtin=gtin)
    elif retailer_id is not None:
        key = product_key(retailer_id, code)
        row = await reader.row(f"{_PRODUCT} where p.retailer_id = :retailer and p.code = :code", retailer=retailer_id, code=key.code)
    else:
        return None
    return None if row is None else dict(row._mapping)


async def categories(reader: Reader) -> list[dict[str, Any]]:
    """All categories in the order of the tree, each with its ``depth`` and its parent's code."""
    rows = await reader.rows(
        """with recursive tree (id, code, name_zh, name_en, parent, depth, path) as (
               select id, code, name_zh, name_en, null::text, 0, array[code] from category where parent_id is null
               union all
               select c.id, c.code, c.name_zh, c.name_en, t.code, t.depth + 1, t.path || c.code
               from category c join tree t on c.parent_id = t.id)
           select id, code, name_zh, name_en, parent, depth from tree order by path"""
    )
    return [dict(row._mapping) for row in rows]


async def rung_up_unregistered(reader: Reader, limit: int = 50) -> list[dict[str, Any]]:
    """Products that were rung up in the reader's stores and that nobody has registered: lines and value, most lines first."""
    # From the unregistered products to their totals, whose key starts with the product: it costs what is unregistered.
    rows = await reader.rows(
        """select p.id, p.gtin::text as gtin, p.code, p.retailer_id, r.code as retailer, p.created_at,
                  sum(h.lines)::bigint as lines, sum(h.value)::bigint as value, r2.currency::text as currency, max(h.business_date) as last_sold
           from product_hour h join product p on p.id = h.product_id
           left join retailer r on r.id = p.retailer_id join retailer r2 on r2.id = h.retailer_id
           where p.registered_at is null
           group by p.id, r.code, r2.currency order by lines desc, p.id limit :limit""",
        limit=limit,
    )
    return [dict(row._mapping) for row in rows]
