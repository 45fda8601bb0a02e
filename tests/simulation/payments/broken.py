"""The real functions with one rule taken out of each: what the simulation must notice.

Every entry patches what the program itself calls, for as long as its context is open, and says under which stories it shows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from hutong.payments import driver, machine, refunds
from hutong.payments.machine import Answered, Booking, Call, CancelAnswered, Noticed, Queried, State, Step, TimePassed
from hutong.payments.refunds import Refund, RefundAnswered, RefundQueried, RefundState, RefundStep, RefundTimePassed
from hutong.payments.wallet import Absent, Cancelled, Closed, Declined, Paid, RefundAccepted, Refunded, Unknown, Waiting
from tests.simulation.payments.store import MemoryStore
from tests.simulation.payments.story import Setting

Patch = Callable[[Callable[..., Any]], Callable[..., Any]]

QUIET = {"notices": False, "bill": False}
"""Neither notifications nor the bill come to the rescue: the machine alone must be right."""
CODES = {"methods": ("code",), "refunds": 0.0}
LATE = {"methods": ("agreement", "authorisation"), "refunds": 0.0}
REFUNDS = {"methods": ("code",), "refunds": 1.0, "passwords": 0.0, "cancels": 0.0}


@dataclass(frozen=True)
class Rule:
    """A rule, how it is taken out, the stories in which that shows, and how many of them at most."""

    name: str
    without: Callable[[], Any]
    setting: Setting
    sales: int = 20_000


@contextmanager
def patched(owner: Any, name: str, make: Patch | Any) -> Iterator[None]:
    """``owner.name`` replaced by ``make(original)``."""
    before = getattr(owner, name)
    setattr(owner, name, make(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


def advance(make: Callable[..., Any]) -> Callable[[], Any]:
    """The driver calls ``make(real)(attempt, event, now)`` in place of the real ``advance``."""
    return lambda: patched(driver, "advance", lambda real: lambda attempt, event, now: make(real, attempt, event, now))


def advance_refund(make: Callable[..., Any]) -> Callable[[], Any]:
    """The same of refunds."""
    return lambda: patched(driver, "advance_refund", lambda real: lambda refund, event, now: make(real, refund, event, now))


def result_of(event: Any) -> Any:
    return getattr(event, "result", None)


# payments ------------------------------------------------------------------------------------------------------------------


def unknown_is_failed(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if isinstance(event, Answered) and isinstance(event.result, Unknown):
        return Step(replace(attempt, state=State.DECLINED, code="TIME_OUT"))
    return real(attempt, event, now)


def absent_is_final(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if attempt.state in machine.UNDECIDED and isinstance(event, Queried) and isinstance(event.result, Absent) and attempt.method != "qr":
        return Step(replace(attempt, state=State.DECLINED, code="TRADE_NOT_EXIST"))
    return real(attempt, event, now)


def cancel_without_commit(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    """The state stays what it was while the cancel is under way."""
    if isinstance(event, CancelAnswered) and attempt.state in machine.UNDECIDED:
        return real(replace(attempt, state=State.CANCELLING, tries=1), event, now)
    step = real(attempt, event, now)
    if step is not None and step.call is Call.CANCEL and attempt.state in machine.UNDECIDED:
        return replace(step, attempt=replace(step.attempt, state=State.UNKNOWN))
    return step


def paid_after_cancelling(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if attempt.state is State.CANCELLING and isinstance(result_of(event), Paid):
        return real(replace(attempt, state=State.UNKNOWN), event, now)
    return real(attempt, event, now)


def no_watch(_: Any) -> Any:
    return lambda attempt, now, *, found=False: Step(attempt)


def no_give_back(real: Any) -> Any:
    return lambda attempt, paid: replace(real(attempt, paid), give_back=False, attempt=replace(attempt, state=State.REFUNDED))


def late_success_ignored(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if attempt.state in machine.UNPAID and isinstance(result_of(event), Paid):
        return None
    return real(attempt, event, now)


def late_success_is_paid(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    """What the till was told does not count: the last news wins."""
    if attempt.state in machine.UNPAID and isinstance(result_of(event), Paid):
        return machine._paid(attempt, event.result, now)
    return real(attempt, event, now)


def one_cancel_is_enough(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if isinstance(event, CancelAnswered) and isinstance(event.result, Unknown):
        return Step(replace(attempt, state=State.CLOSED)) if attempt.state is State.CANCELLING else None
    return real(attempt, event, now)


def no_cancel_at_the_end(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    step = real(attempt, event, now)
    if step is not None and step.call is Call.CANCEL and not isinstance(event, TimePassed) and step.attempt.code == "not paid in time":
        return Step(replace(step.attempt, state=State.CLOSED))
    return step


def closed_is_believed(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if isinstance(event, CancelAnswered) and event.result == Cancelled("close") and attempt.state is State.CANCELLING:
        return Step(replace(attempt, state=State.CLOSED))
    return real(attempt, event, now)


def cancel_is_not_asked_what_it_gave(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if isinstance(event, CancelAnswered) and event.result == Cancelled("refund") and attempt.state is State.CANCELLING:
        return machine._came_and_went(attempt, Closed(True), attempt.code)
    return real(attempt, event, now)


def refusal_of_a_copy_is_believed(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    if isinstance(event, Answered) and isinstance(event.result, Declined) and attempt.state in machine.UNDECIDED:
        return Step(replace(attempt, state=State.DECLINED, code=event.result.code))
    return real(attempt, event, now)


def waiting_is_paid(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    """What the official library's ``is_success`` says of 10003."""
    if isinstance(event, Answered) and isinstance(event.result, Waiting) and attempt.state in machine.UNDECIDED:
        return machine._paid(attempt, Paid(attempt.number[-8:], attempt.amount, attempt.amount, attempt.amount), now)
    return real(attempt, event, now)


def nobody_looks_again(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    step = real(attempt, event, now)
    return None if step is None else replace(step, due=None)


def what_came_and_went_is_not_booked(real: Any) -> Any:
    return lambda attempt, closed, why: replace(real(attempt, closed, why), bookings=())


def booked_by_every_source(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    """The notification's handler and the request's handler both complete the payment."""
    if attempt.state is State.PAID and isinstance(event, Noticed | Answered) and isinstance(event.result, Paid):
        return Step(attempt, bookings=(Booking.PAID,))
    return real(attempt, event, now)


def notice_of_closed_is_final(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    """A late cancel's answer of nothing ends the attempt although something may still be on its way."""
    if isinstance(event, CancelAnswered) and event.result == Cancelled(None) and attempt.state is State.CANCELLING:
        return Step(replace(attempt, state=State.CLOSED))
    return real(attempt, event, now)


def settling_does_not_wait(real: Any, attempt: Any, event: Any, now: Any) -> Any:
    """A refused cancel is taken for a settled one: nothing was to be cancelled."""
    if isinstance(event, CancelAnswered) and type(event.result).__name__ == "CancelRefused" and attempt.state is State.CANCELLING:
        return Step(replace(attempt, state=State.CLOSED))
    return real(attempt, event, now)


# refunds -------------------------------------------------------------------------------------------------------------------


def absent_refund_is_refused(real: Any, refund: Any, event: Any, now: Any) -> Any:
    if isinstance(event, RefundQueried) and isinstance(event.result, Absent) and refund.state is RefundState.UNKNOWN:
        return RefundStep(replace(refund, state=RefundState.REFUSED))
    return real(refund, event, now)


def refusal_is_believed(real: Any, refund: Any, event: Any, now: Any) -> Any:
    if isinstance(event, RefundAnswered) and isinstance(event.result, Declined) and event.result.code != refunds.BALANCE_SHORT:
        return RefundStep(replace(refund, state=RefundState.REFUSED)) if refund.state not in SETTLED else None
    return real(refund, event, now)


SETTLED = (RefundState.DONE, RefundState.REFUSED)


def short_balance_is_refused(real: Any, refund: Any, event: Any, now: Any) -> Any:
    if isinstance(event, RefundAnswered) and isinstance(event.result, Declined) and refund.state not in SETTLED:
        return RefundStep(replace(refund, state=RefundState.REFUSED))
    return real(refund, event, now)


def accepted_is_refunded(real: Any, refund: Any, event: Any, now: Any) -> Any:
    if isinstance(event, RefundAnswered) and isinstance(event.result, RefundAccepted):
        return real(refund, RefundAnswered(Refunded(refund.amount, refund.amount)), now)
    return real(refund, event, now)


def unanswered_refund_is_done(real: Any, refund: Any, event: Any, now: Any) -> Any:
    if isinstance(event, RefundAnswered) and isinstance(event.result, Unknown):
        return real(refund, RefundAnswered(Refunded(refund.amount, refund.amount)), now)
    return real(refund, event, now)


def nobody_looks_at_refunds(real: Any, refund: Any, event: Any, now: Any) -> Any:
    step = real(refund, event, now)
    return None if step is None else replace(step, due=None)


def refund_is_not_repeated(real: Any, refund: Any, event: Any, now: Any) -> Any:
    if isinstance(event, RefundTimePassed) and refund.state not in SETTLED:
        return None
    return real(refund, event, now)


def a_new_number_each_time() -> Any:
    return patched(Refund, "number", lambda real: property(lambda refund: f"{refund.id.hex}{refund.tries}"))


def trade_is_not_asked(real: Any) -> Any:
    return lambda refund, result, now: RefundStep(replace(refund, state=RefundState.REFUSED))


# the store -----------------------------------------------------------------------------------------------------------------


class LastWriterWins(MemoryStore):
    """Ignores the version."""

    @staticmethod
    def is_current(before: Any, after: Any) -> bool:
        return True


class NothingReserved(MemoryStore):
    """Holds refunds against what is refunded already, not against what is under way."""

    @staticmethod
    def may_refund(payment: Any, amount: int) -> bool:
        return bool(payment.refunded + amount <= payment.attempt.amount)


class ManyAttempts(MemoryStore):
    """Lets a sale have as many open attempts as there are tills."""

    def _begin(self, attempt: Any, due: Any) -> Any:
        if attempt.id not in self.payments:
            self.sales.pop(attempt.sale_id, None)
        return super()._begin(attempt, due)


class NoWorker(MemoryStore):
    """Nothing is ever due to anybody."""

    def is_due(self) -> bool:
        return False


def nothing() -> Any:
    return patched(driver, "MOST_STEPS", lambda before: before)


def in_machine(name: str, make: Patch) -> Callable[[], Any]:
    return lambda: patched(machine, name, make)


def whole(rule: Rule) -> Setting:
    """The same stories with nothing taken out."""
    return replace(rule.setting, store=MemoryStore, intent_first=True)


def setting(times: float = 4.0, **others: Any) -> Setting:
    return Setting(times=times, **others)


RULES = (
    Rule("unknown is a state, not a failure", advance(unknown_is_failed), setting(**QUIET, **CODES)),
    Rule("no such trade is not a conclusion", advance(absent_is_final), setting(**QUIET, **CODES)),
    Rule("cancelling is committed before the cancel is sent", advance(cancel_without_commit), setting(**CODES, passwords=1.0, cancels=0.5)),
    Rule("nothing leads from cancelling to paid", advance(paid_after_cancelling), setting(**CODES, passwords=1.0, cancels=0.5)),
    Rule("a cancelled attempt that was not seen is watched", in_machine("_watch", no_watch), setting(**QUIET, **LATE)),
    Rule("a late success is given back", in_machine("_late", no_give_back), setting(**LATE)),
    Rule("a success after the till was told otherwise counts", advance(late_success_ignored), setting(**LATE, longest=100_000.0, bill=False)),
    Rule("a success after the till was told otherwise is not paid", advance(late_success_is_paid), setting(**LATE)),
    Rule("a cancel is repeated until its outcome is known", advance(one_cancel_is_enough), setting(**QUIET, **CODES, passwords=1.0)),
    Rule("an attempt that is given up is cancelled", advance(no_cancel_at_the_end), setting(**QUIET, **CODES, passwords=1.0)),
    Rule("a cancel that found it closed is not the last word", advance(closed_is_believed), setting(**QUIET, cancels=0.5)),
    Rule("what a cancel gave back is asked for", advance(cancel_is_not_asked_what_it_gave), setting(cancels=0.5)),
    Rule("the refusal of a copy is verified", advance(refusal_of_a_copy_is_believed), setting(**QUIET, **CODES)),
    Rule("waiting is not paid", advance(waiting_is_paid), setting(**CODES)),
    Rule("somebody looks again", advance(nobody_looks_again), setting(**QUIET, **CODES)),
    Rule("what came and went is booked", in_machine("_came_and_went", what_came_and_went_is_not_booked), setting(bill=False, cancels=0.5)),
    Rule("whichever news comes first books, and it alone", advance(booked_by_every_source), setting(**CODES)),
    Rule("a cancel of what was not seen does not end it", advance(notice_of_closed_is_final), setting(**QUIET, **LATE)),
    Rule("a cancel that is refused is followed by a refund", advance(settling_does_not_wait), setting(**QUIET, **CODES, cancels=0.5)),
    Rule("the intent is committed before the request", nothing, setting(**CODES, intent_first=False)),
    Rule("a refund that is not found is not refused", advance_refund(absent_refund_is_refused), setting(**REFUNDS)),
    Rule("a refusal counts once nothing can be under way", advance_refund(refusal_is_believed), setting(**REFUNDS)),
    Rule("too small a balance is waited for", advance_refund(short_balance_is_refused), setting(**REFUNDS)),
    Rule("accepted is not refunded", advance_refund(accepted_is_refunded), setting(**REFUNDS)),
    Rule("an unanswered refund is not done", advance_refund(unanswered_refund_is_done), setting(**REFUNDS)),
    Rule("somebody looks at refunds again", advance_refund(nobody_looks_at_refunds), setting(**REFUNDS)),
    Rule("a refund is repeated", advance_refund(refund_is_not_repeated), setting(**REFUNDS)),
    Rule("a refund keeps its number", a_new_number_each_time, setting(**REFUNDS)),
    Rule(
        "a late success that a late cancel gave back is settled",
        lambda: patched(refunds, "_learned_of_trade", trade_is_not_asked), setting(**LATE, cancels=0.5), 60_000,
    ),
    Rule("a step is committed only on the version it was worked out from", nothing, setting(**CODES, store=LastWriterWins, cancels=0.5)),
    Rule("a refund is reserved before it is sent", nothing, setting(**REFUNDS, store=NothingReserved)),
    Rule("a sale has one open attempt", nothing, setting(**CODES, store=ManyAttempts)),
    Rule("workers look at what is due", nothing, setting(**CODES, store=NoWorker)),
)  # fmt: skip
