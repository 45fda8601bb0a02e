"""Looks at a story that is over and says what is wrong with the money: the wallet's own books against ours and against what tills said."""

from collections.abc import Iterator

from hutong.payments.machine import OPEN, Attempt, Booking, State
from hutong.payments.refunds import RefundState
from tests.simulation.payments.gateway import Trade
from tests.simulation.payments.store import Payment
from tests.simulation.payments.story import Story

SECONDS_TO_RESOLVE = 90.0


def faults(story: Story, *, ended: bool) -> list[str]:
    """Everything that is wrong with this story; empty when the money is right."""
    found = [] if ended else ["it does not end"]
    found += _sale(story)
    for payment in story.store.payments.values():
        trade = story.gateway.trades.get(payment.attempt.number)
        found += _course(payment, story)
        found += _refunds(payment, trade, story)
        found += _books(payment, trade, story)
    known = {payment.attempt.number for payment in story.store.payments.values()}
    found += [f"{trade.kept} fen that our books never heard of" for trade in story.gateway.trades.values() if trade.number not in known]
    return found


def _sale(story: Story) -> Iterator[str]:
    till = story.till
    # What is refunded in full may be paid anew.
    paid = [p for p in story.store.payments.values() if p.attempt.state is State.PAID and p.refunded < p.attempt.amount]
    if len(paid) > 1:
        yield "the sale is paid twice"
    if till.goods_left and not till.cash:
        for payment_id in till.paid_by:
            attempt = story.store.payments[payment_id].attempt
            trade = story.gateway.trades.get(attempt.number)
            if trade is None or trade.paid_at is None:
                yield "goods left without payment: the wallet never took the money"
            elif any(number == "cancel" or _is_late(story, number) for number in trade.refunds):
                yield "goods left without payment: it was given back"
            if attempt.state is not State.PAID:
                yield f"goods left on an attempt that is {attempt.state}"
    if till.cash and paid:
        yield "paid in cash and by the wallet"
    for payment_id in till.told_unpaid:
        attempt = story.store.payments[payment_id].attempt
        trade = story.gateway.trades.get(attempt.number)
        if attempt.state is State.PAID:
            yield "the till was told that it is not paid, and it became paid"
        if trade is not None and trade.kept:
            yield f"the till was told {attempt.state}, and the wallet keeps {trade.kept} fen"


def _is_late(story: Story, refund_number: str) -> bool:
    return any(refund.late and refund.number == refund_number for refund in story.store.refunds.values())


def _course(payment: Payment, story: Story) -> Iterator[str]:
    attempt, states = payment.attempt, payment.states
    if State.CANCELLING in states and State.PAID in states[states.index(State.CANCELLING) :]:
        yield "paid after cancelling"
    if attempt.state in OPEN or attempt.state is State.REFUNDING:
        yield f"never settled: {attempt.state}"
    if states.count(State.PAID) and attempt.state is not State.PAID:
        yield f"it was paid and became {attempt.state}"
    trade = story.gateway.trades.get(attempt.number)
    if attempt.state is not State.PAID and trade is not None and trade.kept:
        yield f"the attempt is {attempt.state}, and the wallet keeps {trade.kept} fen"
    if attempt.state is State.PAID and (trade is None or trade.paid_at is None):
        yield "paid in our books, not at the wallet"


def _refunds(payment: Payment, trade: Trade | None, story: Story) -> Iterator[str]:
    attempt = payment.attempt
    refunds = [refund for refund in story.store.refunds.values() if refund.payment_id == attempt.id]
    for refund in refunds:
        if refund.state not in (RefundState.DONE, RefundState.REFUSED):
            yield f"a refund is never settled: {refund.state}"
        at_wallet = {} if trade is None else trade.refunds
        there = at_wallet.get(refund.number) or (at_wallet.get("cancel") if refund.late else None)
        if (refund.state is RefundState.DONE) != (there is not None):
            yield f"a refund is {refund.state} in our books and {'done' if there else 'not done'} at the wallet"
        elif there is not None and (there[0] != refund.amount or there[1] != refund.from_receipt):
            yield f"a refund of {refund.amount} ({refund.from_receipt}) is {there} at the wallet"
        if refund.state is RefundState.REFUSED and refund.number not in story.gateway.refused_numbers:
            yield "a refund is refused in our books that the wallet never refused"
    if payment.promised > attempt.amount:
        yield f"{payment.promised} fen were promised back of {attempt.amount}"
    known = {refund.number for refund in refunds} | {"cancel"}
    if trade is not None:
        if set(trade.refunds) - known:
            yield "the wallet has a refund that we never made"
        if trade.returned > trade.amount:
            yield "more was given back than was paid"
    if payment.refund_pending:
        yield f"{payment.refund_pending} fen stay reserved"


def _books(payment: Payment, trade: Trade | None, story: Story) -> Iterator[str]:
    """The clearing account's lines of an attempt against the wallet's lines of its trade."""
    attempt = payment.attempt
    kinds = [kind for kind, _, _ in payment.bookings]
    taken = [(amount, receipt) for kind, amount, receipt in payment.bookings if kind in (Booking.PAID, Booking.LATE)]
    if len(taken) > 1 or kinds.count(Booking.RETURNED) > 1:
        yield f"booked more than once: {' '.join(kinds)}"
    at_wallet = [] if trade is None or trade.paid_at is None else [(trade.amount, trade.receipt)]
    if taken != at_wallet:
        yield f"taken in our books {taken}, at the wallet {at_wallet}"
    returned = sorted(
        [(amount, receipt) for kind, amount, receipt in payment.bookings if kind is Booking.RETURNED]
        + [(r.amount, r.from_receipt) for r in story.store.refunds.values() if r.payment_id == attempt.id and r.state is RefundState.DONE]
    )
    if returned != (gone := sorted([] if trade is None else trade.refunds.values())):
        yield f"given back in our books {returned}, at the wallet {gone}"


def slow(story: Story) -> Iterator[tuple[float, float]]:
    """Of each attempt that was unknown for a while: seconds from then, and from the gateway's last silence, until it was known."""
    for payment_id, since, until in story.store.unsure:
        attempt: Attempt = story.store.payments[payment_id].attempt
        silent = story.wallet.failed_at_before(attempt.number, until)
        yield until - since, until - max(since, silent)
