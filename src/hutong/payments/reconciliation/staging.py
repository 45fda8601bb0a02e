"""Brings a bill's lines into a temporary table of the transaction, by COPY, some thousands at a time, while they are being read."""

import asyncio
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

import psycopg

from hutong.payments.alipay.bills import Bill, Movement, TradeLine
from hutong.platform.database import UnitOfWork

AT_ONCE = 4_000
"""Lines that are read, in a thread, before others get their turn: some 50 ms."""
NUMBER = re.compile(r"S([0-9]{1,9})T[0-9]{1,10}_([0-9a-f]{32})")
REFUND = re.compile(r"[0-9a-f]{32}")

NULL = r"\N"

STAGE = """create temp table bill_stage (line integer, kind text, number text, refund_number text, trade_no text, amount bigint, receipt bigint,
    fee bigint, at timestamp, store text, till text, number_store integer, payment_id uuid, refund_id uuid) on commit drop"""
STAGE_MOVEMENTS = """create temp table movement_stage (line integer, number text, amount bigint, at timestamp, kind text) on commit drop"""

Each = TypeVar("Each")


async def stage_trades(uow: UnitOfWork, bill: Bill) -> int:
    """Fill ``bill_stage``; answers how many lines there are. Raises BillDamaged: then nothing of it may be used."""
    await uow.execute(STAGE)
    lines = await _copy(uow, "copy bill_stage from stdin", bill.trades(), trade_row)
    await uow.execute("analyze bill_stage")
    return lines


async def stage_movements(uow: UnitOfWork, bill: Bill) -> int:
    """Fill ``movement_stage``; answers how many lines there are. Raises BillDamaged."""
    await uow.execute(STAGE_MOVEMENTS)
    return await _copy(uow, "copy movement_stage from stdin", bill.movements(), movement_row)


def trade_row(line: TradeLine) -> str:
    """One row of ``bill_stage``: amounts of payments and refunds alike are positive, a fee is what the wallet keeps.

    A refund that names no number of our form (one made by a cancel, or in the wallet's own console) gets its payment's id.
    """
    known = NUMBER.fullmatch(line.number)
    store, payment = (known[1], known[2]) if known else (NULL, NULL)
    if line.refund:
        refund = line.refund_number if REFUND.fullmatch(line.refund_number) else payment
        kind, amount, receipt = "refund", -line.amount, -line.receipt
    else:
        refund, kind, amount, receipt = payment, "payment", line.amount, line.receipt
    at = line.at or NULL
    return (
        f"{line.line}\t{kind}\t{_text(line.number)}\t{_text(line.refund_number)}\t{_text(line.trade_no)}\t{amount}\t{receipt}\t{-line.fee}\t{at}\t"
        f"{_text(line.store)}\t{_text(line.till)}\t{store}\t{payment}\t{refund}\n"
    )


def movement_row(line: Movement) -> str:
    """One row of ``movement_stage``."""
    at = line.at or NULL
    return f"{line.line}\t{_text(line.number)}\t{line.amount}\t{at}\t{_text(line.kind)}\n"


def _text(value: str) -> str:
    """A value in COPY's text form."""
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    return value if value.isprintable() else "".join(each if each.isprintable() else " " for each in value)


async def _copy(uow: UnitOfWork, sql: str, lines: Iterator[Each], row: Callable[[Each], str]) -> int:
    connection = await driver_connection(uow)
    count = 0

    def some() -> tuple[int, bytes]:
        part = [row(line) for line in islice(lines, AT_ONCE)]
        return len(part), "".join(part).encode()

    async with connection.cursor() as cursor, cursor.copy(sql) as copy:
        while True:
            found, data = await asyncio.to_thread(some)
            if not found:
                return count
            count += found
            await copy.write(data)


async def driver_connection(uow: UnitOfWork) -> psycopg.AsyncConnection[Any]:
    """The connection under a unit of work: COPY is not SQLAlchemy's to do. It is inside the same transaction."""
    raw = await (await uow.session.connection()).get_raw_connection()
    assert isinstance(raw.driver_connection, psycopg.AsyncConnection)
    return raw.driver_connection
