"""How many alarms strangers can set off."""

from hutong.payments import floods
from hutong.payments.floods import Floodgate


def test_the_floodgate_opens_again_with_time_and_tells_what_it_kept_back():
    now = [0.0]
    gate = Floodgate(lambda: now[0])
    assert [gate.passes("a") for _ in range(floods.SENDER_BURST + 5)] == [0] * floods.SENDER_BURST + [None] * 5
    assert gate.passes("b") == 0
    now[0] += floods.SENDER_SECONDS
    assert [gate.passes("a"), gate.passes("a")] == [5, None]
    others = [gate.passes(f"sender {n}") for n in range(2 * floods.ALL_BURST)]  # a sender with many addresses
    assert floods.ALL_BURST - floods.SENDER_BURST - 20 <= others.count(0) <= floods.ALL_BURST
    assert len(gate._senders) <= floods.MOST_SENDERS
