"""Payments from the till through the server, the sandbox Alipay, its notification and the ledger: a second, and what each costs."""

import argparse
import asyncio
import base64
import multiprocessing
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from benchmarks._support import KEY, Bench, Load, Result, free_port, middle, percentile, request_bytes, say, send_all, workbench
from hutong.directory import Principal
from hutong.kernel.ids import uuid7
from hutong.payments import AlipayAccount, add_alipay_account
from hutong.platform.config import Settings
from hutong.platform.database import Database
from tests.support.sandbox import RunningSandbox, running_sandbox

NOTICES_WITHIN = 60.0
KEPT_SECONDS = 3.0
"""An idle connection older than this is not used again: servers close theirs after five."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=3_000, help="payments a run")
    parser.add_argument("--rate", type=float, default=100.0, help="payments a second of the paced run")
    parser.add_argument("--clients", type=int, default=16, help="tills of the run as fast as can be")
    options = parser.parse_args()
    result = Result("payments")
    os.environ["HUTONG_SECRET_KEY"] = base64.b64encode(b"k" * 32).decode()
    port = free_port()
    with (
        workbench(stores=200, products=10) as bench,
        running_sandbox(bench.folder, process=True, switches={"code_seconds": 86_400}) as sandbox,
    ):
        asyncio.run(open_account(bench, sandbox, port))
        people = [sandbox.person(balance=10**12, password_above=10**12) for _ in range(options.payments)]  # each shows one code at a time
        with bench.server(environment={"HUTONG_BASE_URL": f"http://127.0.0.1:{port}"}, port=port) as server:
            run(bench, sandbox, people, server, 300, options.clients, None)  # warm-up
            fast = run(bench, sandbox, people, server, options.payments, options.clients, None)
            say(f"as fast as can be: {fast}")
            paced = run(bench, sandbox, people, server, options.payments, options.clients, options.rate)
            say(f"paced: {paced}")
        check_books(bench, options.payments * 2 + 300)
    rsa_ms = rsa_cost()
    share = rsa_ms / fast.cpu_ms["server"]
    result.show(
        fast.rate, "payments/s", 100.0, wanted=1.0, bound_is="the rate that must be sustained", p50_ms=round(fast.p50, 1), p99_ms=round(fast.p99, 1),
        paced={"rate": round(paced.rate, 1), "p50_ms": round(paced.p50, 1), "p99_ms": round(paced.p99, 1), "wanted_p99_ms": 400, "reached": paced.p99 < 400},
        cpu_ms_a_payment={name: round(value, 2) for name, value in fast.cpu_ms.items()}, cpu_ms_in_all=round(sum(fast.cpu_ms.values()), 2),
        rsa_ms_a_payment=round(rsa_ms, 2), rsa_share_of_server=round(share, 3), notified=fast.notified,
    )  # fmt: skip


@dataclass
class Run:
    """What one run came to; milliseconds."""

    rate: float
    p50: float
    p99: float
    notified: int
    cpu_ms: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        cpu = ", ".join(f"{name} {value:.2f}" for name, value in self.cpu_ms.items())
        return (
            f"{self.rate:.0f}/s, p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms, {self.notified} notified; ms of processor a payment: {cpu}"
        )


async def open_account(bench: Bench, sandbox: RunningSandbox, port: int) -> None:
    """The retailer's account at the sandbox, and a key that takes payments."""
    settings = Settings(database_url=bench.url, data_dir=bench.folder / "data", base_url=f"http://127.0.0.1:{port}")
    database = Database(bench.url, 2)
    account = AlipayAccount(sandbox.app_id, sandbox.seller_id, sandbox.gateway, private_key=sandbox.private_key, alipay_public_key=sandbox.alipay_public_key)  # fmt: skip
    await add_alipay_account(database, Principal.system("bench"), settings, 1, "bench", account)
    await database.close()
    with psycopg.connect(bench.url, autocommit=True) as owner:
        owner.execute("update api_key set permissions = permissions || '{payments:take,payments:read,payments:refund}'")


def run(bench: Bench, sandbox: RunningSandbox, people: Sequence[str], server: str, count: int, clients: int, rate: float | None) -> Run:
    """Take ``count`` payments, from a process of its own, and wait for their notifications."""
    chance = random.Random(count)
    requests = [
        request_bytes(
            "/v1/payments",
            {"id": str(uuid7()), "sale": str(uuid7()), "amount": chance.randrange(100, 30_000), "store": chance.choice(bench.glns), "till": "01",
             "method": {"type": "code", "code": sandbox.code(people[number])}},
        )
        for number in range(count)
    ]  # fmt: skip
    before, told = processor_seconds(bench, sandbox, server), notices(bench)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        load: Load = pool.apply(_send, (server, requests, clients, rate))
    assert load.statuses == {201: count}, load.statuses
    deadline = time.monotonic() + NOTICES_WITHIN
    while notices(bench) - told < count and time.monotonic() < deadline:
        time.sleep(0.1)
    after = processor_seconds(bench, sandbox, server)
    cpu = {name: (after[name] - before[name]) * 1000 / count for name in before}
    return Run(
        count / load.seconds, percentile(load.latencies, 0.5) * 1000, percentile(load.latencies, 0.99) * 1000, notices(bench) - told, cpu
    )


def _send(address: str, requests: list[bytes], clients: int, rate: float | None) -> Load:
    return asyncio.run(send_all(address, requests, clients) if rate is None else send_paced(address, requests, rate))


async def send_paced(address: str, requests: Sequence[bytes], rate: float) -> Load:
    """Send at ``rate`` whether or not earlier ones were answered; latencies count from when each should have been sent."""
    host, port = address.removeprefix("http://").split(":")
    load, idle = Load(0.0, [], {}), list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]]()
    started = time.perf_counter()

    async def one(request: bytes, at: float) -> None:
        while idle and time.perf_counter() - idle[-1][2] > KEPT_SECONDS:
            idle.pop()[1].close()  # the server may be closing it at this moment
        reader, writer = idle.pop()[:2] if idle else await asyncio.open_connection(host, int(port))
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        load.latencies.append(time.perf_counter() - at)
        load.statuses[int(head[9:12])] = load.statuses.get(int(head[9:12]), 0) + 1
        idle.append((reader, writer, time.perf_counter()))

    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            at = started + number / rate
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            group.create_task(one(request, at))
    load.seconds = time.perf_counter() - started
    return load


def processor_seconds(bench: Bench, sandbox: RunningSandbox, server: str) -> dict[str, float]:
    """Processor time so far of the server, the sandbox and PostgreSQL with all their processes."""
    assert sandbox.process is not None
    port = int(server.rsplit(":", 1)[1])
    ours = [each for each in psutil.Process().children(recursive=True) if _listens(each, port)]
    postgres = psutil.Process(int((bench.folder / "pg" / "postmaster.pid").read_text().split()[0]))
    return {"server": sum(map(_seconds, ours)), "sandbox": _seconds(psutil.Process(sandbox.process.pid)), "postgresql": _seconds(postgres)}


def _listens(process: psutil.Process, port: int) -> bool:
    return any(each.laddr.port == port and each.status == psutil.CONN_LISTEN for each in process.net_connections())


def _seconds(process: psutil.Process) -> float:
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    own = process.cpu_times()
    return total + own.children_user + own.children_system


def notices(bench: Bench) -> int:
    """Notifications that were believed and kept."""
    with psycopg.connect(bench.url, autocommit=True) as owner:
        row = owner.execute("select count(*) from wallet_notice").fetchone()
        assert row is not None
        return int(row[0])


def check_books(bench: Bench, payments: int) -> None:
    """Every payment is paid and booked once, to the fen."""
    with psycopg.connect(bench.url, autocommit=True) as owner:
        row: Any = owner.execute(
            """select (select count(*) from payment where state = 'paid'), (select count(*) from posting where kind = 'payment.paid'),
                      (select sum(amount) from payment) = (select sum(e.amount) from entry e join account a on a.id = e.account_id where a.code like '%:clearing:%'),
                      (select sum(amount) from entry)"""
        ).fetchone()
    assert row == (payments, payments, True, 0), row


def rsa_cost(rounds: int = 200) -> float:
    """Milliseconds that RSA takes the server for a payment: one signature made, an answer's and a notification's verified."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = b"x" * 600
    signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    spent = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(rounds):
            key.sign(text, padding.PKCS1v15(), hashes.SHA256())
            key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
            key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        spent.append((time.process_time() - began) * 1000 / rounds)
    return middle(spent)


if __name__ == "__main__":
    assert KEY
    main()
