"""The machine of authorisations: money held at the entrance, captured by payments, the rest given back. Pure, as the payment machine is.

What was not heard is ``unknown``; a freeze that may have happened is asked about and at last undone, never sent twice.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hutong.payments.alipay.authorisations import (
    Freeze,
    FreezeOver,
    FreezeQueryResult,
    FreezeResult,
    FreezeUndone,
    FreezeWaiting,
    Frozen,
    Released,
)
from hutong.payments.wallet import Absent, Declined, QrCode, Unknown

SOON_SECONDS = 13
ASK_SECONDS = 4
GIVE_UP_SECONDS = {"code": 60, "qr": 180}
EXPIRES_AFTER = {"code": 120, "qr": 180}
"""When the wallet gives it up by itself: what is given up here must not be confirmed, or scanned, long afterwards."""
HELD_SECONDS = 21_600
"""How often what is held is asked about: nobody tells surely that the wallet gave it back, as it does in the end."""
LONGEST_PAUSE = 60


class HoldState(StrEnum):
    """Where an authorisation stands; the values are what the API and the database say."""

    SENDING = "sending"
    UNKNOWN = "unknown"
    WAITING = "waiting"
    HELD = "held"
    DECLINED = "declined"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    RELEASING = "releasing"
    FINISHED = "finished"


UNDECIDED = frozenset({HoldState.SENDING, HoldState.UNKNOWN, HoldState.WAITING})


class HoldCall(StrEnum):
    """What is to be asked of the wallet once the step is committed."""

    QUERY = "query"
    UNDO = "undo"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Hold:
    """Money held for a purchase to come. Amounts in fen: ``captured`` went to payments, ``released`` back to the customer."""

    id: UUID
    retailer_id: int
    store_id: int
    till_id: int
    account_id: int
    method: str
    amount: int
    number: str
    made_at: datetime
    state: HoldState = HoldState.SENDING
    version: int = 0
    tries: int = 0
    code: str = ""
    auth_no: str = ""
    buyer_ref: str = ""
    qr: str = ""
    captured: int = 0
    released: int = 0

    @property
    def rest(self) -> int:
        """What is still held."""
        return self.amount - self.captured - self.released


@dataclass(frozen=True, slots=True)
class HoldAnswered:
    """The answer to the one request to hold."""

    result: FreezeResult | QrCode


@dataclass(frozen=True, slots=True)
class HoldQueried:
    """The answer to a query."""

    result: FreezeQueryResult


@dataclass(frozen=True, slots=True)
class HoldUndone:
    """The answer to the request to undo whatever there is."""

    result: FreezeUndone | Declined | Unknown


@dataclass(frozen=True, slots=True)
class HoldReleased:
    """The answer to a release."""

    result: Released | Declined | Unknown


@dataclass(frozen=True, slots=True)
class HoldEndAsked:
    """Somebody wants it over: undone while it is not held, else the rest released."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class HoldTimePassed:
    """The moment has come that the last step asked for."""


HoldEvent = HoldAnswered | HoldQueried | HoldUndone | HoldReleased | HoldEndAsked | HoldTimePassed


@dataclass(frozen=True, slots=True)
class HoldStep:
    """Commit ``hold`` first, then make ``call``. ``due`` is when to look again by itself; ``amount`` is what is to be released."""

    hold: Hold
    call: HoldCall | None = None
    due: datetime | None = None
    amount: int = 0


def advance_hold(hold: Hold, event: HoldEvent, now: datetime) -> HoldStep | None:
    """The step that ``event`` leads to, or None if it changes nothing."""
    match event:
        case HoldAnswered(result):
            return _answered(hold, result, now)
        case HoldQueried(result):
            return _queried(hold, result, now)
        case HoldUndone(result):
            return _undone(hold, result, now)
        case HoldReleased(result):
            return _released(hold, result, now)
        case HoldEndAsked():
            if hold.state in UNDECIDED:
                return _undo(hold, now)
            if hold.state is HoldState.HELD:
                return _release(hold, hold.rest, now)
            return None
        case HoldTimePassed():
            return _time_passed(hold, now)


def _answered(hold: Hold, result: FreezeResult | QrCode, now: datetime) -> HoldStep | None:
    if hold.state not in UNDECIDED:
        return None
    match result:
        case QrCode():
            return _ask_again(replace(hold, state=HoldState.WAITING, qr=result.content), now)
        case Declined():
            # A request that was doubled on its way is refused the second time, for its code is used up: only a query tells.
            return HoldStep(replace(hold, state=HoldState.UNKNOWN, code=result.code), HoldCall.QUERY, _soon(now))
        case Unknown():
            return _ask_again(replace(hold, state=HoldState.UNKNOWN), now) if hold.state is HoldState.SENDING else None
    return _queried(hold, result, now)


def _queried(hold: Hold, result: FreezeQueryResult, now: datetime) -> HoldStep | None:
    if hold.state in (HoldState.RELEASING, HoldState.HELD) and isinstance(result, FreezeOver):
        return _over(hold)
    if hold.state is HoldState.RELEASING and isinstance(result, Frozen):
        return _release(hold, result.rest, now)  # by the wallet's count: a capture that came late is in it, and went back by a refund
    if hold.state is HoldState.HELD:
        return _held(hold, now)
    if hold.state not in UNDECIDED:
        return None
    match result:
        case Frozen():
            return _held(replace(hold, state=HoldState.HELD, auth_no=result.auth_no, buyer_ref=result.payer, code=""), now)
        case FreezeWaiting():
            return _ask_again(replace(hold, state=HoldState.WAITING, auth_no=result.auth_no or hold.auth_no, code=""), now)
        case Absent() if hold.code:
            return HoldStep(replace(hold, state=HoldState.DECLINED))
        case FreezeOver():
            return HoldStep(replace(hold, state=HoldState.CANCELLED))
    return _ask_again(replace(hold, state=HoldState.UNKNOWN if hold.state is HoldState.SENDING else hold.state), now)


def _undone(hold: Hold, result: FreezeUndone | Declined | Unknown, now: datetime) -> HoldStep | None:
    if hold.state is not HoldState.CANCELLING:
        return None
    match result:
        case FreezeUndone(action=None) if hold.tries < 4:
            # It may still arrive at the wallet: undo it a few times more, the last time two minutes on.
            return HoldStep(replace(hold, tries=hold.tries + 1), None, now + timedelta(seconds=15 * 2**hold.tries))
        case FreezeUndone():
            return HoldStep(replace(hold, state=HoldState.CANCELLED))
        case Declined() if hold.auth_no:
            return _release(hold, hold.rest, now)
    return HoldStep(replace(hold, tries=hold.tries + 1), None, _backoff(hold.tries, now))


def _released(hold: Hold, result: Released | Declined | Unknown, now: datetime) -> HoldStep | None:
    if hold.state is not HoldState.RELEASING:
        return None
    if isinstance(result, Released):
        return _over(hold)
    if isinstance(result, Declined):  # less is held than we think, or nothing: ask what there is
        return HoldStep(replace(hold, tries=hold.tries + 1, code=result.code), None, _backoff(hold.tries, now))
    return HoldStep(replace(hold, tries=hold.tries + 1), None, _backoff(hold.tries, now))


def _time_passed(hold: Hold, now: datetime) -> HoldStep | None:
    if hold.state in UNDECIDED:
        asked = replace(hold, state=HoldState.UNKNOWN) if hold.state is HoldState.SENDING else hold
        return HoldStep(asked, HoldCall.QUERY, _soon(now))
    if hold.state is HoldState.CANCELLING:
        return HoldStep(replace(hold, tries=hold.tries + 1), HoldCall.UNDO, _soon(now))
    if hold.state in (HoldState.RELEASING, HoldState.HELD):
        return HoldStep(hold, HoldCall.QUERY, _soon(now))
    return HoldStep(hold)


def _held(hold: Hold, now: datetime) -> HoldStep:
    return HoldStep(hold, None, now + timedelta(seconds=HELD_SECONDS))


def _release(hold: Hold, amount: int, now: datetime) -> HoldStep:
    """Give ``amount`` fen back. Repeated, it has one number, so it happens once."""
    tries = hold.tries + 1 if hold.state is HoldState.RELEASING else 0
    return HoldStep(replace(hold, state=HoldState.RELEASING, tries=tries), HoldCall.RELEASE, _soon(now), amount)


def _over(hold: Hold) -> HoldStep:
    return HoldStep(replace(hold, state=HoldState.FINISHED, released=hold.amount - hold.captured, code=""))


def _undo(hold: Hold, now: datetime) -> HoldStep:
    return HoldStep(replace(hold, state=HoldState.CANCELLING, tries=0), HoldCall.UNDO, _soon(now))


def _ask_again(hold: Hold, now: datetime) -> HoldStep:
    if (now - hold.made_at).total_seconds() >= GIVE_UP_SECONDS[hold.method]:
        return _undo(hold, now)
    return HoldStep(hold, None, now + timedelta(seconds=ASK_SECONDS))


def _soon(now: datetime) -> datetime:
    return now + timedelta(seconds=SOON_SECONDS)


def _backoff(tries: int, now: datetime) -> datetime:
    return now + timedelta(seconds=min(LONGEST_PAUSE, 2 ** min(tries, 6)))


def freeze_of(hold: Hold, title: str, store: str) -> Freeze:
    """What is asked of the wallet, under our number for it; the operation's number is the same, for there is one of a kind."""
    return Freeze(hold.number, f"{hold.id.hex}F", hold.amount, title, store, EXPIRES_AFTER[hold.method])


__all__ = [
    "Absent", "Hold", "HoldAnswered", "HoldCall", "HoldEndAsked", "HoldEvent", "HoldQueried", "HoldReleased", "HoldState", "HoldStep",
    "HoldTimePassed", "HoldUndone", "advance_hold", "freeze_of",
]  # fmt: skip
