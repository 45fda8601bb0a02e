"""What tests of payments need again and again: an account at the sandbox, and payments as a till sends them."""

import asyncio
from typing import Any
from uuid import UUID

import httpx

from hutong.directory import Principal
from hutong.kernel.ids import uuid7
from hutong.payments import AlipayAccount, WalletAccount, add_alipay_account
from tests.support.sandbox import RunningSandbox


async def add_account(app: Any, retailer_id: int, sandbox: RunningSandbox, **fields: Any) -> WalletAccount:
    """Give a retailer its Alipay account at the sandbox."""
    account = AlipayAccount(
        **{
            "app_id": sandbox.app_id, "seller_id": sandbox.seller_id, "gateway": sandbox.gateway, "private_key": sandbox.private_key,
            "alipay_public_key": sandbox.alipay_public_key,
        } | fields
    )  # fmt: skip
    return await add_alipay_account(app.state.database, Principal.system("test"), app.state.settings, retailer_id, "main", account)


def payment(code: str | None = None, amount: int = 1_990, **fields: Any) -> dict[str, Any]:
    """The document of a payment by a customer's code, with new ids; keyword arguments replace or add fields."""
    document: dict[str, Any] = {"id": str(uuid7()), "sale": str(uuid7()), "amount": amount, "method": {"type": "code", "code": code}}
    return document | fields


def refund(paid: dict[str, Any], amount: int, **fields: Any) -> dict[str, Any]:
    """The document of a refund, with a new id."""
    return {"id": str(uuid7()), "payment": paid["id"], "amount": amount, "reason": "came back"} | fields


async def until(client: httpx.AsyncClient, payment_id: str | UUID, *states: str, within: float = 20.0) -> dict[str, Any]:
    """Ask for a payment until it is in one of ``states``."""
    async with asyncio.timeout(within):
        while True:
            found: dict[str, Any] = (await client.get(f"/v1/payments/{payment_id}")).json()
            if found["state"] in states:
                return found
            await asyncio.sleep(0.02)
