"""When a bill is asked for: from 09:05 of the next morning every ten minutes until noon, then an alarm, and every hour for a week."""

from datetime import date, datetime, timedelta

from hutong.payments.reconciliation.model import start_of

READY_AFTER = timedelta(hours=9, minutes=5)
EVERY, LATER_EVERY = timedelta(minutes=10), timedelta(hours=1)
LATE_AFTER = timedelta(hours=12)
EMPTY_AFTER = timedelta(hours=36)
"""A day on which nothing was taken may have no bill at all; by then it has none."""
GIVE_UP_AFTER = timedelta(days=8)
LOOK_BACK_DAYS = 7
"""A day whose bill was never asked for (the program did not run) is asked for this long afterwards."""


def first_look(day: date) -> datetime:
    """When the bill of ``day`` is asked for the first time."""
    return start_of(day + timedelta(days=1)) + READY_AFTER


def next_look(day: date, now: datetime) -> datetime | None:
    """When to ask again after a try at ``now`` that brought nothing; None once nobody expects it any more."""
    if now >= start_of(day + timedelta(days=1)) + GIVE_UP_AFTER:
        return None
    return now + (EVERY if not is_late(day, now) else LATER_EVERY)


def is_late(day: date, now: datetime) -> bool:
    """Whether people must know that the bill is not there."""
    return now >= start_of(day + timedelta(days=1)) + LATE_AFTER


def is_empty(day: date, now: datetime) -> bool:
    """Whether a bill that is not there means that there was nothing to bill, if nothing was taken on the day."""
    return now >= start_of(day + timedelta(days=1)) + EMPTY_AFTER
