"""``hutong worker``: jobs, payments that are due, books and webhooks in a process of its own, for servers that run with HUTONG_JOBS=off."""

import asyncio
import signal

from hutong.app import MODULES, check_schema
from hutong.cli.running import running_database
from hutong.cli.say import note
from hutong.monitor import sending
from hutong.payments import attending
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import jobs_of, working
from hutong.platform.outbound import Outbound
from hutong.platform.telemetry import configure_logging
from hutong.sales import booking


def worker() -> None:
    """
    Run jobs, look after payments and send webhooks, without serving pages.

    `hutong serve` does this itself. Where webhooks are many, start the servers with HUTONG_JOBS=off and as many workers as
    wanted, on any machine that reaches the database: they share the work. Ctrl-C (or SIGTERM) ends one; what it had begun is
    finished, or taken over by another.

    Example:

      HUTONG_DATABASE_URL=postgresql://hutong@db.example/hutong hutong worker
    """
    settings = Settings()
    configure_logging(settings)
    with running_database(settings) as url:
        asyncio.run(work(settings.model_copy(update={"database_url": url})))


async def work(settings: Settings) -> None:
    """Run jobs, look after payments and send webhooks until SIGINT or SIGTERM. ``settings`` name a migrated database."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    assert settings.database_url is not None
    await check_schema(settings.database_url)
    database = Database(settings.database_url, pool_size=4)
    try:
        async with Outbound(allow_private=settings.allow_private_webhooks) as outbound, sending(database, outbound), booking(database):
            async with attending(database, settings), working(database, settings, jobs_of(MODULES)):
                note("hutong's worker is at work (Ctrl-C ends it)")
                await ended.wait()
    finally:
        await database.close()
