"""Sales of 5 lines through HTTP, 100 a request, against a bare COPY of the same rows into the same tables without totals."""

import argparse
import asyncio
import random
import time

import psycopg

from benchmarks._support import Bench, Result, books_at_rest, invent_sale, middle, request_bytes, say, send_all, workbench

TABLES = ("sale_key", "sale", "sale_line", "sale_tender", "event", "audit")
GENERATED = {"event", "audit"}
"""Tables whose first column, an identity, is left to the database."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=150)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result = Result("capture-batch")
    chance = random.Random(5)
    ours, bare, chunked = [], [], []
    with workbench() as bench, bench.server() as address:
        receipt = 0
        for round_number in range(options.rounds + 1):
            requests = []
            for _ in range(options.batches):
                sales = [invent_sale(bench, chance, receipt + n) for n in range(100)]
                receipt += 100
                requests.append(request_bytes("/v1/sales:batch", {"sales": sales}))
            bench.empty()
            load = asyncio.run(send_all(address, requests, options.clients))
            assert load.statuses == {200: options.batches}, load.statuses
            whole, by_request = copy_seconds(bench, options.batches * 100)
            if round_number == 0:
                continue  # warm-up: caches, plans, the first partition
            count = options.batches * 100
            ours.append(count / load.seconds)
            bare.append(count / whole)
            chunked.append(count / by_request)
            say(
                f"round {round_number}: HTTP {ours[-1]:,.0f} sales/s, COPY committed a request {chunked[-1]:,.0f}, COPY whole {bare[-1]:,.0f}"
            )
    result.show(
        middle(ours), "sales/s", middle(chunked), wanted=0.45, copy_in_one_transaction=round(middle(bare)),
        ratio_to_one_transaction=round(middle(ours) / middle(bare), 3), lines_a_sale=5, sales_a_request=100, clients=options.clients,
        bound_is="COPY of the same rows into the same tables without totals, a commit a 100 sales as in the requests",
    )  # fmt: skip


def copy_seconds(bench: Bench, sales: int) -> tuple[float, float]:
    """How long COPY takes for what is stored now: in one transaction, and with a commit after every 100 sales."""
    with psycopg.connect(bench.url, autocommit=True) as owner, books_at_rest(owner):
        stored = owner.execute("select count(*) from sale").fetchone()
        assert stored == (sales,), f"{stored} sales are stored, {sales} were sent"
        whole = {table: copy_out(owner, table, "true") for table in TABLES}
        bounds = [
            row[0]
            for row in owner.execute(
                "select id from (select id, row_number() over (order by id) n from sale) x where n % 100 = 0 order by 1"
            )
        ]
        chunks: list[dict[str, bytes]] = [{} for _ in bounds]
        for table, key in (("sale_key", "id"), ("sale", "id"), ("sale_line", "sale_id"), ("sale_tender", "sale_id"), ("event", "subject")):
            split_by_key(owner, table, key, bounds, chunks)
        bench.empty()
        started = time.perf_counter()
        with owner.transaction():
            for table in TABLES:
                copy_in(owner, table, whole[table])
        one = time.perf_counter() - started
        bench.empty()
        started = time.perf_counter()
        for chunk in chunks:
            with owner.transaction():
                for table, rows in chunk.items():
                    copy_in(owner, table, rows)
        return one, time.perf_counter() - started


def columns(owner: psycopg.Connection[tuple[object, ...]], table: str) -> str:
    """The columns that are copied."""
    names = [
        row[0]
        for row in owner.execute("select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum", [table])
    ]
    return ", ".join(str(name) for name in (names[1:] if table in GENERATED else names))


def copy_out(owner: psycopg.Connection[tuple[object, ...]], table: str, condition: str) -> bytes:
    """The rows of a table as COPY text."""
    with owner.cursor().copy(f"copy (select {columns(owner, table)} from {table} where {condition}) to stdout") as copy:
        return b"".join(bytes(part) for part in copy)


def split_by_key(
    owner: psycopg.Connection[tuple[object, ...]], table: str, key: str, bounds: list[object], chunks: list[dict[str, bytes]]
) -> None:
    """The rows of a table as COPY text, cut behind every hundredth sale."""
    low = "00000000-0000-0000-0000-000000000000"
    for bound, chunk in zip(bounds, chunks, strict=True):
        chunk[table] = copy_out(owner, table, f"{key} > '{low}' and {key} <= '{bound}'")
        low = str(bound)


def copy_in(owner: psycopg.Connection[tuple[object, ...]], table: str, rows: bytes) -> None:
    """COPY rows in."""
    with owner.cursor().copy(f"copy {table} ({columns_cache(owner, table)}) from stdin") as copy:
        copy.write(rows)


_columns: dict[str, str] = {}


def columns_cache(owner: psycopg.Connection[tuple[object, ...]], table: str) -> str:
    """``columns``, asked for once."""
    if table not in _columns:
        _columns[table] = columns(owner, table)
    return _columns[table]


if __name__ == "__main__":
    main()
