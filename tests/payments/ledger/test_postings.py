"""The postings of payments balance and move exactly what was paid, whatever the amounts."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hutong.kernel.ids import time_of, uuid7
from hutong.payments.ledger import Place, Posting, posting_id, postings, resolution_id

PLACE = Place(1, 2, "6909900000117", 7)
AT, DAY = datetime(2026, 11, 28, 9, tzinfo=UTC), date(2026, 11, 28)
CLEARING = "alipay:clearing:7"
amounts = st.integers(1, 10**11)
shares = st.integers(0, 1000)


def moved(*made: Posting) -> Counter[str]:
    """What counts of these postings, by account."""
    totals: Counter[str] = Counter()
    for posting in made:
        assert sum(entry.amount for entry in posting.entries) == 0
        assert all(entry.amount for entry in posting.entries)
        if posting.state != "pending":
            for entry in posting.entries:
                totals[entry.account] += entry.amount
    return totals


@given(amounts, shares)
def test_a_payment_is_owed_by_the_wallet_less_the_retailers_own_discount(amount: int, share: int) -> None:
    receipt = amount * share // 1000
    totals = moved(postings.paid(PLACE, uuid7(), amount, receipt, AT, DAY))
    assert totals == Counter({CLEARING: receipt, "discount:6909900000117": amount - receipt, "received:6909900000117": -amount})


@given(amounts, shares)
def test_a_late_success_and_its_return_leave_nothing(amount: int, share: int) -> None:
    payment, receipt = uuid7(), amount * share // 1000
    late, back = (make(PLACE, payment, amount, receipt, AT, DAY) for make in (postings.late, postings.returned))
    assert late.amount == back.amount == amount
    assert not +moved(late, back) and not -moved(late, back)


@given(amounts, st.lists(shares, min_size=1, max_size=6))
def test_refunds_that_make_up_the_payment_bring_every_account_back_to_zero(amount: int, cuts: list[int]) -> None:
    payment, receipt = uuid7(), amount * 9 // 10
    places = sorted({0, amount, *(amount * cut // 1000 for cut in cuts)})
    made, left = [postings.paid(PLACE, payment, amount, receipt, AT, DAY)], receipt
    for low, high in pairwise(places):
        refund, part = uuid7(), high - low
        from_receipt = left if high == amount else min(left, part)
        left -= from_receipt
        reserved = postings.reserve(PLACE, refund, part, AT, DAY)
        done = postings.refunded(PLACE, refund, part, from_receipt, AT, DAY)
        assert (reserved.state, done.state, done.pending_of) == ("pending", "post", reserved.id)
        assert max(done.amount, part) <= max(reserved.amount, from_receipt)
        made += [reserved, done]
    assert not +moved(*made) and not -moved(*made)


@given(amounts, amounts)
def test_a_fee_a_settlement_and_a_split_take_off_what_the_wallet_owes(amount: int, fee: int) -> None:
    payment = uuid7()
    made = [
        postings.fee(PLACE, "20261128:fee:1", fee, DAY),
        postings.settlement(PLACE, "20261128:settled", amount, DAY),
        postings.split_owed(PLACE, "yunqi", payment, amount, AT, DAY),
        postings.split_done(PLACE, "yunqi", payment, "s1", amount, AT, DAY),
        postings.difference(PLACE, "20261128:difference:1", fee, DAY),
    ]
    totals = moved(*made)
    assert totals[CLEARING] == -2 * amount and totals["alipay:balance:7"] == amount
    assert (totals["fee:alipay"], totals["suspense:difference"], totals["brand_payable:yunqi"]) == (fee, -fee, 0)
    assert moved(postings.fee(PLACE, "20261128:fee:2", -fee, DAY))[CLEARING] == fee


@given(amounts)
def test_an_authorisation_is_in_no_balance_while_it_lasts_and_afterwards(amount: int) -> None:
    frozen = uuid7()
    begun, ended = postings.authorised(PLACE, frozen, amount, AT, DAY), postings.authorisation_ended(PLACE, frozen, AT, DAY)
    assert (begun.state, ended.state, ended.pending_of, ended.entries) == ("pending", "void", begun.id, ())
    assert not moved(begun, ended)


def test_a_refund_is_resolved_under_one_id_whether_it_is_done_or_refused() -> None:
    refund = uuid7()
    done = postings.refunded(PLACE, refund, 5, 5, AT, DAY)
    refused = postings.refund_void(PLACE, refund, AT, DAY)
    assert done.id == refused.id == resolution_id(postings.reserve_id(refund))
    assert done.idempotency == refused.idempotency


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-12, 14), st.text("abcXYZ019:._-", min_size=3, max_size=80))
def test_an_id_is_of_its_millisecond_and_its_text_alone(at: datetime, hours: int, text: str) -> None:
    moment = at.replace(tzinfo=UTC)
    made = posting_id(moment, text)
    assert made == posting_id(moment.astimezone(timezone(timedelta(hours=hours))), text) == posting_id(made, text)
    assert made != posting_id(moment, text + "x")
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert time_of(made) == moment - timedelta(microseconds=moment.microsecond % 1000)
    assert posting_id(moment.date(), text) == posting_id(datetime(moment.year, moment.month, moment.day, tzinfo=UTC), text)
