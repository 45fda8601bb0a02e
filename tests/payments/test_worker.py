"""What nobody waits for any more: a worker asks, cancels and gives back until everything is known, whatever fails meanwhile."""

import asyncio
from typing import Any

import httpx
import pytest

from hutong.payments.driver import Driver
from hutong.payments.store import LEASE_SECONDS, PostgresStore
from hutong.payments.worker import Worker
from tests.conftest import Person
from tests.payments.noticing import Noticing
from tests.payments.support import payment, refund
from tests.support.network import Network

pytestmark = pytest.mark.usefixtures("wallet")


@pytest.fixture
def later(app, client, owner, sandbox) -> Noticing:
    return Noticing(client, owner, sandbox, app)


@pytest.fixture
def till(with_key: Person, network: Network) -> httpx.AsyncClient:
    return with_key(network.till.key)


async def taken(till, code: str, **fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = (await till.post("/v1/payments", json=payment(code, **fields))).json()
    return document


async def seen(till, paid: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await till.get(f"/v1/payments/{paid['id']}")).json()
    return found


async def test_what_was_not_heard_is_found_out_when_the_gateway_is_back(till, sandbox, payer, later):
    customer = payer()
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    paid = await taken(till, sandbox.code(customer))
    sandbox.unplug()
    for _ in range(4):
        await later.pass_time(5)
        assert await later.turn() == 1
        assert (await seen(till, paid))["state"] == "unknown"
    sandbox.plug()
    await later.pass_time(5)
    await later.turn()
    assert (await seen(till, paid))["state"] == "paid"
    assert sorted(later.money().values()) == [-1_990, 1_990]
    assert later.count("payment_due") == 0 and await later.turn() == 0


async def test_a_request_that_never_arrived_is_given_up_after_its_time_and_watched(till, sandbox, payer, later):
    customer = payer()
    sandbox.fault("drop_before", method="alipay.trade.pay", times=1)
    lost = await taken(till, sandbox.code(customer))
    waited = 0
    while (state := (await seen(till, lost))["state"]) == "unknown" and waited < 200:
        await later.pass_time(5)
        waited += 5
        await later.turn()
    assert (state, 55 <= waited <= 70) == ("cancelled", True)
    assert (await taken(till, sandbox.code(customer), sale=lost["sale"]))["state"] == "paid"  # the sale goes on meanwhile
    for pause in (61, 301, 1_801, 7_201):
        await later.pass_time(pause)
        assert await later.turn() == 1
    assert (later.count("payment_due"), (await seen(till, lost))["state"]) == (0, "cancelled")
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990


async def test_a_till_that_dies_while_the_customer_types_leaves_nothing_to_pay(till, sandbox, payer, later):
    customer = payer(password_above=0)
    waiting = await taken(till, sandbox.code(customer))
    assert waiting["state"] == "waiting"
    for _ in range(14):
        await later.pass_time(5)
        await later.turn()
    assert (await seen(till, waiting))["state"] == "closed"
    [trade] = sandbox.trades(waiting["number"])
    assert trade["state"] == "TRADE_CLOSED" and sandbox.people()[customer]["balance"] == 1_000_000


async def test_a_cancel_is_repeated_until_it_is_known_and_paid_is_never_said_again(till, sandbox, payer, later):
    customer = payer()
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    unknown = await taken(till, sandbox.code(customer))
    sandbox.fault("retry_flag", method="alipay.trade.cancel", times=1)
    assert (await till.post(f"/v1/payments/{unknown['id']}:cancel")).json()["state"] == "cancelling"
    states = []
    for fault in ("http_502_before", "busy_before", "drop_after", ""):
        sandbox.no_faults()
        if fault:
            sandbox.fault(fault, method="alipay.trade.cancel", times=1)
        await later.pass_time(61)
        await later.turn()
        states.append((await seen(till, unknown))["state"])
    assert states == ["cancelling", "cancelling", "cancelling", "refunded"]
    assert sandbox.people()[customer]["balance"] == 1_000_000
    assert later.money() == {}
    assert later.count("posting") == 2  # what came and what went, as the bill will show them


async def test_a_payment_that_arrives_after_its_cancel_goes_back_once_though_two_look(till, sandbox, payer, later, app):
    customer = payer()
    sandbox.fault("late", method="alipay.trade.pay", seconds=30, times=1)
    lost = await taken(till, sandbox.code(customer))
    await till.post(f"/v1/payments/{lost['id']}:cancel")
    await later.pass_time(61)
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990
    driver: Driver = app.state.payments.driver
    [due] = await driver.store.claim(10)
    await asyncio.gather(*(driver.look(due) for _ in range(3)))
    assert (await seen(till, lost))["state"] == "refunding"
    [back] = await driver.store.claim(10)
    assert back.refund_id is not None
    await asyncio.gather(*(driver.look(back) for _ in range(3)))
    await later.work(2)
    assert (await seen(till, lost))["state"] == "refunded"
    assert sandbox.people()[customer]["balance"] == 1_000_000
    assert (later.count("payment_refund"), later.count("payment_alarm"), later.money()) == (1, 1, {})


async def test_a_refund_that_the_balance_cannot_bear_waits_and_then_happens_once(till, sandbox, payer, later):
    customer = payer()
    paid = await taken(till, sandbox.code(customer))
    sandbox.seller_balance(0)
    short = (await till.post("/v1/refunds", json=refund(paid, 990))).json()
    assert short["state"] == "short"
    for _ in range(3):
        await later.work(1)
    shown = await seen(till, paid)
    assert (shown["refunded"], shown["refund_pending"]) == (0, 990)
    assert later.count("payment_alarm", "kind = 'refund'") == 1
    sandbox.seller_balance(100_000)
    await later.work(2)
    assert (await till.get(f"/v1/refunds/{short['id']}")).json()["state"] == "done"
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_000
    assert sorted(later.money().values()) == [-1_000, 1_000]


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "busy_before", "http_500_after", "bad_signature", "truncated"])
async def test_a_refund_whose_answer_is_no_answer_happens_once(till, sandbox, payer, later, fault):
    customer = payer()
    paid = await taken(till, sandbox.code(customer))
    sandbox.fault(fault, method="alipay.trade.refund", times=1)
    wish = refund(paid, 990)
    assert (await till.post("/v1/refunds", json=wish)).json()["state"] == "unknown"
    await later.work(4)
    assert (await till.post("/v1/refunds", json=wish)).json()["state"] == "done"
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_000
    assert sorted(later.money().values()) == [-1_000, 1_000]


async def test_while_the_gateway_is_silent_new_payments_are_refused_and_open_ones_asked_for(till, sandbox, payer, later):
    customer = payer()
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    unknown = await taken(till, sandbox.code(customer))
    sandbox.unplug()
    await later.work(5)
    refused = await taken(till, sandbox.code(payer()))
    assert (refused["state"], refused["code"], refused["who_fixes"]) == ("declined", "GATEWAY_DOWN", "till")
    sandbox.plug()
    await later.work(1)
    assert (await seen(till, unknown))["state"] == "paid"
    assert (await taken(till, sandbox.code(payer())))["state"] == "paid"  # the first answer has closed the breaker


async def test_workers_share_what_is_due_and_take_over_from_one_that_died(till, sandbox, payer, later, app, database):
    sandbox.fault("drop_after", method="alipay.trade.pay", times=6)
    for _ in range(6):
        await taken(till, sandbox.code(payer()))
    other = PostgresStore(database, 2)
    await other.open()
    try:
        stores = [app.state.payments.store, other]
        later.owner.execute("update payment_due set due_at = now() - interval '1 second'")
        claimed = await asyncio.gather(*(store.claim(4) for store in stores * 2))
        ids = [due.payment_id for each in claimed for due in each]
        assert sorted(ids) == sorted(set(ids)) and len(ids) == 6
        assert await other.claim(10) == []  # both "die" here: nothing is looked at before their leases end
        later.owner.execute("update payment_due set leased_until = leased_until - make_interval(secs => %s)", [LEASE_SECONDS + 1])
        assert len(await other.claim(10)) == 6
    finally:
        await other.close()


async def test_many_looks_at_one_attempt_at_once_make_one_payment_of_it(till, sandbox, payer, later, app):
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    unknown = await taken(till, sandbox.code(payer()))
    later.owner.execute("update payment_due set due_at = now() - interval '1 second'")
    driver: Driver = app.state.payments.driver
    [due] = await driver.store.claim(10)
    await asyncio.gather(*(driver.look(due) for _ in range(6)))
    assert (await seen(till, unknown))["state"] == "paid"
    assert (later.count("posting"), later.count("event", "kind = 'payment.paid'")) == (1, 1)


async def test_connections_that_are_cut_between_the_steps_lose_nothing(till, sandbox, payer, later):
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    customer = payer()
    sandbox.fault("delay_after", method="alipay.trade.pay", seconds=30, times=1)
    document = payment(sandbox.code(customer))
    asking = asyncio.create_task(till.post("/v1/payments", json=document))
    while sandbox.people()[customer]["balance"] == 1_000_000:
        await asyncio.sleep(0.01)
    later.owner.execute(cut)
    await asyncio.to_thread(sandbox.advance, 30)
    assert (await asking).json()["state"] == "paid"
    for _ in range(3):
        later.owner.execute(cut)
        back = await till.post("/v1/refunds", json=refund(document, 100))
        assert (back.status_code, back.json()["state"]) == (201, "done")
    later.owner.execute(cut)
    assert await later.turn() == 0
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_690


async def test_a_worker_outlives_what_goes_wrong_with_one_payment(till, sandbox, payer, later, app, owner, monkeypatch):
    """An account that cannot be used holds up its own payments only, and they go on when it is mended."""
    sandbox.fault("drop_after", method="alipay.trade.pay", times=2)
    first, second = [await taken(till, sandbox.code(payer())) for _ in range(2)]
    owner.execute("update payment set account_id = 999999 where id = %s", [first["id"]])
    await later.work(1)
    assert [(await seen(till, each))["state"] for each in (first, second)] == ["unknown", "paid"]
    owner.execute(
        "update payment set account_id = (select account_id from payment where id = %s) where id = %s", [second["id"], first["id"]]
    )
    worker = Worker(app.state.payments.driver)
    running = asyncio.create_task(worker.run())
    owner.execute("update payment_due set due_at = now(), leased_until = null")
    async with asyncio.timeout(20):
        while (await seen(till, first))["state"] != "paid":
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
