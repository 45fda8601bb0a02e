"""The first of many by value, kept up to date at the cost of what changed."""

import heapq
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Sums = TypeVar("Sums")


class Ranking(Generic[Sums]):
    """The first ``count`` members of ``sums``, which only grows, by value; at the same value the one with the lower id.

    What did not change stays behind whatever stood last, unless something that stood before has fallen back. So a look compares
    the former first with what changed since, and all members only after a fall: a busy day's 4,700 stores change by the dozen.
    """

    def __init__(self, count: int, sums: Mapping[int, Sums], value: Callable[[Sums], int]) -> None:
        self._count = count
        self._sums = sums
        self._value = value
        self._first: list[int] | None = None
        self._last: tuple[int, int] | None = None
        """What the last of a full ranking had; None while there is room."""
        self._changed: set[int] = set()

    def changed(self, member: int) -> None:
        """This member's value is another now, or the member is new."""
        self._changed.add(member)

    def first(self) -> list[int]:
        """The ids of the first members."""
        if self._first is None:
            self._rank(self._sums)
        elif self._changed:
            before = self._last
            self._rank(self._changed.union(self._first))
            if before is not None and (self._last is None or self._last < before):
                self._rank(self._sums)
        self._changed.clear()
        return self._first or []

    def _rank(self, members: "set[int] | Mapping[int, Sums]") -> None:
        self._first = heapq.nlargest(self._count, members, key=self._place)
        self._last = self._place(self._first[-1]) if len(self._first) == self._count else None

    def _place(self, member: int) -> tuple[int, int]:
        return self._value(self._sums[member]), -member
