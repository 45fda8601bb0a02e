"""Everything at once on the same payments; days without their part of the logs; alarms that would never end."""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from hutong.kernel import clock
from hutong.kernel.ids import uuid7
from hutong.payments import LEDGER_INVARIANTS, check_ledger
from hutong.payments.refunds import Refund, RefundQueried, RefundState, advance_refund
from hutong.payments.wallet import Refunded
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.sales.books import book_news
from tests.conftest import Person
from tests.payments.noticing import Noticing
from tests.payments.support import payment, refund
from tests.payments.test_claims import paid_by
from tests.payments.test_machine import NOW
from tests.payments.test_splits import bound, make_due
from tests.support.network import Network
from tests.support.sales import line, sale
from tests.support.sandbox import RunningSandbox

Payer = Callable[..., str]


@pytest.fixture
def till(with_key: Person, network: Network, wallet: int) -> httpx.AsyncClient:
    return with_key(network.till.key)


@pytest.fixture
def later(app: Any, client: httpx.AsyncClient, owner: psycopg.Connection[Any], sandbox: RunningSandbox) -> Noticing:
    return Noticing(client, owner, sandbox, app)


def test_more_given_back_than_was_asked_for_is_booked_as_asked_and_told():
    one = Refund(uuid7(), 1, 1, uuid7(), 1, "S1T1_x", 500, "", NOW, state=RefundState.UNKNOWN, tries=1)
    step = advance_refund(one, RefundQueried(Refunded(900, 900)), NOW + timedelta(seconds=5))
    assert step is not None
    assert (step.refund.state, step.refund.from_receipt, bool(step.alarm)) == (RefundState.DONE, 500, True)


async def test_a_day_without_its_part_of_the_logs_stops_no_payment(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    """No job had run for days: what was paid is written down all the same."""
    day = f"{clock.now():%Y%m%d}"
    sandbox.fault("delay_after", method="alipay.trade.pay", seconds=30, times=1)
    document = payment(sandbox.code(payer()))
    asking = asyncio.create_task(till.post("/v1/payments", json=document))
    while not sandbox.trades():
        await asyncio.sleep(0.01)
    while not [each for each in sandbox.trades() if each["number"].endswith(document["id"].replace("-", ""))]:
        await asyncio.sleep(0.01)
    owner.execute(f"drop table event_{day}; drop table audit_{day[:6]}")
    await asyncio.to_thread(sandbox.advance, 30)
    paid = (await asking).json()
    assert paid["state"] == "paid", paid
    assert (await till.post("/v1/refunds", json=refund(paid, 10))).json()["state"] == "done"


@pytest.mark.slow
async def test_a_split_that_is_refused_again_and_again_is_told_once(
    app: Any,
    till: httpx.AsyncClient,
    network: Network,
    sandbox: RunningSandbox,
    payer: Payer,
    owner: psycopg.Connection[Any],
    later: Noticing,
) -> None:
    shares = [{"brand": network.brands[0].code, "amount": 100}]
    await till.post("/v1/payments", json=payment(sandbox.code(payer()), 1_000, shares=shares))
    for _ in range(3):
        make_due(owner)
        assert await app.state.payments.splitter.turn() == 1
    assert later.count("payment_alarm") == 1


@pytest.mark.slow
async def test_all_at_once_on_the_same_payments_blocks_nobody_and_adds_up(
    app: Any, till: httpx.AsyncClient, network: Network, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], later: Noticing,
    database: Database,
) -> None:  # fmt: skip
    dice = random.Random(7)
    await bound(app, network, payer(balance=0))
    sandbox.seller_balance(10_000_000)
    brand, milk = network.brands[0].code, network.products[3]
    sales = [sale(network, [line(milk)]) for _ in range(12)]
    paid = []
    for each in sales:
        document = payment(sandbox.code(payer()), each["total"], sale=each["id"], shares=[{"brand": brand, "amount": each["total"] // 5}])
        paid.append((await till.post("/v1/payments", json=document)).json())
    assert {each["state"] for each in paid} == {"paid"}
    sandbox.advance(40)
    outcomes: list[int] = []

    async def give_back(one: dict[str, Any]) -> None:
        outcomes.append((await till.post("/v1/refunds", json=refund(one, dice.randint(1, one["amount"] // 3)))).status_code)

    async def capture(some: list[int]) -> None:
        documents = [paid_by(sales[n], paid[n]["id"]) for n in some]
        outcomes.append((await till.post("/v1/sales:batch", json={"sales": documents})).status_code)

    async def pass_on() -> None:
        for _ in range(8):
            make_due(owner)
            await app.state.payments.splitter.turn()
            await asyncio.sleep(0.02)

    async def close() -> None:
        for n in range(6, 0, -1):
            async with database.work(Scope.of_network()) as uow:
                await uow.value("select ledger_close(:r, current_date - cast(:n as integer))", r=network.one.id, n=n)
                await uow.commit()
            await asyncio.sleep(0.02)

    jobs = [give_back(one) for one in paid for _ in range(4)]
    jobs += [capture(dice.sample(range(12), 6)) for _ in range(8)]
    jobs += [later.tell(one) for one in paid for _ in range(2)]  # type: ignore[misc]
    dice.shuffle(jobs)
    await asyncio.gather(pass_on(), close(), *jobs)
    await later.work(6)
    for _ in range(3):
        make_due(owner)
        await app.state.payments.splitter.turn()
    await book_news(database)
    owner.execute("select pg_stat_force_next_flush()")
    assert owner.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone() == (0,)
    assert set(outcomes) <= {200, 201, 207, 422}
    owner.execute("update event_cursor set moved_at = now() + interval '1 hour' where name = 'books'")
    assert [found.invariant.name async for found in check_ledger(database, LEDGER_INVARIANTS) if found.broken] == []
    held = sum(part["amount"] - part["returned"] for one in paid for trade in sandbox.trades(one["number"]) for split in trade["splits"] for part in split["parts"])  # fmt: skip
    shown = [(await till.get(f"/v1/payments/{one['id']}")).json() for one in paid]
    returned = sum(one["refunded"] for one in shown)
    clearing = sum(amount for code, amount in later.money().items() if ":clearing:" in code)
    assert clearing == sum(one["amount"] for one in paid) - returned - held
