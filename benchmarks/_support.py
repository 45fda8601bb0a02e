"""What the benchmarks share: a PostgreSQL and a network of their own, real servers, a cheap load, and the one line of JSON."""

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import psycopg

from hutong.kernel.gs1 import check_digit
from hutong.kernel.ids import uuid7
from hutong.kernel.money import included_vat
from hutong.platform.embedded import EmbeddedPostgres
from hutong.platform.migrate import migrate

ROOT = Path(__file__).parent.parent
SHANGHAI = ZoneInfo("Asia/Shanghai")
BOOKS_LOCK = 7406032
"""Held by whoever books sales (sales/books.py)."""
KEY = "hk_" + "b" * 43
"""The integrator's key of the benchmark's only retailer."""


@dataclass
class Bench:
    """A database with one retailer of ``glns`` stores (one till each) and ``codes`` of registered products of 40 brands."""

    postgres: EmbeddedPostgres
    folder: Path
    url: str
    glns: list[str]
    codes: list[str]

    @contextmanager
    def server(self, workers: int = 1, app: str = "", environment: dict[str, str] | None = None, port: int | None = None) -> Iterator[str]:
        """A real server on ``port`` of the loopback, or a free one; answers its address. ``app`` is an application factory instead of our own."""
        port = port or free_port()
        command = [
            sys.executable, "-m", "uvicorn", app or "benchmarks._app:create", "--factory", "--host", "127.0.0.1", "--port", str(port),
            "--workers", str(workers), "--no-access-log", "--log-level", "warning", "--backlog", "4096", "--timeout-graceful-shutdown", "5",
        ]  # fmt: skip
        environment = os.environ | {
            "HUTONG_DATABASE_URL": self.url, "HUTONG_LOG_LEVEL": "WARNING", "HUTONG_DATA_DIR": str(self.folder / "data"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        } | (environment or {})  # fmt: skip
        process = subprocess.Popen(command, env=environment, cwd=ROOT)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def empty(self) -> None:
        """Take away all that was captured; the directory and the catalogue stay, and so does the ledger, which nothing empties."""
        with psycopg.connect(self.url, autocommit=True) as owner, books_at_rest(owner):
            owner.execute(
                "truncate sale_key, sale, sale_line, sale_tender, line_returned, event, audit, product_hour, store_minute, brand_minute, "
                "retailer_day, store_day, retailer_minute, brand_day"
            )


@contextmanager
def books_at_rest(owner: psycopg.Connection[Any]) -> Iterator[None]:
    """Nothing is booked while this is open: it would read what is emptied, and take time from what is measured."""
    owner.execute("select pg_advisory_lock_shared(%s)", [BOOKS_LOCK])
    try:
        yield
    finally:
        owner.execute("select pg_advisory_unlock_shared(%s)", [BOOKS_LOCK])


@contextmanager
def workbench(stores: int = 500, products: int = 3_000) -> Iterator[Bench]:
    """A ``Bench`` in a temporary folder, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hutong-bench-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "pg")
    try:
        url = postgres.start()
        migrate(url)
        yield Bench(postgres, folder, url, *insert_directory(url, stores, products))
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def insert_directory(url: str, stores: int, products: int) -> tuple[list[str], list[str]]:
    """One retailer, its stores and tills, 40 brands and their products; answers the GLNs and the product codes."""
    glns = [number + check_digit(number) for number in (f"{690_000_000_000 + n}" for n in range(stores))]
    codes = [number + check_digit(number) for number in (f"{692_000_000_000 + 7 * n}" for n in range(products))]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("insert into province select n, 'p', 'p', 1, n, true from generate_series(11, 35) n")
        owner.execute("insert into retailer (code, name_zh, name_en, kind) values ('bench', '量', 'Bench', 'supermarket')")
        owner.execute(
            "insert into store (retailer_id, gln, code, name_zh, name_en, province_code) "
            "select 1, gln, n::text, '店', 'Store', 11 + n %% 25 from unnest(%s::text[]) with ordinality s (gln, n)",
            [glns],
        )
        owner.execute("insert into till (retailer_id, store_id, code) select 1, id, '01' from store")
        owner.execute("insert into brand (code, name_zh, name_en) select 'b' || n, '牌', 'Brand' from generate_series(1, 40) n")
        owner.execute(
            "insert into product (gtin, brand_id, name_zh, name_en, registered_at) "
            "select '0' || code, 1 + n %% 40, '货', 'Goods', now() from unnest(%s::text[]) with ordinality p (code, n)",
            [codes],
        )
        owner.execute(
            "insert into api_key (name, hint, key_hash, retailer_id, permissions) values ('bench', 'hk_b', %s, 1, %s)",
            [sha256(KEY.encode()).digest(), ["sales:capture", "sales:read", "sales:history", "monitor:read", "tills:register"]],
        )
        owner.execute("analyze")
    return glns, codes


def invent_sale(bench: Bench, chance: random.Random, receipt: int, lines: int = 5) -> dict[str, Any]:
    """A sale of now that adds up, at a store picked by chance."""
    rung = []
    for _ in range(lines):
        price, quantity = chance.randrange(100, 9900), chance.choice((1, 1, 1, 2))
        amount = price * quantity
        rung.append(
            {
                "code": chance.choice(bench.codes),
                "quantity": str(quantity),
                "unit_price": price,
                "amount": amount,
                "vat_rate": "13",
                "vat": included_vat(amount, 1300),
            }
        )
    at, total = datetime.now(SHANGHAI), sum(line["amount"] for line in rung)
    return {
        "id": str(uuid7()), "store": chance.choice(bench.glns), "till": "01", "receipt": f"{receipt:09d}", "business_date": str(at.date()),
        "completed_at": at.isoformat(), "lines": rung, "total": total, "vat": sum(line["vat"] for line in rung),
        "tenders": [{"type": "alipay", "amount": total}],
    }  # fmt: skip


def request_bytes(path: str, document: Any, key: str = KEY) -> bytes:
    """A whole HTTP request, ready to write to a socket."""
    body = json.dumps(document, separators=(",", ":")).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass
class Load:
    """What a load came to: wall time in seconds, each answer's latency in seconds, and how many answers had which status."""

    seconds: float
    latencies: list[float]
    statuses: dict[int, int]


async def send_all(address: str, requests: Sequence[bytes], clients: int) -> Load:
    """Send each request once over ``clients`` kept connections, the next as soon as the last is answered."""
    host, port = address.removeprefix("http://").split(":")
    waiting = iter(requests)
    load = Load(0.0, [], {})

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**22)
        for request in waiting:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            load.latencies.append(time.perf_counter() - started)
            status = int(head[9:12])
            load.statuses[status] = load.statuses.get(status, 0) + 1
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    load.seconds = time.perf_counter() - started
    return load


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(address: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until ``address`` answers 200. Raises RuntimeError if the process ends or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not become ready")


class Result:
    """The benchmark's last line: one JSON object with the machine's load before and after."""

    def __init__(self, bench: str) -> None:
        self.bench = bench
        self.load_before = os.getloadavg()

    def show(
        self, value: float, unit: str, bound: float | None, *, wanted: float | None = None, lower_is_better: bool = False, **more: Any
    ) -> None:
        """Print it. ``ratio`` is value/bound; ``wanted`` is the ratio to reach (or, with ``lower_is_better``, not to exceed)."""
        ratio = None if bound is None else value / bound
        compared = ratio if ratio is not None else value
        reached = None if wanted is None else (compared <= wanted if lower_is_better else compared >= wanted)
        line = {
            "bench": self.bench, "value": rounded(value), "unit": unit, "bound": None if bound is None else rounded(bound),
            "ratio": None if ratio is None else rounded(ratio), "wanted": wanted, "reached": reached, **more,
            "load_before": [round(each, 2) for each in self.load_before], "load_after": [round(each, 2) for each in os.getloadavg()],
        }  # fmt: skip
        print(json.dumps(line), flush=True)


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def middle(values: Sequence[float]) -> float:
    """The median."""
    return float(median(values))


def say(text: str) -> None:
    """A line for the person who waits."""
    print(text, flush=True)
