"""Tells stories by the thousand and adds up what is wrong with them."""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hutong.payments import driver
from tests.simulation.payments import judge
from tests.simulation.payments.story import Setting, Story


@dataclass(slots=True)
class Total:
    """What came of many stories."""

    sales: int = 0
    faults: int = 0
    attempts: int = 0
    refunds: int = 0
    late: int = 0
    crashes: int = 0
    by_bill: int = 0
    """Sales in which the bill was needed to learn of money."""
    wrong: list[tuple[int, int, list[str]]] = field(default_factory=list)
    """Seed, number and what is wrong."""
    unknown: int = 0
    within_10: int = 0
    within_90: int = 0
    longest: float = 0.0
    longest_of: tuple[int, int] = (0, 0)
    raw_within_90: int = 0
    cpu: float = 0.0


class _Mute:
    """Stands in for the program's log: a million stories of alarms are not for reading."""

    def error(self, *_: Any, **__: Any) -> None:
        """Say nothing."""


@contextmanager
def muted() -> Iterator[None]:
    """The driver's log says nothing while this is open."""
    before = driver.log
    driver.log = _Mute()
    try:
        yield
    finally:
        driver.log = before


def one(seed: int, number: int, setting: Setting, *, tell: bool = False) -> tuple[Story, list[str]]:
    """Tell one story and judge it."""
    story = Story(seed, number, setting, tell=tell)
    try:
        ended = story.run()
    except Exception as error:  # a program that breaks is wrong too
        return story, [f"it broke: {error!r}"]
    return story, judge.faults(story, ended=ended)


def many(
    seed: int,
    sales: int,
    setting: Setting,
    total: Total | None = None,
    *,
    enough: int | None = None,
    progress: Callable[[Total], None] | None = None,
) -> Total:
    """Tell ``sales`` stories of a seed; stops when ``enough`` are wrong."""
    total = total or Total()
    began = time.process_time()
    was_on = gc.isenabled()
    gc.disable()
    with muted():
        for number in range(sales):
            story, wrong = one(seed, number, setting)
            _add(total, story, seed, number, wrong)
            story.forget()
            if number % 2000 == 1999:
                if progress is not None:
                    progress(total)
                if number % 20_000 == 19_999:
                    gc.collect()
            if enough is not None and len(total.wrong) >= enough:
                break
    if was_on:
        gc.enable()
    total.cpu += time.process_time() - began
    return total


def _add(total: Total, story: Story, seed: int, number: int, wrong: list[str]) -> None:
    total.sales += 1
    clock = story.clock
    total.crashes += clock.crashes
    total.faults += story.wallet.faults + story.notify.faults + clock.crashes + clock.stalls
    total.attempts += len(story.store.payments)
    total.refunds += len(story.store.refunds)
    total.late += sum(1 for refund in story.store.refunds.values() if refund.late)
    total.by_bill += story.bills > 0
    for _raw, seconds in judge.slow(story):
        total.unknown += 1
        total.within_10 += seconds <= 10
        total.within_90 += seconds <= judge.SECONDS_TO_RESOLVE
        total.raw_within_90 += _raw <= judge.SECONDS_TO_RESOLVE
        if seconds > total.longest:
            total.longest, total.longest_of = seconds, (seed, number)
        if seconds > judge.SECONDS_TO_RESOLVE:
            wrong.append(f"unknown for {seconds:.0f} s though the gateway answered")
    if wrong:
        total.wrong.append((seed, number, wrong))


def tell(seed: int, number: int, setting: Setting, out: Any = sys.stderr) -> None:
    """Print a story from beginning to end, and what is wrong with it."""
    with muted():
        story, wrong = one(seed, number, setting, tell=True)
    wrong += [f"unknown for {s:.0f} s though the gateway answered" for _, s in judge.slow(story) if s > judge.SECONDS_TO_RESOLVE]
    print(f"--- seed {seed}, sale {number} (--seed {seed} --only {number} --faults {setting.times:g})", file=out)
    print("\n".join(story.clock.trace or []), file=out)
    print("\n".join(f"WRONG: {each}" for each in wrong) or "nothing is wrong", file=out)
