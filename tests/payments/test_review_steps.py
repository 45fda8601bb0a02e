"""Steps of payments under odd conditions: clocks that differ, cancels that lead nowhere, months of history, books that are asked."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from hutong.kernel import clock
from hutong.kernel.ids import uuid7
from hutong.payments import LEDGER_INVARIANTS, check_ledger
from hutong.payments.machine import Call, CancelAnswered, CancelAsked, Queried, State, advance
from hutong.payments.refunds import give_back_id
from hutong.payments.wallet import Cancelled, CancelRefused, Closed, Waiting
from hutong.platform.database import Database
from hutong.sales.books import book_news
from tests.conftest import Person
from tests.payments.noticing import Noticing
from tests.payments.support import payment, refund
from tests.payments.test_claims import paid_by
from tests.payments.test_machine import NOW, attempt
from tests.support.network import Network
from tests.support.sales import line, return_of, sale
from tests.support.sandbox import RunningSandbox

Payer = Callable[..., str]
LATER = NOW + timedelta(seconds=20)


@pytest.fixture
def till(with_key: Person, network: Network, wallet: int) -> httpx.AsyncClient:
    return with_key(network.till.key)


@pytest.fixture
def later(app: Any, client: httpx.AsyncClient, owner: psycopg.Connection[Any], sandbox: RunningSandbox) -> Noticing:
    return Noticing(client, owner, sandbox, app)


def test_a_cancel_that_leads_nowhere_is_not_repeated_without_a_pause():
    """The wallet will not cancel, and says that it waits for the payer: asked again and again at once, nothing would be gained."""
    for answer in (CancelRefused("CANCEL_NOT_ALLOWED"), Cancelled("close")):
        now, one, calls = LATER, attempt(State.WAITING), 0
        step = advance(one, CancelAsked(), now)
        for _ in range(20):
            assert step is not None
            one = replace(step.attempt, version=one.version + 1)
            if step.call is Call.CANCEL:
                calls += 1
                step = advance(one, CancelAnswered(answer, one.version), now)
            elif step.call is Call.QUERY:
                step = advance(one, Queried(Waiting(), one.version), now)
            else:
                break
        assert (calls, one.state) == (1, State.CANCELLING)
        assert step is not None and step.due is not None and step.due > now


def test_a_repeated_cancels_word_does_not_hide_that_the_first_gave_money_back():
    one = attempt(State.CANCELLING)
    for action in ("refund", "close"):
        step = advance(one, CancelAnswered(Cancelled(action), one.version), LATER)
        assert step is not None
        one = replace(step.attempt, version=one.version + 1)
    done = advance(one, Queried(Closed(False), one.version), LATER)
    assert done is not None and done.attempt.state is State.REFUNDED


def test_no_till_can_take_the_id_of_a_refund_that_gives_a_late_success_back():
    assert give_back_id(uuid7()).version != 7


@pytest.mark.parametrize("ahead", [600, pytest.param(-600, marks=pytest.mark.slow)])
async def test_what_is_due_is_due_by_one_clock_whatever_the_databases_says(
    app: Any, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, later: Noticing, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """This machine's clock is ten minutes ahead of the database's, or behind it."""
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(seconds=ahead))
    monkeypatch.setattr(app.state.payments.driver, "_now", clock.now)
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    made = int(clock.now().timestamp() * 1000)
    document = payment(sandbox.code(payer())) | {"id": str(uuid7(made)), "sale": str(uuid7(made))}
    unknown = (await till.post("/v1/payments", json=document)).json()
    assert unknown["state"] == "unknown"
    assert await app.state.payments.store.claim(10) == []
    later.owner.execute("update payment_due set due_at = due_at - interval '6 seconds'")
    (due,) = await app.state.payments.store.claim(10)
    await app.state.payments.driver.look(due)
    assert (await till.get(f"/v1/payments/{unknown['id']}")).json()["state"] == "paid"


async def test_what_was_given_back_pays_for_no_other_sale(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, network: Network
) -> None:
    own, other = (sale(network, [line(network.products[3])]) for _ in range(2))
    paid = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), own["total"], sale=own["id"]))).json()
    assert (await till.post("/v1/refunds", json=refund(paid, own["total"]))).json()["state"] == "done"
    refused = await till.post("/v1/sales", json=paid_by(other, paid["id"]))
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_not_claimable")
    assert (await till.post("/v1/sales", json=paid_by(own, paid["id"]))).status_code == 201


@pytest.mark.slow
async def test_a_sales_claim_opens_the_months_of_its_payments_alone(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], network: Network
) -> None:
    owner.execute("select ensure_payment_months(array(select (current_date - 30 * n)::date from generate_series(0, 12) n))")
    paid = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    owner.execute("analyze payment")
    with owner.transaction():
        before = scans(owner)
        owner.execute(
            "select claim_payments(%s, %s, %s, %s, '{1}', '{1990}', %s)",
            [f"{{{network.one.id}}}", [network.one.id], [network.store.id], [uuid7()], [paid["id"]]],
        )
        assert len(set(scans(owner)) - set(before)) == 1


def scans(owner: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Each month of payments with how often it was scanned in this transaction."""
    return owner.execute("select relname, seq_scan, idx_scan from pg_stat_xact_user_tables where relname ~ '^payment_[0-9]{6}$'").fetchall()


@pytest.mark.slow
async def test_a_return_whose_refund_is_refused_leaves_the_books_in_order(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, network: Network, later: Noticing, database: Database
) -> None:
    first = sale(network, [line(network.products[3])])
    paid = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), first["total"], sale=first["id"]))).json()
    assert (await till.post("/v1/sales", json=paid_by(first, paid["id"]))).status_code == 201
    back = return_of(network, first, [1])
    sandbox.fault("refuse", method="alipay.trade.refund", sub_code="ACQ.TRADE_STATUS_ERROR")
    given = (await till.post("/v1/refunds", json=refund(paid, back["total"]))).json()
    assert (await till.post("/v1/sales", json=paid_by(back, given["id"]))).status_code == 201
    await book_news(database)
    await later.work(10)
    assert (await till.get(f"/v1/refunds/{given['id']}")).json()["state"] == "refused"
    assert [found.invariant.name async for found in check_ledger(database, LEDGER_INVARIANTS) if found.broken] == []
    sandbox.no_faults()
    # The customer is still owed the money: another refund gives it, and nothing is left.
    again = (await till.post("/v1/refunds", json=refund(paid, back["total"]))).json()
    assert again["state"] == "done"
    assert [found.invariant.name async for found in check_ledger(database, LEDGER_INVARIANTS) if found.broken] == []
    assert not [code for code in later.money() if code.startswith("received:")]
