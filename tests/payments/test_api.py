"""Payments over HTTP, against the sandbox Alipay and a real database."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.conftest import Person
from tests.payments.support import payment, refund
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("wallet")
Payer = Callable[..., str]


def balances(owner: psycopg.Connection[Any]) -> dict[str, int]:
    """What each account of the ledger holds, pending postings left out, in fen."""
    rows = owner.execute(
        "select a.code, sum(e.amount) from entry e join account a on a.id = e.account_id where not e.pending group by 1 having sum(e.amount) <> 0"
    ).fetchall()
    return {code: int(amount) for code, amount in rows}


async def test_a_customers_code_is_charged_once_and_booked(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], wallet: int
) -> None:
    till, customer = with_key(network.till.key), payer()
    document = payment(sandbox.code(customer))
    answer = await till.post("/v1/payments", json=document)
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert (paid["state"], paid["decided"], paid["amount"], paid["receipt_amount"]) == ("paid", True, 1_990, 1_990)
    assert paid["store"] == network.store.gln
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990
    again = await till.post("/v1/payments", json=document)
    assert (again.status_code, again.json()["state"]) == (200, "paid")
    assert len(sandbox.trades(paid["number"])) == 1
    assert balances(owner) == {f"alipay:clearing:{wallet}": 1_990, f"received:{network.store.gln}": -1_990}
    other = await till.post("/v1/payments", json=document | {"amount": 5})
    assert (other.status_code, other.json()["code"]) == (409, "payment_differs")


async def test_a_refund_goes_back_once_and_never_beyond_what_was_paid(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    till, customer = with_key(network.till.key), payer()
    paid = (await till.post("/v1/payments", json=payment(sandbox.code(customer)))).json()
    wish = refund(paid, 990)
    answer = await till.post("/v1/refunds", json=wish)
    assert (answer.status_code, answer.json()["state"]) == (201, "done"), answer.text
    assert (await till.post("/v1/refunds", json=wish)).status_code == 200
    beyond = await till.post("/v1/refunds", json=refund(paid, 1_001))
    assert (beyond.status_code, beyond.json()["code"], beyond.json()["left"]) == (422, "refund_exceeds", 1_000)
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_000
    shown = (await till.get(f"/v1/payments/{paid['id']}")).json()
    assert (shown["refunded"], shown["refund_pending"], [each["state"] for each in shown["refunds"]]) == (990, 0, ["done"])
    assert sum(balances(owner).values()) == 0
    assert -1_000 in balances(owner).values()


async def test_a_declined_payment_is_not_paid_and_the_sale_may_be_tried_again(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    till = with_key(network.till.key)
    poor, rich = payer(balance=5), payer()
    first = payment(sandbox.code(poor))
    declined = (await till.post("/v1/payments", json=first)).json()
    assert (declined["state"], declined["who_fixes"]) == ("declined", "customer"), declined
    assert balances(owner) == {}
    second = (await till.post("/v1/payments", json=payment(sandbox.code(rich), sale=first["sale"]))).json()
    assert second["state"] == "paid"
    third = await till.post("/v1/payments", json=payment(sandbox.code(rich), sale=first["sale"]))
    assert (third.status_code, third.json()["code"], third.json()["payment"]) == (409, "sale_paid", second["id"])
