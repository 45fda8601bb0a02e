"""What becomes of a refund, event by event; then, whatever the order and number of events, money goes back at most once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.kernel.ids import uuid7
from hutong.payments.alipay import codes
from hutong.payments.refunds import (
    BALANCE_SHORT,
    LOOKS,
    Refund,
    RefundAnswered,
    RefundCall,
    RefundQueried,
    RefundState,
    RefundTimePassed,
    TradeQueried,
    advance_refund,
    begin_refund,
    give_back_id,
)
from hutong.payments.wallet import Absent, Closed, Declined, Paid, RefundAccepted, Refunded, Unknown, Waiting

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
DONE = Refunded(400, 380, NOW)
SILENCE = Unknown("no answer in time")
FROZEN = Declined("REASON_TRADE_BEEN_FREEZEN", "nobody")
SHORT = Declined(BALANCE_SHORT, "merchant")


def refund(state=RefundState.SENDING, **others):
    return Refund(uuid7(), 1, 1, uuid7(), 1, "S1T1_x", 400, "returned goods", NOW, state=state, **others)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def test_the_reservation_is_committed_before_the_request_and_somebody_looks_again_if_its_process_dies():
    step = begin_refund(refund())
    assert (step.refund.state, step.call, step.due) == (RefundState.SENDING, RefundCall.REFUND, after(13))


@pytest.mark.parametrize("event", [RefundAnswered(DONE), RefundQueried(DONE)])
def test_a_refund_that_was_carried_out_is_settled_with_its_part_of_the_receipt(event):
    step = advance_refund(refund(RefundState.UNKNOWN, tries=2, code="X"), event, NOW)
    assert (step.refund.state, step.refund.from_receipt, step.refund.code, step.call, step.due) == (RefundState.DONE, 380, "", None, None)


def test_accepted_is_not_refunded_so_a_query_follows():
    step = advance_refund(refund(), RefundAnswered(RefundAccepted()), NOW)
    assert (step.refund.state, step.call) == (RefundState.UNKNOWN, RefundCall.QUERY)


def test_without_an_answer_it_is_looked_for_and_sent_again_under_its_own_number():
    first = refund()
    unknown = advance_refund(first, RefundAnswered(SILENCE), NOW)
    assert (unknown.refund.state, unknown.call, unknown.due) == (RefundState.UNKNOWN, None, after(1))
    asked = advance_refund(unknown.refund, RefundTimePassed(), NOW)
    assert asked.call is RefundCall.QUERY
    again = advance_refund(asked.refund, RefundQueried(Absent()), NOW)
    assert again.call is RefundCall.REFUND
    assert (again.refund.number, again.refund.amount) == (first.number, first.amount)


def test_a_worker_that_finds_a_refund_unsent_sends_it():
    asked = advance_refund(refund(), RefundTimePassed(), NOW)
    assert asked.call is RefundCall.QUERY
    assert advance_refund(asked.refund, RefundQueried(Absent()), NOW).call is RefundCall.REFUND


def refuse(state):
    """A refusal, then the looks until the machine says something else than to look again."""
    step, now, looks = advance_refund(state, RefundAnswered(FROZEN), NOW), NOW, 0
    assert (step.refund.state, step.call) == (RefundState.UNKNOWN, None)
    while step.call is None and step.due is not None:
        now = step.due
        asked = advance_refund(step.refund, RefundTimePassed(), now)
        assert asked.call is RefundCall.QUERY
        step, looks = advance_refund(asked.refund, RefundQueried(Absent()), now), looks + 1
    return step, now, looks


def test_a_refusal_counts_only_after_minutes_in_which_no_copy_of_the_request_was_carried_out():
    step, now, looks = refuse(refund(RefundState.UNKNOWN, tries=1))
    assert step.refund.state is RefundState.REFUSED and "FREEZEN" in step.alarm
    assert looks == LOOKS and (now - NOW).total_seconds() > 150 + 60 + 60


def test_a_look_without_an_answer_does_not_count():
    state = advance_refund(refund(), RefundAnswered(FROZEN), NOW).refund
    for _ in range(3 * LOOKS):
        state = advance_refund(state, RefundTimePassed(), NOW).refund
        step = advance_refund(state, RefundQueried(SILENCE), NOW)
        assert (step.refund.state, step.call) == (RefundState.UNKNOWN, None)
        state = step.refund
    assert state.tries == 0


def test_a_late_success_is_never_refused_but_tried_again_while_people_are_told():
    step, _, _ = refuse(refund(late=True))
    assert step.call is RefundCall.TRADE
    again = advance_refund(step.refund, TradeQueried(Paid("t", 400, 400, 400)), NOW)
    assert (again.refund.state, again.refund.code, again.due) == (RefundState.UNKNOWN, "", after(1_800)) and again.alarm
    asked = advance_refund(again.refund, RefundTimePassed(), NOW)
    assert advance_refund(asked.refund, RefundQueried(Absent()), NOW).call is RefundCall.REFUND


def test_a_late_success_that_a_cancel_gave_back_is_settled_by_that():
    step, _, _ = refuse(refund(late=True))
    settled = advance_refund(step.refund, TradeQueried(Closed(True, Paid("t", 400, 380, 400))), NOW)
    assert (settled.refund.state, settled.refund.from_receipt) == (RefundState.DONE, 380)
    waits = advance_refund(step.refund, TradeQueried(SILENCE), NOW)
    assert (waits.refund.state, waits.due) == (RefundState.UNKNOWN, after(13))


def test_too_small_a_balance_is_waited_for_with_an_alarm_and_the_refund_then_sent_again():
    short = advance_refund(refund(), RefundAnswered(SHORT), NOW)
    assert (short.refund.state, short.due) == (RefundState.SHORT, after(60)) and short.alarm
    again = advance_refund(short.refund, RefundTimePassed(), NOW)
    assert (again.call, again.refund.number) == (RefundCall.REFUND, short.refund.number)
    assert advance_refund(replace(again.refund, tries=50), RefundAnswered(SHORT), NOW).due == after(1_800)


def test_the_clients_word_for_too_small_a_balance_is_the_machines():
    assert codes.refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH", codes.REFUND) == SHORT


@pytest.mark.parametrize("state", [RefundState.DONE, RefundState.REFUSED])
@pytest.mark.parametrize(
    "event", [RefundAnswered(DONE), RefundAnswered(FROZEN), RefundQueried(Absent()), RefundTimePassed(), TradeQueried(Waiting())]
)
def test_what_is_settled_stays_settled(state, event):
    assert advance_refund(refund(state), event, NOW) is None


def test_a_payment_has_one_give_back_for_ever():
    payment = uuid7()
    assert give_back_id(payment) == give_back_id(payment) != give_back_id(uuid7())


# Against a wallet ----------------------------------------------------------------------------------------------------------

FATES = st.lists(
    st.sampled_from(["well", "lost", "unanswered", "refused", "short", "accepted", "accepted, and fails", "late", "time"]), max_size=30
)


@given(FATES, st.booleans())
def test_whatever_befalls_the_requests_money_goes_back_once_or_it_is_refused_and_never_does(fates, late):
    """The machine drives a wallet that carries a number out once; each call meets the next fate, and all go well when they are over."""
    fates, times_paid, in_flight = list(fates), 0, 0
    step, now = begin_refund(refund(late=late)), NOW
    state = step.refund
    for _ in range(400):
        if step.call is None:
            if step.due is None:
                break
            if fates[:1] == ["time"]:  # a second worker looks early
                fates.pop(0)
            else:
                now = max(now, step.due)
                if in_flight and (now - NOW).total_seconds() > 200:
                    in_flight, times_paid = 0, 1  # what was late has arrived
            event = RefundTimePassed()
        else:
            fate = fates.pop(0) if fates else "well"
            if step.call is RefundCall.REFUND:
                if fate in ("well", "unanswered") and not times_paid:
                    times_paid, answer = 1, DONE if fate == "well" else SILENCE
                elif fate in ("refused", "short") and not times_paid:
                    answer = FROZEN if fate == "refused" else SHORT
                elif fate.startswith("accepted") or times_paid:
                    times_paid = 1 if fate == "accepted" else times_paid
                    answer = RefundAccepted()
                else:
                    in_flight, answer = in_flight or fate == "late", SILENCE
                event = RefundAnswered(answer)
            elif step.call is RefundCall.TRADE:
                event = TradeQueried(Paid("t", 400, 380, 400))
            else:
                event = RefundQueried(SILENCE if fate in ("lost", "unanswered", "late") else DONE if times_paid else Absent())
        following = advance_refund(state, event, now)
        assert following is not None, "an open refund that an event left as it was would be stuck"
        step, state = following, following.refund
        assert step.call is None or step.due is not None, "a call whose process dies would never be followed up"
        assert state.number == state.id.hex
        if state.state in (RefundState.DONE, RefundState.REFUSED):
            break
    assert state.state in (RefundState.DONE, RefundState.REFUSED), "never settled"
    assert (state.state is RefundState.DONE) == bool(times_paid)
    assert not (late and state.state is RefundState.REFUSED)
    if state.state is RefundState.REFUSED:
        assert not in_flight
