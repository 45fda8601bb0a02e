"""What a store usually does at this time, and what it means that it does not: pure rules, integers only."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from hutong.monitor.documents import Status

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SILENT_MISSING = 600
"""Hundredths of tickets that a store must be missing to be called silent: six, which chance leaves out once in 400 times."""
LOW_USUAL = 1_200
"""From how many usual tickets so far, in hundredths, a store can be called low."""
QUIET_USUAL = 300
STEP_MINUTES = 5
"""What is usual "up to now" moves on in steps of this many minutes, so that a large retailer's page is not sent whole each minute."""

Span = tuple[int, int]
"""From and to, minutes of the day; to is exclusive."""


class Habit(msgspec.Struct, array_like=True):
    """Sums of a store's trade by hour (24 each) over the last ``days`` same weekdays on which it traded."""

    store_id: int
    days: int
    value: Sequence[int]
    tickets: Sequence[int]

    def value_to(self, minute: int) -> int:
        """Usual value, minor units, from midnight to ``minute``."""
        return _to(self.value, minute) // (60 * self.days) if self.days else 0

    def tickets_to(self, minute: int) -> int:
        """Usual tickets, in hundredths, from midnight to ``minute``."""
        return _to(self.tickets, minute) * 100 // (60 * self.days) if self.days else 0


UNKNOWN = Habit(0, 0, (), ())


def _to(hours: Sequence[int], minute: int) -> int:
    """The sum up to ``minute`` in sixtieths, an hour's trade spread evenly over it."""
    hour, rest = divmod(min(max(minute, 0), 1440), 60)
    return sum(hours[:hour]) * 60 + (hours[hour] * rest if rest else 0)


def open_span(hours: Mapping[str, Any], weekday: int) -> Span | None:
    """When a store is open on a weekday (0 is Monday); None if it is closed all day, the whole day if nothing is said.

    Reads ``{"mon": "08:00-22:00"}`` and ``{"mon-sun": ["08:00", "22:00"]}``; closing at or before opening means past midnight.
    """
    if not hours:
        return (0, 1440)
    for days, span in hours.items():
        first, _, last = days.partition("-")
        if first not in DAYS or (last or first) not in DAYS or not DAYS.index(first) <= weekday <= DAYS.index(last or first):
            continue
        opens, closes = (_minute(each) for each in (span.split("-") if isinstance(span, str) else span))
        return (opens, closes if closes > opens else 1440)
    return None


@lru_cache(maxsize=1_000)
def span_of(hours: bytes, weekday: int) -> Span | None:
    """``open_span`` of hours as JSON: thousands of stores share a handful of them."""
    return open_span(msgspec.json.decode(hours), weekday)


def _minute(clock: str) -> int:
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", clock.strip())
    return min(int(found[1]) * 60 + int(found[2]), 1440) if found else 0


def status(span: Span | None, habit: Habit, minute: int | None, tickets: int, last_minute: int | None) -> Status:
    """A store's state at ``minute`` of its running day (None: the day is not running); see ``Status`` for what each means."""
    if minute is None or span is None or not span[0] <= minute < span[1]:
        return "closed"
    usual = habit.tickets_to(minute)
    since = span[0] if last_minute is None else last_minute + 1
    if usual - habit.tickets_to(since) >= SILENT_MISSING:
        return "silent"
    if usual >= LOW_USUAL and tickets * 200 < usual:
        return "low"
    return "quiet" if usual < QUIET_USUAL else "steady"
