"""Plays a file by its own clock, faster than it happened, so that history can be watched as if it were live."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from hutong.importer.receipts import Ready
from hutong.importer.run import Import
from hutong.importer.sending import Placed, Sender, Target, batches, open_sender
from hutong.importer.state import Refusal

TICK = 0.25


@dataclass(frozen=True, slots=True)
class Pace:
    """How a file is played: ``speed`` seconds of the file a second, from ``start`` to ``end``; quiet times cost at most ``longest_wait`` seconds."""

    speed: float = 60.0
    start: date | None = None
    end: date | None = None
    longest_wait: float | None = None


@dataclass
class Played:
    """Where a replay stands: the file's own time, and what became of the sales so far."""

    at: datetime | None = None
    captured: int = 0
    duplicate: int = 0
    refused: int = 0


def due(job: Import, pace: Pace) -> list[int]:
    """The places of the receipts that a replay plays, in order of time."""
    first = pace.start or date.min
    last = pace.end or date.max
    return [place for place in range(job.count) if first <= job.plan.receipts[place].at.date() <= last]


async def replay(job: Import, target: Target, pace: Pace, hear: Callable[[Played], None] | None = None) -> Played:
    """Send each receipt when its time has come. Ids are the file's own: played again, or imported before, it adds nothing.

    Raises SendingStopped.
    """
    played = Played()
    places = due(job, pace)
    if not places:
        return played
    clock = _Clock(job.plan.receipts[places[0]].at, pace)

    def record(_places: list[int], captured: int, duplicate: int, refused: list[Refusal]) -> None:
        played.captured += captured
        played.duplicate += duplicate
        played.refused += len(refused)

    async with open_sender(target) as sender:
        position = 0
        while position < len(places):
            wait = clock.until(job.plan.receipts[places[position]].at)
            if wait > 0:
                await asyncio.sleep(min(wait, TICK))
            now = clock.now()
            end = position
            while end < len(places) and job.plan.receipts[places[end]].at <= now:
                end += 1
            await _send(sender, _ready(job, places[position:end]), record)
            position = end
            played.at = now
            if hear is not None:
                hear(played)
    return played


class _Clock:
    """The file's time as it runs during a replay."""

    def __init__(self, start: datetime, pace: Pace) -> None:
        self._start = start
        self._pace = pace
        self._began = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._pace.speed)

    def until(self, at: datetime) -> float:
        """Seconds, of ours, until the file's time is ``at``; a longer quiet time than is wanted is skipped."""
        wait = (at - self.now()).total_seconds() / self._pace.speed
        longest = self._pace.longest_wait
        if longest is not None and wait > longest:
            self._start += timedelta(seconds=(wait - longest) * self._pace.speed)
            return longest
        return wait


def _ready(job: Import, places: list[int]) -> Iterator[tuple[int, Ready]]:
    return ((place, job.plan.document(place)) for place in places)


async def _send(sender: Sender, sales: Iterator[Placed], record: Callable[[list[int], int, int, list[Refusal]], None]) -> None:
    for batch in batches(sales):
        await sender.send(batch, record)
