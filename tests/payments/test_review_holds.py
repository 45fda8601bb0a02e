"""Money held beforehand where things go wrong: it is never left set aside at the wallet with nobody looking after it."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from hutong.kernel.ids import uuid7
from hutong.payments.alipay.authorisations import Freeze, freeze
from hutong.payments.driver import Origin
from hutong.payments.holds import HoldTimePassed
from tests.conftest import Person
from tests.payments.noticing import Noticing
from tests.payments.support import payment
from tests.payments.test_standing import pending
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("wallet")
Payer = Callable[..., str]


@pytest.fixture
def till(with_key: Person, network: Network) -> httpx.AsyncClient:
    return with_key(network.till.key)


@pytest.fixture
def later(app: Any, client: httpx.AsyncClient, owner: psycopg.Connection[Any], sandbox: RunningSandbox) -> Noticing:
    return Noticing(client, owner, sandbox, app)


class Gate:
    """Holds, and what becomes of them when time passes."""

    def __init__(self, app: Any, owner: psycopg.Connection[Any], network: Network) -> None:
        self.holder, self.owner, self.retailer = app.state.payments.holder, owner, network.one.id

    async def look(self, hold: str, seconds: float = 0) -> str:
        """``seconds`` later, a worker's turn at this authorisation; its state."""
        self.owner.execute("update authorisation set made_at = made_at - make_interval(secs => %s)", [seconds])
        done = await self.holder.learn(await self.holder.load(self.retailer, hold), HoldTimePassed(), Origin("timer"))
        return str(done.state)

    def due(self) -> int:
        row = self.owner.execute("select count(*) from authorisation where due_at is not null").fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def gate(app: Any, owner: psycopg.Connection[Any], network: Network) -> Gate:
    return Gate(app, owner, network)


def wish(code: str | None = None, amount: int = 30_000) -> dict[str, Any]:
    return {"id": str(uuid7()), "amount": amount, "method": {"type": "code", "code": code} if code else {"type": "qr"}}


async def test_a_refusal_of_a_doubled_request_does_not_leave_money_set_aside(
    till: httpx.AsyncClient, network: Network, sandbox: RunningSandbox, payer: Payer, gate: Gate, wallet: int
) -> None:
    """The first copy has frozen the money; what is heard is that the second found the code used up."""
    customer = payer()
    asked = wish(sandbox.code(customer))
    client, bare = (await gate.holder._wallet_for(wallet)).client, asked["id"].replace("-", "")
    await freeze(client, Freeze(f"H{network.store.id}T{network.till.id}_{bare}", f"{bare}F", 30_000, "-"), asked["method"]["code"])
    assert sandbox.people()[customer]["balance"] == 970_000
    sandbox.fault("refuse", method="alipay.fund.auth.order.freeze", times=1, sub_code="ACQ.PAYMENT_AUTH_CODE_INVALID")
    answer = (await till.post("/v1/authorisations", json=asked)).json()
    assert answer["state"] == "held", answer
    assert (await till.post(f"/v1/authorisations/{asked['id']}:end")).json()["state"] == "finished"
    assert sandbox.people()[customer]["balance"] == 1_000_000


@pytest.mark.slow
async def test_a_refused_freeze_is_declined_once_the_wallet_knows_of_none(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, gate: Gate
) -> None:
    answer = (await till.post("/v1/authorisations", json=wish(sandbox.code(payer(balance=1))))).json()
    assert (answer["state"], answer["code"], gate.due()) == ("declined", "BUYER_BALANCE_NOT_ENOUGH", 0)


async def test_what_is_set_aside_after_all_was_given_up_is_undone(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, gate: Gate, later: Noticing
) -> None:
    customer = payer()
    sandbox.switch(code_seconds=10_000)
    sandbox.fault("late", method="alipay.fund.auth.order.freeze", seconds=400, times=1)
    shown = (await till.post("/v1/authorisations", json=wish(sandbox.code(customer)))).json()
    state = await gate.look(shown["id"], 70)
    while state == "cancelling":
        state = await gate.look(shown["id"])
    assert (state, gate.due()) == ("cancelled", 0)
    await asyncio.to_thread(sandbox.advance, 401)
    assert sandbox.people()[customer]["balance"] == 970_000
    sandbox.switch(code_seconds=60)
    held = {"auth_no": "1"}
    note = {
        "notify_type": "fund_auth_freeze", "out_order_no": f"H1T1_{shown['id'].replace('-', '')}", "auth_no": held["auth_no"],
        "status": "SUCCESS", "amount": "300.00", "payee_user_id": sandbox.seller_id, "out_trade_no": "", "seller_id": "",
    }  # fmt: skip
    assert await later.tell({"amount": 30_000, "number": "x"}, **note) == b"success"
    assert gate.due() == 1
    state = await gate.look(shown["id"])
    assert (state, sandbox.people()[customer]["balance"]) == ("cancelled", 1_000_000)
    # The same news again, or what came of it, changes nothing.
    await later.tell({"amount": 30_000, "number": "x"}, **note)
    for _ in range(3):
        if gate.due():
            await gate.look(shown["id"])
    assert sandbox.people()[customer]["balance"] == 1_000_000


@pytest.mark.slow
async def test_a_code_to_scan_is_no_good_any_more_when_it_is_given_up(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer
) -> None:
    shown = (await till.post("/v1/authorisations", json=wish())).json()
    sandbox.advance(185)
    with pytest.raises(AssertionError, match="AUTH_ORDER_HAS_CLOSED"):
        sandbox.scan(payer(), shown["qr"])


@pytest.mark.slow
async def test_the_rest_goes_back_though_a_late_capture_went_its_own_way(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, gate: Gate, later: Noticing, owner: psycopg.Connection[Any]
) -> None:
    customer = payer()
    asked = wish(sandbox.code(customer))
    assert (await till.post("/v1/authorisations", json=asked)).json()["state"] == "held"
    sandbox.fault("late", method="alipay.trade.pay", seconds=30, times=1)
    method = {"type": "authorisation", "authorisation": asked["id"], "release_rest": False}
    lost = (await till.post("/v1/payments", json=payment(amount=10_000) | {"method": method})).json()
    await till.post(f"/v1/payments/{lost['id']}:cancel")
    await later.pass_time(61)
    await later.work(4)
    assert (await till.get(f"/v1/payments/{lost['id']}")).json()["state"] == "refunded"
    assert sandbox.people()[customer]["balance"] == 980_000
    state = (await till.post(f"/v1/authorisations/{asked['id']}:end")).json()["state"]
    for _ in range(3):
        if state == "releasing":
            state = await gate.look(asked["id"])
    assert (state, sandbox.people()[customer]["balance"], pending(owner)) == ("finished", 1_000_000, 0)


@pytest.mark.slow
async def test_what_the_wallet_gave_back_by_itself_is_noticed(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, gate: Gate, owner: psycopg.Connection[Any]
) -> None:
    customer = payer()
    asked = wish(sandbox.code(customer))
    assert (await till.post("/v1/authorisations", json=asked)).json()["state"] == "held"
    assert gate.due() == 1
    assert await gate.look(asked["id"]) == "held" and gate.due() == 1
    sandbox.advance(400 * 86_400)
    assert sandbox.people()[customer]["balance"] == 1_000_000
    assert await gate.look(asked["id"]) == "finished"
    assert (pending(owner), gate.due()) == (0, 0)


@pytest.mark.slow
async def test_a_capture_that_is_known_late_counts_though_the_rest_was_released(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, gate: Gate, later: Noticing
) -> None:
    asked = wish(sandbox.code(payer()))
    assert (await till.post("/v1/authorisations", json=asked)).json()["state"] == "held"
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    method = {"type": "authorisation", "authorisation": asked["id"], "release_rest": True}
    unknown = (await till.post("/v1/payments", json=payment(amount=10_000) | {"method": method})).json()
    assert unknown["state"] == "unknown"
    state = (await till.post(f"/v1/authorisations/{asked['id']}:end")).json()["state"]
    for _ in range(3):
        if state == "releasing":
            state = await gate.look(asked["id"])
    assert state == "finished"
    await later.work(1)
    assert (await till.get(f"/v1/payments/{unknown['id']}")).json()["state"] == "paid"
    shown = (await till.get(f"/v1/authorisations/{asked['id']}")).json()
    assert (shown["captured"], shown["released"]) == (10_000, 20_000)


async def test_a_till_of_another_store_takes_nothing_of_what_is_held(
    with_key: Person, network: Network, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer
) -> None:
    customer = payer()
    asked = wish(sandbox.code(customer))
    assert (await till.post("/v1/authorisations", json=asked)).json()["state"] == "held"
    other = with_key(network.one.stores[1].tills[0].key)
    answer = await other.post(
        "/v1/payments", json=payment(amount=100) | {"method": {"type": "authorisation", "authorisation": asked["id"]}}
    )
    assert answer.status_code == 404, answer.text
    assert sandbox.people()[customer]["balance"] == 970_000
