"""When a group of sales is large enough to be committed, and when it has waited long enough.

Each commit costs PostgreSQL a millisecond and the disk more, however small its group, and keeps others from the hottest rows. So
where sales come thick, a group waits for half of what has lately been under way at once: one half is read while the other commits.
"""

import asyncio
import time

WAIT_SECONDS = 0.01
LATELY_SECONDS = 0.5
MANY_SALES = 100
"""So many are always enough. Below it one connection commits: a second would make groups half as large that wait for each other's rows."""
OVERDUE_SECONDS = 0.3
"""What has waited so long is committed by another connection: the first may be broken."""


class Gathering:
    """Counts sales that wait and that are being committed, and lets writers wait for more of them."""

    def __init__(self) -> None:
        self.waiting = 0
        self._committing = 0
        self._wanted = 0
        self._enough = asyncio.Event()
        self._many = asyncio.Event()
        self._most, self._most_before, self._most_until = 0, 0, 0.0

    def came(self, sales: int) -> None:
        """So many more wait."""
        self.waiting += sales
        self._most = max(self._most, self.waiting + self._committing)
        if self.waiting >= self._wanted:
            self._enough.set()
        if self.waiting >= MANY_SALES:
            self._many.set()

    def taken(self, sales: int) -> None:
        """So many of those that waited are being committed now."""
        self.waiting -= sales
        self._committing += sales

    def done(self, sales: int) -> None:
        """So many are not being committed any more."""
        self._committing -= sales

    def stop(self) -> None:
        """Nobody shall wait any longer."""
        self._enough.set()
        self._many.set()

    async def for_half(self) -> bool:
        """Wait for half of what was lately under way, a little while at most, not at all where sales come one by one; always True."""
        now = time.monotonic()
        if now > self._most_until:
            self._most, self._most_before, self._most_until = self.waiting + self._committing, self._most, now + LATELY_SECONDS
        self._wanted = min(max(self._most, self._most_before) // 2, MANY_SALES)
        if self.waiting < self._wanted:
            await come(self._enough, WAIT_SECONDS)
        return True

    async def for_many(self) -> bool:
        """Wait until more wait than one connection should commit; False if that was not so for as long as none should have to wait."""
        return self.waiting >= MANY_SALES or await come(self._many, OVERDUE_SECONDS)


async def come(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event comes within so many seconds from now on."""
    event.clear()
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
