"""Postings of 3 entries into the ledger, one a transaction and 50, against bare inserts of the same rows without checks."""

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from benchmarks._support import Bench, Result, middle, say, workbench
from hutong.kernel.ids import uuid7
from hutong.payments.ledger import Place, Posting, post, postings

BARE = """
create table bare_posting (retailer_id integer, id uuid, booked_on date, event_at timestamptz, kind text, idempotency text, reference uuid,
    primary key (retailer_id, id));
create table bare_entry (retailer_id integer, posting_id uuid, line smallint, account text, amount bigint, store_id integer,
    primary key (retailer_id, posting_id, line));
create table hot (account text primary key, balance bigint not null) with (fillfactor = 50);
insert into hot values ('clearing', 0)"""
INSERT_BARE = """
with p as (insert into bare_posting select * from jsonb_to_recordset(%s) as p (retailer_id integer, id uuid, booked_on date, event_at timestamptz,
    kind text, idempotency text, reference uuid))
insert into bare_entry select * from jsonb_to_recordset(%s) as e (retailer_id integer, posting_id uuid, line smallint, account text, amount bigint,
    store_id integer)"""

Connection = psycopg.AsyncConnection[Any]
Write = Callable[[Connection, list[Posting]], Coroutine[Any, Any, None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result = Result("ledger")
    kinds: dict[str, tuple[Write, int]] = {
        "single": (write, 1), "bare single": (write_bare, 1), "grouped": (write, 50), "bare grouped": (write_bare, 50),
        "one hot balance row": (write_hot, 1),
    }  # fmt: skip
    speeds: dict[str, list[float]] = {kind: [] for kind in kinds}
    with workbench(stores=100, products=10) as bench:
        with psycopg.connect(bench.url, autocommit=True) as owner:
            owner.execute(BARE)
            owner.execute("grant all on bare_posting, bare_entry, hot to hutong_app")
        for round_number in range(options.rounds + 1):
            for kind, (how, size) in kinds.items():
                seconds = options.seconds if round_number else 1.0
                speed = asyncio.run(measure(bench, how, size, options.clients, seconds))
                if round_number:  # the first is a warm-up: accounts, plans, the partition
                    speeds[kind].append(speed)
            if round_number:
                say(f"round {round_number}: " + ", ".join(f"{kind} {found[-1]:,.0f}/s" for kind, found in speeds.items()))
        check(bench)
    found = {kind: middle(values) for kind, values in speeds.items()}
    result.show(
        found["single"], "postings/s", found["bare single"], grouped=round(found["grouped"]), bare_grouped=round(found["bare grouped"]),
        grouped_to_single=round(found["grouped"] / found["single"], 2), with_one_hot_balance_row=round(found["one hot balance row"]),
        wanted_single=800, wanted_grouped=4000, reached_both=found["single"] >= 800 and found["grouped"] >= 4000,
        entries_a_posting=3, postings_a_group=50, clients=options.clients,
        bound_is="INSERT of the same rows into two tables with a primary key each, without accounts, checks or balances",
    )  # fmt: skip


async def measure(bench: Bench, how: Write, size: int, clients: int, seconds: float) -> float:
    """Postings a second that ``clients`` connections commit, ``size`` in each transaction."""
    loop = asyncio.get_running_loop()
    written = 0
    connections = [await connect(bench) for _ in range(clients)]

    async def client(number: int, connection: Connection, until: float) -> None:
        nonlocal written
        place = Place(1, 1 + number, bench.glns[number], 1)
        while loop.time() < until:
            await how(connection, [payment(place) for _ in range(size)])
            written += size

    started = time.perf_counter()
    await asyncio.gather(*(client(number, connection, loop.time() + seconds) for number, connection in enumerate(connections)))
    speed = written / (time.perf_counter() - started)
    for connection in connections:
        await connection.close()
    return speed


async def connect(bench: Bench) -> Connection:
    """A connection in the program's role and the retailer's scope; each statement is a transaction, and waits for the disk."""
    connection = await psycopg.AsyncConnection.connect(bench.url, autocommit=True, options="-c timezone=UTC -c synchronous_commit=on")
    await connection.execute("set role hutong_app")
    await connection.execute("select set_config('hutong.retailers', '{1}', false)")
    return connection


def payment(place: Place) -> Posting:
    """A payment with a discount of the retailer's own: 3 entries."""
    at = datetime.now(UTC)
    return postings.paid(place, uuid7(), 1_000, 950, at, at.date())


async def write(connection: Connection, made: list[Posting]) -> None:
    """As the program does."""
    assert await post(connection, made) == len(made)


async def write_bare(connection: Connection, made: list[Posting]) -> None:
    """The same rows, in one statement too, with nothing around them."""
    heads = [
        {
            "retailer_id": each.retailer_id, "id": str(each.id), "booked_on": str(each.booked_on), "event_at": str(each.at), "kind": each.kind,
            "idempotency": each.idempotency, "reference": str(each.reference),
        }
        for each in made
    ]  # fmt: skip
    entries = [
        {
            "retailer_id": each.retailer_id, "posting_id": str(each.id), "line": line, "account": entry.account, "amount": entry.amount,
            "store_id": entry.store_id,
        }
        for each in made for line, entry in enumerate(each.entries, 1)
    ]  # fmt: skip
    await connection.execute(INSERT_BARE, [Jsonb(heads), Jsonb(entries)], prepare=True)


async def write_hot(connection: Connection, made: list[Posting]) -> None:
    """As the program does, with a balance that every posting updates: what snapshots of days are there to avoid."""
    async with connection.transaction():
        await post(connection, made)
        await connection.execute("update hot set balance = balance + %s where account = 'clearing'", [made[0].amount], prepare=True)


def check(bench: Bench) -> None:
    """All that was written balances and is all there."""
    with psycopg.connect(bench.url) as owner:
        row = owner.execute(
            "select count(*), sum(cardinality(accounts)) = (select count(*) from entry), (select sum(amount) from entry) from posting"
        ).fetchone()
    assert row is not None
    assert row[0] > 0
    assert row[1:] == (True, 0)


if __name__ == "__main__":
    main()
