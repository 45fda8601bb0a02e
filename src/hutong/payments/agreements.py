"""Customers' standing permission to be charged: asked for, signed in the wallet, ended by either side; natural expiry is asked for.

A till charges one by ``POST /v1/payments`` with method ``agreement``. The person behind it is an opaque member id here.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from hutong.directory import Outlet, Principal
from hutong.kernel import clock
from hutong.kernel.errors import Conflict, HutongError, Invalid, NotFound, Unavailable
from hutong.payments.accounts import Wallets
from hutong.payments.alipay import agreements as at_alipay
from hutong.payments.wallet import Absent, Declined
from hutong.platform.database import Database
from hutong.platform.scope import Scope

SCENE = "INDUSTRY|SUPERMARKET"
"""Of the contract with Alipay; a retailer with another scene says so in its request."""
STATES = {"waiting": "signing", "active": "active", "stopped": "ended", "ended": "ended"}
FORGOTTEN_AFTER = timedelta(days=2)

log = structlog.get_logger(__name__)

COLUMNS = "retailer_id, id, account_id, number, agreement_no, state, member_id, buyer, sign_url, valid_until, made_at"


async def begin_agreement(
    db: Database, wallets: Wallets, by: Principal, outlet: Outlet, agreement_id: UUID, member: UUID | None, scene: str
) -> tuple[dict[str, Any], bool]:
    """Ask for an agreement: answers where the customer signs, and True if this call began it. Raises NoWallet, Conflict, Invalid."""
    if not scene.isascii() or len(scene) > 64:
        raise Invalid("The scene is the one of the contract with Alipay, such as INDUSTRY|SUPERMARKET.", field="scene")
    account_id = await wallets.active(outlet.retailer_id, "alipay")
    wallet = await wallets.get(account_id)
    url = at_alipay.signing_url(wallet.client, agreement_id.hex, scene or SCENE)
    async with db.work(Scope.of_retailer(outlet.retailer_id)) as uow:
        made = await uow.row(
            f"""insert into agreement (retailer_id, id, account_id, number, state, member_id, sign_url, actor, made_at)
                values (:retailer, :id, :account, :number, 'signing', :member, :url, :actor, :now) on conflict do nothing returning {COLUMNS}""",
            retailer=outlet.retailer_id, id=agreement_id, account=account_id, number=agreement_id.hex, member=member, url=url, actor=by.actor,
            now=clock.now(),
        )  # fmt: skip
        if made is None:
            found = await uow.row(f"select {COLUMNS} from agreement where id = :id", id=agreement_id)
            if found is None or found.member_id != member:
                raise Conflict("An agreement with this id is recorded with other content.")
            return dict(found._mapping), False
        await uow.record(by.actor, "agreement.begin", retailer_id=outlet.retailer_id, store_id=outlet.id, subject=str(agreement_id))
        await uow.commit()
    return dict(made._mapping), True


async def read_agreement(db: Database, retailer_id: int, agreement_id: UUID) -> dict[str, Any]:
    """An agreement as it is recorded. Raises NotFound."""
    async with db.read(Scope.of_retailer(retailer_id)) as reader:
        row = await reader.row(f"select {COLUMNS} from agreement where id = :id", id=agreement_id)
    if row is None:
        raise NotFound
    return dict(row._mapping)


async def ask_agreement(db: Database, wallets: Wallets, retailer_id: int, agreement_id: UUID) -> dict[str, Any]:
    """Ask the wallet how an agreement stands and record it: that one ran out, nobody tells. Raises NotFound."""
    known = await read_agreement(db, retailer_id, agreement_id)
    if known["state"] not in ("signing", "active"):
        return known
    wallet = await wallets.get(known["account_id"])
    found = await at_alipay.query_agreement(wallet.client, known["number"])
    if isinstance(found, at_alipay.Agreement):
        await _record(db, known, STATES[found.state], found.agreement_no, found.payer, found.valid_until)
    elif isinstance(found, Absent) and (known["state"] == "active" or clock.now() - known["made_at"] > FORGOTTEN_AFTER):
        await _record(db, known, "ended", known["agreement_no"], known["buyer"], known["valid_until"])
    return await read_agreement(db, retailer_id, agreement_id)


async def end_agreement(db: Database, wallets: Wallets, by: Principal, retailer_id: int, agreement_id: UUID) -> dict[str, Any]:
    """End an agreement from the retailer's side; repeated, it answers how it stands. Raises NotFound, Conflict if the wallet refuses, Unavailable."""
    known = await read_agreement(db, retailer_id, agreement_id)
    if known["state"] == "active":
        wallet = await wallets.get(known["account_id"])
        result = await at_alipay.end_agreement(wallet.client, known["agreement_no"])
        if isinstance(result, Declined):
            raise Conflict(f"The wallet does not end it: {result.code}.")
        if not isinstance(result, at_alipay.Ended | Absent):
            raise Unavailable("The wallet has not answered clearly; ask again in a moment.")
    if known["state"] in ("signing", "active"):
        await _record(db, known, "ended", known["agreement_no"], known["buyer"], known["valid_until"], by)
    return await read_agreement(db, retailer_id, agreement_id)


async def ask_about_agreements(db: Database, wallets: Wallets) -> None:
    """Look after those that nobody will tell about: not signed for a while, or past their last day."""
    async with db.read(Scope.of_network()) as reader:
        rows = await reader.rows(
            """select retailer_id, id from agreement where (state = 'signing' and made_at < now() - interval '10 minutes')
               or (state = 'active' and valid_until < now()) order by changed_at limit 500"""
        )
    for row in rows:
        try:
            await ask_agreement(db, wallets, row.retailer_id, row.id)
        except HutongError as error:  # an account that cannot be used holds up its own agreements alone
            log.warning("agreement_not_asked_about", agreement=str(row.id), error=str(error))


async def _record(
    db: Database, known: dict[str, Any], state: str, agreement_no: str, buyer: str, valid_until: Any, by: Principal | None = None
) -> None:
    async with db.work(Scope.of_retailer(known["retailer_id"])) as uow:
        await uow.execute(
            """update agreement set state = :state, agreement_no = :no, buyer = :buyer, valid_until = :until, changed_at = now()
               where id = :id and state in ('signing', 'active')""",
            state=state, no=agreement_no, buyer=buyer, until=valid_until, id=known["id"],
        )  # fmt: skip
        if by is not None:
            await uow.record(by.actor, "agreement.end", retailer_id=known["retailer_id"], subject=str(known["id"]))
        await uow.commit()
