"""What becomes of an attempt, event by event; then, whatever the order and number of events, the same money in the end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.kernel.ids import uuid7
from hutong.payments.machine import (
    GIVE_UP_SECONDS,
    OPEN,
    UNDECIDED,
    WATCH_SECONDS,
    Answered,
    Attempt,
    Booking,
    Call,
    CancelAnswered,
    CancelAsked,
    GivenBack,
    Noticed,
    Queried,
    State,
    TimePassed,
    advance,
    begin,
)
from hutong.payments.wallet import Absent, Cancelled, CancelRefused, Closed, Declined, Paid, QrCode, Unknown, Waiting

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
PAID = Paid("2026030222001", 1_000, 950, 950, NOW)
SILENCE = Unknown("no answer in time")


def attempt(state=State.SENDING, method="code", **others):
    return Attempt(uuid7(1_772_413_200_000, bytes(10)), 1, 1, 1, 1, uuid7(), method, 1_000, "S1T1_x", NOW, state, **others)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def test_the_intent_is_committed_before_the_request_and_somebody_looks_again_if_its_process_dies():
    step = begin(attempt())
    assert (step.attempt.state, step.call, step.due) == (State.SENDING, Call.PAY, after(13))


def test_a_paid_answer_is_booked_with_what_the_retailer_receives():
    step = advance(attempt(), Answered(PAID), NOW)
    assert (step.attempt.state, step.bookings, step.call, step.due) == (State.PAID, (Booking.PAID,), None, None)
    assert (step.attempt.receipt_amount, step.attempt.trade_no) == (950, PAID.trade_no)


@pytest.mark.parametrize("method", ["code", "face", "agreement", "authorisation"])
def test_no_answer_is_unknown_and_never_failed(method):
    step = advance(attempt(method=method), Answered(SILENCE), after(10))
    assert (step.attempt.state, step.call, step.due, step.bookings) == (State.UNKNOWN, None, after(13), ())


def test_a_qr_code_that_nobody_saw_is_cancelled_at_once():
    step = advance(attempt(method="qr"), Answered(SILENCE), after(10))
    assert (step.attempt.state, step.call) == (State.CANCELLING, Call.CANCEL)


def test_a_qr_code_is_waited_for_until_its_own_time_is_over():
    shown = advance(attempt(method="qr"), Answered(QrCode("https://qr.example/1", after(180))), NOW).attempt
    assert (shown.state, shown.qr) == (State.WAITING, "https://qr.example/1")
    assert advance(shown, Queried(Absent(), 0), after(179)).attempt.state is State.WAITING
    assert advance(shown, Queried(Absent(), 0), after(180)).call is Call.CANCEL


def test_the_customers_refusal_is_believed_only_when_the_wallet_has_no_trade():
    refusal = Answered(Declined("PAYMENT_AUTH_CODE_INVALID", "customer"))
    asked = advance(attempt(), refusal, NOW)
    assert (asked.attempt.state, asked.call) == (State.UNKNOWN, Call.QUERY)
    assert advance(asked.attempt, Queried(Absent(), 0), NOW).attempt.state is State.DECLINED
    paid = advance(asked.attempt, Queried(PAID, 0), NOW)
    assert (paid.attempt.state, paid.attempt.code) == (State.PAID, "")


@pytest.mark.parametrize("who", ["merchant", "till", "nobody"])
def test_another_refusal_is_told_at_once_and_a_copy_of_the_request_looked_for(who):
    step = advance(attempt(), Answered(Declined("40005", who)), NOW)
    assert (step.attempt.state, step.attempt.code, step.due) == (State.DECLINED, "40005", after(60))
    late = advance(step.attempt, Queried(PAID, 0), after(60))
    assert (late.attempt.state, late.give_back) == (State.REFUNDING, True)


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN, State.WAITING])
def test_no_such_trade_is_no_conclusion_until_the_customers_time_is_over_and_then_the_cancel_follows_at_once(state):
    assert advance(attempt(state), Queried(Absent(), 0), after(20)).attempt.state in (State.UNKNOWN, State.WAITING)
    over = advance(attempt(state), Queried(Absent(), 0), after(GIVE_UP_SECONDS["code"]))
    assert (over.attempt.state, over.call, over.bookings) == (State.CANCELLING, Call.CANCEL, ())


def test_the_pauses_between_queries_are_three_seconds_and_later_five():
    assert advance(attempt(State.UNKNOWN), Queried(SILENCE, 0), after(12)).due == after(15)
    assert advance(attempt(State.UNKNOWN), Queried(SILENCE, 0), after(40)).due == after(45)


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_the_cashiers_stop_is_committed_before_the_cancel_is_sent(state):
    step = advance(attempt(state), CancelAsked("li"), NOW)
    assert (step.attempt.state, step.call) == (State.CANCELLING, Call.CANCEL)


@pytest.mark.parametrize("state", sorted(set(State) - UNDECIDED))
def test_a_stop_of_what_is_decided_changes_nothing(state):
    assert advance(attempt(state), CancelAsked("li"), NOW) is None


@pytest.mark.parametrize("event", [Answered(PAID), Queried(PAID, 0), Queried(PAID, 7), Noticed(PAID), Noticed(PAID, "bill")])
def test_a_success_seen_while_cancelling_belongs_to_the_cancel(event):
    assert advance(attempt(State.CANCELLING, tries=1), event, NOW) is None


def test_what_a_cancel_gave_back_is_asked_for_and_booked_with_the_retailers_own_discount():
    asked = advance(attempt(State.CANCELLING, tries=1), CancelAnswered(Cancelled("refund"), 0), NOW)
    assert (asked.attempt.state, asked.call, asked.bookings) == (State.CANCELLING, Call.QUERY, ())
    step = advance(asked.attempt, Queried(Closed(True, PAID), 0), NOW)
    assert (step.attempt.state, step.attempt.receipt_amount) == (State.REFUNDED, 950)
    assert step.bookings == (Booking.LATE, Booking.RETURNED) and not step.give_back


def test_a_cancel_that_gave_back_is_believed_where_the_wallet_tells_no_figures():
    asked = advance(attempt(State.CANCELLING, tries=1), CancelAnswered(Cancelled("refund"), 0), NOW).attempt
    step = advance(asked, Queried(Closed(False), 0), NOW)
    assert (step.attempt.state, step.attempt.receipt_amount) == (State.REFUNDED, 1_000)


def test_a_trade_found_closed_is_asked_about_for_an_earlier_copy_of_the_cancel_may_have_given_back():
    asked = advance(attempt(State.CANCELLING, tries=1), CancelAnswered(Cancelled("close"), 0), NOW)
    assert asked.call is Call.QUERY
    assert advance(asked.attempt, Queried(Closed(True, PAID), 0), NOW).attempt.state is State.REFUNDED
    unpaid = advance(asked.attempt, Queried(Closed(False), 0), NOW)
    assert (unpaid.attempt.state, unpaid.bookings, unpaid.due) == (State.CLOSED, (), None)


def test_a_cancel_without_an_answer_is_repeated_after_growing_pauses():
    state, pauses = attempt(State.CANCELLING, tries=1), []
    for _ in range(9):
        waits = advance(state, CancelAnswered(SILENCE, 0), NOW)
        pauses.append((waits.due - NOW).total_seconds())
        again = advance(waits.attempt, TimePassed(), NOW)
        assert again.call is Call.CANCEL
        state = again.attempt
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_silence_of_a_cancel_after_which_others_were_sent_does_not_put_these_off():
    assert advance(attempt(State.CANCELLING, version=5, tries=3), CancelAnswered(SILENCE, 4), NOW) is None


@pytest.mark.parametrize("code", ["TRADE_CANCEL_TIME_OUT", "REASON_TRADE_REFUND_FEE_ERR", "SELLER_BALANCE_NOT_ENOUGH"])
def test_money_goes_back_by_a_refund_where_the_wallet_will_not_cancel(code):
    asked = advance(attempt(State.CANCELLING, tries=1), CancelAnswered(CancelRefused(code), 0), NOW)
    assert asked.call is Call.QUERY
    step = advance(asked.attempt, Queried(PAID, 0), NOW)
    assert (step.attempt.state, step.give_back, step.bookings) == (State.REFUNDING, True, (Booking.LATE,))


def test_a_cancel_of_what_the_wallet_has_not_seen_is_watched_after_1_5_30_and_120_minutes():
    step = advance(attempt(State.CANCELLING, tries=1), CancelAnswered(Cancelled(None), 0), NOW)
    pauses = []
    while step.due is not None:
        assert step.attempt.state is State.CANCELLED
        pauses.append((step.due - NOW).total_seconds())
        asked = advance(step.attempt, TimePassed(), NOW)
        assert (asked.call, asked.attempt.state) == (Call.QUERY, State.CANCELLED)
        step = advance(asked.attempt, Queried(Absent(), 0), NOW)
    assert tuple(pauses) == WATCH_SECONDS


def test_what_arrives_after_its_cancel_and_asks_the_customer_is_cancelled_again():
    step = advance(attempt(State.CANCELLED, watched=1), Queried(Waiting(), 0), NOW)
    assert (step.attempt.state, step.call) == (State.CANCELLING, Call.CANCEL)


@pytest.mark.parametrize("state", [State.DECLINED, State.CLOSED, State.CANCELLED])
def test_news_of_a_late_success_is_verified_and_all_of_it_goes_back_once(state):
    asked = advance(attempt(state), Noticed(PAID), NOW)
    assert (asked.call, asked.attempt.state, asked.give_back) == (Call.QUERY, state, False)
    step = advance(asked.attempt, Queried(PAID, 0), NOW)
    assert (step.attempt.state, step.give_back, step.bookings) == (State.REFUNDING, True, (Booking.LATE,)) and step.alarm
    for event in (Noticed(PAID), Noticed(PAID, "bill"), Queried(PAID, 0), Answered(PAID), TimePassed()):
        assert advance(step.attempt, event, NOW) is None
    assert advance(step.attempt, GivenBack(), NOW).attempt.state is State.REFUNDED


@pytest.mark.parametrize(
    "event", [Noticed(PAID), Noticed(Closed(True)), Queried(PAID, 0), Queried(Closed(True), 0), Answered(PAID), TimePassed()]
)
@pytest.mark.parametrize("state", [State.PAID, State.REFUNDED])
def test_a_notification_of_a_partial_refund_or_a_stale_success_changes_nothing(state, event):
    assert advance(attempt(state), event, NOW) is None


@pytest.mark.parametrize("result", [Waiting(), Absent(), Closed(False), Closed(True), SILENCE])
def test_an_answer_older_than_what_came_of_it_only_leads_to_asking_again(result):
    step = advance(attempt(State.UNKNOWN, version=5), Queried(result, 4), NOW)
    assert (step.attempt.state, step.call, step.bookings) == (State.UNKNOWN, Call.QUERY, ())


def test_another_amount_than_asked_for_is_never_paid_and_raises_an_alarm():
    step = advance(attempt(State.WAITING), Queried(replace(PAID, amount=999), 0), NOW)
    assert step.attempt.state is State.UNKNOWN and step.bookings == () and "999" in step.alarm


# Any order and number of events --------------------------------------------------------------------------------------------

RESULTS = st.sampled_from([PAID, Waiting("t"), Absent(), Closed(False), Closed(True, PAID), SILENCE])
ANSWERS = st.sampled_from(
    [PAID, Waiting("t"), SILENCE, Declined("X", "customer"), Declined("40005", "till"), QrCode("https://qr.example/1", after(180))]
)
CANCELS = st.sampled_from([Cancelled("refund"), Cancelled("close"), Cancelled(None), CancelRefused("TRADE_CANCEL_TIME_OUT"), SILENCE])
EVENTS = st.lists(
    st.tuples(
        st.one_of(
            st.builds(Answered, ANSWERS),
            st.builds(Queried, RESULTS, st.integers(0, 12)),
            st.builds(lambda result: result, RESULTS),  # a query that is up to date
            st.builds(Noticed, RESULTS, st.sampled_from(["notice", "bill"])),
            st.builds(CancelAnswered, CANCELS, st.integers(0, 12)),
            st.just(CancelAsked("li")),
            st.just(TimePassed()),
            st.just(GivenBack()),
        ),
        st.integers(0, 90),
        st.integers(1, 3),
    ),
    max_size=25,
)


@given(st.sampled_from(["code", "face", "qr", "agreement", "authorisation"]), EVENTS)
def test_whatever_comes_in_whatever_order_money_is_booked_once_and_nothing_open_is_forgotten(method, events):
    now, first = NOW, begin(attempt(method=method))
    state, due = first.attempt, first.due
    bookings, states, gave_back = [], [state.state], 0
    for event, seconds, times in events:
        now += timedelta(seconds=seconds)
        for _ in range(times):
            given_event = (
                event if isinstance(event, Answered | Queried | Noticed | CancelAnswered | CancelAsked | TimePassed | GivenBack) else None
            )
            step = advance(state, given_event or Queried(event, state.version), now)
            if step is None:
                continue
            state, due = replace(step.attempt, version=state.version + 1), step.due
            bookings += step.bookings
            gave_back += step.give_back
            states.append(state.state)
            assert step.call is None or due is not None, "a call whose process dies would never be followed up"
            if step.call is Call.CANCEL:
                assert state.state is State.CANCELLING, "a cancel that was not committed"
            assert step.call is not Call.PAY, "asked for the money again"
    if state.state in OPEN:
        assert due is not None and due > NOW
    if state.state in (State.PAID, State.REFUNDING, State.REFUNDED):
        assert due is None
    if State.CANCELLING in states:
        assert State.PAID not in states[states.index(State.CANCELLING) :]
    if State.PAID in states:
        assert set(states[states.index(State.PAID) :]) == {State.PAID}
    taken = bookings.count(Booking.PAID) + bookings.count(Booking.LATE)
    assert taken == (state.state in (State.PAID, State.REFUNDING, State.REFUNDED))
    assert gave_back <= 1 and gave_back + bookings.count(Booking.RETURNED) == bookings.count(Booking.LATE)


@given(st.permutations(["answer", "notice", "notice", "query", "time", "bill", "stale query"]), st.integers(0, 55))
def test_every_order_of_the_news_of_one_success_ends_paid_and_booked_once(order, seconds):
    news = {
        "answer": Answered(PAID), "notice": Noticed(PAID), "query": Queried(PAID, 0), "bill": Noticed(PAID, "bill"),
        "time": TimePassed(), "stale query": Queried(Absent(), 99),
    }  # fmt: skip
    state, bookings = attempt(), []
    for name in order:
        event = replace(news[name], since=state.version) if name == "query" else news[name]
        step = advance(state, event, after(seconds))
        if step is not None:
            state = replace(step.attempt, version=state.version + 1)
            bookings += step.bookings
    assert (state.state, bookings) == (State.PAID, [Booking.PAID])


@given(st.permutations(["answer", "notice", "notice", "query", "bill", "cancelled"]), st.booleans())
def test_every_order_of_the_news_of_a_success_that_was_cancelled_ends_with_the_money_back(order, told):
    """The truth: paid, then given back by the cancel; queries and the cancel's answer are of after that, the rest of before."""
    back = Closed(True, PAID if told else None)
    state, bookings = advance(attempt(State.UNKNOWN), CancelAsked("li"), NOW).attempt, []
    for name in [*order, "query", "query"]:
        event = {
            "answer": Answered(PAID), "notice": Noticed(PAID), "query": Queried(back, state.version), "bill": Noticed(PAID, "bill"),
            "cancelled": CancelAnswered(Cancelled("refund"), 0),
        }[name]  # fmt: skip
        step = advance(state, event, NOW)
        if step is not None:
            state = replace(step.attempt, version=state.version + 1)
            bookings += step.bookings
    assert (state.state, bookings) == (State.REFUNDED, [Booking.LATE, Booking.RETURNED])
