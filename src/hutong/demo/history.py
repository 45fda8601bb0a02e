"""Trade of days before, for some stores: so that the pages have something to compare today with."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

from hutong.demo.baskets import Rung
from hutong.demo.chance import chance
from hutong.demo.diary import read_diary, write_diary
from hutong.demo.groups import RETAILERS
from hutong.demo.market import Market, local
from hutong.demo.post import Post
from hutong.demo.trade import day_of
from hutong.kernel.money import split

BATCH, AT_ONCE = 1_000, 4
MOST = 150_000
"""Sales that a history has at most: in a small network each store trades so much that fewer stores have to do."""
_SHARES = {
    "baihe-market": 11, "fenghe-fresh": 8, "jiejiao-express": 9, "jiejiao-24": 5, "yunjin-dept": 4, "xinghui-store": 4,
    "xinghui-digital": 3, "yunjin-outlet": 2, "baihe-hyper": 1, "fenghe-plaza": 1,
}  # fmt: skip
"""How many of 48 pilot stores are of which chain: small ones rather than large, or their history would take minutes to send."""

Progress = Callable[[int, int], None]
"""Told how many sales are through, of how many to be expected."""


def pilots(market: Market, count: int) -> list[int]:
    """The places of the stores that have a history: each chain's flagship, and smaller stores all over the country."""
    chosen: list[int] = []
    for code, wanted in zip(_SHARES, split(count, list(_SHARES.values())) if count else [0] * len(_SHARES), strict=True):
        of_chain = [place for place, store in enumerate(market.stores) if store.banner.code == code]
        rest = [place for place in of_chain[1:] if 0.5 <= market.stores[place].size <= 0.95]
        chance("pilots", code).shuffle(rest)
        chosen += [*of_chain[:1], *rest][:wanted]
    return chosen


async def play_history(
    market: Market, post: Post, data_dir: Path, count: int, rate: float, now: float, progress: Progress = lambda _done, _all: None
) -> int:
    """Send the missing days of the pilot stores, as fast as the network takes them, and answer how many sales that were.

    An interrupted history is sent again with the same ids: what the network has already is answered as such.
    """
    diary = read_diary(data_dir)
    days = diary.missing(now)
    if not days or not count:
        return 0
    today = local(now).date().isoformat()
    if today not in diary.started:
        diary.started = {today: now, "rate": rate}
        write_diary(data_dir, diary)
    until, rate = diary.started[today], diary.started["rate"]
    ends = [(day, until if day.isoformat() == today else math.inf) for day in days]
    places, expected = _within_reason(market, pilots(market, count), ends, rate)
    sent = await _send_days(market, post, places, ends, rate, lambda done: progress(done, round(expected)))
    diary = read_diary(data_dir)
    diary.traded(*days)
    diary.started = {}
    write_diary(data_dir, diary)
    return sent


def _within_reason(market: Market, places: list[int], ends: Sequence[tuple[date, float]], rate: float) -> tuple[list[int], float]:
    """As many of the stores as have ``MOST`` sales together, at least one, and how many sales that will be, roughly."""
    chosen: list[int] = []
    expected = 0.0
    for place in places:
        of_store = sum(sum(market.rhythm.expected(place, day.weekday(), rate)[: _minutes(end)]) for day, end in ends)
        if chosen and expected + of_store > MOST:
            break
        chosen.append(place)
        expected += of_store
    return chosen, expected


async def _send_days(
    market: Market, post: Post, places: Sequence[int], ends: Sequence[tuple[date, float]], rate: float, progress: Callable[[int], None]
) -> int:
    """All sales first, then all returns, so that no return comes before its sale."""
    returns: list[Rung] = []
    done = 0
    gate = asyncio.Semaphore(AT_ONCE)

    async def send(retailer: int, rungs: list[Rung]) -> None:
        nonlocal done
        try:
            await post.many(retailer, rungs)
        finally:
            gate.release()
        done += len(rungs)
        progress(done)

    async def send_all(batches: Iterator[tuple[int, list[Rung]]]) -> None:
        async with asyncio.TaskGroup() as group:
            for retailer, rungs in batches:
                await gate.acquire()
                group.create_task(send(retailer, rungs))
                await asyncio.sleep(0)

    def sales() -> Iterator[Rung]:
        for day, end in ends:
            for place in places:
                sold, back = day_of(market, place, day, rate, end)
                returns.extend(back)
                yield from sold

    await send_all(_batches(market, sales()))
    await send_all(_batches(market, iter(returns)))
    return done


def _batches(market: Market, rungs: Iterator[Rung]) -> Iterator[tuple[int, list[Rung]]]:
    waiting: list[list[Rung]] = [[] for _ in RETAILERS]
    for rung in rungs:
        retailer = market.stores[rung.store].retailer
        waiting[retailer].append(rung)
        if len(waiting[retailer]) == BATCH:
            yield retailer, waiting[retailer]
            waiting[retailer] = []
    for retailer, left in enumerate(waiting):
        if left:
            yield retailer, left


def _minutes(end: float) -> int:
    if end == math.inf:
        return 1440
    at = local(end)
    return at.hour * 60 + at.minute
