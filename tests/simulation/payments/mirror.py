"""Stories whose every commit is made in PostgreSQL too, by the real store, and must come out the same there."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from hutong.payments.driver import Due, Origin
from hutong.payments.machine import Attempt, Booking, Event, Step
from hutong.payments.refunds import Refund, RefundEvent, RefundStep
from hutong.payments.store import NOBODY, PostgresStore, digest_of
from tests.simulation.payments.store import MemoryStore, Payment

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where in the test's network the stories happen."""

    retailer_id: int
    store_id: int
    till_id: int
    account_id: int

    def attempt(self, attempt: Attempt) -> Attempt:
        return replace(attempt, retailer_id=self.retailer_id, store_id=self.store_id, till_id=self.till_id, account_id=self.account_id)

    def refund(self, refund: Refund) -> Refund:
        return replace(refund, retailer_id=self.retailer_id, store_id=self.store_id, account_id=self.account_id)


class MirroredStore(MemoryStore):
    """The store in memory, which does each commit in PostgreSQL as well. ``real``, ``loop`` and ``place`` are set before use."""

    real: PostgresStore
    loop: asyncio.AbstractEventLoop
    place: Place
    commits = 0

    def _there(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def _agree(self, ours: object, theirs: object, what: str) -> None:
        type(self).commits += 1
        assert ours == theirs, f"{what}: {ours} in memory, {theirs} in PostgreSQL"

    def _begin(self, attempt: Attempt, due: datetime) -> tuple[str, UUID | None]:
        outcome = super()._begin(attempt, due)
        wanted = self.place.attempt(attempt)
        begun = self._there(
            self.real.begin(
                wanted,
                subject="",
                digest=digest_of(attempt.amount),
                actor="till",
                due=due,
                parts=False,
                source=None,
                body={"amount": attempt.amount},
            )
        )
        self._agree(outcome, (begun.outcome, begun.other), "begin")
        return outcome

    async def load(self, retailer_id: int, payment_id: UUID) -> Attempt:
        ours = await super().load(retailer_id, payment_id)
        theirs = self._there(self.real.load(self.place.retailer_id, payment_id))
        payment = self.payments[payment_id]
        self._agree(self.place.attempt(replace(ours, refunded=0)), replace(theirs, refunded=0), "load")
        self._agree(payment.refunded if ours.state == "paid" else theirs.refunded, theirs.refunded, "refunded")
        return ours

    def _save(self, step: Step, event: Event, origin: Origin) -> bool:
        saved = super()._save(step, event, origin)
        there = replace(step, attempt=self.place.attempt(step.attempt))
        self._agree(saved, self._there(self.real.save(there, event, origin)), "save")
        return saved

    async def note(self, attempt: Attempt, event: Event, origin: Origin) -> None:
        await super().note(attempt, event, origin)
        self._there(self.real.note(self.place.attempt(attempt), event, origin))

    def _begin_refund(self, refund: Refund, due: datetime) -> str:
        outcome = super()._begin_refund(refund, due)
        wanted = self.place.refund(refund)
        begun = self._there(self.real.begin_refund(wanted, digest=digest_of(refund.amount), actor="till", due=due))
        self._agree(outcome, begun.outcome, "begin refund")
        return outcome

    async def load_refund(self, retailer_id: int, refund_id: UUID) -> Refund:
        ours = await super().load_refund(retailer_id, refund_id)
        theirs = self._there(self.real.load_refund(self.place.retailer_id, refund_id))
        # The time of a give-back is the database's own.
        self._agree(self.place.refund(ours), replace(theirs, made_at=ours.made_at) if ours.late else theirs, "load refund")
        return ours

    def _save_refund(self, step: RefundStep, event: RefundEvent, origin: Origin) -> bool:
        saved = super()._save_refund(step, event, origin)
        there = replace(step, refund=self.place.refund(step.refund))
        self._agree(saved, self._there(self.real.save_refund(there, event, origin)), "save refund")
        return saved

    async def forget(self, due: Due) -> None:
        await super().forget(due)
        self._there(self.real.forget(replace(due, retailer_id=self.place.retailer_id)))


def differences(store: MirroredStore, owner: psycopg.Connection[Any]) -> list[str]:
    """What a story left in PostgreSQL that is not as it is in memory: rows, what is due, and the ledger's lines to the fen."""
    found = []
    for payment_id, payment in store.payments.items():
        attempt = payment.attempt
        ours = (attempt.state.value, attempt.version, payment.refund_pending, sorted(_ours(store, payment)))
        row = owner.execute("select state, version, refund_pending from payment where id = %s", [payment_id]).fetchone()
        assert row is not None
        theirs = (*row, sorted(_theirs(owner, payment_id, store.place)))
        if ours != theirs:
            found.append(f"{attempt.number}: {ours} in memory, {theirs} in PostgreSQL")
        due = owner.execute("select refund_id from payment_due where payment_id = %s order by 1", [payment_id]).fetchall()
        if {each[0] for each in due} != {refund or NOBODY for payment, refund in store.due if payment == payment_id}:
            found.append(f"{attempt.number}: other things are due")
    for sale_id, sale in store.sales.items():
        row = owner.execute("select open_payment, paid from payment_sale where sale_id = %s", [sale_id]).fetchone()
        if row != (sale.open_payment, sale.paid):
            found.append(f"sale {sale_id}: {(sale.open_payment, sale.paid)} in memory, {row} in PostgreSQL")
    return found


def _ours(store: MemoryStore, payment: Payment) -> list[tuple[str, int]]:
    """What the clearing account should say of an attempt: kinds and fen."""
    lines = [
        (f"payment.{kind.value}", -receipt if kind is Booking.RETURNED else receipt) for kind, _, receipt in payment.bookings if receipt
    ]
    refunds = [refund for refund in store.refunds.values() if refund.payment_id == payment.attempt.id and refund.state == "done"]
    return lines + [("refund.done", -refund.from_receipt) for refund in refunds if refund.from_receipt]


def _theirs(owner: psycopg.Connection[Any], payment_id: UUID, place: Place) -> list[tuple[str, int]]:
    return owner.execute(
        """select p.kind, e.amount from posting p cross join unnest(p.accounts, p.amounts) e (account, amount)
            join account a on a.id = e.account and a.retailer_id = p.retailer_id
            where p.state in ('posted', 'post') and a.code = %s
              and (p.reference = %s or p.reference in (select id from payment_refund where payment_id = %s))""",
        [f"alipay:clearing:{place.account_id}", payment_id, payment_id],
    ).fetchall()
