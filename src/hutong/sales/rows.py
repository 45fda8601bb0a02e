"""Writes a group of sales as the array texts that ``capture_sales`` (0001_capture.sql) unnests: one text a column."""

from collections.abc import Iterable, Sequence

from hutong.sales.prepare import PreparedSale

CALL = """select capture_sales(%s,
    %s::uuid[], %s::uuid[], %s::integer[], %s::integer[], %s::smallint[], %s::integer[], %s::date[],
    %s::text[], %s::smallint[], %s::timestamptz[], %s::smallint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::integer[], %s::smallint[], %s::uuid[], %s::text[], %s::jsonb[],
    %s::integer[], %s::smallint[], %s::integer[], %s::text[], %s::numeric[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::smallint[], %s::bigint[], %s::smallint[],
    %s::integer[], %s::smallint[], %s::text[], %s::bigint[], %s::text[],
    %s::text[], %s::integer[], %s::integer[], %s::text[], %s::jsonb[])"""

Audit = tuple[str, int, int | None, str, str | None]
"""actor, retailer id, store id, subject, detail as JSON text."""


def parameters(sales: Sequence[PreparedSale], audits: Iterable[Audit]) -> list[str]:
    """The parameters of ``CALL`` for these sales, which are ordered by ``key``, and the audit rows of the requests they came in."""
    heads = [_head(sale) for sale in sales]
    lines = [
        _line(position, product, *row)
        for position, sale in enumerate(sales, 1)
        for product, row in zip(sale.products or (), sale.lines, strict=True)
    ]
    tenders = [
        (
            position,
            number,
            tender.type,
            -tender.amount if sale.kind == 2 else tender.amount,
            text(tender.reference if tender.payment is None else str(tender.payment)),
        )
        for position, sale in enumerate(sales, 1)
        for number, tender in enumerate(sale.sale.tenders, 1)
    ]
    audited = [(text(actor), retailer, _null(store), text(subject), text(detail)) for actor, retailer, store, subject, detail in audits]
    scope = array(sorted({sale.outlet.retailer_id for sale in sales}))
    return [scope, *columns(heads, 20), *columns(lines, 11), *columns(tenders, 5), *columns(audited, 5)]


def _head(prepared: PreparedSale) -> tuple[object, ...]:
    sale, outlet = prepared.sale, prepared.outlet
    sign = -1 if prepared.kind == 2 else 1
    void = prepared.kind == 3
    return (
        f"{sale.id.int:032x}", prepared.digest, outlet.retailer_id, outlet.id, outlet.province, prepared.till_id, sale.business_date,
        text(sale.receipt), prepared.kind, f'"{sale.completed_at}"', prepared.minute, prepared.total, 0 if void else sign * sale.discount,
        0 if void else sign * sale.vat, sign * sale.change, prepared.items, len(sale.lines),
        "null" if sale.original is None else f"{sale.original.int:032x}", text(sale.cashier), text(prepared.detail),
    )  # fmt: skip


def _line(
    position: int,
    product: int,
    line: int,
    code: str,
    quantity: int,
    price: int,
    discount: int,
    amount: int,
    rate: int,
    vat: int,
    original: int | None,
) -> tuple[object, ...]:
    # "…e-3": PostgreSQL reads the thousandths as a decimal number, so no float and no formatting is needed.
    return position, line, product, text(code), f"{quantity}e-3", price, discount, amount, rate, vat, _null(original)


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[str]:
    """Turn rows into one array text a column; ``width`` empty arrays if there are no rows."""
    return [array(column) for column in zip(*rows, strict=True)] if rows else ["{}"] * width


def array(values: Iterable[object]) -> str:
    """PostgreSQL array text of values that are already spelled as array elements."""
    return "{" + ",".join(map(str, values)) + "}"


def text(value: str | None) -> str:
    """A text as an array element: always quoted, so that nothing in it can end the element or read as null."""
    if value is None:
        return "null"
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _null(value: int | None) -> object:
    return "null" if value is None else value
