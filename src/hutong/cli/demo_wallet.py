"""What ``hutong demo`` starts for payments: a sandbox Alipay, an account there for each retailer, and shoppers who use it."""

import asyncio
import time
from typing import TYPE_CHECKING

from hutong.cli.say import note

if TYPE_CHECKING:
    from hutong.cli.demo_children import Child
    from hutong.demo.sandbox import SandboxAlipay
    from hutong.platform.config import Settings
    from hutong.platform.database import Database

ANSWERS_WITHIN = 30.0
SHOPPERS_A_SECOND = 1.0


def sandbox_child(settings: "Settings", port: int) -> "Child":
    """The sandbox Alipay, with its memory in the demonstration's folder."""
    from hutong.cli.demo_children import Child, python
    from hutong.demo.keys import folder_of

    folder = folder_of(settings.data_dir)
    (folder / "alipay.log").write_text("")
    command = python("hutong.cli.demo", "sandbox", "alipay", "--port", str(port), "--data", str(folder / "alipay.sqlite"))
    return Child("sandbox Alipay", command, {}, folder / "alipay.log", folder / "alipay.pid")


def shoppers_child(settings: "Settings", url: str, sandbox_url: str, stores: int, rate: float) -> "Child":
    """Shoppers who pay at a dozen stores' tills; a line of figures every half minute."""
    from hutong.cli.demo_children import Child, python
    from hutong.demo.keys import folder_of

    options = {"--url": url, "--sandbox": sandbox_url, "--data-dir": settings.data_dir, "--stores": stores, "--rate": rate}
    command = python("hutong.demo.shoppers", *(str(part) for option in options.items() for part in option))
    return Child("shoppers", command, {}, None, folder_of(settings.data_dir) / "shoppers.pid")


def open_accounts(settings: "Settings", url: str, sandbox_url: str, sandbox: "Child") -> int:
    """Wait for the sandbox and give every retailer that has none an account there; answers how many were made.

    Raises RuntimeError with the end of its log if the sandbox does not come up.
    """
    from hutong.demo.sandbox import SandboxAlipay
    from hutong.platform.database import Database

    async def work() -> int:
        operator, database = SandboxAlipay(sandbox_url), Database(url, pool_size=1)
        try:
            began = time.monotonic()
            while not await operator.ready():
                if sandbox.ended() is not None or time.monotonic() - began > ANSWERS_WITHIN:
                    raise RuntimeError(f"The sandbox Alipay did not start:{sandbox.last_words()}")
                await asyncio.sleep(0.1)
            return await _accounts(settings, database, operator)
        finally:
            await operator.close()
            await database.close()

    return asyncio.run(work())


async def _accounts(settings: "Settings", database: "Database", operator: "SandboxAlipay") -> int:
    from hutong.directory import Principal
    from hutong.payments import AlipayAccount, add_alipay_account, wallet_accounts
    from hutong.platform.scope import Scope

    by = Principal.system("demo")
    known = {app["app_id"] for app in await operator.ask("GET", "/apps")}
    there = {account.retailer_id: account for account in await wallet_accounts(database, by) if not account.disabled}
    async with database.read(Scope.of_network()) as reader:
        retailers = await reader.rows("select id, name_zh from retailer order by id")
    made = 0
    for retailer in retailers:
        account = there.get(retailer.id)
        gateway = f"{operator.url}/gateway.do"
        if account is not None and account.gateway != gateway and "//127.0.0.1:" not in account.gateway:
            note(f"{retailer.name_zh} has an Alipay account of its own at {account.gateway}; it is left alone")
            continue
        if account is not None and account.app_id in known and account.gateway == gateway:
            continue
        app = await operator.app(retailer.name_zh)
        fields = {"app_id": app["app_id"], "seller_id": app["seller_id"], "private_key": app["app_private_key"]}
        code = account.code if account is not None else "sandbox"
        await add_alipay_account(
            database, by, settings, retailer.id, code, AlipayAccount(**fields, gateway=gateway, alipay_public_key=app["alipay_public_key"])
        )
        made += 1
    return made
