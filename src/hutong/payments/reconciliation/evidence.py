"""What follows from a bill by itself: an unpaid attempt that the bill shows as paid is put to the machine, which asks and gives back.

Everything else waits for people; of what is missing in the bill the wallet is asked, so that they know its answer.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from hutong.kernel.errors import HutongError
from hutong.payments.driver import Driver, Origin
from hutong.payments.machine import Attempt, Noticed
from hutong.payments.reconciliation.model import ACTOR
from hutong.payments.wallet import Absent, Closed, Paid, QueryResult, Waiting
from hutong.platform.database import Database
from hutong.platform.scope import Scope

MOST = 200
"""Items of one turn: each is a call or two to the wallet."""

log = structlog.get_logger(__name__)


class Asked(Protocol):
    """The part of a wallet that answers what it knows."""

    async def query(self, number: str) -> QueryResult: ...


AskedFor = Callable[[int], Awaitable[Asked]]


async def give_back_long(db: Database, driver: Driver) -> int:
    """Put every open ``long`` item of an attempt that is not paid to the machine; answers how many went back, or are on their way."""
    async with db.read(Scope.of_network()) as reader:
        rows = await reader.rows(
            """select i.retailer_id, i.id, i.payment_id, i.bill from recon_item_now i
               join payment p on p.retailer_id = i.retailer_id and p.id = i.payment_id
               where i.open and i.class = 'long' and p.state in ('declined', 'closed', 'cancelled', 'refunding', 'refunded')
                 and i.found_at > now() - interval '2 days' order by i.found_at limit :most""",
            most=MOST,
        )
    given = 0
    for row in rows:
        attempt = await driver.store.load(row.retailer_id, row.payment_id)
        if attempt.state.value in ("declined", "closed", "cancelled"):
            attempt = await _tell(driver, attempt, row.bill)
        if attempt.state.value in ("refunding", "refunded"):
            given += 1
            await _step(db, row.retailer_id, row.id, "settled", "given back")
    return given


async def _tell(driver: Driver, attempt: Attempt, bill: dict[str, int | str]) -> Attempt:
    paid = Paid(str(bill["trade_no"]), int(bill["amount"]), int(bill["receipt"]), int(bill["amount"]))
    try:
        return await driver.learn(attempt, Noticed(paid, source="bill"), Origin("bill", ACTOR))
    except Exception as error:  # noqa: BLE001 - whatever it was, the others must have their turn; this one comes again
        log.warning("bill_not_learned", payment=str(attempt.id), error=str(error) or type(error).__name__)
        return attempt


async def ask_about_short(db: Database, wallet_for: AskedFor) -> int:
    """Ask the wallet, once each, about payments that no bill has; answers how many were asked about."""
    async with db.read(Scope.of_network()) as reader:
        rows = await reader.rows(
            """select retailer_id, id, account_id, number, store_id from recon_item_now
               where open and class = 'short' and state <> 'asked' and found_at > now() - interval '30 days' order by found_at limit :most""",
            most=MOST,
        )
    asked = 0
    for row in rows:
        try:
            answer = await (await wallet_for(row.account_id)).query(row.number)
        except HutongError as error:
            log.warning("short_not_asked", account=row.account_id, error=error.detail)
            continue
        match answer:
            case Paid():
                said = "the wallet says paid"
            case Closed():
                said = "the wallet says closed"
            case Waiting() | Absent():
                said = "the wallet has no such payment"
            case _:
                continue  # no answer: next time
        await _step(db, row.retailer_id, row.id, "asked", said)
        asked += 1
    return asked


async def _step(db: Database, retailer_id: int, item_id: int, action: str, reason: str) -> None:
    """Write a step of an item, unless it was solved in the meantime."""
    async with db.work(Scope.of_retailer(retailer_id)) as uow:
        await uow.execute(
            """insert into recon_step (retailer_id, item_id, step, store_id, action, actor, reason)
               select retailer_id, id, steps + 1, store_id, :action, :actor, :reason from recon_item_now where retailer_id = :r and id = :id and open
               on conflict do nothing""",
            r=retailer_id, id=item_id, action=action, actor=ACTOR, reason=reason,
        )  # fmt: skip
        await uow.commit()
