"""How many alarms a stranger can set off: some are written down, the rest is counted, so that nobody can fill the disk from outside."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_SENDERS = 1_000
SENDER_BURST, SENDER_SECONDS = 20, 60.0
"""Alarms of one sender at once, and the seconds after which it may set off one more."""
ALL_BURST, ALL_SECONDS = 200, 6.0
"""The same for all senders together."""


class _Bucket:
    """``burst`` at once, then one in ``seconds``."""

    __slots__ = ("at", "left_out", "tokens")

    def __init__(self, burst: int, now: float) -> None:
        self.tokens, self.at, self.left_out = float(burst), now, 0

    def has_one(self, burst: int, seconds: float, now: float) -> bool:
        self.tokens = min(burst, self.tokens + (now - self.at) / seconds)
        self.at = now
        return self.tokens >= 1


class Floodgate:
    """Lets alarms through by sender and in all; those that it keeps back are counted with the next one that it lets through."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all = _Bucket(ALL_BURST, clock())
        self._senders: OrderedDict[str, _Bucket] = OrderedDict()

    def passes(self, sender: str) -> int | None:
        """How many of this sender's were kept back since its last one, if this one may pass; None if it is kept back too."""
        now = self._clock()
        own = self._senders.setdefault(sender, _Bucket(SENDER_BURST, now))
        self._senders.move_to_end(sender)
        if len(self._senders) > MOST_SENDERS:
            self._senders.popitem(last=False)
        if not (own.has_one(SENDER_BURST, SENDER_SECONDS, now) and self._all.has_one(ALL_BURST, ALL_SECONDS, now)):
            own.left_out += 1
            return None
        own.tokens -= 1
        self._all.tokens -= 1
        left_out, own.left_out = own.left_out, 0
        return left_out
