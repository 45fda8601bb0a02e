"""Rings sales up straight through the database's own capture function, and reads what a brand's totals must equal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from hutong.kernel.clock import now
from hutong.kernel.ids import uuid7
from tests.support.network import Store

RungUp = tuple[int, str, int]
"""Product id, code, amount in fen of one line of quantity 1."""


def ring_up(connection: psycopg.Connection[Any], store: Store, lines: Sequence[RungUp], *, at: datetime | None = None) -> None:
    """Capture one sale of ``lines`` in the connection's transaction (or in one of its own, with autocommit)."""
    moment = (at or now()).astimezone(ZoneInfo("Asia/Shanghai"))
    day, sale = moment.date(), uuid7(int(moment.timestamp() * 1000))
    connection.execute(
        "select ensure_days(%s::date[]), ensure_key_months(%s::date[])", [[day], [moment.astimezone(ZoneInfo("UTC")).date()]]
    )
    total, count = sum(amount for _, _, amount in lines), len(lines)
    places, ones, zeros, nothing = list(range(1, count + 1)), [1] * count, [0] * count, [None] * count
    values: list[tuple[str, Any]] = [
        ("text", "{%d}" % store.retailer_id),  # noqa: UP031
        ("uuid[]", [sale]), ("uuid[]", [sale]), ("integer[]", [store.retailer_id]), ("integer[]", [store.id]),
        ("smallint[]", [store.province_code]), ("integer[]", [store.tills[0].id]), ("date[]", [day]), ("text[]", [sale.hex[-12:]]),
        ("smallint[]", [1]), ("timestamptz[]", [moment]), ("smallint[]", [moment.hour * 60 + moment.minute]), ("bigint[]", [total]),
        ("bigint[]", [0]), ("bigint[]", [0]), ("bigint[]", [0]), ("integer[]", [count]), ("smallint[]", [count]), ("uuid[]", [None]),
        ("text[]", ["c07"]), ("jsonb[]", [None]),
        ("integer[]", ones), ("smallint[]", places), ("integer[]", [line[0] for line in lines]), ("text[]", [line[1] for line in lines]),
        ("numeric[]", ones), ("bigint[]", [line[2] for line in lines]), ("bigint[]", zeros), ("bigint[]", [line[2] for line in lines]),
        ("smallint[]", zeros), ("bigint[]", zeros), ("smallint[]", nothing),
        ("integer[]", [1]), ("smallint[]", [1]), ("text[]", ["cash"]), ("bigint[]", [total]), ("text[]", [None]),
        ("text[]", ["till:1"]), ("integer[]", [store.retailer_id]), ("integer[]", [store.id]), ("text[]", ["test"]), ("jsonb[]", [None]),
    ]  # fmt: skip
    arguments = ", ".join(f"%s::{kind}" for kind, _ in values)
    connection.execute(f"select capture_sales({arguments})", [value for _, value in values])


TOTALS = ("sale_line", "brand_minute", "brand_day", "product_hour")


def brand_totals(connection: psycopg.Connection[Any], brand_id: int) -> dict[str, Any]:
    """A brand's sums by lines, by minutes, by days and by product hours: (value, quantity, lines) of each."""
    columns = {
        "sale_line": "amount, quantity, 1 as lines",
        "brand_minute": "value as amount, quantity, lines",
        "brand_day": "value as amount, quantity, lines",
        "product_hour": "value as amount, quantity, lines",
    }
    return {
        table: connection.execute(
            f"select coalesce(sum(amount), 0)::int, coalesce(sum(quantity), 0)::int, coalesce(sum(lines), 0)::int from (select {what} from {table} where brand_id = %s)",
            [brand_id],
        ).fetchone()
        for table, what in columns.items()
    }
