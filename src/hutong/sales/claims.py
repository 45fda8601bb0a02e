"""Sales that name payments as their tenders: what they claim, for the SQL function that holds each payment to one sale."""

from collections.abc import Sequence

from hutong.sales.prepare import PreparedSale
from hutong.sales.rows import array, columns

CLAIM = "select claim_payments(%s, %s::integer[], %s::integer[], %s::uuid[], %s::smallint[], %s::bigint[], %s::uuid[])"
"""See 0002_payment_steps.sql; runs in the sales' own transaction, before them."""


def claims_of(sales: Sequence[PreparedSale]) -> list[str] | None:
    """The parameters of ``CLAIM`` for these sales, or None if none of them names a payment."""
    rows: list[tuple[object, ...]] = [
        (sale.outlet.retailer_id, sale.outlet.id, sale.id, sale.kind, tender.amount, tender.payment)
        for sale in sales
        for tender in sale.sale.tenders
        if tender.payment is not None
    ]
    if not rows:
        return None
    return [array(sorted({sale.outlet.retailer_id for sale in sales})), *columns(rows, 6)]
