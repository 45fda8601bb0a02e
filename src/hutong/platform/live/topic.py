"""One live topic in one process: its state, the frames it sent, and those who watch it."""

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from datetime import datetime
from typing import Any, Protocol

from hutong.platform.live.frames import Frame, Whole, server_sent
from hutong.platform.tail import Horizon

RING = 240
"""Frames kept for those who come back: a minute of a busy topic."""
MOST_BEHIND = 8
"""A watcher further behind than this many frames gets the whole document instead."""

WHOLE_SECONDS = 0.1
"""How long an encoded document may be handed out again while no frame was sent."""


class State(Protocol):
    """What a topic knows: loaded once, then folded from what the tail brings, item by item."""

    horizon: Horizon
    """What the load had seen: an item of a transaction that it sees is already counted."""
    as_of: datetime
    newest: datetime | None

    def document(self, now: datetime) -> Any:
        """The whole document at ``now``, to be encoded as JSON."""
        ...

    def apply(self, item: Any) -> None:
        """Count one item (exactly once: the caller has asked ``horizon``)."""
        ...

    def changes(self, now: datetime) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Sections to set and cells to merge since the last call; forgets them."""
        ...


class Item(Protocol):
    """One thing that happened, with the transaction that it happened in."""

    @property
    def xid(self) -> int: ...


class Topic:
    """A state with its frames. Everything here happens on the event loop, between two awaits."""

    def __init__(self, key: Hashable, name: str, epoch: str) -> None:
        self.key = key
        self.name = name
        self.epoch = epoch
        self.seq = 0
        self.state: State | None = None
        self.as_of: datetime | None = None
        self.pending: list[Item] | None = None
        """Items that came while a load is on its way; None when none is."""
        self.stale = False
        """Something happened that only a new load can tell."""
        self.watchers: set[Watcher] = set()
        self.ring: deque[tuple[int, bytes]] = deque(maxlen=RING)
        self.dirty = False
        self.sent_at = float("-inf")
        self.used_at = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self._whole: tuple[int, float, bytes, Whole] | None = None

    # state ---------------------------------------------------------------------------------------------------------

    def feed(self, item: Item) -> None:
        """Count an item, unless the load saw it; keep it while a load is on its way."""
        if self.pending is not None:
            self.pending.append(item)
        if self.state is not None and not self.state.horizon.sees(item.xid):
            self.state.apply(item)
            self.dirty = True

    def settle(self, state: State) -> None:
        """Take a freshly loaded state, with what came while it loaded. Watchers get the whole document."""
        waiting, self.pending = self.pending or [], None
        replaced = self.state is not None
        newest = self.state.newest if self.state is not None else None
        self.state = state
        state.newest = max((each for each in (newest, state.newest) if each is not None), default=None)
        self.as_of = max(self.as_of, state.as_of) if self.as_of is not None else state.as_of
        for item in waiting:
            if not state.horizon.sees(item.xid):
                state.apply(item)
        self.dirty = True
        if replaced:
            self.seq += 1
            self.ring.clear()
            self.wake()

    # frames --------------------------------------------------------------------------------------------------------

    def whole(self, now: datetime) -> tuple[bytes, Whole]:
        """The whole document, as an SSE event and as a value; encoded once for all who come at the same time.

        It may hold more than the frame it is numbered by: what changed since then comes again with the next frame, as
        values, not differences, so nothing is counted twice.
        """
        assert self.state is not None
        assert self.as_of is not None
        kept, at = self._whole, time.monotonic()
        if kept is None or kept[0] != self.seq or at - kept[1] > WHOLE_SECONDS:
            value = Whole(self.name, self.epoch, self.seq, self.as_of, self.state.newest, self.state.document(now))
            kept = self._whole = (self.seq, at, server_sent("snapshot", value, f"{self.epoch}:{self.seq}"), value)
        return kept[2], kept[3]

    def emit(self, now: datetime, at: float) -> None:
        """Send a frame of what changed to all who watch; ``at`` is the loop's time."""
        assert self.state is not None
        assert self.as_of is not None
        sections, cells = self.state.changes(now)
        self.seq += 1
        frame = Frame(self.epoch, self.seq, self.as_of, self.state.newest, sections, cells)
        self.ring.append((self.seq, server_sent("frame", frame, f"{self.epoch}:{self.seq}")))
        self.dirty = False
        self.sent_at = at
        self.wake()

    def wake(self) -> None:
        """Let all who watch look for what is new."""
        for watcher in self.watchers:
            watcher.wake()

    def after(self, seq: int, now: datetime, most: int) -> list[bytes]:
        """What a watcher who has everything up to ``seq`` is to be sent: at most so many frames, else the whole document."""
        if seq == self.seq:
            return []
        first = self.ring[0][0] if self.ring else self.seq + 1
        if not first - 1 <= seq <= self.seq or self.seq - seq > most:
            return [self.whole(now)[0]]
        return [data for number, data in self.ring if number > seq]

    def resumes(self, last: str) -> int | None:
        """The sequence that ``epoch:seq`` names, if its frames since then are all still here."""
        epoch, _, number = last.rpartition(":")
        if epoch != self.epoch or not number.isascii() or not number.isdigit() or len(number) > 12:
            return None
        seq = int(number)
        first = self.ring[0][0] if self.ring else self.seq + 1
        return seq if first - 1 <= seq <= self.seq else None


class Watcher:
    """One stream that follows a topic, at its own pace."""

    def __init__(self, topic: Topic, last: str = "") -> None:
        self.topic = topic
        self.seq = topic.resumes(last)
        self._most = RING  # one who comes back is sent all it missed, however much it is
        self.ended: str | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    def end(self, reason: str) -> None:
        """Let the stream say ``reason`` and close."""
        self.ended = self.ended or reason
        self._woken.set()

    async def wait(self) -> None:
        """Until there may be something to send."""
        await self._woken.wait()
        self._woken.clear()

    def take(self, now: datetime) -> list[bytes]:
        """What to send now: frames, or the whole document at the beginning and for one that fell behind."""
        data = [self.topic.whole(now)[0]] if self.seq is None else self.topic.after(self.seq, now, self._most)
        self.seq, self._most = self.topic.seq, MOST_BEHIND
        return data
