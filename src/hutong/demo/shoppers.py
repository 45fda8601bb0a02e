"""Shoppers who pay by Alipay at the tills of a dozen stores: payments, passwords, second thoughts and refunds, all over the public API.

``python -m hutong.demo.shoppers``, started and ended by ``hutong demo``. A sale is sent with the payment that it claims.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx

from hutong.demo.baskets import Receipts, SaleDocument, ring_up
from hutong.demo.chance import chance
from hutong.demo.history import pilots
from hutong.demo.keys import Keys, read_keys
from hutong.demo.market import Market
from hutong.demo.sandbox import PASSWORD, SandboxAlipay
from hutong.kernel.ids import uuid7

STORES = 12
REPORT_EVERY = 30.0
PASSWORD_SHARE, QR_SHARE, LEAVES_SHARE, REFUND_SHARE = 0.25, 0.15, 0.04, 0.05
DECIDED_WITHIN = 90.0
REMEMBERED = 200


class Shoppers:
    """One after another pays something somewhere; what does not work out is counted and left to the network's worker."""

    def __init__(self, url: str, sandbox: SandboxAlipay, keys: Keys, market: Market, rate: float) -> None:
        self._sandbox, self._keys, self._market, self._rate = sandbox, keys, market, rate
        self._client = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)
        self._places = pilots(market, 48)[:STORES]
        self._random: Random = chance("shoppers", time.time())
        self._receipts = Receipts()
        self._people: list[str] = []
        self._paid: deque[tuple[str, dict[str, Any]]] = deque(maxlen=REMEMBERED)
        self.tally: Counter[str] = Counter()

    async def close(self) -> None:
        await self._client.aclose()
        await self._sandbox.close()

    async def run(self) -> None:
        """Shop until cancelled; a network or wallet that is away only makes people wait."""
        shopping: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(self._random.expovariate(self._rate))
            if len(shopping) < 20:
                task = asyncio.create_task(self._visit())
                shopping.add(task)
                task.add_done_callback(shopping.discard)

    async def _visit(self) -> None:
        try:
            if not self._people:
                self._people = await self._sandbox.shoppers()
            if self._paid and self._random.random() < REFUND_SHARE:
                await self._bring_back()
            else:
                await self._shop()
        except (httpx.HTTPError, KeyError) as error:
            self.tally[f"away: {type(error).__name__}"] += 1

    async def _shop(self) -> None:
        store = self._market.stores[self._random.choice(self._places)]
        till = f"{self._random.randrange(1, store.tills + 1):02d}"
        document = ring_up(self._random, self._receipts, store, till, time.time(), 0.0)
        if document["kind"] != "sale" or document["total"] <= 0:
            return
        document["receipt"] = "P" + document["receipt"]
        key = {"Authorization": f"Bearer {self._keys.till(store.gln, till)}"}
        person, by_qr = self._random.choice(self._people), self._random.random() < QR_SHARE
        method: dict[str, str] = {"type": "qr"} if by_qr else {"type": "code", "code": await self._sandbox.code(person)}
        wish = {"id": str(uuid7()), "sale": document["id"], "amount": document["total"], "method": method}
        answer = await self._client.post("/v1/payments", json=wish, headers=key)
        if answer.status_code not in (200, 201):
            self.tally[f"refused: {answer.json().get('code')}"] += 1
            return
        payment = await self._until_decided(answer.json(), person, key)
        self.tally[payment["state"]] += 1
        if payment["state"] == "declined" and payment["code"].endswith("BALANCE_NOT_ENOUGH"):
            await self._sandbox.fill(person)
        if payment["state"] == "paid":
            await self._sell(document, payment, key)

    async def _until_decided(self, payment: dict[str, Any], person: str, key: dict[str, str]) -> dict[str, Any]:
        """The customer scans, types a password, or walks away, and the till waits for what becomes of it."""
        deadline = time.monotonic() + DECIDED_WITHIN
        leaves, acted = self._random.random() < LEAVES_SHARE, False
        while not payment["decided"] and time.monotonic() < deadline:
            await asyncio.sleep(self._random.uniform(0.5, 2.0))
            if leaves and payment["state"] == "waiting":
                await self._client.post(f"/v1/payments/{payment['id']}:cancel", headers=key)
                leaves = False
            elif not acted and payment["state"] == "waiting":
                acted = await self._act(payment, person)
            payment = (await self._client.get(f"/v1/payments/{payment['id']}", headers=key)).json()
        return payment

    async def _act(self, payment: dict[str, Any], person: str) -> bool:
        """Scan the QR code if there is one, then approve with the password."""
        if payment["qr"]:
            trade = await self._sandbox.ask("POST", f"/people/{person}/scan", {"qr_code": payment["qr"]})
        else:
            trades = await self._sandbox.ask("GET", f"/trades?number={payment['number']}")
            if not trades:
                return False
            trade = trades[0]
        await self._sandbox.ask("POST", f"/trades/{trade['trade_no']}/approve", {"password": PASSWORD})
        return True

    async def _sell(self, document: SaleDocument, payment: dict[str, Any], key: dict[str, str]) -> None:
        document["tenders"] = [{"type": "alipay", "amount": document["total"], "payment": payment["id"]}]
        document["change"] = 0
        answer = await self._client.post("/v1/sales", json=document, headers=key)
        self.tally["sold" if answer.status_code in (200, 201) else f"not sold: {answer.json().get('code')}"] += 1
        self._paid.append((key["Authorization"], payment))

    async def _bring_back(self) -> None:
        """Somebody gets a part of their money, or all of it, back."""
        bearer, payment = self._paid.popleft()
        amount = payment["amount"] if self._random.random() < 0.5 else max(1, payment["amount"] // 3)
        wish = {"id": str(uuid7()), "payment": payment["id"], "amount": amount, "reason": "goods came back"}
        answer = await self._client.post("/v1/refunds", json=wish, headers={"Authorization": bearer})
        self.tally[f"refund {answer.json().get('state', answer.json().get('code'))}"] += 1


def main() -> None:
    """Shop until SIGINT or SIGTERM, or until the process that started this one is gone."""
    parser = argparse.ArgumentParser(prog="python -m hutong.demo.shoppers", description="Let shoppers pay at a running demonstration.")
    parser.add_argument("--url", required=True, help="address of the network")
    parser.add_argument("--sandbox", required=True, help="address of the sandbox Alipay")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder that holds the demonstration's keys")
    parser.add_argument("--rate", type=float, default=1.0, help="payments a second")
    parser.add_argument("--stores", type=int, required=True, help="stores of the network")
    asked = parser.parse_args()
    asyncio.run(_shop(asked))


async def _shop(asked: argparse.Namespace) -> None:
    stop, parent = asyncio.Event(), os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    shoppers = Shoppers(asked.url, SandboxAlipay(asked.sandbox), read_keys(asked.data_dir), Market(asked.stores), asked.rate)
    shopping = asyncio.create_task(shoppers.run())
    told = time.monotonic()
    try:
        while not stop.is_set() and os.getppid() == parent and not shopping.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
            if time.monotonic() - told > REPORT_EVERY:
                told = time.monotonic()
                words = ", ".join(f"{times} {what}" for what, times in shoppers.tally.most_common(8))
                sys.stdout.write(f"          Alipay: {words}\n")
                sys.stdout.flush()
    finally:
        shopping.cancel()
        await asyncio.gather(shopping, return_exceptions=True)
        await shoppers.close()


if __name__ == "__main__":
    main()
