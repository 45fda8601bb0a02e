"""Passes brands' shares of payments on through the wallet, half a minute after the payment; and binds where brands receive them.

What is asked is fixed before it is asked, so a repetition is the same request. A refusal leaves the brand's payable open and is tried
again in longer and longer pauses; people see it among the alarms.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog

from hutong.directory import Permission, Principal
from hutong.kernel.errors import Invalid, NotFound, Unavailable
from hutong.kernel.ids import uuid7
from hutong.payments.accounts import Wallets
from hutong.payments.alipay import splits
from hutong.payments.alipay.wallet import AlipayWallet
from hutong.payments.store import LEASE_SECONDS, PostgresStore
from hutong.payments.wallet import Declined
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.platform.tasks import cancel

POLL_SECONDS = 1.0
AT_ONCE = 8
CALL_SECONDS = 35
"""Longer than any call: while one may be under way, none that says something else is sent."""
PAUSES = (60, 300, 1_800, 7_200, 21_600)
"""Seconds between tries of a split that the wallet refuses or does not answer clearly; the last repeats."""

CLAIM = """update payment_split s set leased_until = now() + make_interval(secs => %s)
    from (select retailer_id, payment_id from payment_split where due_at <= now() and (leased_until is null or leased_until < now())
          order by greatest(due_at, leased_until) limit %s for update skip locked) c
    where s.retailer_id = c.retailer_id and s.payment_id = c.payment_id
    returning s.retailer_id, s.payment_id, s.account_id, s.brands, s.tries"""
TRADE = """select p.trade_no, (select array_agg(r.kind || ' ' || r.account order by x.n) from unnest(s.brands) with ordinality x (code, n)
        join brand b on b.code = x.code join brand_receiver r on r.retailer_id = s.retailer_id and r.brand_id = b.id and r.account_id = s.account_id) as receivers
    from payment_split s join payment p on p.retailer_id = s.retailer_id and p.id = s.payment_id where s.retailer_id = %s and s.payment_id = %s"""
SEND = "select split_send(%s, %s, now() + %s::interval)"
ANSWERED = "select split_answered(%s, %s, %s, %s, now() + %s::interval, %s)"

log = structlog.get_logger(__name__)


class Splitter:
    """Passes on what is due, in turns."""

    def __init__(self, store: PostgresStore, wallet_for: Callable[[int], Awaitable[AlipayWallet]]) -> None:
        self._store = store
        self._wallet_for = wallet_for
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look for what is due for ever; an outage only delays."""
        while True:
            taken = 0
            try:
                taken = await self.turn()
            except Exception as error:  # noqa: BLE001 - what is due must be looked at when it is over
                log.warning("splits_cannot_be_looked_at", error=str(error) or type(error).__name__)
            await asyncio.sleep(POLL_SECONDS if taken < AT_ONCE else 0.01)

    async def turn(self) -> int:
        """Work off what is due now, once; answers how much that was."""
        rows = await self._store.network_rows(CLAIM, (LEASE_SECONDS, AT_ONCE))
        await asyncio.gather(*(self._look(*row) for row in rows))
        return len(rows)

    async def finish(self) -> None:
        """End what is under way; leases end by themselves."""
        await cancel(*self._running)

    async def _look(self, retailer_id: int, payment_id: UUID, account_id: int, brands: Sequence[str], tries: int) -> None:
        try:
            await self._pass_on(retailer_id, payment_id, account_id, brands, tries)
        except Exception as error:  # noqa: BLE001 - its lease ends, and it is looked at again; the others go on
            log.warning("split_not_looked_at", payment=str(payment_id), error=str(error) or type(error).__name__)

    async def _pass_on(self, retailer_id: int, payment_id: UUID, account_id: int, brands: Sequence[str], tries: int) -> None:
        trade = await self._store.row(TRADE, retailer_id, payment_id)
        wallet = await self._wallet_for(account_id)
        amounts = await self._store.value(SEND, (retailer_id, payment_id, timedelta(seconds=CALL_SECONDS)))
        if amounts is None:
            return
        receivers = trade["receivers"] or []
        if len(receivers) < len(brands):
            await self._answer(retailer_id, payment_id, "refused", "a brand has no account at the wallet yet", tries)
            return
        parts = [_part(receiver, amount) for receiver, amount in zip(receivers, amounts, strict=True) if amount]
        number = f"{payment_id.hex}S"
        result = await splits.split(wallet.client, trade["trade_no"], number, parts, last=True)
        if isinstance(result, splits.Split):
            if not await self._answer(retailer_id, payment_id, "done", "", tries):
                at = await _time_of(wallet, trade["trade_no"], number)
                await self._answer(retailer_id, payment_id, "done" if at else "sending", "", tries, at)
        elif isinstance(result, Declined):
            await self._answer(retailer_id, payment_id, "refused", result.code, tries)
        else:
            await self._answer(retailer_id, payment_id, "sending", result.reason[:100], tries)

    async def _answer(self, retailer_id: int, payment_id: UUID, state: str, code: str, tries: int, at: datetime | None = None) -> bool:
        """Write the wallet's answer down; False if it takes the wallet's time of the split to do so."""
        due = None if state == "done" else timedelta(seconds=PAUSES[min(tries, len(PAUSES) - 1)])
        return bool(await self._store.value(ANSWERED, (retailer_id, payment_id, state, code, due, at)))


async def bind_brand(
    db: Database,
    wallets: Wallets,
    by: Principal,
    retailer_id: int,
    brand: str,
    kind: Literal["userId", "loginName"],
    account: str,
    name: str = "",
) -> None:
    """Let a brand receive shares of a retailer's payments on this account; repeated, it changes the account.

    Raises NotFound unless ``by`` manages the retailer's wallets or the brand is unknown; Invalid if the wallet refuses, NoWallet.
    """
    by.must(Permission.MANAGE_WALLETS, retailer_id=retailer_id)
    account_id = await wallets.active(retailer_id, "alipay")
    async with db.read(Scope.of_retailer(retailer_id)) as reader:
        brand_id = await reader.value("select id from brand where code = :code", code=brand)
    if brand_id is None:
        raise NotFound(f"There is no brand {brand}.")
    wallet = await wallets.get(account_id)
    result = await splits.bind_receivers(wallet.client, f"B{uuid7().hex}", [splits.Receiver(kind, account, name, brand)])
    if isinstance(result, Declined):
        raise Invalid(f"The wallet does not take this account: {result.code}.", field="account")
    if not isinstance(result, splits.Bound):
        raise Unavailable("The wallet has not answered clearly; try again in a moment.")
    async with db.work(Scope.of_network()) as uow:  # a row of a retailer and a brand is the network's to write
        await uow.execute(
            """insert into brand_receiver (retailer_id, brand_id, account_id, kind, account, name)
               values (:retailer, :brand, :account_id, :kind, :account, :name)
               on conflict (retailer_id, brand_id, account_id) do update set kind = excluded.kind, account = excluded.account,
                   name = excluded.name, bound_at = now()""",
            retailer=retailer_id, brand=brand_id, account_id=account_id, kind=kind, account=account, name=name,
        )  # fmt: skip
        await uow.record(by.actor, "wallet.brand", retailer_id=retailer_id, subject=f"brand:{brand}", detail={"kind": kind})
        await uow.commit()


async def _time_of(wallet: AlipayWallet, trade_no: str, number: str) -> datetime | None:
    """When the wallet carried a split out, by its clock; None if it does not say."""
    found = await splits.query_split(wallet.client, trade_no, number)
    times = [part.at for part in found.parts if part.at is not None] if isinstance(found, splits.SplitState) else []
    return max(times, default=None)


def _part(receiver: str, amount: int) -> splits.Part:
    kind, _, account = receiver.partition(" ")
    return splits.Part("userId" if kind == "userId" else "loginName", account, amount)


def shares_document(shares: Sequence[Any], amount: int) -> list[dict[str, Any]]:
    """The shares of a payment as they are recorded. Raises Invalid where they cannot be passed on."""
    if len({share.brand for share in shares}) < len(shares):
        raise Invalid("A brand has one share of a payment; add its parts up.", field="shares")
    if sum(share.amount for share in shares) > amount:
        raise Invalid("The shares are more than the payment.", field="shares")
    return [{"brand": share.brand, "amount": share.amount} for share in shares]
