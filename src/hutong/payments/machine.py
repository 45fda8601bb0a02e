"""The payment machine: what becomes of an attempt when something is learned of it. Pure; every source of news passes here.

An attempt is committed as ``sending`` before anything is sent, and every call is made only after the state that calls for it was
committed. From there the answer to the call, queries, notifications, the bill, the clock and the cashier are all events of one
function. Two rules carry the rest: what was not heard is ``unknown``, never failed; and from ``cancelling`` nothing leads to
``paid``, so goods never leave on money that the cancel gives back. The failure catalogue behind the rules is docs/payments.md.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hutong.payments.wallet import (
    Absent,
    Cancelled,
    CancelRefused,
    CancelResult,
    Closed,
    Declined,
    Paid,
    PayResult,
    QrCode,
    QrResult,
    QueryResult,
    Unknown,
    Waiting,
)

GIVE_UP_SECONDS = {"code": 60, "face": 60, "agreement": 60, "authorisation": 60, "qr": 180}
"""How long the customer has, by method; then the attempt is cancelled, straight after one more query."""
PAY_SECONDS = 13
"""A call that was committed this long ago and has no result was lost with the process that made it (time-outs are shorter)."""
QUERY_SECONDS, QUERY_SECONDS_LATER, LATER_AFTER = 3, 5, 30
WATCH_SECONDS = (60, 300, 1_800, 7_200)
"""A cancelled attempt that the wallet had not seen may still arrive there: it is looked for after a minute, 5, 30 and 120."""
LONGEST_PAUSE = 60


class State(StrEnum):
    """Where an attempt stands; the values are what the API and the database say."""

    SENDING = "sending"
    UNKNOWN = "unknown"
    WAITING = "waiting"
    PAID = "paid"
    DECLINED = "declined"
    CLOSED = "closed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


UNDECIDED = frozenset({State.SENDING, State.UNKNOWN, State.WAITING})
OPEN = UNDECIDED | {State.CANCELLING}
"""While an attempt is in one of these, no other may be begun for its sale."""
UNPAID = frozenset({State.DECLINED, State.CLOSED, State.CANCELLED})
"""The till was told that nothing was paid: a success seen now is late, and given back."""


class Call(StrEnum):
    """What is to be asked of the wallet once the step is committed."""

    PAY = "pay"
    QUERY = "query"
    CANCEL = "cancel"


class Booking(StrEnum):
    """What a step writes into the ledger."""

    PAID = "paid"
    LATE = "late"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at paying one sale. Amounts in fen. ``version`` counts committed steps; ``tries`` the calls without a clear answer."""

    id: UUID
    retailer_id: int
    store_id: int
    till_id: int
    account_id: int
    sale_id: UUID
    method: str
    amount: int
    number: str
    made_at: datetime
    state: State = State.SENDING
    version: int = 0
    tries: int = 0
    watched: int = 0
    """How often a cancelled attempt has been looked for."""
    settling: str = ""
    """Why a cancelling attempt asks what is true: the cancel was ``refused``, found it ``closed`` already, or did a ``refund``."""
    code: str = ""
    """The wallet's word for a refusal, or why something stands out."""
    who_fixes: str = ""
    trade_no: str = ""
    receipt_amount: int = 0
    buyer_paid: int = 0
    buyer: str = ""
    paid_at: datetime | None = None
    qr: str = ""
    qr_expires_at: datetime | None = None
    refunded: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the one request to pay, or to show a QR code."""

    result: PayResult | QrResult


@dataclass(frozen=True, slots=True)
class Queried:
    """The answer to a query. ``since`` is the attempt's version when it was asked: an answer may be older than what came of it."""

    result: QueryResult
    since: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """A verified notification or a line of the bill: evidence that the wallet has it so."""

    result: QueryResult
    source: str = "notice"


@dataclass(frozen=True, slots=True)
class CancelAnswered:
    """The answer to a cancel. ``since`` is the attempt's version when it was sent."""

    result: CancelResult
    since: int


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The cashier, or whoever may, wants it stopped."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The moment has come that the last step asked for."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The refund of a late success was carried out."""


Event = Answered | Queried | Noticed | CancelAnswered | CancelAsked | TimePassed | GivenBack


@dataclass(frozen=True, slots=True)
class Step:
    """What an event leads to: commit ``attempt`` with ``bookings`` first, then make ``call``. ``due`` is when to look again by itself.

    ``give_back`` asks for a refund of the whole amount, made in the same commit. ``alarm`` is for people.
    """

    attempt: Attempt
    call: Call | None = None
    due: datetime | None = None
    bookings: tuple[Booking, ...] = ()
    give_back: bool = False
    alarm: str = ""


def begin(attempt: Attempt) -> Step:
    """The first step: the intent to pay, to be committed before anything is sent."""
    return Step(attempt, Call.PAY, attempt.made_at + timedelta(seconds=PAY_SECONDS))


def advance(attempt: Attempt, event: Event, now: datetime) -> Step | None:
    """The step that ``event`` leads to, or None if it changes nothing (it is news of something that is settled)."""
    match event:
        case Answered(result):
            return _answered(attempt, result, now)
        case Queried(result, since):
            return _learned(attempt, result, now) if since == attempt.version else _noticed(attempt, result, now)
        case Noticed(result):
            return _noticed(attempt, result, now)
        case CancelAnswered(Unknown(), since) if since != attempt.version:
            return None  # the silence of a cancel after which others were sent must not put these off
        case CancelAnswered(result):
            return _cancel_answered(attempt, result, now)
        case CancelAsked():
            return _cancel(attempt, now, "cancelled at the till") if attempt.state in UNDECIDED else None
        case TimePassed():
            return _time_passed(attempt, now)
        case GivenBack():
            return Step(replace(attempt, state=State.REFUNDED)) if attempt.state is State.REFUNDING else None


# What each kind of event does ----------------------------------------------------------------------------------------


def _answered(attempt: Attempt, result: PayResult | QrResult, now: datetime) -> Step | None:
    match result:
        case Paid():
            return _noticed(attempt, result, now)
        case Waiting() if attempt.state in UNDECIDED:
            return _ask_again(replace(attempt, state=State.WAITING, trade_no=result.trade_no or attempt.trade_no), now)
        case QrCode() if attempt.state in UNDECIDED:
            shown = replace(attempt, state=State.WAITING, qr=result.content, qr_expires_at=result.expires_at)
            return _ask_again(shown, now)
        case Declined() if attempt.state in (State.SENDING, State.UNKNOWN):
            refused = replace(attempt, code=result.code, who_fixes=result.who_fixes)
            if result.who_fixes != "customer" or attempt.method == "qr":
                # Said at once. What turned this request away need not have stopped a copy of it, so that is looked for.
                return _watch(replace(refused, state=State.DECLINED), now)
            # A request that was doubled on its way is refused the second time, for its code is used up: only a query tells.
            return Step(replace(refused, state=State.UNKNOWN), Call.QUERY, _soon(now))
        case Unknown() if attempt.state is State.SENDING:
            if attempt.method == "qr":  # nobody has seen a code, so nobody can pay: the till begins anew
                return _cancel(attempt, now, "no QR code came")
            return _ask_again(replace(attempt, state=State.UNKNOWN), now)
    return None


def _learned(attempt: Attempt, result: QueryResult, now: datetime) -> Step | None:
    """What the wallet says, now, of the trade."""
    if attempt.state in UNDECIDED:
        return _learned_undecided(attempt, result, now)
    if attempt.state is State.CANCELLING:
        return _learned_cancelling(attempt, result, now)
    if attempt.state not in UNPAID:
        return None
    match result:
        case Paid():
            return _late(attempt, result)
        case Closed(was_paid=True):
            return _came_and_went(attempt, result, "paid late and given back")
        case Waiting():
            return _cancel(attempt, now, attempt.code)  # it arrived after all and asks the customer: undo it
        case Unknown():
            return Step(attempt, None, now + timedelta(seconds=LONGEST_PAUSE))
    return _watch(attempt, now, found=isinstance(result, Closed))


def _learned_undecided(attempt: Attempt, result: QueryResult, now: datetime) -> Step:
    match result:
        case Paid():
            return _paid(attempt, result, now)
        case Closed(was_paid=True):
            return _came_and_went(attempt, result, "paid and given back by somebody else")
        case Closed():
            return Step(replace(attempt, state=State.DECLINED if attempt.code else State.CLOSED))
        case Absent() if attempt.code:
            return _declined(attempt, now)
        case Waiting():
            return _ask_again(
                replace(attempt, state=State.WAITING, trade_no=result.trade_no or attempt.trade_no, code="", who_fixes=""), now
            )
    still = replace(attempt, state=State.UNKNOWN if attempt.state is State.SENDING else attempt.state)
    return _ask_again(still, now)


def _learned_cancelling(attempt: Attempt, result: QueryResult, now: datetime) -> Step | None:
    """Only a query that the cancel itself asked for counts; news from before it is undone by it."""
    if not attempt.settling:
        return None
    match result:
        case Closed(was_paid=was_paid):
            back = was_paid or attempt.settling == "refund"
            return _came_and_went(attempt, result, attempt.code) if back else Step(replace(attempt, state=State.CLOSED, settling=""))
        case Paid() if attempt.settling != "refund" or attempt.tries > 8:
            return _late(replace(attempt, settling=""), result)
        case Absent() if attempt.settling == "closed":
            return _watch(replace(attempt, state=State.CANCELLED, settling="", watched=0), now)
        case Waiting() | Absent():
            # Cancel it again, after a pause: the wallet has just said that it did, or will not.
            again = replace(attempt, settling="", tries=attempt.tries + 1)
            return Step(again, None, _backoff(again.tries, now))
    return Step(attempt, None, _backoff(attempt.tries, now))


def _noticed(attempt: Attempt, result: QueryResult, now: datetime) -> Step | None:
    """Evidence from outside: enough to call a waiting attempt paid; where the till was told otherwise, a query decides."""
    if attempt.state in UNDECIDED:
        return _learned_undecided(attempt, result, now) if isinstance(result, Paid) else Step(attempt, Call.QUERY, _soon(now))
    if attempt.state in UNPAID and isinstance(result, Paid):
        return Step(attempt, Call.QUERY, _soon(now))
    return None


def _cancel_answered(attempt: Attempt, result: CancelResult, now: datetime) -> Step | None:
    if attempt.state is not State.CANCELLING:
        return None
    match result:
        case Cancelled(action="refund" | "close" as action):
            # How much came and went only a query tells; also whether a copy of this cancel, or an earlier one, had given money back.
            settling = "refund" if "refund" in (action, attempt.settling) else "closed"
            return Step(replace(attempt, settling=settling), Call.QUERY, _soon(now))
        case Cancelled():
            return _watch(replace(attempt, state=State.CANCELLED, watched=0), now)
        case CancelRefused():
            return Step(replace(attempt, settling="refused", code=result.code), Call.QUERY, _soon(now))
    return Step(attempt, None, _backoff(attempt.tries, now))


def _time_passed(attempt: Attempt, now: datetime) -> Step | None:
    if attempt.state in UNDECIDED:
        asked = replace(attempt, state=State.UNKNOWN) if attempt.state is State.SENDING else attempt
        if attempt.method == "qr" and not attempt.qr:
            return _cancel(attempt, now, "no QR code came")
        return Step(asked, Call.QUERY, _soon(now))
    if attempt.state is State.CANCELLING:
        again = replace(attempt, tries=attempt.tries + 1)
        return Step(again, Call.QUERY if attempt.settling else Call.CANCEL, _soon(now))
    if attempt.state in UNPAID:
        return Step(attempt, Call.QUERY, _soon(now))
    return None


# The moves --------------------------------------------------------------------------------------------------------------


def _paid(attempt: Attempt, paid: Paid, now: datetime) -> Step:
    if paid.amount != attempt.amount:
        odd = replace(attempt, state=State.UNKNOWN, code="AMOUNT_DIFFERS")
        return replace(_ask_again(odd, now), alarm=f"the wallet says {paid.amount} fen were paid, {attempt.amount} were asked for")
    return Step(_with_money(attempt, paid, State.PAID), bookings=(Booking.PAID,))


def _late(attempt: Attempt, paid: Paid) -> Step:
    """The till was told that it is not paid, and it is: everything goes back."""
    given_back = _with_money(attempt, paid, State.REFUNDING)
    alarm = f"a payment of {paid.amount} fen succeeded after the till was told otherwise; it is given back"
    return Step(given_back, bookings=(Booking.LATE,), give_back=True, alarm=alarm)


def _came_and_went(attempt: Attempt, closed: Closed, why: str) -> Step:
    """Money was taken and all of it has gone back already; the bill will show both, so the ledger does."""
    paid = closed.paid or Paid(attempt.trade_no, attempt.amount, attempt.amount, attempt.amount)
    done = replace(_with_money(attempt, paid, State.REFUNDED), code=why, settling="", refunded=attempt.amount)
    return Step(done, bookings=(Booking.LATE, Booking.RETURNED))


def _declined(attempt: Attempt, now: datetime) -> Step:
    """Refused, and the wallet has no trade. A charge that needs no code could still arrive a second time, so it is looked for."""
    declined = replace(attempt, state=State.DECLINED)
    return _watch(declined, now) if attempt.method in ("agreement", "authorisation") else Step(declined)


def _cancel(attempt: Attempt, now: datetime, why: str) -> Step:
    """Committed before the cancel is sent: whatever success is seen from here on belongs to the cancel."""
    cancelling = replace(attempt, state=State.CANCELLING, tries=1, settling="", code=why)
    return Step(cancelling, Call.CANCEL, _soon(now))


def _ask_again(attempt: Attempt, now: datetime) -> Step:
    """Query again soon; or, where the customer's time is over, cancel at once, with no gap after what was just learned."""
    elapsed = (now - attempt.made_at).total_seconds()
    if elapsed >= GIVE_UP_SECONDS[attempt.method]:
        return _cancel(attempt, now, "not paid in time")
    return Step(attempt, None, now + timedelta(seconds=QUERY_SECONDS if elapsed < LATER_AFTER else QUERY_SECONDS_LATER))


def _watch(attempt: Attempt, now: datetime, *, found: bool = False) -> Step:
    """Look again, a few times, for an unpaid attempt that the wallet had not seen; the day's bill is the last look."""
    if found or attempt.state is State.CLOSED:
        return Step(replace(attempt, state=State.CLOSED if attempt.state is State.CANCELLED else attempt.state))
    if attempt.watched >= len(WATCH_SECONDS):
        return Step(attempt)
    return Step(replace(attempt, watched=attempt.watched + 1), due=now + timedelta(seconds=WATCH_SECONDS[attempt.watched]))


def _with_money(attempt: Attempt, paid: Paid, state: State) -> Attempt:
    return replace(
        attempt, state=state, trade_no=paid.trade_no or attempt.trade_no, receipt_amount=paid.receipt_amount,
        buyer_paid=paid.buyer_paid, buyer=paid.buyer, paid_at=paid.paid_at, code="" if state is State.PAID else attempt.code,
        who_fixes="",
    )  # fmt: skip


def _soon(now: datetime) -> datetime:
    """When to look again should the process that makes the call die."""
    return now + timedelta(seconds=PAY_SECONDS)


def _backoff(tries: int, now: datetime) -> datetime:
    """1, 2, 4 … 60 seconds from now, after the first, second, third … try."""
    return now + timedelta(seconds=min(LONGEST_PAUSE, 2 ** min(max(tries - 1, 0), 6)))
