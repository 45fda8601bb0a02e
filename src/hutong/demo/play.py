"""Plays the network's trade into its own public API, at a steady rate, until told to stop."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from hutong.demo.baskets import Rung
from hutong.demo.diary import read_diary, write_diary
from hutong.demo.groups import RETAILERS
from hutong.demo.history import pilots, play_history
from hutong.demo.keys import folder_of
from hutong.demo.market import Market, local
from hutong.demo.post import Post
from hutong.demo.spool import Spool
from hutong.demo.trade import Silence, Trade

STEP, GATHER = 0.1, 0.15
"""Seconds between two looks at the clock, and for which a retailer's sales are gathered into one batch."""
LARGEST_BATCH = 500
TILLS_AT_ONCE = 8
REPORT_EVERY = 10.0
PATIENCE = 15.0
"""Seconds of trade that may wait to be sent before shoppers have to wait too."""

Say = Callable[[str], None]


class Player:
    """One playing of the trade. Stores whose number ends in 0 send each sale by itself with the till's own key, the others by their integrator."""

    def __init__(self, market: Market, post: Post, data_dir: Path, rate: float, history: int, say: Say) -> None:
        self._market, self._post, self._data_dir, self._rate, self._history, self._say = market, post, data_dir, rate, history, say
        self._place = {store.gln: place for place, store in enumerate(market.stores)}
        self._spool = Spool(folder_of(data_dir) / "spool")
        self._singles: asyncio.Queue[Rung] = asyncio.Queue()
        self._batches: list[deque[Rung]] = [deque() for _ in RETAILERS]
        self._waiting = 0
        now = time.time()
        diary = read_diary(data_dir)
        launched_at = diary.launched_at(now)
        diary.traded(*([] if self._history and local(now).date() in diary.missing(now) else [local(now).date()]))
        write_diary(data_dir, diary)
        self._trade = Trade(market, rate, now, silences=_silences(market, now), launched_at=launched_at)

    async def run(self, stop: asyncio.Event) -> None:
        """Play until ``stop``; what is not through by then stays in the spool for the next player."""
        stopped = asyncio.create_task(stop.wait())
        playing = [asyncio.create_task(work) for work in (self._tick(), self._report(), self._fill_in())]
        playing += [asyncio.create_task(self._send_singles()) for _ in range(TILLS_AT_ONCE)]
        playing += [asyncio.create_task(self._send_batches(retailer)) for retailer in range(len(RETAILERS))]
        try:
            done, _ = await asyncio.wait({stopped, *playing}, return_when=asyncio.FIRST_COMPLETED)
            playing[0].cancel()
            await self._drain(0.0 if done - {stopped} else 2.0)
        finally:
            for task in (stopped, *playing):
                task.cancel()
            ended = await asyncio.gather(*playing, return_exceptions=True)
            self._spool.write(rung.document for rung in self._trade.held())
            self._spool.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _tick(self) -> None:
        """Let time go on. When the network cannot take any more, shoppers wait as well."""
        await self._send_left_over()
        self._trade.skip(time.time())
        while True:
            await asyncio.sleep(STEP)
            if self._waiting > self._rate * PATIENCE + LARGEST_BATCH:
                self._trade.skip(time.time())
                continue
            rungs = self._trade.advance(time.time())
            self._spool.write(rung.document for rung in rungs)
            for rung in rungs:
                self._put(rung)

    def _put(self, rung: Rung) -> None:
        self._waiting += 1
        store = self._market.stores[rung.store]
        if store.gln[11] == "0":
            self._singles.put_nowait(rung)
        else:
            self._batches[store.retailer].append(rung)

    async def _send_singles(self) -> None:
        while True:
            rung = await self._singles.get()
            if await self._post.one(rung):
                self._trade.captured(rung)
            self._done([rung])

    async def _send_batches(self, retailer: int) -> None:
        waiting = self._batches[retailer]
        while True:
            await asyncio.sleep(GATHER)
            while waiting:
                rungs = [waiting.popleft() for _ in range(min(len(waiting), LARGEST_BATCH))]
                for rung in await self._post.many(retailer, rungs):
                    self._trade.captured(rung)
                self._done(rungs)

    def _done(self, rungs: list[Rung]) -> None:
        self._waiting -= len(rungs)
        for rung in rungs:
            self._spool.done(rung.document)

    async def _send_left_over(self) -> None:
        """Send again what an earlier player wrote down and did not see answered, in its order and with its ids."""
        waiting: list[list[Rung]] = [[] for _ in RETAILERS]
        for document in self._spool.left_over():
            place = self._place.get(document["store"])
            if place is not None:
                waiting[self._market.stores[place].retailer].append(Rung(place, document, 0.0))
        found = sum(map(len, waiting))
        for retailer, rungs in enumerate(waiting):
            for first in range(0, len(rungs), LARGEST_BATCH):
                await self._post.many(retailer, rungs[first : first + LARGEST_BATCH])
        self._spool.forget_left_over()
        if found:
            self._say(f"{found:,} sales that the last player left behind were sent again with their ids")

    async def _fill_in(self) -> None:
        """Days without trade that pages compare with get theirs in the background."""
        if self._history:
            sent = await play_history(self._market, self._post, self._data_dir, self._history, self._rate, time.time())
            if sent:
                self._say(f"{sent:,} sales of the days since the last start were filled in")
        await asyncio.Event().wait()

    async def _report(self) -> None:
        tally = self._post.tally
        before, at = 0, time.monotonic()
        while True:
            await asyncio.sleep(REPORT_EVERY)
            now, through = time.monotonic(), tally.captured
            line = (
                f"{local(time.time()):%H:%M:%S}  {(through - before) / (now - at):6.1f} sales/s   {through:,} captured, {tally.duplicate:,} sent twice, "
                f"{tally.refused:,} refused   {self._waiting:,} waiting   answers p50 {tally.latency(0.5):.0f} ms, p99 {tally.latency(0.99):.0f} ms"
                f"{f'   {tally.retries:,} retries' if tally.retries else ''}"
            )
            before, at = through, now
            self._say(line)
            for reason, _ in tally.reasons.most_common(3):
                self._say(f"          refused: {reason}")
            tally.reasons.clear()

    async def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody waits for the last one but this
            await asyncio.sleep(0.05)


def _silences(market: Market, now: float) -> tuple[Silence, ...]:
    """Trouble to be seen on the pages: two minutes after the start a till goes silent, a minute later a whole store, until they are found."""
    always = [place for place in pilots(market, 48) if market.stores[place].banner.always_open]
    if len(always) < 2:
        return ()
    return (Silence(always[0], "02", now + 120, now + 1_920), Silence(always[1], None, now + 180, now + 2_880))
