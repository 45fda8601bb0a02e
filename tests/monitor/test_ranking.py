"""The ranking that is kept up to date is the one that all members give."""

import heapq

from hypothesis import given
from hypothesis import strategies as st

from hutong.monitor.ranking import Ranking

CHANGES = st.lists(st.tuples(st.integers(1, 9), st.integers(-6, 6), st.booleans()), max_size=60)


@given(CHANGES, st.dictionaries(st.integers(1, 9), st.integers(-3, 9)))
def test_a_ranking_after_any_changes_is_that_of_all_members(changes: list[tuple[int, int, bool]], loaded: dict[int, int]) -> None:
    sums = {member: [value] for member, value in loaded.items()}
    ranking = Ranking(3, sums, lambda each: each[0])
    for member, amount, look in changes:
        sums.setdefault(member, [0])[0] += amount
        ranking.changed(member)
        if look:
            assert ranking.first() == whole(sums)
    assert ranking.first() == whole(sums)


def test_only_what_changed_is_looked_at_while_nothing_falls_back() -> None:
    looked: list[int] = []
    sums = {member: [member] for member in range(1_000)}
    ranking = Ranking(20, sums, lambda each: looked.append(each[0]) or each[0])
    assert ranking.first() == list(range(999, 979, -1))
    looked.clear()
    sums[5][0] = 2_000
    ranking.changed(5)
    assert ranking.first()[:2] == [5, 999]
    assert len(looked) < 50
    sums[5][0] = 1
    ranking.changed(5)
    assert ranking.first() == list(range(999, 979, -1))


def whole(sums: dict[int, list[int]]) -> list[int]:
    return heapq.nlargest(3, sums, key=lambda member: (sums[member][0], -member))
