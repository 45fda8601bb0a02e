"""Switches a retailer's account at a wallet off and on again: what was begun through it is still finished through it."""

from hutong.directory import Permission, Principal
from hutong.kernel.errors import Conflict, NotFound
from hutong.platform.database import Database
from hutong.platform.scope import Scope


async def switch_account(db: Database, by: Principal, account_id: int, *, on: bool) -> None:
    """Let new payments go through an account, or through it no more. Raises NotFound; Conflict if another one of the wallet is on."""
    async with db.read(by.scope_for(Permission.MANAGE_WALLETS)) as reader:
        row = await reader.row("select retailer_id, wallet, code from wallet_account where id = :id", id=account_id)
    if row is None:
        raise NotFound
    by.must(Permission.MANAGE_WALLETS, retailer_id=row.retailer_id)
    async with db.work(Scope.of_retailer(row.retailer_id)) as uow:
        await uow.execute("select 1 from wallet_account where retailer_id = :retailer order by id for update", retailer=row.retailer_id)
        other = await uow.value(
            """select code from wallet_account where retailer_id = :retailer and wallet = :wallet and disabled_at is null and id <> :id""",
            retailer=row.retailer_id, wallet=row.wallet, id=account_id,
        )  # fmt: skip
        if on and other is not None:
            raise Conflict(f"New payments go through {other}; switch that off first.", account=other)
        await uow.execute(
            """update wallet_account set disabled_at = case when :on then null else now() end, changed_at = now()
               where id = :id and (disabled_at is null) <> :on""",
            id=account_id, on=on,
        )  # fmt: skip
        await uow.record(
            by.actor, "wallet.change", retailer_id=row.retailer_id, subject=f"wallet:{account_id}", detail={"code": row.code, "on": on}
        )
        await uow.commit()
