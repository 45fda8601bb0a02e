"""What runs later and again: periodic jobs of all modules on procrastinate, in one process at a time, in PostgreSQL and nowhere else.

A module hands its jobs on as ``jobs`` in its ``__init__``; whoever assembles the program (the application, ``hutong worker``)
collects them, so nothing here knows what they do. A job must bear being run twice and being killed halfway.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType

import procrastinate
import structlog

from hutong.platform.config import Settings
from hutong.platform.database import APP_ROLE, Database, session_options
from hutong.platform.scope import Scope
from hutong.platform.tasks import cancel

CONCURRENCY = 2
"""Jobs that one process runs at the same time."""
LONGEST_SECONDS = 1_800.0
LATE_SECONDS = 3_700.0
"""A job whose hour passed this long ago while nobody worked is run when somebody does; all jobs are due at least hourly."""
GRACE_SECONDS = 3.0
KEEP_EVENT_DAYS = 14
KEEP_FAILED_HOURS = 24 * 14

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is done again and again: ``cron`` has five fields, in UTC, and is due at least once an hour."""

    name: str
    cron: str
    work: Callable[[Database, Settings], Awaitable[None]]


async def ensure_log_days(database: Database, _settings: Settings) -> None:
    """Make the partitions that events and audit rows of the coming days fall into."""
    async with database.work(Scope.of_network()) as uow:
        await uow.execute("select ensure_log_days()")
        await uow.commit()


async def drop_log_days(database: Database, _settings: Settings) -> None:
    """Drop the days of the event log that nobody will read any more. The audit log is kept."""
    async with database.work(Scope.of_network()) as uow:
        dropped = await uow.value("select drop_log_days(:days)", days=KEEP_EVENT_DAYS)
        await uow.commit()
    if dropped:
        log.info("old days of the event log are dropped", tables=dropped)


JOBS = (Job("platform.log_days", "7 * * * *", ensure_log_days), Job("platform.drop_log_days", "23 * * * *", drop_log_days))


def jobs_of(modules: Iterable[ModuleType]) -> list[Job]:
    """The jobs of the platform and of ``modules``. Raises ValueError if two have one name."""
    found = [*JOBS, *(job for module in modules for job in getattr(module, "jobs", ()))]
    if len({job.name for job in found}) < len(found):
        raise ValueError("two jobs have the same name")
    return found


@asynccontextmanager
async def working(database: Database, settings: Settings, jobs: Iterable[Job]) -> AsyncIterator[None]:
    """Runs jobs while this is open; each is run by one of all the processes that have this open. Outages only delay jobs."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # it tells every start and end
    task = asyncio.create_task(_work(database, settings, list(jobs)))
    try:
        yield
    finally:
        await cancel(task)


async def _work(database: Database, settings: Settings, jobs: list[Job]) -> None:
    pause = 1.0
    while True:
        try:
            app = application(database, settings, jobs)
            async with app.open_async():
                pause = 1.0
                await _mend(app)
                await app.run_worker_async(
                    name="hutong",
                    concurrency=CONCURRENCY,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=GRACE_SECONDS,
                    delete_jobs="successful",
                )
        except Exception as error:  # noqa: BLE001 - whatever it was, jobs must go on when it is over
            log.warning("jobs cannot run just now, trying again", error=str(error) or type(error).__name__)
        await asyncio.sleep(pause)
        pause = min(60.0, pause * 2)


def application(database: Database, settings: Settings, jobs: Iterable[Job]) -> procrastinate.App:
    """The procrastinate application that knows ``jobs``; its connections have the program's role and the network's scope."""
    options = f"{session_options()} -c role={APP_ROLE} -c hutong.network=on"
    connector = procrastinate.PsycopgConnector(
        conninfo=database.url, min_size=1, max_size=3, timeout=10, kwargs={"options": options, "connect_timeout": 5}
    )
    app = procrastinate.App(connector=connector, periodic_defaults={"max_delay": LATE_SECONDS})
    for job in jobs:
        # One of a kind waits at a time. None waits for one that runs: should its process be killed, that would be for ever.
        task = app.task(name=job.name, queueing_lock=job.name)(_runner(job, database, settings))
        app.periodic(cron=job.cron)(task)
    return app


def _runner(job: Job, database: Database, settings: Settings) -> Callable[[int], Awaitable[None]]:
    async def run(timestamp: int) -> None:
        async with asyncio.timeout(LONGEST_SECONDS):
            await job.work(database, settings)

    return run


async def _mend(app: procrastinate.App) -> None:
    """Finish what killed workers left as running (their jobs come again by the clock), and forget what failed long ago."""
    for stalled in await app.job_manager.get_stalled_jobs():
        await app.job_manager.finish_job(stalled, status=procrastinate.jobs.Status.FAILED, delete_job=True)
    await app.job_manager.delete_old_jobs(nb_hours=KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True)
