"""Reads sales as receipts: one by its id, or a page of them; never writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.engine import Row

from hutong.platform.database import Reader
from hutong.sales.prepare import KIND_NAMES

SALE_COLUMNS = """s.retailer_id, s.store_id, s.business_date, s.id, s.till_id, s.receipt, s.kind, s.completed_at, s.captured_at, s.minute,
    s.total, s.discount, s.vat, s.change, s.items, s.line_count, s.original_id, s.cashier, s.detail,
    r.code as retailer, r.currency, o.gln, o.name_zh, o.name_en, o.zone, t.code as till
    from sale s join retailer r on r.id = s.retailer_id join store o on o.retailer_id = s.retailer_id and o.id = s.store_id
    join till t on t.retailer_id = s.retailer_id and t.store_id = s.store_id and t.id = s.till_id"""

LINES = """select l.retailer_id, l.sale_id, l.line, l.code, l.quantity, l.unit_price, l.discount, l.amount, l.vat_rate, l.vat, l.original_line,
       p.gtin, p.name_zh, p.name_en, p.unit, p.registered_at is not null as registered, coalesce(b.quantity, 0) as returned
from sale_line l left join product p on p.id = l.product_id
     left join line_returned b on b.retailer_id = l.retailer_id and b.sale_id = l.sale_id and b.line = l.line
where l.retailer_id = any(:retailers) and l.sale_id = any(:ids) and l.business_date = any(:dates)
order by l.sale_id, l.line"""

TENDERS = """select retailer_id, sale_id, tender, type, amount, reference from sale_tender
where retailer_id = any(:retailers) and sale_id = any(:ids) and business_date = any(:dates) order by sale_id, tender"""


@dataclass(frozen=True)
class SalePage:
    """Sales, newest id first, and the id after which the next page goes on (None: this was the last)."""

    sales: list[dict[str, Any]]
    next_after: UUID | None


async def sale_by_id(reader: Reader, sale_id: UUID, retailer_id: int | None = None) -> dict[str, Any] | None:
    """The whole sale as the wire shows it, with names of products and what came back; None if the reader's scope has none.

    Amounts are positive minor units, also on a return; ``original_line`` and ``returned`` tie returns to sales.
    """
    keys = await reader.rows(
        "select retailer_id, store_id, business_date from sale_key where id = :id and retailer_id = coalesce(:retailer, retailer_id)",
        id=sale_id,
        retailer=retailer_id,
    )
    if not keys:
        return None
    key = keys[0]
    rows = await reader.rows(
        f"select {SALE_COLUMNS} where s.retailer_id = :retailer and s.store_id = :store and s.business_date = :date and s.id = :id",
        retailer=key.retailer_id,
        store=key.store_id,
        date=key.business_date,
        id=sale_id,
    )
    documents = await documents_of(reader, rows)
    return documents[0] if documents else None


async def sales_by_ids(reader: Reader, retailer_id: int, places: Mapping[UUID, tuple[int, date]]) -> dict[UUID, dict[str, Any]]:
    """The documents, as of ``sale_by_id``, of one retailer's sales whose store and business date are known; absent ones are left out."""
    rows = await reader.rows(
        f"""select {SALE_COLUMNS} where s.retailer_id = :retailer and s.store_id = any(:stores) and s.business_date = any(:dates)
            and s.id = any(:ids)""",
        retailer=retailer_id,
        stores=sorted({store for store, _ in places.values()}),
        dates=sorted({day for _, day in places.values()}),
        ids=list(places),
    )
    return {row.id: document for row, document in zip(rows, await documents_of(reader, rows), strict=True)}


async def sales_page(
    reader: Reader,
    *,
    retailers: Sequence[int] | None,
    store_id: int | None,
    till: str | None,
    business_date: date | None,
    kind: int | None,
    after: UUID | None,
    limit: int,
) -> SalePage:
    """One page of the sales that the reader's scope sees, newest id first; ``retailers`` None means all of the scope.

    With a date, that day's partition is read; without one, keys are walked backwards by id, so neither reads a whole year.
    """
    conditions = ["true"]
    if retailers is not None:
        conditions.append("s.retailer_id = any(:retailers)")
    if store_id is not None:
        conditions.append("s.store_id = :store")
    if after is not None:
        conditions.append("s.id < :after")
    parameters: dict[str, Any] = {
        "retailers": None if retailers is None else list(retailers),
        "store": store_id,
        "after": after,
        "limit": limit + 1,
    }
    if business_date is None:
        # No date: the keys' index gives the newest ids; as many as a page needs, or none are left.
        keys = await reader.rows(
            f"select s.id, s.business_date from sale_key s where {' and '.join(conditions)} order by s.id desc limit :limit", **parameters
        )
        conditions = ["s.id = any(:ids)", "s.business_date = any(:dates)", *conditions[1:]]
        parameters |= {"ids": [row.id for row in keys], "dates": sorted({row.business_date for row in keys})}
    else:
        keys = None
        conditions.append("s.business_date = :date")
        parameters["date"] = business_date
    if till is not None:
        conditions.append("t.code = :till")
        parameters["till"] = till
    if kind is not None:
        conditions.append("s.kind = :kind")
        parameters["kind"] = kind
    rows = await reader.rows(f"select {SALE_COLUMNS} where {' and '.join(conditions)} order by s.id desc limit :limit", **parameters)
    rows, more = rows[:limit], len(rows) > limit
    if keys is not None and len(keys) > limit:  # filters may have thinned this page; the walk goes on behind the last key
        last: UUID | None = rows[-1].id if more else keys[limit - 1].id
        rows = [row for row in rows if last is None or row.id >= last]
    else:
        last = rows[-1].id if more else None
    return SalePage(await documents_of(reader, rows), last)


async def documents_of(reader: Reader, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """The wire documents of sale rows, lines and tenders read in one query each."""
    if not rows:
        return []
    which = {
        "retailers": sorted({row.retailer_id for row in rows}),
        "ids": [row.id for row in rows],
        "dates": sorted({row.business_date for row in rows}),
    }
    lines: dict[tuple[int, UUID], list[dict[str, Any]]] = {(row.retailer_id, row.id): [] for row in rows}
    for line in await reader.rows(LINES, **which):
        lines.setdefault((line.retailer_id, line.sale_id), []).append(_line(line))
    tenders: dict[tuple[int, UUID], list[dict[str, Any]]] = {(row.retailer_id, row.id): [] for row in rows}
    for tender in await reader.rows(TENDERS, **which):
        tenders.setdefault((tender.retailer_id, tender.sale_id), []).append(
            {"type": tender.type, "amount": tender.amount, "reference": tender.reference}
        )
    return [_document(row, lines[row.retailer_id, row.id], tenders[row.retailer_id, row.id]) for row in rows]


def _document(row: Row[Any], lines: list[dict[str, Any]], tenders: list[dict[str, Any]]) -> dict[str, Any]:
    sign = -1 if row.kind == 2 else 1
    detail = row.detail or {}
    document = {
        "id": str(row.id), "kind": KIND_NAMES[row.kind], "retailer": row.retailer, "store": row.gln,
        "store_name_zh": row.name_zh, "store_name_en": row.name_en, "zone": row.zone, "currency": row.currency, "till": row.till,
        "receipt": row.receipt, "business_date": row.business_date.isoformat(), "completed_at": row.completed_at.isoformat(),
        "captured_at": row.captured_at.isoformat(), "cashier": row.cashier,
        "original": None if row.original_id is None else str(row.original_id), "without_receipt": bool(detail.get("without_receipt")),
        "lines": lines, "total": sign * row.total, "discount": sign * row.discount, "vat": sign * row.vat, "items": row.items,
        "tenders": [{**tender, "amount": sign * tender["amount"]} for tender in tenders], "change": sign * row.change,
    }  # fmt: skip
    if "voided" in detail:  # what had been rung up before the void; none of it counts as trade
        document |= detail["voided"]
    return document


def _line(row: Row[Any]) -> dict[str, Any]:
    sign = -1 if row.quantity < 0 else 1
    return {
        "line": row.line, "code": row.code, "quantity": _plain(sign * row.quantity), "unit_price": row.unit_price,
        "discount": sign * row.discount, "amount": sign * row.amount, "vat_rate": _plain(Decimal(row.vat_rate) / 100), "vat": sign * row.vat,
        "original_line": row.original_line, "returned": _plain(row.returned), "registered": bool(row.registered),
        "gtin": row.gtin, "name_zh": row.name_zh or "", "name_en": row.name_en or "", "unit": row.unit or "EA",
    }  # fmt: skip


def _plain(value: Decimal) -> str:
    """A decimal without trailing zeros: ``2``, ``1.25``."""
    spelled = f"{value:f}"
    return spelled.rstrip("0").rstrip(".") if "." in spelled else spelled


async def recent_sales(reader: Reader, retailer_id: int, store_id: int, business_date: date, limit: int = 20) -> list[dict[str, Any]]:
    """The newest sales of one store's day, newest first."""
    page = await sales_page(
        reader, retailers=[retailer_id], store_id=store_id, till=None, business_date=business_date, kind=None, after=None, limit=limit
    )
    return page.sales
