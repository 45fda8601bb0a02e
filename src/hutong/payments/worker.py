"""Looks after what is due: attempts that nobody waits for any more, cancels that go on, refunds that are not through.

Several processes may run one each; what one has leased the others leave alone until the lease ends, and two on one attempt would
be harmless. Why this is a loop of its own beside procrastinate: docs/adr/0012-payments-one-function.md.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from hutong.payments.driver import Driver, Due
from hutong.payments.holding import Holder
from hutong.payments.splitting import Splitter
from hutong.platform.tasks import cancel

POLL_SECONDS = 0.5
AT_ONCE = 32
GRACE_SECONDS = 3.0

log = structlog.get_logger(__name__)


class Worker:
    """Takes what is due in turns until it is cancelled."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look for what is due for ever; an outage only delays."""
        pause = POLL_SECONDS
        while True:
            try:
                taken = await self.turn()
                pause = POLL_SECONDS if taken < AT_ONCE else 0.01
            except Exception as error:  # noqa: BLE001 - whatever it was, what is due must be looked at when it is over
                log.warning("payments_cannot_be_looked_at", error=str(error) or type(error).__name__)
                pause = min(10.0, pause * 2)
            await asyncio.sleep(pause)

    async def turn(self) -> int:
        """Start on what is due, as much as there is room for; answers how much that was."""
        room = AT_ONCE - len(self._running)
        if room <= 0:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            return AT_ONCE
        found = await self._driver.store.claim(room)
        for due in found:
            task = asyncio.create_task(self._look(due))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return len(found)

    async def finish(self) -> None:
        """Wait a little for what is under way."""
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE_SECONDS)
        for task in self._running:
            task.cancel()

    async def _look(self, due: Due) -> None:
        try:
            await self._driver.look(due)
        except Exception as error:  # noqa: BLE001 - its lease ends, and it is looked at again
            log.warning("payment_not_looked_at", payment=str(due.payment_id), error=str(error) or type(error).__name__)


@asynccontextmanager
async def working(driver: Driver, holder: Holder, splitter: Splitter) -> AsyncIterator[Worker]:
    """Runs a worker, and what looks after authorisations and splits, while this is open."""
    worker = Worker(driver)
    tasks = [asyncio.create_task(worker.run(), name="payments-worker"), asyncio.create_task(holder.run(), name="payments-holder")]
    tasks.append(asyncio.create_task(splitter.run(), name="payments-splitter"))
    try:
        yield worker
    finally:
        await cancel(*tasks)
        await worker.finish()
        await holder.finish()
        await splitter.finish()
