"""Notifications as the wallet posts them, signed with the sandbox's key (or another one); time that passes, and a worker's turns in it."""

import asyncio
import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hutong.payments.worker import Worker
from tests.support.sandbox import RunningSandbox, wallet_key

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def signature(text: bytes, key: str) -> str:
    """RSA2 of ``text`` with a private key in bare base64 or PEM."""
    if "BEGIN" in key:
        loaded = serialization.load_pem_private_key(key.encode(), None, unsafe_skip_rsa_key_validation=True)
    else:
        loaded = serialization.load_der_private_key(base64.b64decode(key), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return base64.b64encode(loaded.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def posted(fields: Mapping[str, str], *, key: str = "", charset: str = "utf-8", **more: str) -> bytes:
    """The form: signed over what ``fields`` say, then with ``more`` put in or over it."""
    covered = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    signed = {**fields, "sign_type": "RSA2", "sign": signature(covered.encode(charset), key or wallet_key()), **more}
    return urlencode(signed, encoding=charset).encode("ascii")


def pass_time(owner: psycopg.Connection[Any], seconds: float) -> None:
    """Move what payments wait for, and when they began, into the past: the machine's clock then sees so much time gone."""
    owner.execute(
        "update payment_due set due_at = due_at - make_interval(secs => %s), leased_until = leased_until - make_interval(secs => %s)",
        [seconds] * 2,
    )
    owner.execute("update payment set made_at = made_at - make_interval(secs => %s)", [seconds])


def yuan(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"


@dataclass
class Noticing:
    """Posts notifications about payments to the application. ``worker`` looks after what is due when told to."""

    client: httpx.AsyncClient
    owner: psycopg.Connection[Any]
    sandbox: RunningSandbox
    app: Any

    def fields(self, payment: Mapping[str, Any], **changed: str) -> dict[str, str]:
        """What the wallet says when this payment has succeeded; an empty text takes a field away."""
        amount = yuan(payment["amount"])
        said = {
            "notify_time": "2026-03-01 10:00:05", "notify_type": "trade_status_sync", "notify_id": secrets.token_hex(16),
            "app_id": self.sandbox.app_id, "charset": "utf-8", "version": "1.0", "trade_no": "2026030122001400001",
            "out_trade_no": payment["number"], "seller_id": self.sandbox.seller_id, "trade_status": "TRADE_SUCCESS",
            "total_amount": amount, "receipt_amount": amount, "buyer_pay_amount": amount, "subject": "茶 & =", "body": "",
            "gmt_payment": "2026-03-01 10:00:04",
        } | changed  # fmt: skip
        return {name: value for name, value in said.items() if value or name == "body"}

    async def post(self, body: bytes, client: httpx.AsyncClient | None = None) -> httpx.Response:
        return await (client or self.client).post("/alipay/notify", content=body, headers=FORM)

    async def tell(self, payment: Mapping[str, Any], **changed: str) -> bytes:
        """Post a proven notification; the answer's body."""
        return (await self.post(posted(self.fields(payment, **changed)))).content

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass for payments and at the wallet: what is stored moves back, the wallet's clock ahead."""
        pass_time(self.owner, seconds)
        await asyncio.to_thread(self.sandbox.advance, seconds)

    async def work(self, turns: int = 6) -> None:
        """Let a worker take what is open, as if its time had come."""
        for _ in range(turns):
            self.owner.execute("update payment_due set due_at = now() - interval '1 second', leased_until = null")
            await self.turn()

    async def turn(self) -> int:
        """One turn of a worker, to its end; how much it found due."""
        worker = Worker(self.app.state.payments.driver)
        found = await worker.turn()
        if worker._running:
            await asyncio.wait(worker._running)
        return found

    def count(self, table: str, where: str = "true") -> int:
        row = self.owner.execute(f"select count(*) from {table} where {where}").fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(row[0])

    def money(self) -> dict[str, int]:
        """What each account of the ledger holds, reservations left out, without those at zero."""
        rows = self.owner.execute(
            "select a.code, sum(e.amount) from entry e join account a on a.id = e.account_id where not e.pending group by 1 having sum(e.amount) <> 0"
        ).fetchall()
        return {code: int(amount) for code, amount in rows}
