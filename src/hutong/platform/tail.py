"""Tails of the event log: every committed event exactly once and none missed, whatever order transactions commit in.

Commit order is not the order of ids, so a tail remembers no id. It keeps the last snapshot it saw and asks for the events that
the snapshot now sees and that one did not. What a snapshot does not see is exactly: the transactions from its ``xmax`` on, and
those in its list of running ones. Asking for these two by index costs the same however long another transaction stays open.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import structlog

from hutong.kernel.errors import Unavailable
from hutong.platform.database import Database, is_outage
from hutong.platform.tasks import cancel

CHANNEL = "hutong_event"
POLL_SECONDS = 0.25
STEP_SECONDS = 0.015
"""Steps of one tail are at least this far apart: many commits become one step."""
NOTIFY_SECONDS = 0.02
MOST_EVENTS = 20_000
"""A step with more news than this is not told one by one: whoever follows loads afresh."""
LONGEST_TRANSACTION = timedelta(days=1)
"""Events carry their transaction's start; partitions of the log older than this before the last step are not looked at."""
MOST_STUMBLES = 3
"""A step that failed so often, though the database answers, is given up: whoever follows loads afresh."""
LONGEST_PAUSE = timedelta(hours=6)
"""After a longer pause between two steps whoever follows loads afresh; later partitions of the log are not looked at."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Horizon:
    """A PostgreSQL snapshot (``xmin:xmax:running,…``): which transactions' work it sees."""

    xmin: int
    xmax: int
    running: frozenset[int] = frozenset()

    @staticmethod
    def of(text: str) -> "Horizon":
        """Read the text of a ``pg_snapshot``. Raises ValueError if it is not one."""
        low, high, running = text.split(":")
        return Horizon(int(low), int(high), frozenset(int(each) for each in running.split(",") if each))

    def sees(self, xid: int) -> bool:
        """Whether the work of this committed transaction is in the snapshot."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)


def between(after: Horizon, last_xid: int) -> Horizon:
    """The horizon that sees what ``after`` sees of the transactions up to ``last_xid``, and nothing of later ones."""
    running = frozenset(xid for xid in after.running if xid <= last_xid)
    return Horizon(min(running, default=last_xid + 1), last_xid + 1, running)


def written(horizon: Horizon) -> str:
    """A horizon as PostgreSQL writes it."""
    return f"{horizon.xmin}:{horizon.xmax}:{','.join(str(each) for each in sorted(horizon.running))}"


class Event(msgspec.Struct, frozen=True, array_like=True):
    """A committed row of the event log."""

    xid: int
    kind: str
    retailer_id: int | None
    store_id: int | None
    brand_id: int | None
    business_date: date | None
    subject: str | None
    body: Any = None


class Step(msgspec.Struct, frozen=True):
    """What became visible between two steps. Everything committed before ``as_of`` is in this or an earlier step."""

    horizon: Horizon
    as_of: datetime
    events: list[Event]
    overrun: bool = False
    """There was more than can be told, or the database is not the one of the last step: load afresh."""


NEWS = """
select pg_current_snapshot()::text as horizon, statement_timestamp() as as_of, (
    select coalesce(json_agg(json_build_array(e.xid::text::bigint, e.kind, e.retailer_id, e.store_id, e.brand_id, e.business_date, e.subject,
                                              e.body)), '[]')::text
    from (select * from event where xid >= %(xmax)s::xid8 and at >= %(since)s and at < %(until)s RUNNING
          limit %(most)s) e) as events"""
NEWS_ALONE = NEWS.replace("RUNNING", "")
NEWS_WHILE_RUNNING = NEWS.replace(
    "RUNNING", "union all select * from event where xid = any (%(running)s::xid8[]) and at >= %(since)s and at < %(until)s"
)
# One statement, so that the rows and the snapshot belong together. The order of events means nothing and is not asked for.

_events = msgspec.json.Decoder(list[Event])


async def read_news(connection: psycopg.AsyncConnection[Any], last: Horizon, last_at: datetime, most: int = MOST_EVENTS) -> Step:
    """The events that became visible since ``last``, a horizon taken at ``last_at``, and the new horizon."""
    until = last_at + LONGEST_PAUSE
    cursor = await connection.execute(
        NEWS_WHILE_RUNNING if last.running else NEWS_ALONE,
        {
            "xmax": str(last.xmax),
            "running": [str(each) for each in last.running],
            "since": last_at - LONGEST_TRANSACTION,
            "until": until,
            "most": most + 1,
        },
        prepare=False,  # planned anew, so that partitions of other days are left out
    )
    row = await cursor.fetchone()
    assert row is not None
    horizon, events = Horizon.of(row[0]), _events.decode(row[2])
    if len(events) > most or horizon.xmax < last.xmax or row[1] >= until:
        return Step(horizon, row[1], [], overrun=True)
    return Step(horizon, row[1], events)


async def read_horizon(connection: psycopg.AsyncConnection[Any]) -> tuple[Horizon, datetime]:
    """What is visible now, and when that was."""
    row = await (await connection.execute("select pg_current_snapshot()::text, statement_timestamp()")).fetchone()
    assert row is not None
    return Horizon.of(row[0]), row[1]


Handle = Callable[[psycopg.AsyncConnection[Any], Step], Awaitable[None]]


class Tail:
    """Follows the event log while it runs, and hands each step to ``handle``.

    ``handle`` gets the connection (network scope, autocommit) to read what the events point at. A step whose handling fails is
    read again, with what is new since, so nothing is skipped; ``handle`` must change nothing before it can no longer fail.
    """

    def __init__(self, database: Database, handle: Handle) -> None:
        self.database = database
        self.handle = handle
        self.horizon: Horizon | None = None
        self.at = datetime.now(UTC)
        self.failing = False
        self._stumbles = 0
        self._wake = asyncio.Event()
        self._started = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to follow, from now: events committed after this returns are handed on. Raises Unavailable within 5 s."""
        if not self._tasks:
            self._started.clear()
            self.horizon = None
            self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._listen())]
        try:
            async with asyncio.timeout(5):
                await self._started.wait()
        except TimeoutError:
            raise Unavailable("The live feed is not reachable just now; try again in a moment.") from None

    async def stop(self) -> None:
        """Stop following; a later ``start`` begins anew."""
        tasks, self._tasks = self._tasks, []
        await cancel(*tasks)

    @property
    def running(self) -> bool:
        return bool(self._tasks)

    def poke(self) -> None:
        """Something was committed: look now instead of at the next poll."""
        self._wake.set()

    async def _run(self) -> None:
        pause = POLL_SECONDS
        while True:
            connection = None
            try:
                connection = await network_connection(self.database)
                await self._follow(connection)
            except (psycopg.Error, OSError, Unavailable, TimeoutError) as error:
                if not self.failing:
                    log.warning("the tail lost the database, trying again", error=str(error), outage=is_outage(error))
                self.failing = True
            except Exception:
                log.exception("a step could not be handled")
                self.failing = True
                self._stumbles += 1
            finally:
                if connection is not None:
                    with suppress(psycopg.Error, OSError):
                        await asyncio.shield(connection.close())
            await asyncio.sleep(pause)

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self._wake.clear()
            async with asyncio.timeout(20):  # a dead line must not hold the feed up
                if self.horizon is None:
                    self.horizon, self.at = await read_horizon(connection)
                else:
                    step = await read_news(connection, self.horizon, self.at)
                    if self._stumbles >= MOST_STUMBLES:  # something in it cannot be handled: go on without it
                        step = Step(step.horizon, step.as_of, [], overrun=True)
                    await self.handle(connection, step)
                    self._stumbles = 0
                    self.horizon, self.at = step.horizon, step.as_of
            self.failing = False
            self._started.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            await asyncio.sleep(max(0.0, began + STEP_SECONDS - loop.time()))

    async def _listen(self) -> None:
        """Other processes' commits wake this tail at once; without a line for it, the poll finds them a little later."""
        while True:
            try:
                connection = await self.database.connect()
                try:
                    await connection.execute(f"listen {CHANNEL}")
                    while True:
                        async for _ in connection.notifies(timeout=5.0):
                            self._wake.set()
                        async with asyncio.timeout(5):
                            await connection.execute("select 1")
                finally:
                    with suppress(psycopg.Error, OSError):
                        await connection.close()
            except (psycopg.Error, OSError, TimeoutError):
                await asyncio.sleep(1)


async def network_connection(database: Database) -> psycopg.AsyncConnection[Any]:
    """A connection of its own that reads for the network. Its snapshots are of single statements (autocommit)."""
    connection = await database.connect()
    await connection.execute("select set_config('hutong.network', 'on', false), set_config('default_transaction_read_only', 'on', false)")
    return connection


class Notifier:
    """Tells other processes that something was committed: NOTIFYs gathered to one each 20 ms, in transactions of their own.

    A NOTIFY inside the capture's transaction would put all commits of the database in one queue.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tell."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop telling."""
        task, self._task = self._task, None
        if task is not None:
            await cancel(task)

    def poke(self) -> None:
        """Something was committed here. Never waits, never fails."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                connection = await self.database.connect()
                try:
                    await connection.execute("set synchronous_commit = off")
                    while True:
                        await self._wake.wait()
                        self._wake.clear()
                        async with asyncio.timeout(5):
                            await connection.execute(f"notify {CHANNEL}")
                        await asyncio.sleep(NOTIFY_SECONDS)
                finally:
                    with suppress(psycopg.Error, OSError):
                        await connection.close()
            except (psycopg.Error, OSError, TimeoutError):
                await asyncio.sleep(1)
