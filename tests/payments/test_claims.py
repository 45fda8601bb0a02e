"""Sales that name their payments: each payment belongs to one sale of its store, and only when it is paid."""

import asyncio
from collections.abc import Callable

import pytest

from tests.conftest import Person
from tests.payments.support import payment, refund
from tests.support.network import Network
from tests.support.sales import line, return_of, sale
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("wallet")
Payer = Callable[..., str]


def paid_by(document: dict, payment_id: str) -> dict:
    """The same sale, paid whole by this payment."""
    return document | {"tenders": [{"type": "alipay", "amount": document["total"], "payment": payment_id}], "change": 0}


async def test_a_sale_claims_its_payment_once(network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer) -> None:
    till = with_key(network.till.key)
    milk = network.products[3]
    first = sale(network, [line(milk)])
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), first["total"], sale=first["id"]))).json()
    answer = await till.post("/v1/sales", json=paid_by(first, taken["id"]))
    assert answer.status_code == 201, answer.text
    assert (await till.post("/v1/sales", json=paid_by(first, taken["id"]))).status_code == 200
    assert (await till.get(f"/v1/payments/{taken['id']}")).json()["claimed_by"] == first["id"]
    second = sale(network, [line(milk)])
    refused = await till.post("/v1/sales", json=paid_by(second, taken["id"]))
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_not_claimable")
    assert (await till.get(f"/v1/sales/{second['id']}")).status_code == 404


async def test_nobody_claims_what_is_not_paid_or_of_another_store_or_amount(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    till, other = with_key(network.till.key), with_key(network.one.stores[1].tills[0].key)
    milk = network.products[3]
    ours, theirs, less = (sale(network, [line(milk)]) for _ in range(3))
    theirs = {key: value for key, value in theirs.items() if key not in ("store", "till")}
    declined = (await till.post("/v1/payments", json=payment(sandbox.code(payer(balance=1)), ours["total"], sale=ours["id"]))).json()
    assert declined["state"] == "declined"
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), ours["total"]))).json()
    small = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), 5))).json()
    for client, document, named in ((till, ours, declined), (other, theirs, taken), (till, less, small)):
        answer = await client.post("/v1/sales", json=paid_by(document, named["id"]))
        assert (answer.status_code, answer.json()["code"]) == (409, "payment_not_claimable"), answer.text
    batch = await till.post("/v1/sales:batch", json={"sales": [paid_by(less, small["id"]), paid_by(ours, taken["id"])]})
    assert [each["status"] for each in batch.json()["outcomes"]] == [409, 201]


async def test_two_sales_at_once_cannot_both_have_a_payment(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    till = with_key(network.till.key)
    rivals = [sale(network, [line(network.products[3])]) for _ in range(4)]
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), rivals[0]["total"]))).json()
    answers = await asyncio.gather(*(till.post("/v1/sales", json=paid_by(each, taken["id"])) for each in rivals))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]


async def test_a_return_names_the_refund_that_paid_it_back(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    till = with_key(network.till.key)
    first = sale(network, [line(network.products[3])])
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), first["total"], sale=first["id"]))).json()
    assert (await till.post("/v1/sales", json=paid_by(first, taken["id"]))).status_code == 201
    back = return_of(network, first, [1])
    given = (await till.post("/v1/refunds", json=refund(taken, back["total"]))).json()
    assert given["state"] == "done", given
    assert (await till.post("/v1/sales", json=paid_by(back, given["id"]))).status_code == 201
    again = return_of(network, first, [1])
    assert (await till.post("/v1/sales", json=paid_by(again, given["id"]))).status_code in (409, 422)
