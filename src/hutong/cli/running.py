"""A migrated database for a command: the one that HUTONG_DATABASE_URL names, or our own, started and stopped with the command."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from hutong.cli.say import note
from hutong.platform.config import Settings
from hutong.platform.database import Database, plain_url

if TYPE_CHECKING:
    from hutong.platform.embedded import EmbeddedPostgres

T = TypeVar("T")
WATCH_SECONDS = 1.0


@contextmanager
def running_database(settings: Settings, *, migrated: bool = True, watched: bool = False) -> Iterator[str]:
    """The URL of a running database, brought to this program's schema if ``migrated``.

    Our own server goes on if another program uses it. With ``watched`` it is started again should it die. SIGTERM ends the
    block as Ctrl-C does, so that nothing is left running.
    """
    with ending_on_sigterm():
        if settings.database_url is not None:
            if migrated:
                bring_up_to_date(settings.database_url)
            yield settings.database_url
            return
        from hutong.platform.embedded import EmbeddedPostgres

        if not (settings.data_dir / "pg" / "PG_VERSION").exists():
            note(f"Making a PostgreSQL of our own in {settings.data_dir / 'pg'} (some seconds, once)")
        server = EmbeddedPostgres(settings.data_dir / "pg")
        ended = threading.Event()
        try:
            url = server.start()
            if migrated:
                bring_up_to_date(url)
            if watched:
                threading.Thread(target=_watch, args=(server, ended), daemon=True).start()
            yield url
        finally:
            ended.set()
            with deaf():
                server.stop()


def bring_up_to_date(url: str) -> None:
    """Run the migrations that are missing, see that the country's provinces and cities are there, and say so."""
    from hutong.platform.migrate import migrate

    for line in [*migrate(url), *_write_places(url)]:
        note(f"Database: {line}")


def _write_places(url: str) -> list[str]:
    """The province-level units and their larger cities, where they are missing; a unit counts as trading once it has a store."""
    from hutong.demo.places import cities, provinces

    with psycopg.connect(plain_url(url)) as owner, owner.cursor() as cursor:
        cursor.executemany(
            "insert into province (code, name_zh, name_en, grid_column, grid_row) values (%s, %s, %s, %s, %s) on conflict do nothing",
            [(unit.code, unit.zh, unit.en, unit.column, unit.row) for unit in provinces()],
        )
        units = cursor.rowcount
        cursor.executemany(
            "insert into city (code, province_code, name_zh, name_en) values (%s, %s, %s, %s) on conflict do nothing",
            [(city.code, city.province, city.zh, city.en) for city in cities()],
        )
        return [f"{units} provinces and {cursor.rowcount} cities written"] if units > 0 or cursor.rowcount > 0 else []


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run a coroutine on the network's database, starting and stopping our own server around it if it does not run already."""
    settings = Settings()

    async def run(url: str) -> T:
        database = Database(url, pool_size=2)
        try:
            return await work(database)
        finally:
            await database.close()

    with running_database(settings) as url:
        return asyncio.run(run(url))


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit in this block, so that every ``finally`` runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def deaf() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM while what was started is being stopped: a second Ctrl-C must not leave it running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(server: "EmbeddedPostgres", ended: threading.Event) -> None:
    while not ended.wait(WATCH_SECONDS):
        if not server.is_running():
            note("PostgreSQL has died; starting it again")
            try:
                server.start(unless=ended)
            except Exception as error:  # noqa: BLE001 - it is tried again
                note(f"It did not start: {error}")
