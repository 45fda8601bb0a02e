"""Carries the machines' steps out: commit, then call, then commit what was learned; again until there is nothing left to ask.

Nothing here decides anything. It may be killed between any two lines: what was committed says where a worker goes on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from hutong.payments.machine import (
    Answered,
    Attempt,
    Call,
    CancelAnswered,
    Event,
    Queried,
    Step,
    TimePassed,
    advance,
)
from hutong.payments.refunds import (
    Refund,
    RefundAnswered,
    RefundCall,
    RefundEvent,
    RefundQueried,
    RefundStep,
    RefundTimePassed,
    TradeQueried,
    advance_refund,
)
from hutong.payments.wallet import Charge, Unknown, Wallet

log = structlog.get_logger(__name__)

MOST_STEPS = 50
"""Steps of one attempt that one turn may take: far more than any story has, so that a fault cannot run in a circle for ever."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that a worker has leased: an attempt or, with ``refund_id``, one of its refunds."""

    retailer_id: int
    payment_id: UUID
    refund_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where news came from, for the attempt's story: ``answer``, ``query``, ``notice``, ``bill``, ``timer``, ``operator``."""

    source: str
    actor: str = ""


class Store(Protocol):
    """What keeps attempts and refunds. ``save`` commits a step only if the version is still that of the step's attempt."""

    async def load(self, retailer_id: int, payment_id: UUID) -> Attempt: ...

    async def save(self, step: Step, event: Event, origin: Origin) -> bool: ...

    async def note(self, attempt: Attempt, event: Event, origin: Origin) -> None:
        """Keep news that changed nothing, for the story."""

    async def load_refund(self, retailer_id: int, refund_id: UUID) -> Refund: ...

    async def save_refund(self, step: RefundStep, event: RefundEvent, origin: Origin) -> bool: ...

    async def claim(self, most: int) -> list[Due]:
        """Lease up to ``most`` things that are due; nobody else gets them for a while."""
        ...

    async def forget(self, due: Due) -> None:
        """There is nothing to look at there any more."""


class Driver:
    """Moves attempts and refunds on. ``wallet_for`` gives the wallet of an account's id; ``now`` is the clock."""

    def __init__(self, store: Store, wallet_for: Callable[[int], Awaitable[Wallet]], now: Callable[[], datetime]) -> None:
        self.store = store
        self._wallet_for = wallet_for
        self._now = now

    # payments ------------------------------------------------------------------------------------------------------------

    async def pay(self, attempt: Attempt, charge: Charge) -> Attempt:
        """Make the one request of an attempt whose intent is committed, and follow it as far as it leads now."""
        wallet = await self._wallet_for(attempt.account_id)
        result = await (wallet.show_qr(charge) if attempt.method == "qr" else wallet.pay(charge))
        return await self.learn(attempt, Answered(result), Origin("answer"))

    async def learn(self, attempt: Attempt, event: Event, origin: Origin) -> Attempt:
        """Let the machine judge ``event``, commit what it says, and make the calls that it asks for, until it asks for none."""
        for _ in range(MOST_STEPS):
            attempt, step = await self._commit(attempt, event, origin)
            if step is None or step.call is None:
                return attempt
            event, origin = await self._call(attempt, step.call)
        log.error("payment_runs_in_a_circle", payment=str(attempt.id), state=attempt.state)
        return attempt

    async def look(self, due: Due) -> None:
        """A worker's turn at what is due."""
        if due.refund_id is not None:
            refund = await self.store.load_refund(due.retailer_id, due.refund_id)
            await self._wallet_for(refund.account_id)
            await self.learn_refund(refund, RefundTimePassed(), Origin("timer"))
            return
        attempt = await self.store.load(due.retailer_id, due.payment_id)
        await self._wallet_for(attempt.account_id)  # while that cannot be used, nothing is asked, and no step written either
        await self.learn(attempt, TimePassed(), Origin("timer"))

    async def _commit(self, attempt: Attempt, event: Event, origin: Origin) -> tuple[Attempt, Step | None]:
        while True:
            step = advance(attempt, event, self._now())
            if step is None:
                if isinstance(event, TimePassed):
                    await self.store.forget(Due(attempt.retailer_id, attempt.id))
                elif isinstance(event, Answered):
                    await self.store.note(attempt, event, origin)
                return attempt, None
            if await self.store.save(step, event, origin):
                if step.alarm:
                    log.error("payment_alarm", payment=str(attempt.id), message=step.alarm)
                return replace(step.attempt, version=attempt.version + 1), step
            attempt = await self.store.load(attempt.retailer_id, attempt.id)

    async def _call(self, attempt: Attempt, call: Call) -> tuple[Event, Origin]:
        wallet = await self._wallet_for(attempt.account_id)
        if call is Call.CANCEL:
            return CancelAnswered(await wallet.cancel(attempt.number), attempt.version), Origin("cancel")
        if call is Call.QUERY:
            return Queried(await wallet.query(attempt.number), attempt.version), Origin("query")
        # Only the request's own process knows the customer's code, and it pays by ``pay``; nothing pays a second time.
        return Queried(Unknown("a payment is never sent twice"), attempt.version), Origin("query")

    # refunds -------------------------------------------------------------------------------------------------------------

    async def refund(self, refund: Refund) -> Refund:
        """Send a refund whose reservation is committed, and follow it as far as it leads now."""
        return await self.learn_refund(refund, await self._call_refund(refund, RefundCall.REFUND), Origin("answer"))

    async def learn_refund(self, refund: Refund, event: RefundEvent, origin: Origin) -> Refund:
        """Let the machine judge ``event``, commit what it says, and make the calls that it asks for."""
        for _ in range(MOST_STEPS):
            refund, step = await self._commit_refund(refund, event, origin)
            if step is None or step.call is None:
                return refund
            event, origin = await self._call_refund(refund, step.call), Origin("refund")
        log.error("refund_runs_in_a_circle", refund=str(refund.id), state=refund.state)
        return refund

    async def _commit_refund(self, refund: Refund, event: RefundEvent, origin: Origin) -> tuple[Refund, RefundStep | None]:
        while True:
            step = advance_refund(refund, event, self._now())
            if step is None:
                if isinstance(event, RefundTimePassed):
                    await self.store.forget(Due(refund.retailer_id, refund.payment_id, refund.id))
                return refund, None
            if await self.store.save_refund(step, event, origin):
                if step.alarm:
                    log.error("refund_alarm", refund=str(refund.id), message=step.alarm)
                return replace(step.refund, version=refund.version + 1), step
            refund = await self.store.load_refund(refund.retailer_id, refund.id)

    async def _call_refund(self, refund: Refund, call: RefundCall) -> RefundEvent:
        wallet = await self._wallet_for(refund.account_id)
        if call is RefundCall.REFUND:
            return RefundAnswered(await wallet.refund(refund.payment_number, refund.number, refund.amount, refund.reason))
        if call is RefundCall.TRADE:
            return TradeQueried(await wallet.query(refund.payment_number))
        return RefundQueried(await wallet.refund_query(refund.payment_number, refund.number))
