"""The refund machine: reserved in the ledger before anything is sent, repeated under one number until it is known what became of it.

Pure, as the payment machine is. A refund's number never changes, so however often it is sent, money goes back once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hutong.kernel.ids import time_of, uuid7_of
from hutong.payments.wallet import Absent, Declined, RefundAccepted, Refunded, RefundQueryResult, RefundResult, Unknown

SOON_SECONDS = 13
LONGEST_PAUSE = 60
SHORT_SECONDS = (60, 120, 300, 600, 1_800)
"""Pauses while the retailer's balance at the wallet is too small for the refund; the last one repeats."""
BALANCE_SHORT = "ACQ.SELLER_BALANCE_NOT_ENOUGH"


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


RefundEvent = RefundAnswered | RefundQueried | RefundTimePassed


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
    """The id of the one refund that gives a late success back: always the same for a payment."""
    return uuid7_of(time_of(payment_id), payment_id.hex, "R1")


def begin_refund(refund: Refund) -> RefundStep:
    """The first step: the reservation, to be committed before anything is sent."""
    return RefundStep(refund, RefundCall.REFUND, refund.made_at + timedelta(seconds=SOON_SECONDS))


def advance_refund(refund: Refund, event: RefundEvent, now: datetime) -> RefundStep | None:
    """The step that ``event`` leads to, or None if the refund is settled already."""
    if refund.state in (RefundState.DONE, RefundState.REFUSED):
        return None
    soon = now + timedelta(seconds=SOON_SECONDS)
    match event:
        case RefundAnswered(Refunded() as done) | RefundQueried(Refunded() as done):
            return _done(refund, done, now)
        case RefundAnswered(RefundAccepted()):
            return RefundStep(replace(refund, state=RefundState.UNKNOWN, code=""), RefundCall.QUERY, soon)
        case RefundAnswered(Declined() as refusal):
            return _refused(refund, refusal, now)
        case RefundQueried(Absent()) if refund.code:
            return RefundStep(replace(refund, state=RefundState.REFUSED), alarm=f"the wallet refuses a refund: {refund.code}")
        case RefundQueried(Absent()) if refund.state is RefundState.UNKNOWN and refund.tries:
            # It was not received or it failed, which is the same: send the very same again.
            return RefundStep(replace(refund, tries=refund.tries + 1), RefundCall.REFUND, soon)
        case RefundTimePassed() if refund.state is RefundState.SHORT:
            return RefundStep(replace(refund, state=RefundState.UNKNOWN, tries=refund.tries + 1), RefundCall.REFUND, soon)
        case RefundTimePassed():
            return RefundStep(replace(refund, state=RefundState.UNKNOWN, tries=refund.tries + 1), RefundCall.QUERY, soon)
        case RefundAnswered(Unknown()) | RefundQueried(Unknown() | Absent()):
            return RefundStep(replace(refund, state=RefundState.UNKNOWN, tries=refund.tries + 1), None, _backoff(refund.tries, now))
    return None


def _done(refund: Refund, done: Refunded, now: datetime) -> RefundStep:
    settled = replace(refund, state=RefundState.DONE, from_receipt=done.from_receipt, done_at=done.at or now, code="")
    if done.amount != refund.amount:
        return RefundStep(settled, alarm=f"the wallet gave {done.amount} fen back, {refund.amount} were asked for")
    return RefundStep(settled)


def _refused(refund: Refund, refusal: Declined, now: datetime) -> RefundStep:
    """Not executed, it says; but an earlier request under the same number may have been, so a query has the last word."""
    if refusal.code == BALANCE_SHORT:
        pause = SHORT_SECONDS[min(refund.tries, len(SHORT_SECONDS) - 1)]
        short = replace(refund, state=RefundState.SHORT, tries=refund.tries + 1)
        alarm = "the balance at the wallet is too small for a refund; pay money in" if refund.state is not RefundState.SHORT else ""
        return RefundStep(short, None, now + timedelta(seconds=pause), alarm)
    if refusal.who_fixes == "till":  # too many requests: surely not executed, and worth sending again
        return RefundStep(replace(refund, state=RefundState.SHORT, tries=refund.tries + 1), None, _backoff(refund.tries, now))
    asked = replace(refund, state=RefundState.UNKNOWN, code=refusal.code, tries=refund.tries + 1)
    return RefundStep(asked, RefundCall.QUERY, now + timedelta(seconds=SOON_SECONDS))


def _backoff(tries: int, now: datetime) -> datetime:
    """1, 2, 4 … 60 seconds from now."""
    return now + timedelta(seconds=min(LONGEST_PAUSE, 2 ** min(tries, 6)))
