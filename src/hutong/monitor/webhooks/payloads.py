"""What webhooks are sent: a retailer its sales and payments whole, a brand only its own lines, everybody the products that concern them."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from hutong.monitor.webhooks.model import Fact, Kind
from hutong.payments import payments_told, refunds_told
from hutong.platform.database import Reader
from hutong.sales import sales_by_ids

SaleKey = tuple[int, UUID]
"""A sale's retailer and id: together they are unique."""
PRODUCTS_A_MESSAGE = 500

# A brand learns what was sold, where, when, how much of it and for what amount. Not the sale's id, receipt, till, cashier, tenders or
# other lines: nothing that leads to the basket or the member.
BRAND_LINES = """
select l.brand_id, l.retailer_id, l.sale_id, l.line, l.code, l.quantity, l.amount, p.gtin, p.name_zh, p.name_en, p.unit,
       s.kind, s.completed_at, s.captured_at, r.code as retailer, r.currency, b.code as brand,
       o.gln, o.name_zh as store_zh, o.name_en as store_en, o.zone, o.province_code, o.city_code
from unnest(cast(:retailers as integer[]), cast(:ids as uuid[]), cast(:stores as integer[])) k (retailer_id, id, store_id)
join sale_line l on l.retailer_id = k.retailer_id and l.sale_id = k.id and l.business_date = :day
join sale s on s.retailer_id = k.retailer_id and s.store_id = k.store_id and s.id = k.id and s.business_date = :day
join product p on p.id = l.product_id join brand b on b.id = l.brand_id
join retailer r on r.id = k.retailer_id join store o on o.retailer_id = k.retailer_id and o.id = k.store_id
where l.brand_id = any (cast(:brands as integer[]))
order by l.retailer_id, l.sale_id, l.brand_id, l.line"""

PRODUCTS = """
select p.id, p.gtin, p.code, p.name_zh, p.name_en, p.brand_id, b.code as brand, c.code as category, p.unit, p.vat_rate, p.launched_on, p.registered_at
from product p left join brand b on b.id = p.brand_id left join category c on c.id = p.category_id
where p.id = any (cast(:ids as integer[])) and p.registered_at is not null order by p.id"""


def message(kind: str, at: datetime, data: Mapping[str, Any]) -> str:
    """A body in the form of the Standard Webhooks specification: type, timestamp, data."""
    return json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data}, ensure_ascii=False, separators=(",", ":"))


async def retailer_messages(
    reader: Reader, kind: str, sales: Mapping[SaleKey, tuple[int, date]], retailers: Collection[int]
) -> dict[SaleKey, str]:
    """The whole sales of these retailers; the keys' values are store and business date."""
    found: dict[SaleKey, str] = {}
    for retailer_id in sorted(retailers):
        # One retailer at a time: two may have given the same id to different sales.
        own = {sale_id: at for (owner, sale_id), at in sales.items() if owner == retailer_id}
        for sale_id, document in (await sales_by_ids(reader, retailer_id, own)).items() if own else ():
            found[retailer_id, sale_id] = message(kind, datetime.fromisoformat(document["captured_at"]), document)
    return found


async def brand_messages(
    reader: Reader, kind: str, sales: Mapping[SaleKey, tuple[int, date]], brands: Collection[int]
) -> dict[tuple[int, SaleKey], str]:
    """For each brand and sale that has lines of it: those lines."""
    found: dict[tuple[int, SaleKey], str] = {}
    for day in sorted({day for _, day in sales.values()}) if brands else ():
        keys = [(retailer_id, sale_id, store) for (retailer_id, sale_id), (store, at) in sales.items() if at == day]
        rows = await reader.rows(
            BRAND_LINES,
            retailers=[each[0] for each in keys],
            ids=[each[1] for each in keys],
            stores=[each[2] for each in keys],
            day=day,
            brands=sorted(brands),
        )
        groups: dict[tuple[int, SaleKey], list[Row[Any]]] = defaultdict(list)
        for row in rows:
            groups[row.brand_id, (row.retailer_id, row.sale_id)].append(row)
        for key, lines in groups.items():
            found[key] = message(kind, lines[0].captured_at, _brand_document(lines, day))
    return found


def _brand_document(lines: Sequence[Row[Any]], day: date) -> dict[str, Any]:
    first = lines[0]
    sign = -1 if first.kind == 2 else 1
    return {
        "kind": "return" if first.kind == 2 else "sale", "brand": first.brand, "retailer": first.retailer, "store": first.gln,
        "store_name_zh": first.store_zh, "store_name_en": first.store_en, "province": first.province_code, "city": first.city_code,
        "zone": first.zone, "currency": first.currency, "business_date": day.isoformat(), "completed_at": first.completed_at.isoformat(),
        "lines": [
            {"code": each.code, "gtin": each.gtin, "name_zh": each.name_zh, "name_en": each.name_en, "quantity": plain(sign * each.quantity),
             "unit": each.unit, "amount": sign * each.amount}
            for each in lines
        ],
    }  # fmt: skip


async def product_messages(reader: Reader, kind: str, product_ids: Iterable[int], brand_id: int | None, at: datetime) -> list[str]:
    """The registered products, a few hundred a message; with ``brand_id`` only that brand's."""
    rows = [row for row in await reader.rows(PRODUCTS, ids=list(product_ids)) if brand_id is None or row.brand_id == brand_id]
    documents = [
        {
            "gtin": row.gtin, "code": row.code, "name_zh": row.name_zh, "name_en": row.name_en, "brand": row.brand, "category": row.category,
            "unit": row.unit, "vat_rate": plain(Decimal(row.vat_rate) / 100), "launched_on": row.launched_on and row.launched_on.isoformat(),
        }
        for row in rows
    ]  # fmt: skip
    return [
        message(kind, at, {"products": documents[start : start + PRODUCTS_A_MESSAGE]})
        for start in range(0, len(documents), PRODUCTS_A_MESSAGE)
    ]


SETTLED_REFUNDS = ("done", "refused")
"""A refund that is still under way is of no use to others."""


async def payment_messages(reader: Reader, facts: Sequence[Fact]) -> list[str | None]:
    """For each event its message, or None for one that is of no use to others: a refund that is still under way.

    ``state`` and ``version`` are the event's; the rest of the document is as it stands now.
    """
    payments = {(fact.retailer_id or 0, fact.subject) for fact in facts if fact.kind != Kind.PAYMENT_REFUND and fact.subject is not None}
    refunds = {(fact.retailer_id or 0, UUID(fact.body["refund"])) for fact in facts if _is_settled_refund(fact)}
    told = await payments_told(reader, payments)
    told_refunds = await refunds_told(reader, refunds)

    def text(fact: Fact) -> str | None:
        if fact.kind == Kind.PAYMENT_REFUND:
            document = told_refunds.get((fact.retailer_id or 0, UUID(fact.body["refund"]))) if _is_settled_refund(fact) else None
            own = {"state": fact.body["state"]}
        else:
            document = told.get((fact.retailer_id or 0, fact.subject or UUID(int=0)))
            own = {"state": fact.kind.removeprefix("payment."), "version": fact.body.get("version")}
        return None if document is None else message(fact.kind, fact.at, document | own)

    return [text(fact) for fact in facts]


def _is_settled_refund(fact: Fact) -> bool:
    return fact.kind == Kind.PAYMENT_REFUND and fact.body.get("state") in SETTLED_REFUNDS


def plain(value: Decimal) -> str:
    """A decimal without trailing zeros: ``2``, ``1.25``."""
    spelled = f"{value:f}"
    return spelled.rstrip("0").rstrip(".") if "." in spelled else spelled
