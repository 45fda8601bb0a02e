"""Rings up sales past the API, through the capture function itself, in transactions that a test opens and ends as it likes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from hutong.kernel.ids import uuid7
from tests.support.network import Network, Product, Store
from tests.support.sales import SHANGHAI

SALE, RETURN, VOID = 1, 2, 3
_receipts = count(1)

TYPES = {
    "s_id": "uuid", "s_digest": "uuid", "s_retailer": "integer", "s_store": "integer", "s_province": "smallint", "s_till": "integer",
    "s_date": "date", "s_receipt": "text", "s_kind": "smallint", "s_completed": "timestamptz", "s_minute": "smallint", "s_total": "bigint",
    "s_discount": "bigint", "s_vat": "bigint", "s_change": "bigint", "s_items": "integer", "s_lines": "smallint", "s_original": "uuid",
    "s_cashier": "text", "s_detail": "jsonb",
    "l_sale": "integer", "l_line": "smallint", "l_product": "integer", "l_code": "text", "l_quantity": "numeric", "l_price": "bigint",
    "l_discount": "bigint", "l_amount": "bigint", "l_rate": "smallint", "l_vat": "bigint", "l_original": "smallint",
    "t_sale": "integer", "t_tender": "smallint", "t_type": "text", "t_amount": "bigint", "t_reference": "text",
    "a_actor": "text", "a_retailer": "integer", "a_store": "integer", "a_subject": "text", "a_detail": "jsonb",
}  # fmt: skip
CAPTURE = f"select capture_sales(%(scope)s, {', '.join(f'{name} => %({name})s::{kind}[]' for name, kind in TYPES.items())})"


@dataclass
class Rung:
    """A sale, return or void; ``lines`` are products with a quantity in thousandths."""

    store: Store
    completed_at: datetime
    day: date
    lines: list[tuple[Product, int]]
    kind: int = SALE
    till: int = 0
    id: UUID = field(default_factory=uuid7)

    @property
    def amounts(self) -> list[int]:
        """The lines' amounts in fen, negative on a return."""
        return [(-1 if self.kind == RETURN else 1) * product.price * quantity // 1000 for product, quantity in self.lines]


def a_sale(network: Network, random: Random, at: datetime, *, stores: Iterable[Store] | None = None, day: date | None = None) -> Rung:
    """Some sale of some store, now and then a return or a void."""
    kind = random.choices([SALE, RETURN, VOID], [8, 1, 1])[0]
    lines = [(random.choice(network.products), random.choice([1000, 2000, 500, 3000])) for _ in range(random.randint(1, 5))]
    store = random.choice(list(stores or network.stores))
    return Rung(store, at, day or at.astimezone(SHANGHAI).date(), lines, kind, random.randrange(len(store.tills)))


def columns_of(sales: list[Rung]) -> dict[str, Any]:
    """The sales as the arrays that ``capture_sales`` takes."""
    columns: dict[str, Any] = {name: [] for name in TYPES}
    retailers = sorted({each.store.retailer_id for each in sales})
    columns["scope"] = "{" + ",".join(map(str, retailers)) + "}"
    for place, sale in enumerate(sorted(sales, key=lambda each: (each.store.retailer_id, each.id)), 1):
        local = sale.completed_at.astimezone(SHANGHAI)
        void = sale.kind == VOID
        total = 0 if void else sum(sale.amounts)
        row = [
            sale.id, sale.id, sale.store.retailer_id, sale.store.id, sale.store.province_code, sale.store.tills[sale.till].id, sale.day,
            f"{next(_receipts):06d}", sale.kind, sale.completed_at.astimezone(UTC), local.hour * 60 + local.minute, total, 0, 0, 0,
            sum(1 for _ in sale.lines), len(sale.lines), None, "c07", None,
        ]  # fmt: skip
        for name, value in zip(list(TYPES)[:20], row, strict=True):
            columns[name].append(value)
        if void:
            continue
        for number, ((product, quantity), amount) in enumerate(zip(sale.lines, sale.amounts, strict=True), 1):
            signed = (-quantity if sale.kind == RETURN else quantity) / 1000
            line = [place, number, product.id, product.code, signed, product.price, 0, amount, product.vat_rate, 0, None]
            for name, value in zip(list(TYPES)[20:31], line, strict=True):
                columns[name].append(value)
    return columns


async def make_days(connection: psycopg.AsyncConnection[Any], *days: date) -> None:
    """Make the partitions of these business dates, and of this and the last month's ids; before any transaction that captures."""
    await connection.execute("select ensure_days(%s)", [sorted(days)])
    await connection.execute(
        "select ensure_key_months(%s)", [sorted({(date.today() - timedelta(days=back)).replace(day=1) for back in (0, 31)})]
    )


async def capture(connection: psycopg.AsyncConnection[Any], *sales: Rung) -> None:
    """Capture sales in the connection's transaction; committed with it."""
    await connection.execute(CAPTURE, columns_of(list(sales)))
