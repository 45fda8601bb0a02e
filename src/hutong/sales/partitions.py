"""Makes sure that the partitions of a sale's dates are there before it is written."""

import asyncio
from collections.abc import Sequence
from datetime import date

from sqlalchemy.exc import DBAPIError

from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.sales.prepare import PreparedSale, key_month

DAYS_AT_ONCE = 20


class Partitions:
    """The days and key months that this process knows to have partitions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._days: set[date] = set()
        self._months: set[date] = set()
        self._making = asyncio.Lock()

    async def make_again(self, sales: Sequence[PreparedSale]) -> None:
        """Something that was thought to be there is not: an operator detached it, or no job made today's part of the logs."""
        self._days.clear()
        self._months.clear()
        await self.ensure(sales)
        async with self._database.work(Scope.of_network()) as uow:
            await uow.execute("select ensure_log_days()")
            await uow.commit()

    async def ensure(self, sales: Sequence[PreparedSale]) -> None:
        """Make what is missing for these sales; a set look-up for each when nothing is."""
        days = {sale.sale.business_date for sale in sales} - self._days
        months = {key_month(sale.id) for sale in sales} - self._months
        if not days and not months:
            return
        async with self._making:
            await self._make("ensure_key_months", sorted(months - self._months), self._months)
            await self._make("ensure_days", sorted(days - self._days), self._days)

    async def _make(self, function: str, dates: list[date], known: set[date]) -> None:
        # A few at a time: each partition made is a lock held until commit, and locks are bounded.
        for start in range(0, len(dates), DAYS_AT_ONCE):
            some = dates[start : start + DAYS_AT_ONCE]
            for attempt in (1, 2, 3):
                try:
                    async with self._database.work(Scope.of_network()) as uow:
                        await uow.execute(f"select {function}(cast(:dates as date[]))", dates=some)
                        await uow.commit()
                    break
                except DBAPIError:
                    if attempt == 3:
                        raise
            known.update(some)
