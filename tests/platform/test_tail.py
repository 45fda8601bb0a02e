"""The tail of the event log, with writers that commit in another order than they began."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import psycopg
import pytest

from hutong.platform.database import Database
from hutong.platform.tail import CHANNEL, Event, Horizon, Notifier, Step, Tail, network_connection, read_horizon, read_news


async def until(condition: Any, within: float = 15.0) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def writer(database: Database) -> psycopg.AsyncConnection[Any]:
    """A connection that writes events for the network."""
    connection = await database.connect()
    await connection.execute("select set_config('hutong.network', 'on', false)")
    return connection


async def write(connection: psycopg.AsyncConnection[Any], name: str) -> None:
    await connection.execute("insert into event (kind) values (%s)", [name])


class Heard:
    """Keeps what a tail tells."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.as_of = datetime.min.replace(tzinfo=UTC)
        self.fail = 0

    async def handle(self, _connection: psycopg.AsyncConnection[Any], step: Step) -> None:
        if self.fail and step.events:
            self.fail -= 1
            raise psycopg.OperationalError("the ledger could not be read")
        self.kinds.update(each.kind for each in step.events)
        self.as_of = step.as_of


def test_a_horizon_sees_what_ended_before_it_and_nothing_that_ran_or_came_later() -> None:
    horizon = Horizon.of("10:20:12,15")
    assert [xid for xid in range(8, 23) if horizon.sees(xid)] == [8, 9, 10, 11, 13, 14, 16, 17, 18, 19]
    assert Horizon.of("7:7:") == Horizon(7, 7, frozenset())


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_committed_event_is_told_exactly_once_in_whatever_order_transactions_commit(database: Database, seed: int) -> None:
    random, heard = Random(seed), Heard()
    tail = Tail(database, heard.handle)
    writers = [await writer(database) for _ in range(4)]
    patient = await writer(database)
    await patient.execute("begin")
    await write(patient, "patient")
    await tail.start()
    open_kinds: list[list[str] | None] = [None] * 4
    committed = []
    for number in range(200):
        place = random.randrange(4)
        kinds = open_kinds[place]
        if kinds is None:
            await writers[place].execute("begin")
            open_kinds[place] = []
        elif random.random() < 0.5:
            await write(writers[place], f"{number}")
            kinds.append(f"{number}")
        else:
            keep = random.random() < 0.8
            await writers[place].execute("commit" if keep else "rollback")
            committed += kinds if keep else []
            open_kinds[place] = None
            if random.random() < 0.3:
                tail.poke()
                await asyncio.sleep(random.random() * 0.02)  # let steps fall between commits in many ways
    for place, kinds in enumerate(open_kinds):
        await writers[place].execute("commit")
        committed += kinds or []
    await patient.execute("commit")
    try:
        await until(lambda: sum(heard.kinds.values()) >= len(committed) + 1)
        assert heard.kinds == Counter([*committed, "patient"])
    finally:
        await tail.stop()
        for each in [*writers, patient]:
            await each.close()


async def test_what_was_committed_before_the_start_is_not_told(database: Database) -> None:
    heard, connection = Heard(), await writer(database)
    await write(connection, "before")
    tail = Tail(database, heard.handle)
    await tail.start()
    await write(connection, "after")
    await until(lambda: heard.kinds["after"])
    await tail.stop()
    assert heard.kinds == Counter(["after"])
    await connection.close()


async def test_a_step_that_could_not_be_handled_is_told_again_whole(database: Database) -> None:
    heard, connection = Heard(), await writer(database)
    heard.fail = 2
    tail = Tail(database, heard.handle)
    await tail.start()
    for number in range(5):
        await write(connection, f"{number}")
    await until(lambda: sum(heard.kinds.values()) >= 5)
    await tail.stop()
    assert heard.kinds == Counter("01234")
    await connection.close()


async def test_a_tail_whose_connections_are_cut_goes_on_where_it_was(database: Database, owner: psycopg.Connection[Any]) -> None:
    heard, connection = Heard(), await writer(database)
    tail = Tail(database, heard.handle)
    await tail.start()
    mine = connection.info.backend_pid
    for number in range(30):
        await write(connection, f"{number}")
        if number % 10 == 5:
            owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid not in (%s, pg_backend_pid())",
                [mine],
            )
    await until(lambda: sum(heard.kinds.values()) >= 30)
    await tail.stop()
    assert heard.kinds == Counter(f"{number}" for number in range(30))
    await connection.close()


async def test_news_beyond_the_limit_is_called_an_overrun_instead_of_half_told(database: Database) -> None:
    connection = await writer(database)
    reading = await network_connection(database)
    horizon, at = await read_horizon(reading)
    for number in range(6):
        await write(connection, f"{number}")
    assert (await read_news(reading, horizon, at, most=5)).overrun
    step = await read_news(reading, horizon, at, most=6)
    assert not step.overrun
    assert len(step.events) == 6
    assert isinstance(step.events[0], Event)
    again = await read_news(reading, step.horizon, step.as_of)
    assert again.events == []
    await connection.close()
    await reading.close()


async def test_a_database_that_went_back_in_time_is_an_overrun(database: Database) -> None:
    reading = await network_connection(database)
    horizon, at = await read_horizon(reading)
    ahead = Horizon(horizon.xmin + 10_000, horizon.xmax + 10_000)
    assert (await read_news(reading, ahead, at)).overrun
    await reading.close()


async def test_many_commits_become_few_notifications_and_none_is_needed_to_be_told(database: Database) -> None:
    listening = await database.connect()
    await listening.execute(f"listen {CHANNEL}")
    notifier = Notifier(database)
    notifier.start()
    for _ in range(200):
        notifier.poke()
        await asyncio.sleep(0)
    heard = [each async for each in listening.notifies(timeout=5, stop_after=1)]
    heard += [each async for each in listening.notifies(timeout=0.3)]
    assert 1 <= len(heard) <= 4
    await notifier.stop()
    await listening.close()


async def test_a_step_that_can_never_be_handled_is_given_up_as_an_overrun(database: Database) -> None:
    told: list[Step] = []

    async def handle(_connection: psycopg.AsyncConnection[Any], step: Step) -> None:
        if any(each.kind == "poison" for each in step.events):
            raise ValueError("cannot be handled")
        told.append(step)

    connection = await writer(database)
    tail = Tail(database, handle)
    await tail.start()
    await write(connection, "poison")
    await until(lambda: any(each.overrun for each in told))
    await write(connection, "sound")
    await until(lambda: any(event.kind == "sound" for each in told for event in each.events))
    await tail.stop()
    await connection.close()
