"""What a retailer's own programs are told of its payments and refunds: documents without what could pay again or lead to the payer."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from hutong.platform.database import Reader

PaymentId = tuple[int, UUID]
"""A payment's or refund's retailer and id: together they are unique."""

PAYMENTS = """
select p.retailer_id, p.id, p.sale_id as sale, r.code as retailer, s.gln as store, t.code as till, p.amount, p.currency, p.method, p.number, p.trade_no,
       p.receipt_amount, p.buyer_paid, p.refunded, p.code, p.who_fixes, p.made_at, p.paid_at
from unnest(cast(:retailers as integer[]), cast(:ids as uuid[])) k (retailer_id, id)
join payment p on p.retailer_id = k.retailer_id and p.id = k.id join retailer r on r.id = p.retailer_id
join store s on s.id = p.store_id join till t on t.id = p.till_id"""
REFUNDS = """
select f.retailer_id, f.id, f.payment_id as payment, p.sale_id as sale, r.code as retailer, s.gln as store, f.amount, p.currency, f.reason, f.code,
       f.late, f.made_at, f.done_at
from unnest(cast(:retailers as integer[]), cast(:ids as uuid[])) k (retailer_id, id)
join payment_refund f on f.retailer_id = k.retailer_id and f.id = k.id join payment p on p.retailer_id = f.retailer_id and p.id = f.payment_id
join retailer r on r.id = f.retailer_id join store s on s.id = f.store_id"""


async def payments_told(reader: Reader, ids: Collection[PaymentId]) -> dict[PaymentId, dict[str, Any]]:
    """These payments as they stand; amounts in fen."""
    return await _told(reader, PAYMENTS, ids)


async def refunds_told(reader: Reader, ids: Collection[PaymentId]) -> dict[PaymentId, dict[str, Any]]:
    """These refunds as they stand; amounts in fen."""
    return await _told(reader, REFUNDS, ids)


async def _told(reader: Reader, sql: str, ids: Collection[PaymentId]) -> dict[PaymentId, dict[str, Any]]:
    if not ids:
        return {}
    rows = await reader.rows(sql, retailers=[each[0] for each in ids], ids=[each[1] for each in ids])
    return {(row.retailer_id, row.id): _plain(row._mapping) for row in rows}


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON takes it, without the retailer's number."""
    return {
        name: str(value) if isinstance(value, UUID) else value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in row.items()
        if name != "retailer_id"
    }
