"""Closes days: from then on nothing is booked on them, and their balances are written down."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import Job
from hutong.platform.scope import Scope

OPEN_AFTERWARDS = timedelta(hours=54)
"""A day stays open this long after its end: the wallet's bill of a day comes the morning after, and that morning may be missed once."""

log = structlog.get_logger(__name__)


async def close_days(database: Database, now: datetime | None = None) -> int:
    """Close and count, for each retailer, the days that ended long enough ago by its own clock; answers how many balances were written.

    May be killed anywhere and run again, by several at once.
    """
    moment = now or datetime.now(UTC)
    async with database.read(Scope.of_network()) as reader:
        retailers = await reader.rows(
            """select r.id, r.zone, (select max(day) from ledger_day d where d.retailer_id = r.id and d.step = 'closed') as closed,
                      (select max(day) from ledger_day d where d.retailer_id = r.id and d.step = 'counted') as counted
               from retailer r where exists (select from account a where a.retailer_id = r.id) order by r.id"""
        )
    written = 0
    for retailer in retailers:
        last = (moment - OPEN_AFTERWARDS).astimezone(ZoneInfo(retailer.zone)).date() - timedelta(days=1)
        if retailer.closed is None or retailer.closed < last:
            async with database.work(Scope.of_network()) as uow:
                await uow.value("select ledger_close(:retailer, :day)", retailer=retailer.id, day=last)
                await uow.commit()
        elif retailer.counted == retailer.closed:
            continue
        async with database.work(Scope.of_network()) as uow:
            await uow.execute("select set_config('statement_timeout', '0', true)")
            written += await uow.value("select ledger_count(:retailer)", retailer=retailer.id)
            await uow.commit()
    return written


async def close_days_job(database: Database, _settings: Settings) -> None:
    """The job around ``close_days``."""
    written = await close_days(database)
    if written:
        log.info("days of the ledger are closed", balances=written)


async def make_months(database: Database, _settings: Settings) -> None:
    """Make the partitions that postings of the coming month fall into; a posting that comes first makes them itself."""
    async with database.work(Scope.of_network()) as uow:
        await uow.execute("select ensure_ledger_months(array[current_date, (current_date + interval '1 month')::date])")
        await uow.commit()


jobs = (Job("ledger.months", "11 * * * *", make_months), Job("ledger.days", "19 * * * *", close_days_job))
