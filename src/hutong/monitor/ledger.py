"""The sales that events point at, read from the ledger as one JSON document a step, in the form that topics count."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, Literal

import msgspec
import psycopg

from hutong.platform.tail import Event

SALE, RETURN, VOID = 1, 2, 3
KINDS: dict[int, Literal["sale", "return", "void"]] = {SALE: "sale", RETURN: "return", VOID: "void"}
CHUNK = 1_000


class LedgerLine(msgspec.Struct, frozen=True, array_like=True):
    """A line; quantity in thousandths. Negative on a return."""

    line: int
    product_id: int
    brand_id: int | None
    quantity: int
    amount: int
    gtin: str | None
    code: str | None
    name_zh: str
    name_en: str


class LedgerSale(msgspec.Struct, frozen=True, array_like=True):
    """A captured sale with its lines, and the transaction that captured it."""

    xid: int
    id: str
    retailer_id: int
    store_id: int
    business_date: date
    till: str
    till_name: str
    receipt: str
    kind: int
    completed_at: datetime
    captured_at: datetime
    minute: int
    total: int
    items: int
    line_count: int
    lines: list[LedgerLine]


# The date is written into the statement, so that only that day's partitions are planned and locked.
SALES = """
select coalesce(json_agg(json_build_array(k.xid, s.id, s.retailer_id, s.store_id, s.business_date, t.code, t.name, s.receipt, s.kind,
                         s.completed_at, s.captured_at, s.minute, s.total, s.items, s.line_count, l.lines)), '[]')::text
from unnest(%(xids)s::bigint[], %(retailers)s::integer[], %(stores)s::integer[], %(ids)s::uuid[]) k (xid, retailer_id, store_id, id)
join sale s on s.retailer_id = k.retailer_id and s.store_id = k.store_id and s.id = k.id and s.business_date = DAY
join till t on t.retailer_id = s.retailer_id and t.store_id = s.store_id and t.id = s.till_id
cross join lateral (
    select coalesce(json_agg(json_build_array(l.line, l.product_id, l.brand_id, (l.quantity * 1000)::bigint, l.amount, p.gtin,
                             coalesce(p.code, l.code), p.name_zh, p.name_en) order by l.line), '[]') as lines
    from sale_line l join product p on p.id = l.product_id
    where l.retailer_id = s.retailer_id and l.sale_id = s.id and l.business_date = DAY) l"""

_decode = msgspec.json.Decoder(list[LedgerSale]).decode


def day_literal(day: date) -> str:
    """A date as an SQL literal."""
    return f"date '{day.isoformat()}'"


async def read_sales(connection: psycopg.AsyncConnection[Any], events: Iterable[Event], days: Collection[date]) -> list[LedgerSale]:
    """The sales of ``sale.captured`` events on these business dates."""
    by_day: dict[date, list[Event]] = {}
    for event in events:
        if event.business_date is not None and event.business_date in days:
            by_day.setdefault(event.business_date, []).append(event)
    sales: list[LedgerSale] = []
    for day, pointed in by_day.items():
        sql = SALES.replace("DAY", day_literal(day))
        for start in range(0, len(pointed), CHUNK):
            chunk = pointed[start : start + CHUNK]
            cursor = await connection.execute(
                sql,  # the date is the only part that varies, and it is ours
                {
                    "xids": [each.xid for each in chunk],
                    "retailers": [each.retailer_id for each in chunk],
                    "stores": [each.store_id for each in chunk],
                    "ids": [each.subject for each in chunk],
                },
            )
            row = await cursor.fetchone()
            assert row is not None
            sales += _decode(row[0])
    return sales
