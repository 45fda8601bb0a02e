"""A day of a million payments against its bill with 500 planted differences of all classes: read, joined, classed, booked."""

import argparse
import asyncio
import io
import random
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks._support import Bench, Result, say, workbench
from hutong.kernel.ids import uuid7
from hutong.payments import BooksAccount as Account
from hutong.payments import BooksFile as File
from hutong.payments import BooksOutcome as Outcome
from hutong.payments import reconcile_books as reconcile
from hutong.platform.database import Database

DAY = datetime.now(UTC).date() - timedelta(days=1)
NOON = datetime(DAY.year, DAY.month, DAY.day, 4, tzinfo=UTC)
SELLER = "2088021109625633"
CLASSES = ("long", "short", "amount", "status", "fee", "duplicate", "refund_long", "refund_short", "foreign", "in_transit")
HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,"
    "支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the bill, about; one in forty is a refund")
    parser.add_argument("--differences", type=int, default=500)
    options = parser.parse_args()
    result = Result("reconcile")
    with workbench(stores=500, products=10) as bench:
        say(f"writing {options.lines:,} payments and refunds, and their bill")
        rows, planted = invent(bench, options.lines, options.differences)
        bound, bound_cpu = measure_bound(bench, content := write_bill(rows))
        say(f"reading the lines and copying them alone: {bound:.1f} s ({bound_cpu:.1f} s of Python's CPU)")
        measured = asyncio.run(measure(bench, content, write_bill(tomorrow(rows, planted), DAY + timedelta(days=1))))
        for outcome in measured.outcomes:
            say(outcome.line)
    # What only the next bill decides is in transit in the morning, and missing, or there, a day later.
    waits = ("short", "refund_short", "in_transit")
    first = Counter(("in_transit" if key[0] in waits else key[0], *key[1:]) for key in planted)
    second = Counter(key for key in planted if key[0] != "in_transit")
    missing = (first - measured.found[0]) + (second - measured.found[1])
    invented = (measured.found[0] - first) + (measured.found[1] - second)
    for key in [*missing][:5] + [*invented][:5]:
        say(f"{'missing' if key in missing else 'invented'}: {key}")
    wrong = {key[1:] for key in missing}
    result.show(
        measured.seconds[0], "s", bound, wanted_seconds=60, reached_seconds=measured.seconds[0] < 60, cpu_seconds=round(measured.cpu, 1),
        database_cpu_seconds=round(measured.database_cpu, 1), again_next_day_seconds=round(measured.seconds[1], 1), lines=len(rows),
        bill_megabytes=round(len(content) / 1e6, 1), planted=planted.total(), found=planted.total() - len(wrong), invented=invented.total(),
        classes=dict(Counter(key[0] for key in planted.elements())),
        bound_is="unpacking, reading and checking the same lines and copying them into a table without looking at them",
    )  # fmt: skip


def tomorrow(rows: list[list[Any]], planted: Counter[tuple[str, str, str]]) -> list[list[Any]]:
    """The next day's bill: the payments that were on their way."""
    numbers = {number for kind, number, _ in planted if kind == "in_transit"}
    assert not numbers.intersection(row[0] for row in rows)
    return [[number, 1_100, 1_100, -7, "", NOON + timedelta(hours=12, minutes=1), ""] for number in numbers]


@dataclass
class Measured:
    """The two workings-out of the day: the first when its bill comes, the second when the next one has come."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    found: list[Counter[tuple[str, str, str]]] = field(default_factory=list)
    cpu: float = 0.0
    database_cpu: float = 0.0


class Writer:
    """Makes payments and refunds for the database and the lines of the bill for them."""

    def __init__(self, bench: Bench, chance: random.Random) -> None:
        self.chance = chance
        self.stores = len(bench.glns)
        self.glns = bench.glns
        self.payments: list[tuple[Any, ...]] = []
        self.refunds: list[tuple[Any, ...]] = []

    def pay(self, amount: int, state: str = "paid", kept: bool = True) -> list[Any]:
        """A payment (not in our books unless ``kept``) and its line: number, fen, fen received, fee, refund number, time, store."""
        store = self.chance.randrange(self.stores) + 1
        at = NOON + timedelta(seconds=self.chance.randrange(-40_000, 40_000), microseconds=self.chance.randrange(10**6))
        payment = uuid7(int(at.timestamp() * 1000))
        number = f"S{store}T{store}_{payment.hex}"
        if kept:
            self.payments.append((payment, store, amount, number, state, at))
        return [number, amount, amount, -((amount * 6 + 500) // 1000), "", at, self.glns[store - 1]]

    def refund(self, line: list[Any], amount: int, kept: bool = True) -> list[Any]:
        """A refund of a payment, and its line."""
        at = min(line[5] + timedelta(minutes=30), NOON + timedelta(seconds=43_000))
        refund = uuid7(int(at.timestamp() * 1000))
        if kept:
            self.refunds.append((refund, UUID(line[0][-32:]), int(line[0][1 : line[0].index("T")]), line[0], amount, at))
        return [line[0], -amount, -amount, 0, refund.hex, at, line[6]]


def invent(bench: Bench, lines: int, differences: int) -> tuple[list[list[Any]], Counter[tuple[str, str, str]]]:
    """The day's lines, and which differences (class, number, refund number) were put between them and the books."""
    chance = random.Random(11)
    writer = Writer(bench, chance)
    rows: list[list[Any]] = []
    for n in range(lines - differences):
        if n % 40 == 39:
            rows.append(writer.refund(rows[-1], chance.randrange(1, rows[-1][1])))
        else:
            rows.append(writer.pay(chance.randrange(100, 60_000)))
    planted: Counter[tuple[str, str, str]] = Counter()
    for n in range(differences):
        kind = CLASSES[n % len(CLASSES)]
        line = plant(writer, rows, kind, chance)
        planted[kind, line[0], line[4]] += 1
    chance.shuffle(rows)
    insert(bench, writer)
    return rows, planted


def plant(writer: Writer, rows: list[list[Any]], kind: str, chance: random.Random) -> list[Any]:
    """One difference; answers the line that it is about."""
    if kind == "long":
        line = writer.pay(1_000, chance.choice(("closed", "declined", "cancelled")), kept=chance.random() < 0.7)
    elif kind in ("short", "in_transit"):
        return writer.pay(1_100)
    elif kind == "refund_short":
        rows.append(paid := writer.pay(5_000))
        return writer.refund(paid, 700)
    elif kind == "refund_long":
        rows.append(paid := writer.pay(5_000))
        line = writer.refund(paid, 800, kept=False)
    elif kind == "duplicate":
        line = list(rows[chance.randrange(len(rows) // 2)])
    elif kind == "foreign":
        line = [f"OLD{chance.randrange(10**12)}", *writer.pay(900, kept=False)[1:]]
    else:
        line = writer.pay(20_000, "unknown" if kind == "status" else "paid")
        if kind == "amount":
            line[1] = line[2] = 20_001
        elif kind == "fee":
            line[3] -= 2
    rows.append(line)
    return line


def insert(bench: Bench, writer: Writer) -> None:
    """Write the payments and refunds, and the account that they are with."""
    with psycopg.connect(bench.url) as owner:
        owner.execute(
            "insert into wallet_account (retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets) "
            "values (1, 'alipay', 'main', 'app', %s, 'http://127.0.0.1:1/', 'key', '')", [SELLER],
        )  # fmt: skip
        owner.execute("select ensure_payment_months(array[%s, %s]::date[])", [DAY - timedelta(days=3), DAY])
        with owner.cursor().copy(
            "copy payment (retailer_id, id, store_id, till_id, account_id, sale_id, method, amount, currency, number, subject, digest, state, "
            "receipt_amount, paid_at, actor, made_at) from stdin"
        ) as copy:
            for payment, store, amount, number, state, at in writer.payments:
                paid = state == "paid"
                copy.write_row(
                    (1, payment, store, store, 1, payment, "code", amount, "CNY", number, "x", payment, state, amount if paid else 0,
                     at if paid else None, "till:1", at)
                )  # fmt: skip
        with owner.cursor().copy(
            "copy payment_refund (retailer_id, id, payment_id, store_id, account_id, payment_number, amount, digest, state, from_receipt, done_at, "
            "actor, made_at) from stdin"
        ) as copy:
            for refund, payment, store, number, amount, at in writer.refunds:
                copy.write_row((1, refund, payment, store, 1, number, amount, refund, "done", amount, at, "till:1", at))
    with psycopg.connect(bench.url, autocommit=True) as owner:
        owner.execute("vacuum analyze payment")
        owner.execute("vacuum analyze payment_refund")


def yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def table(rows: list[list[Any]], day: date) -> Iterator[str]:
    """The detail table, line by line."""
    yield f"#支付宝业务明细查询\r\n#账号：[{SELLER}0156]\r\n#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day:%Y年%m月%d日} 00:00:00]\r\n"
    yield "#-----------------------------------------业务明细列表----------------------------------------\r\n" + HEADER + "\r\n"
    for n, (number, amount, receipt, fee, refund, at, store) in enumerate(rows):
        when = (at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
        yield (
            f"{DAY:%Y%m%d}{n:020d}\t,{number}\t,{'退款' if amount < 0 else '交易'}\t,货品,{when},{when},{store}\t,店,,01\t,客*(139****0000)\t,{yuan(amount)},{yuan(receipt)},"
            f"0.00,0.00,0.00,0.00,0.00,,0.00,0.00,{refund}\t,{yuan(fee)},0.00,\r\n"
        )
    paid, back = [row[2] for row in rows if row[1] >= 0], [row[2] for row in rows if row[1] < 0]
    yield "#-----------------------------------------业务明细列表结束------------------------------------\r\n"
    yield f"#交易合计：{len(paid)}笔，商家实收共{yuan(sum(paid))}元，商家优惠共0.00元\r\n#退款合计：{len(back)}笔，商家实收退款共{yuan(sum(back))}元，商家优惠退款共0.00元\r\n"


def write_bill(rows: list[list[Any]], day: date = DAY) -> bytes:
    """The bill as it would come."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bill.csv", "w", force_zip64=True) as file:
        for line in table(rows, day):
            file.write(line.encode("gb18030"))
    return buffer.getvalue()


def measure_bound(bench: Bench, content: bytes) -> tuple[float, float]:
    """Wall and CPU seconds of reading the lines and copying them alone."""
    from hutong.payments.alipay.bills import Bill
    from hutong.payments.reconciliation.staging import STAGE, trade_row

    started, before = time.perf_counter(), time.process_time()
    with psycopg.connect(bench.url) as connection:
        connection.execute(STAGE.encode())
        with connection.cursor().copy("copy bill_stage from stdin") as copy:
            for line in Bill(content).trades():
                copy.write(trade_row(line))
    return time.perf_counter() - started, time.process_time() - before


async def measure(bench: Bench, content: bytes, next_content: bytes) -> Measured:
    """Work the day out, then the next, then the day again; the first is what the figures are of."""
    account = Account(1, 1, "alipay", SELLER)
    database = Database(bench.url)
    measured = Measured()
    try:
        for file in (File(content), None):
            cpu, database_cpu, started = time.process_time(), postgres_cpu(bench), time.perf_counter()
            measured.outcomes.append(await reconcile(database, account, DAY, file))
            measured.seconds.append(time.perf_counter() - started)
            measured.found.append(Counter(found_items(bench)))
            if file is not None:
                measured.cpu, measured.database_cpu = time.process_time() - cpu, postgres_cpu(bench) - database_cpu
                await reconcile(database, account, DAY + timedelta(days=1), File(next_content))
        return measured
    finally:
        await database.close()


def postgres_cpu(bench: Bench) -> float:
    """CPU seconds of the database's processes so far, as the kernel counts them."""
    ticks = 0
    with psycopg.connect(bench.url, autocommit=True) as owner:
        pids = [row[0] for row in owner.execute("select pid from pg_stat_activity").fetchall()]
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    return ticks / 100


def found_items(bench: Bench) -> Iterator[tuple[str, str, str]]:
    """The open items: class, number, refund number."""
    with psycopg.connect(bench.url) as owner:
        yield from owner.execute("select class, number, refund_number from recon_item_now where open and day = %s", [DAY]).fetchall()


if __name__ == "__main__":
    main()
