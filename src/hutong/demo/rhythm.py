"""When trade happens: how busy each chain is in each minute of each weekday, and how a network's sales divide among its stores."""

from functools import lru_cache
from itertools import accumulate
from random import Random

from hutong.demo.groups import Chain
from hutong.demo.stores import Store

_HOURS = {
    "convenience": (35, 25, 20, 18, 20, 35, 80, 160, 170, 100, 80, 120, 170, 120, 90, 90, 100, 140, 160, 140, 130, 120, 100, 60),
    "supermarket": (0, 0, 0, 0, 0, 0, 50, 90, 120, 145, 140, 110, 80, 70, 80, 90, 120, 160, 170, 150, 110, 70, 30, 0),
    "hypermarket": (0, 0, 0, 0, 0, 0, 0, 30, 60, 90, 120, 110, 90, 90, 110, 130, 140, 140, 150, 170, 150, 90, 40, 0),
    "department_store": (0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 45, 70, 90, 100, 120, 140, 140, 120, 120, 150, 150, 80, 30, 0),
    "electronics": (0, 0, 0, 0, 0, 0, 0, 0, 10, 40, 70, 90, 80, 90, 120, 140, 140, 120, 110, 150, 140, 70, 20, 0),
}
"""Relative trade around the middle of each hour of the day."""
_VOLUME = {"convenience": 1.0, "supermarket": 1.0, "hypermarket": 2.8, "department_store": 0.8, "electronics": 0.22}
_WEEKDAYS = {
    "convenience": (1.06, 1.05, 1.05, 1.05, 1.08, 0.88, 0.83),
    "supermarket": (0.92, 0.9, 0.92, 0.94, 1.02, 1.18, 1.12),
    "hypermarket": (0.84, 0.82, 0.85, 0.9, 1.05, 1.32, 1.22),
    "department_store": (0.78, 0.76, 0.8, 0.86, 1.05, 1.42, 1.33),
    "electronics": (0.82, 0.8, 0.84, 0.88, 1.0, 1.38, 1.28),
}
"""Monday to Sunday."""


@lru_cache(maxsize=64)
def busyness(chain: Chain) -> tuple[float, ...]:
    """How busy a store of the chain is in each minute of the day: its format's hours, drawn smooth, nothing while it is closed."""
    hours = _HOURS[chain.format]
    opens, closes = chain.hours
    curve = []
    for minute in range(1440):
        before, part = divmod((minute - 30) / 60, 1)
        value = hours[int(before) % 24] * (1 - part) + hours[(int(before) + 1) % 24] * part
        curve.append(value / 100 * _VOLUME[chain.format] if opens <= minute < closes else 0.0)
    return tuple(curve)


class Rhythm:
    """How the sales of a network divide among its stores: by format, weekday, minute and size.

    The network as a whole trades at the same rate all day; at night the stores that are open share it.
    """

    def __init__(self, stores: tuple[Store, ...]) -> None:
        self._stores = stores
        self._chains: dict[Chain, tuple[list[int], list[float]]] = {}
        for place, store in enumerate(stores):
            places, sizes = self._chains.setdefault(store.banner, ([], []))
            places.append(place)
            sizes.append(store.size)
        self._members = [(chain, places, list(accumulate(sizes))) for chain, (places, sizes) in self._chains.items()]
        self._totals: dict[tuple[int, int], list[float]] = {}

    def busy(self, weekday: int, minute: int) -> list[float]:
        """The running totals of how busy each chain is as a whole; weekday 0 is Monday."""
        known = self._totals.get((weekday, minute))
        if known is None:
            weights = [busyness(chain)[minute] * _WEEKDAYS[chain.format][weekday] * sizes[-1] for chain, _, sizes in self._members]
            if not any(weights):  # a small network may be closed as a whole at night: then it trades as if it were noon
                return self.busy(weekday, 720)
            known = self._totals[weekday, minute] = list(accumulate(weights))
        return known

    def pick(self, random: Random, weekday: int, minute: int, count: int) -> list[int]:
        """Places of the stores in which the next ``count`` sales happen."""
        chains = random.choices(self._members, cum_weights=self.busy(weekday, minute), k=count)
        return [random.choices(places, cum_weights=sizes)[0] for _, places, sizes in chains]

    def expected(self, place: int, weekday: int, rate: float) -> list[float]:
        """The sales to be expected of one store in each minute of a day when the network makes ``rate`` a second."""
        store = self._stores[place]
        curve, factor = busyness(store.banner), _WEEKDAYS[store.banner.format][weekday] * store.size * rate * 60
        return [busy * factor / self.busy(weekday, minute)[-1] if busy else 0.0 for minute, busy in enumerate(curve)]
