"""What is usual at a minute, opening hours, and what a store's silence means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.monitor.habit import UNKNOWN, Habit, open_span, status

HOURS = st.lists(st.integers(0, 100_000), min_size=24, max_size=24)
SHOP = (480, 1320)
STEADY = Habit(1, 4, [0] * 8 + [40_000] * 14 + [0] * 2, [0] * 8 + [24] * 14 + [0] * 2)
"""Open from eight to ten at night, six tickets an hour."""


@given(HOURS, st.integers(1, 4), st.integers(-10, 1500), st.integers(-10, 1500))
def test_what_is_usual_only_grows_through_the_day_and_ends_at_the_mean_of_the_days(
    hours: list[int], days: int, one: int, other: int
) -> None:
    habit = Habit(1, days, hours, hours)
    first, second = sorted((one, other))
    assert habit.value_to(first) <= habit.value_to(second)
    assert habit.tickets_to(first) <= habit.tickets_to(second)
    assert habit.value_to(0) == 0
    assert habit.value_to(1440) == sum(hours) // days
    assert habit.tickets_to(1440) == sum(hours) * 100 // days


def test_nothing_is_usual_where_nothing_is_known() -> None:
    assert (UNKNOWN.value_to(1440), UNKNOWN.tickets_to(700)) == (0, 0)


@pytest.mark.parametrize(
    ("hours", "weekday", "span"),
    [
        ({}, 0, (0, 1440)),
        ({"mon": "08:00-22:00"}, 0, (480, 1320)),
        ({"mon": "08:00-22:00"}, 1, None),
        ({"mon-sun": ["08:00", "22:00"]}, 6, (480, 1320)),
        ({"mon-fri": ["09:30", "21:00"], "sat": "10:00-24:00"}, 5, (600, 1440)),
        ({"mon-sun": ["18:00", "02:00"]}, 3, (1080, 1440)),
        ({"mon-sun": ["00:00", "24:00"]}, 3, (0, 1440)),
        ({"holidays": "10:00-12:00"}, 3, None),
    ],
)
def test_opening_hours_are_read_in_both_ways_of_writing(hours: dict[str, object], weekday: int, span: tuple[int, int] | None) -> None:
    assert open_span(hours, weekday) == span


@pytest.mark.parametrize(
    ("minute", "tickets", "last", "found"),
    [
        (None, 10, 700, "closed"),
        (479, 0, None, "closed"),
        (1320, 80, 1319, "closed"),
        (500, 0, None, "quiet"),
        (540, 0, None, "silent"),  # six are missing since the doors opened
        (539, 0, None, "steady"),
        (720, 24, 659, "silent"),
        (720, 24, 661, "steady"),
        (720, 11, 719, "low"),
        (720, 12, 719, "steady"),
    ],
)
def test_a_store_is_judged_by_what_it_misses(minute: int | None, tickets: int, last: int | None, found: str) -> None:
    assert status(SHOP, STEADY, minute, tickets, last) == found


def test_a_store_that_is_closed_all_day_is_in_no_trouble() -> None:
    assert status(None, STEADY, 720, 0, None) == "closed"


def test_a_store_without_a_habit_is_never_in_trouble() -> None:
    assert status(SHOP, UNKNOWN, 720, 0, None) == "quiet"
