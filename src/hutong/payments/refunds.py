"""The refund machine: reserved in the ledger before anything is sent, repeated under one number until it is known what became of it.

Pure, as the payment machine is. A refund's number never changes, so however often it is sent, money goes back once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hutong.kernel.ids import time_of, uuid7_of
from hutong.payments.wallet import (
    Absent,
    Closed,
    Declined,
    QueryResult,
    RefundAccepted,
    Refunded,
    RefundQueryResult,
    RefundResult,
    Unknown,
)

SOON_SECONDS = 13
LONGEST_PAUSE = 60
SHORT_SECONDS = (60, 120, 300, 600, 1_800)
"""Pauses while the retailer's balance at the wallet is too small for the refund; the last one repeats."""
LOOKS, LOOK_SECONDS = 6, 60
"""A refusal counts once the refund was not to be found this often, a minute apart: another copy or try may be that late."""
BALANCE_SHORT = "SELLER_BALANCE_NOT_ENOUGH"


class RefundState(StrEnum):
    """Where a refund stands; the values are what the API and the database say."""

    SENDING = "sending"
    UNKNOWN = "unknown"
    SHORT = "short"
    DONE = "done"
    REFUSED = "refused"


class RefundCall(StrEnum):
    """What is to be asked of the wallet once the step is committed."""

    REFUND = "refund"
    QUERY = "refund_query"
    TRADE = "query"
    """Of a late success that cannot be refunded: whether a cancel on its way has given it back."""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back to a payer. ``amount`` in fen; ``number`` is ours and unique for ever. ``late``: of a late success."""

    id: UUID
    retailer_id: int
    store_id: int
    payment_id: UUID
    account_id: int
    payment_number: str
    amount: int
    reason: str
    made_at: datetime
    late: bool = False
    state: RefundState = RefundState.SENDING
    version: int = 0
    tries: int = 0
    code: str = ""
    from_receipt: int = 0
    done_at: datetime | None = None

    @property
    def number(self) -> str:
        """What the wallet knows it by."""
        return refund_number(self.id)


@dataclass(frozen=True, slots=True)
class RefundAnswered:
    """The answer to a request to refund."""

    result: RefundResult


@dataclass(frozen=True, slots=True)
class RefundQueried:
    """The answer to a refund query, or what a notification or the bill says."""

    result: RefundQueryResult


@dataclass(frozen=True, slots=True)
class RefundTimePassed:
    """The moment has come that the last step asked for."""


@dataclass(frozen=True, slots=True)
class TradeQueried:
    """What the wallet says of the whole trade that a refused refund belongs to."""

    result: QueryResult


RefundEvent = RefundAnswered | RefundQueried | RefundTimePassed | TradeQueried


@dataclass(frozen=True, slots=True)
class RefundStep:
    """Commit ``refund`` first, with its reservation posted (``done``) or voided (``refused``), then make ``call``."""

    refund: Refund
    call: RefundCall | None = None
    due: datetime | None = None
    alarm: str = ""


def refund_number(refund_id: UUID) -> str:
    """Our number of a refund at the wallet: 32 hexadecimal digits."""
    return refund_id.hex


def give_back_id(payment_id: UUID) -> UUID:
    """The id of the one refund that gives a late success back: always the same for a payment, and (of version 8) never a till's."""
    return UUID(int=uuid7_of(time_of(payment_id), payment_id.hex, "R1").int ^ (7 ^ 8) << 76)


def begin_refund(refund: Refund) -> RefundStep:
    """The first step: the reservation, to be committed before anything is sent."""
    return RefundStep(refund, RefundCall.REFUND, refund.made_at + timedelta(seconds=SOON_SECONDS))


def advance_refund(refund: Refund, event: RefundEvent, now: datetime) -> RefundStep | None:
    """The step that ``event`` leads to, or None if the refund is settled already."""
    if refund.state in (RefundState.DONE, RefundState.REFUSED):
        return None
    soon = now + timedelta(seconds=SOON_SECONDS)
    asked = replace(refund, state=RefundState.UNKNOWN, tries=refund.tries + 1)
    match event:
        case RefundAnswered(Refunded() as done) | RefundQueried(Refunded() as done):
            return _done(refund, done, now)
        case TradeQueried(result):
            return _learned_of_trade(refund, result, now)
        case RefundAnswered(RefundAccepted()):
            return RefundStep(replace(asked, code=""), RefundCall.QUERY, soon)
        case RefundAnswered(Declined() as refusal):
            return _refused(refund, refusal, now)
        case RefundTimePassed() if refund.state is RefundState.SHORT:
            # It stays short until an answer says otherwise, so that people are told once, not at every try.
            return RefundStep(replace(refund, tries=refund.tries + 1), RefundCall.REFUND, soon)
        case RefundTimePassed():
            return RefundStep(asked, RefundCall.QUERY, soon)
        case RefundAnswered() | RefundQueried() if refund.code:
            return _looked_for(refund, event.result, now)
        case RefundQueried(Absent()) if refund.state is RefundState.UNKNOWN and refund.tries:
            # It was not received or it failed, which is the same: send the very same again.
            return RefundStep(asked, RefundCall.REFUND, soon)
    return RefundStep(asked, None, _backoff(refund.tries, now))


def _done(refund: Refund, done: Refunded, now: datetime) -> RefundStep:
    # More than was asked for can neither be booked nor have happened; people look at it.
    from_receipt = min(done.from_receipt, refund.amount)
    settled = replace(refund, state=RefundState.DONE, from_receipt=from_receipt, done_at=done.at or now, code="")
    if done.amount != refund.amount:
        return RefundStep(settled, alarm=f"the wallet gave {done.amount} fen back, {refund.amount} were asked for")
    return RefundStep(settled)


def _refused(refund: Refund, refusal: Declined, now: datetime) -> RefundStep:
    """Not executed, it says; but another request under the same number may be under way, so queries have the last word."""
    if refusal.code == BALANCE_SHORT:
        pause = SHORT_SECONDS[min(refund.tries, len(SHORT_SECONDS) - 1)]
        short = replace(refund, state=RefundState.SHORT, tries=refund.tries + 1)
        alarm = "the balance at the wallet is too small for a refund; pay money in" if refund.state is not RefundState.SHORT else ""
        return RefundStep(short, None, now + timedelta(seconds=pause), alarm)
    if refusal.who_fixes == "till":  # too many requests: surely not executed, and worth sending again
        return RefundStep(replace(refund, state=RefundState.SHORT, tries=refund.tries + 1), None, _backoff(refund.tries, now))
    asked = replace(refund, state=RefundState.UNKNOWN, code=refusal.code, tries=0)
    return RefundStep(asked, None, now + timedelta(seconds=SOON_SECONDS))


def _looked_for(refund: Refund, result: RefundResult | RefundQueryResult, now: datetime) -> RefundStep:
    """A refund that was refused is not to be found. ``tries`` counts the looks."""
    if not isinstance(result, Absent):
        return RefundStep(replace(refund, tries=max(0, refund.tries - 1)), None, now + timedelta(seconds=SOON_SECONDS))
    if refund.tries < LOOKS:
        return RefundStep(refund, None, now + timedelta(seconds=LOOK_SECONDS))
    if refund.late:
        return RefundStep(refund, RefundCall.TRADE, now + timedelta(seconds=SOON_SECONDS))
    return RefundStep(replace(refund, state=RefundState.REFUSED), alarm=f"the wallet refuses a refund: {refund.code}")


def _learned_of_trade(refund: Refund, result: QueryResult, now: datetime) -> RefundStep:
    """A late success must go back: either it has, by a cancel that came late itself, or it is tried again and people are told."""
    if isinstance(result, Closed) and result.was_paid:
        return _done(refund, Refunded(refund.amount, result.paid.receipt_amount if result.paid else refund.amount), now)
    if isinstance(result, Unknown):
        return RefundStep(refund, None, now + timedelta(seconds=SOON_SECONDS))
    again = replace(refund, tries=1, code="")
    return RefundStep(again, None, now + timedelta(seconds=SHORT_SECONDS[-1]), f"a late success cannot be given back: {refund.code}")


def _backoff(tries: int, now: datetime) -> datetime:
    """1, 2, 4 … 60 seconds from now."""
    return now + timedelta(seconds=min(LONGEST_PAUSE, 2 ** min(tries, 6)))
