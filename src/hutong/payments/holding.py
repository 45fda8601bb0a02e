"""Carries authorisations out: commits each step, makes its call, commits what was learned; and looks after those that are due."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from hutong.kernel.errors import NotFound
from hutong.payments.alipay import authorisations
from hutong.payments.alipay.wallet import AlipayWallet
from hutong.payments.driver import Origin
from hutong.payments.holds import (
    SOON_SECONDS,
    Hold,
    HoldAnswered,
    HoldCall,
    HoldEvent,
    HoldQueried,
    HoldReleased,
    HoldState,
    HoldStep,
    HoldTimePassed,
    HoldUndone,
    advance_hold,
    freeze_of,
)
from hutong.payments.store import LEASE_SECONDS, PostgresStore, kind_of, text_of, until
from hutong.platform.tasks import cancel

POLL_SECONDS = 0.5
AT_ONCE = 16
MOST_STEPS = 20

HOLD = """select retailer_id, id, store_id, till_id, account_id, method, amount, number, made_at, state, version, tries, code, auth_no, buyer_ref, qr,
    captured, released from authorisation where retailer_id = %s and id = %s"""
BEGIN = "select hold_begin(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s::interval)"
ADVANCE = "select hold_advance(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s::interval, %s, %s, %s, %s::jsonb)"
CLAIM = """update authorisation a set leased_until = now() + make_interval(secs => %s)
    from (select retailer_id, id from authorisation where due_at <= now() and (leased_until is null or leased_until < now())
          order by greatest(due_at, leased_until) limit %s for update skip locked) c
    where a.retailer_id = c.retailer_id and a.id = c.id returning a.retailer_id, a.id"""

log = structlog.get_logger(__name__)


class Holder:
    """Holds money, releases it, and finds out what became of it. Two on one authorisation are harmless, as with payments."""

    def __init__(self, store: PostgresStore, wallet_for: Callable[[int], Awaitable[AlipayWallet]], now: Callable[[], datetime]) -> None:
        self._store = store
        self._wallet_for = wallet_for
        self._now = now
        self._running: set[asyncio.Task[Any]] = set()

    async def begin(self, hold: Hold, digest: UUID, actor: str) -> str:
        """Commit the intent: ``new``, ``same`` or ``differs``."""
        return str(
            await self._store.value(
                BEGIN,
                (hold.retailer_id, hold.id, hold.store_id, hold.till_id, hold.account_id, hold.method, hold.amount, hold.number, digest, actor,
                 hold.made_at, timedelta(seconds=SOON_SECONDS)),
            )
        )  # fmt: skip

    async def load(self, retailer_id: int, hold_id: UUID) -> Hold:
        """The authorisation as it stands. Raises NotFound."""
        row = await self._store.row(HOLD, retailer_id, hold_id)
        return Hold(**{**row, "state": HoldState(row["state"])})

    async def freeze(self, hold: Hold, title: str, store: str, code: str) -> Hold:
        """Make the one request of an authorisation whose intent is committed, and follow it as far as it leads now."""
        client = (await self._wallet_for(hold.account_id)).client
        wish = freeze_of(hold, title, store)
        result: Any = await (
            authorisations.show_freeze_qr(client, wish) if hold.method == "qr" else authorisations.freeze(client, wish, code)
        )
        return await self.learn(hold, HoldAnswered(result), Origin("answer"))

    async def learn(self, hold: Hold, event: HoldEvent, origin: Origin) -> Hold:
        """Let the machine judge ``event``, commit what it says, and make the calls that it asks for."""
        for _ in range(MOST_STEPS):
            step = advance_hold(hold, event, self._now())
            if step is None:
                return hold
            if not await self._save(step, event, origin):
                hold = await self.load(hold.retailer_id, hold.id)
                continue
            hold = replace(step.hold, version=step.hold.version + 1)
            if step.call is None:
                return hold
            event, origin = await self._call(hold, step.call, step.amount), Origin("query")
        return hold

    async def _save(self, step: HoldStep, event: HoldEvent, origin: Origin) -> bool:
        hold = step.hold
        return bool(
            await self._store.value(
                ADVANCE,
                (hold.retailer_id, hold.id, hold.version, hold.state.value, hold.tries, hold.code, hold.auth_no, hold.buyer_ref, hold.qr,
                 hold.released, until(step.due), origin.source, kind_of(event), origin.actor, text_of(event)),
            )
        )  # fmt: skip

    async def _call(self, hold: Hold, call: HoldCall, amount: int) -> HoldEvent:
        client = (await self._wallet_for(hold.account_id)).client
        wish = freeze_of(hold, "", "")
        match call:
            case HoldCall.QUERY:
                return HoldQueried(await authorisations.query_freeze(client, wish.number, wish.request))
            case HoldCall.UNDO:
                return HoldUndone(await authorisations.undo_freeze(client, wish.number, wish.request, "not wanted any more"))
            case HoldCall.RELEASE:
                return HoldReleased(await authorisations.release(client, hold.auth_no, f"{hold.id.hex}R", amount, "the rest"))

    # what is due ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look for what is due for ever; an outage only delays."""
        pause = POLL_SECONDS
        while True:
            try:
                for retailer_id, hold_id in await self._store.network_rows(CLAIM, (LEASE_SECONDS, AT_ONCE)):
                    task = asyncio.create_task(self._look(retailer_id, hold_id))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                pause = POLL_SECONDS
            except Exception as error:  # noqa: BLE001 - what is due must be looked at when it is over
                log.warning("authorisations_cannot_be_looked_at", error=str(error) or type(error).__name__)
                pause = min(10.0, pause * 2)
            await asyncio.sleep(pause)

    async def finish(self) -> None:
        """End what is under way; leases end by themselves."""
        await cancel(*self._running)

    async def _look(self, retailer_id: int, hold_id: UUID) -> None:
        try:
            hold = await self.load(retailer_id, hold_id)
            await self._wallet_for(hold.account_id)  # while that cannot be used, no step is written
            await self.learn(hold, HoldTimePassed(), Origin("timer"))
        except (NotFound, Exception) as error:  # noqa: BLE001 - its lease ends, and it is looked at again
            log.warning("authorisation_not_looked_at", authorisation=str(hold_id), error=str(error) or type(error).__name__)
