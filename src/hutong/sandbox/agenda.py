"""What happens at a virtual moment: trades that close, notifications that go out again, requests that arrive late."""

import asyncio
import contextlib
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count

from hutong.sandbox.clock import Clock

Action = Callable[[], Awaitable[None] | None]


class Agenda:
    """Actions by the virtual moment they are due. ``run`` follows the clock; ``advance`` moves it and runs what falls in between."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[datetime, int, Action]] = []
        self._order = count()
        self._changed = asyncio.Event()
        self._running: set[asyncio.Future[None]] = set()
        self.on_error: Callable[[BaseException], None] = lambda _: None

    def at(self, moment: datetime, action: Action) -> None:
        """Do this at that moment; at once (but not within this call) if it is past."""
        heapq.heappush(self._heap, (moment, next(self._order), action))
        if self._heap[0][2] is action:
            self._changed.set()

    async def sleep(self, seconds: float) -> None:
        """Wait so many virtual seconds."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        self.at(self.clock.now() + timedelta(seconds=seconds), wake)
        await woken

    def clock_changed(self) -> None:
        """The clock got another speed: what was being waited for comes sooner or later now."""
        self._changed.set()

    async def run(self) -> None:
        """Follow the clock until cancelled."""
        while True:
            self._changed.clear()
            self._start_due(self.clock.now())
            wait = self.clock.real_seconds_until(self._heap[0][0]) if self._heap else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)

    async def advance(self, seconds: float) -> None:
        """Move the clock by so many virtual seconds; whatever falls due on the way happens in its order and is waited for."""
        target = self.clock.now() + timedelta(seconds=seconds)
        await self.settle()
        while self._heap and self._heap[0][0] <= target:
            self.clock.set(self._heap[0][0])
            self._start_due(self._heap[0][0])
            await self.settle()
        self.clock.set(target)

    async def settle(self) -> None:
        """Wait for the actions that have begun."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """End what has begun and wait for its end."""
        for each in self._running:
            each.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _start_due(self, moment: datetime) -> None:
        while self._heap and self._heap[0][0] <= moment:
            _, _, action = heapq.heappop(self._heap)
            self.start(action)

    def start(self, action: Action) -> None:
        """Do this now; if it takes time, apart."""
        begun = action()
        if begun is not None:
            task = asyncio.ensure_future(begun)
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_error(error)
