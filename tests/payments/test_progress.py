"""A payment's progress as its till follows it, and a store's payments live: at once, exactly, for those whose they are."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import httpx
import psycopg
import pytest

from hutong.payments.live_states import StoreKey, StoreState
from hutong.platform.database import Database
from hutong.platform.live import apply_frame
from hutong.platform.scope import Scope
from tests.conftest import Person
from tests.payments.support import payment, refund
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("wallet")
Payer = Callable[..., str]


class Following:
    """A stream that is read event by event, as an EventSource does."""

    def __init__(self, app: Any, headers: dict[str, str], path: str) -> None:
        self.app, self.path, self.headers = app, path, headers
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status = 0
        self.closed = asyncio.Event()
        self._text = ""

    async def run(self) -> None:
        path, _, query = self.path.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": [(key.lower().encode(), value.encode()) for key, value in {"host": "test", **self.headers}.items()],
            "client": ("203.0.113.9", 1), "server": ("test", 80),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            await self.closed.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                return
            self._text += message.get("body", b"").decode()
            *whole, self._text = self._text.split("\n\n")
            for block in whole:
                fields = dict(line.split(": ", 1) for line in block.splitlines())
                if "event" in fields:
                    await self.sent.put({"event": fields["event"], "id": fields.get("id", ""), "data": json.loads(fields["data"])})

        await self.app(scope, receive, send)
        await self.sent.put({"event": "closed", "id": "", "data": {}})

    async def next(self, *events: str) -> dict[str, Any]:
        """The next event of these kinds; heartbeats are passed over."""
        async with asyncio.timeout(20):
            while True:
                event = await self.sent.get()
                empty = event["event"] == "frame" and not event["data"]["set"] and not event["data"]["cells"]
                if not empty and (not events or event["event"] in events):
                    return event


@asynccontextmanager
async def following(app: Any, key: str, path: str, last: str = "") -> AsyncIterator[Following]:
    headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": last} if last else {})
    stream = Following(app, headers, path)
    task = asyncio.create_task(stream.run())
    yield stream
    stream.closed.set()
    await task


async def waiting_payment(till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer) -> tuple[dict[str, Any], str]:
    """A payment that waits for its customer's password, and the wallet's number of it."""
    customer = payer(password_above=1_000)
    begun = (await till.post("/v1/payments", json=payment(sandbox.code(customer)))).json()
    assert begun["state"] == "waiting", begun
    return begun, sandbox.trades(begun["number"])[0]["trade_no"]


async def test_a_till_follows_its_payment_until_it_is_decided_and_the_stream_ends_by_itself(
    app: Any, network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    till = with_key(network.till.key)
    begun, _ = await waiting_payment(till, sandbox, payer)
    async with following(app, network.till.key, f"/v1/payments/{begun['id']}/events") as stream:
        first = await stream.next()
        assert (first["event"], first["data"]["document"]["payment"]["state"]) == ("snapshot", "waiting")
        stopped = asyncio.create_task(till.post(f"/v1/payments/{begun['id']}:cancel"))
        seen = []
        while not seen or seen[-1]["event"] != "end":
            seen.append(await stream.next())
        frames = [each["data"]["set"]["payment"] for each in seen if each["event"] == "frame"]
        assert frames[-1]["state"] == "closed", seen
        assert frames[-1]["decided"] is True
        assert frames[-1]["message"]
        assert seen[-1]["data"] == {"reason": "decided"}
        assert (await stream.next())["event"] == "closed"
        assert (await stopped).json()["state"] == "closed"
    # Who comes back with what it had is told only what it missed; who knows all is only told that it is over.
    async with following(app, network.till.key, f"/v1/payments/{begun['id']}/events", last=seen[-2]["id"]) as again:
        assert (await again.next())["data"] == {"reason": "decided"}


async def test_who_stays_sees_refunds_too(app: Any, network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer) -> None:
    till = with_key(network.till.key)
    paid = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    async with following(app, network.till.key, f"/v1/payments/{paid['id']}/events?keep=true") as stream:
        assert (await stream.next())["data"]["document"]["payment"]["refunds"] == []
        await till.post("/v1/refunds", json=refund(paid, 500))
        frame = await stream.next()
        while not (shown := frame["data"]["set"]["payment"])["refunded"]:
            frame = await stream.next()
        assert [(each["amount"], each["state"]) for each in shown["refunds"]] == [(500, "done")]


async def test_payments_of_others_are_not_there(
    app: Any, network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    paid = (await with_key(network.till.key).post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    elsewhere = with_key(network.one.stores[1].tills[0].key)
    for path in (
        f"/v1/payments/{paid['id']}/events",
        f"/v1/streams/payments/{network.store.gln}",
        f"/v1/stores/{network.store.gln}/payments",
    ):
        assert (await elsewhere.get(path)).status_code == 404, path
        assert (await with_key(network.brands[0].key).get(path)).status_code == 404, path
    for odd in ("x", "00000000-0000-7000-8000-000000000000"):
        assert (await with_key(network.till.key).get(f"/v1/payments/{odd}/events")).status_code == 404


async def test_at_most_twenty_streams_are_open_at_once(
    app: Any, network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    begun, _ = await waiting_payment(with_key(network.till.key), sandbox, payer)
    path = f"/v1/payments/{begun['id']}/events"
    streams = [Following(app, {"Authorization": f"Bearer {network.till.key}"}, path) for _ in range(20)]
    tasks = [asyncio.create_task(each.run()) for each in streams]
    for each in streams:
        await each.next("snapshot")
    assert (await with_key(network.till.key).get(path)).status_code == 429
    for each in streams:
        each.closed.set()
    await asyncio.gather(*tasks)


async def test_a_stores_document_with_its_frames_equals_a_fresh_one(
    app: Any, network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, database: Database
) -> None:
    till = with_key(network.till.key)
    async with following(app, network.till.key, f"/v1/streams/payments/{network.store.gln}") as stream:
        held = (await stream.next())["data"]["document"]
        assert held["rows"] == {} and held["totals"] == {}
        paid = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
        begun, _ = await waiting_payment(till, sandbox, payer)
        await till.post("/v1/payments", json=payment(sandbox.code(payer(balance=5))))
        await till.post("/v1/refunds", json=refund(paid, 990))
        await till.post(f"/v1/payments/{begun['id']}:cancel")
        wanted = {"paid": {"count": 1, "amount": 1_990}, "closed": {"count": 1, "amount": 1_990}, "declined": {"count": 1, "amount": 1_990}}
        while held["totals"] != wanted or held["refunded"]["amount"] != 990:
            held = apply_frame(held, (await stream.next("frame"))["data"])
    key = StoreKey(network.store.id, date.fromisoformat(held["identity"]["business_date"]))
    async with database.read(Scope.of_network()) as reader:
        fresh = await StoreState.load(reader, key)
    import msgspec

    from hutong.kernel.clock import now

    assert held == json.loads(msgspec.json.encode(fresh.document(now())))
    assert held["rows"][paid["id"]]["refunded"] == 990
    assert held["rows"][begun["id"]]["state"] == "closed"


async def test_a_payment_that_nothing_is_heard_of_yet_is_shown_after_a_pulse(
    app: Any, network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    async with following(app, network.till.key, f"/v1/streams/payments/{network.store.gln}") as stream:
        await stream.next("snapshot")
        sandbox.unplug("silent")
        begun = (await with_key(network.till.key).post("/v1/payments?wait=0", json=payment(sandbox.code(payer())))).json()
        assert begun["state"] == "sending"
        await app.state.payment_hub._pulse()
        frame = await stream.next("frame")
        assert frame["data"]["cells"]["rows"][begun["id"]]["state"] == "sending"
        sandbox.plug()
