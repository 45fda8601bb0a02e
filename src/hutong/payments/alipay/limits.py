"""How fast and whether to ask at all: a token bucket for an app's rate, and a breaker that stops new payments while nothing answers."""

import asyncio
import time
from collections.abc import Callable


class TokenBucket:
    """Lets ``rate`` calls a second through, ``burst`` at once; who comes later waits in order."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._tokens, self._at = float(burst), clock()

    def reserve(self, longest: float) -> float | None:
        """Take a token and answer the seconds to wait for it, or None (and take nothing) if that is longer than ``longest``."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        wait = max(0.0, (1.0 - self._tokens) / self._rate)
        if wait > longest:
            return None
        self._tokens -= 1.0
        return wait

    async def take(self, longest: float) -> bool:
        """Wait for a token, at most ``longest`` seconds; False if there is none by then."""
        wait = self.reserve(longest)
        if wait:
            await asyncio.sleep(wait)
        return wait is not None


class Breaker:
    """Opens after ``most`` calls in a row without a believable answer; then one payment in ``pause`` seconds may try.

    Only new payments ask it. Queries and cancels go on, and the first believable answer to any of them closes it.
    """

    def __init__(self, most: int = 5, pause: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._pause, self._clock = most, pause, clock
        self._failures, self._next_try = 0, 0.0

    @property
    def is_open(self) -> bool:
        """Whether new payments are being held back."""
        return self._failures >= self._most

    def allows(self) -> bool:
        """Whether a new payment may be sent now; an open breaker lets one through as a probe after each pause."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._next_try:
            return False
        self._next_try = now + self._pause
        return True

    def succeeded(self) -> None:
        """The gateway answered believably."""
        self._failures = 0

    def failed(self) -> bool:
        """The gateway did not; answers whether this has just opened the breaker."""
        self._failures += 1
        if self._failures == self._most:
            self._next_try = self._clock() + self._pause
            return True
        return False
