"""The network's trade: what tills ring up as time goes on, and what they rang up on days before; pure, seeded, no clock of its own."""

import heapq
import math
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import accumulate

from hutong.demo.baskets import Receipts, Rung, ring_up
from hutong.demo.chance import chance
from hutong.demo.market import ZONE, Market, local
from hutong.demo.returns import RETURNED, bring_back

REMEMBERED = 4_000
"""Captured sales that may still come back; older ones never do."""
LAUNCH_SHARE, LAUNCH_MINUTES = 0.08, 40
"""The share of baskets that the day's limited edition ends in, and how long it takes to come near it."""
OFFLINE_EVERY, OFFLINE_FOR = 45.0, (90.0, 360.0)
"""Seconds between tills that lose their line, and how long each is without it."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A store, or one till of it, that rings nothing up between two moments (seconds since 1970)."""

    store: int
    till: str | None
    begins: float
    ends: float


class Trade:
    """Trade as it happens. The same market, seed, rate, start and moments asked for give the same sales.

    ``rate`` is sales a second for the whole network. Returns come from sales that ``captured`` has been told of, so that
    no return can reach the network before the sale it returns.
    """

    def __init__(
        self,
        market: Market,
        rate: float,
        begins: float,
        seed: str = "live",
        silences: tuple[Silence, ...] = (),
        launched_at: float | None = None,
    ) -> None:
        self.market, self.rate, self.silences, self.launched_at = market, rate, silences, launched_at
        self._receipts = Receipts()
        self._random = chance("trade", seed, begins)
        self.begins = self._until = begins
        self._owed = 0.0
        self._captured: deque[Rung] = deque(maxlen=REMEMBERED)
        self._offline: dict[tuple[int, str], float] = {}
        self._held: list[tuple[float, int, Rung]] = []
        self._next_offline = begins + OFFLINE_EVERY
        self._made = 0

    def captured(self, rung: Rung) -> None:
        """Say that the network has this sale."""
        if rung.document["kind"] == "sale":
            self._captured.append(rung)

    def held(self) -> list[Rung]:
        """Sales that tills without a line still hold."""
        return [rung for _, _, rung in self._held]

    def skip(self, now: float) -> None:
        """Let time go on to ``now`` without trade, because the network cannot take any."""
        self._until = max(self._until, now)

    def advance(self, now: float) -> list[Rung]:
        """What tills can send at ``now``: sales since the last call, and the batches of tills that found their line again."""
        span = now - self._until
        if span <= 0:
            return []
        random = self._random
        # As irregular as shoppers are, yet what one step has too much the next has too little: the rate is kept.
        self._owed += self.rate * span
        count = max(0, round(random.gauss(self._owed, math.sqrt(self.rate * span) * 0.7)))
        self._owed -= count
        moments = sorted(random.uniform(self._until, now) for _ in range(count))
        self._until = now
        self._lose_lines(now)
        ready: list[Rung] = []
        if count:
            at = local(now)
            places = self.market.rhythm.pick(random, at.weekday(), at.hour * 60 + at.minute, count)
            for place, moment in zip(places, moments, strict=True):
                rung = self._ring(place, moment)
                if rung.due > now:
                    self._made += 1
                    heapq.heappush(self._held, (rung.due, self._made, rung))
                else:
                    ready.append(rung)
        while self._held and self._held[0][0] <= now:
            ready.append(heapq.heappop(self._held)[2])
        return ready

    def _ring(self, place: int, moment: float) -> Rung:
        random, document, till = self._random, None, ""
        if self._captured and random.random() < RETURNED:
            sold = random.choice(self._captured)
            till = self._till(sold.store, moment) or ""
            if till:
                document = bring_back(random, self._receipts, self.market.stores[sold.store], till, moment, sold)
                place = sold.store if document is not None else place
        if document is None:
            till, place = self._open_till(place, moment)
            document = ring_up(random, self._receipts, self.market.stores[place], till, moment, self._launch_share(moment))
        return Rung(place, document, max(moment, self._offline.get((place, till), 0.0)))

    def _open_till(self, place: int, moment: float) -> tuple[str, int]:
        while True:
            till = self._till(place, moment)
            if till is not None:
                return till, place
            at = local(moment)
            place = self.market.rhythm.pick(self._random, at.weekday(), at.hour * 60 + at.minute, 1)[0]

    def _till(self, place: int, moment: float) -> str | None:
        """A till of the store that is not silent, or None if the whole store is."""
        tills = [f"{number:02d}" for number in range(1, self.market.stores[place].tills + 1)]
        for silence in self.silences:
            if silence.store == place and silence.begins <= moment < silence.ends:
                if silence.till is None:
                    return None
                tills = [till for till in tills if till != silence.till]
        return self._random.choice(tills) if tills else None

    def _launch_share(self, moment: float) -> float:
        if self.launched_at is None or moment < self.launched_at:
            return 0.0
        return LAUNCH_SHARE * (1 - math.exp(-(moment - self.launched_at) / 60 / LAUNCH_MINUTES))

    def _lose_lines(self, now: float) -> None:
        for key in [key for key, until in self._offline.items() if until <= now]:
            del self._offline[key]
        if now < self._next_offline:
            return
        self._next_offline = now + self._random.expovariate(1 / OFFLINE_EVERY)
        at = local(now)
        place = self.market.rhythm.pick(self._random, at.weekday(), at.hour * 60 + at.minute, 1)[0]
        till = f"{self._random.randint(1, self.market.stores[place].tills):02d}"
        self._offline[place, till] = now + self._random.uniform(*OFFLINE_FOR)


def day_of(market: Market, place: int, day: date, rate: float, until: float = math.inf) -> tuple[list[Rung], list[Rung]]:
    """A whole day of one store, or as much of it as is before ``until``: its sales, and the returns of them.

    ``rate`` is what the whole network makes a second. The same arguments give the same documents, ids included, so that an
    interrupted play can be repeated; a later ``until`` is another day, not a longer one.
    """
    store, receipts = market.stores[place], Receipts()
    random = chance("day", store.gln, day, until)
    midnight = datetime.combine(day, time(), ZONE).timestamp()
    minutes = min(1440, max(0, math.ceil((until - midnight) / 60))) if until < math.inf else 1440
    expected = market.rhythm.expected(place, day.weekday(), rate)[:minutes]
    mean = sum(expected) * chance("mood", store.gln, day).uniform(0.9, 1.1)
    count = max(0, round(random.gauss(mean, math.sqrt(mean)))) if mean else 0
    drawn = random.choices(range(len(expected)), cum_weights=list(accumulate(expected)), k=count) if count else []
    sales: list[Rung] = []
    returns: list[Rung] = []
    for moment in sorted(midnight + minute * 60 + random.uniform(0, 60) for minute in drawn):
        if moment >= until:
            break
        till = f"{random.randint(1, store.tills):02d}"
        if sales and random.random() < RETURNED:
            back = bring_back(random, receipts, store, till, moment, random.choice(sales))
            if back is not None:
                returns.append(Rung(place, back, moment))
                continue
        sales.append(Rung(place, ring_up(random, receipts, store, till, moment, 0.0), moment))
    return sales, returns
