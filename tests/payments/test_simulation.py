"""The real machine, refunds and driver in thousands of sales' stories, at ordinary and at fourfold rates of faults."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.payments.run import Total, many, muted, tell
from tests.simulation.payments.story import Setting, Story

ROOT = Path(__file__).resolve().parents[2]


def told(total):
    """What went wrong, with the first story in full."""
    if not total.wrong:
        return ""
    seed, number, what = total.wrong[0]
    out = io.StringIO()
    tell(seed, number, Setting(), out)
    return f"{len(total.wrong)} wrong, first {what}\n{out.getvalue()}"


@pytest.mark.parametrize(("seed", "sales", "times"), [(1, 9_000, 1.0), (2, 9_000, 1.0), (3, 2_000, 4.0)])
def test_no_money_is_wrong_in_20000_sales(seed, sales, times):
    total = many(seed, sales, Setting(times=times))
    assert total.sales == sales and not total.wrong, told(total)
    assert total.within_90 == total.unknown > sales * times * 0.05
    # The stories must have something in them: faults, deaths of processes, late successes, refunds.
    assert total.faults > sales * times * 0.5
    assert total.crashes > sales * times * 0.01
    assert total.late and total.refunds > sales * 0.15
    assert total.by_bill <= sales * 0.0005


def test_the_machine_alone_is_right_without_notifications_and_before_the_bill():
    total = many(4, 700, Setting(times=4.0, notices=False, bill=False))
    assert not total.wrong, told(total)


def test_a_story_is_the_same_each_time_it_is_told():
    def once(number):
        story = Story(5, number, Setting(times=4.0), tell=True)
        with muted():
            story.run()
        return story.clock.trace

    stories = [once(number) for number in range(60, 80)]
    assert stories == [once(number) for number in range(60, 80)]
    assert max(map(len, stories)) > 20


def test_totals_of_two_runs_are_the_same():
    one, two = many(6, 100, Setting(times=4.0)), many(6, 100, Setting(times=4.0))
    assert isinstance(one, Total)
    assert (one.faults, one.attempts, one.refunds, one.unknown) == (two.faults, two.attempts, two.refunds, two.unknown)


@pytest.mark.slow
def test_the_program_ends_with_its_figures_as_one_line_of_json():
    ran = subprocess.run(
        [sys.executable, "-m", "tests.simulation.payments", "--sales", "400", "--seed", "9", "--seeds", "2", "--faults", "4"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert (figures["sales"], figures["wrong"], figures["seeds"], figures["times"]) == (400, 0, [9, 10], 4.0)
