"""The same thing twice, two things at once, and tills that vanish: each sale is charged once, each refund goes back once, nothing answers 500."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from hutong.kernel.ids import uuid7
from tests.conftest import Person
from tests.payments.noticing import Noticing
from tests.payments.support import payment, refund, until
from tests.support.network import Network

pytestmark = pytest.mark.usefixtures("wallet")


@pytest.fixture
def books(app, client, owner, sandbox) -> Noticing:
    return Noticing(client, owner, sandbox, app)


@pytest.fixture
def till(with_key: Person, network: Network) -> httpx.AsyncClient:
    return with_key(network.till.key)


def outcomes(answers: list[httpx.Response]) -> list[Any]:
    return sorted((answer.status_code, answer.json().get("code", "") if answer.status_code >= 400 else "") for answer in answers)


async def at_once(client: httpx.AsyncClient, path: str, *documents: dict[str, Any]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(client.post(path, json=each) for each in documents)))


async def test_the_same_payment_sent_at_once_and_again_is_charged_once(till, sandbox, payer, books):
    customer = payer()
    document = payment(sandbox.code(customer))
    answers = await at_once(till, "/v1/payments", *[document] * 6)
    assert outcomes(answers) == [(200, "")] * 5 + [(201, "")]
    assert (await until(till, document["id"], "paid"))["receipt_amount"] == 1_990
    assert (await till.post("/v1/payments", json=document)).json()["state"] == "paid"
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990
    assert (books.count("payment"), books.count("posting"), books.count("audit", "action = 'payment.take'")) == (1, 1, 1)


async def test_one_id_for_two_things_at_once_is_one_of_them(till, sandbox, payer, books):
    customer = payer()
    document = payment(sandbox.code(customer))
    for other in (document | {"amount": 1}, document | {"sale": str(uuid7())}, document | {"method": {"type": "qr"}}):
        mine = document | {"id": str(uuid7()), "sale": str(uuid7()), "method": {"type": "code", "code": sandbox.code(customer)}}
        theirs = other | {"id": mine["id"]} | ({"sale": mine["sale"]} if other["sale"] == document["sale"] else {})
        answers = await at_once(till, "/v1/payments", mine, theirs, mine, theirs)
        assert {outcome for outcome in outcomes(answers) if outcome[0] >= 400} == {(409, "payment_differs")}, outcomes(answers)
        assert sum(answer.status_code == 201 for answer in answers) == 1
        again = await at_once(till, "/v1/payments", mine, theirs)
        assert outcomes(again) == [(200, ""), (409, "payment_differs")]
    assert books.count("payment") == 3


async def test_one_sale_at_two_tills_at_once_is_charged_once(with_key, network, sandbox, payer, books):
    tills = [with_key(each.key) for each in network.store.tills[:2]]
    customers = [payer(), payer()]
    sale = str(uuid7())
    wishes = [payment(sandbox.code(each), sale=sale) for each in customers]
    answers = await asyncio.gather(*(till.post("/v1/payments", json=wish) for till, wish in zip(tills, wishes, strict=True)))
    won, lost = sorted(answers, key=lambda each: each.status_code)
    assert (won.status_code, lost.status_code) == (201, 409)
    assert lost.json()["code"] in ("sale_busy", "sale_paid") and lost.json()["payment"] == won.json()["id"]
    assert sum(sandbox.people()[each]["balance"] for each in customers) == 2_000_000 - 1_990
    found = (await tills[0].get(f"/v1/payments?sale={sale}")).json()["payments"]
    assert [each["id"] for each in found] == [won.json()["id"]]
    parts = payment(sandbox.code(payer()), sale=sale, parts=True, amount=10)
    assert (await tills[0].post("/v1/payments", json=parts)).json()["state"] == "paid"


async def test_a_code_that_was_used_pays_nothing_more(till, sandbox, payer):
    customer = payer()
    code = sandbox.code(customer)
    assert (await till.post("/v1/payments", json=payment(code))).json()["state"] == "paid"
    second = (await till.post("/v1/payments", json=payment(code))).json()
    assert (second["state"], second["who_fixes"]) == ("declined", "customer")
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990


async def test_refunds_at_once_give_back_no_more_than_was_paid(till, sandbox, payer, books):
    customer = payer()
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(customer)))).json()
    answers = await at_once(till, "/v1/refunds", *(refund(taken, 800) for _ in range(5)))
    assert outcomes(answers) == [(201, "")] * 2 + [(422, "refund_exceeds")] * 3
    assert all(answer.json()["left"] == 390 for answer in answers if answer.status_code == 422)
    shown = (await till.get(f"/v1/payments/{taken['id']}")).json()
    assert (shown["refunded"], shown["refund_pending"]) == (1_600, 0)
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 390
    assert sorted(books.money().values()) == [-390, 390]


async def test_the_same_refund_sent_at_once_goes_back_once_also_when_it_takes_all(till, sandbox, payer, books):
    customer = payer()
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(customer)))).json()
    wish = refund(taken, 1_990)
    assert outcomes(await at_once(till, "/v1/refunds", *[wish] * 5)) == [(200, "")] * 4 + [(201, "")]
    assert (await till.post("/v1/refunds", json=wish)).json()["state"] == "done"
    differs = await till.post("/v1/refunds", json=wish | {"amount": 1})
    assert (differs.status_code, differs.json()["code"]) == (409, "refund_differs")
    assert sandbox.people()[customer]["balance"] == 1_000_000
    assert (books.count("payment_refund"), books.money()) == (1, {})


async def test_one_refunds_id_for_two_payments_at_once_is_one_of_them(till, sandbox, payer):
    taken = [(await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json() for _ in range(2)]
    wishes = [refund(each, 100, id=str(wish)) for wish in [uuid7()] for each in taken]
    assert outcomes(await at_once(till, "/v1/refunds", *wishes)) == [(201, ""), (409, "refund_differs")]


async def test_what_is_not_paid_is_not_refunded(till, sandbox, payer, books):
    sandbox.fault("drop_before", method="alipay.trade.pay", times=1)
    waiting = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    declined = (await till.post("/v1/payments", json=payment(sandbox.code(payer(balance=1))))).json()
    for each in (waiting, declined):
        answer = await till.post("/v1/refunds", json=refund(each, 1))
        assert (answer.status_code, answer.json()["code"]) == (409, "not_paid")
    assert books.count("payment_refund") == 0


async def test_a_till_that_hangs_up_amid_its_payment_finds_it_paid(till, sandbox, payer, books):
    customer = payer()
    sandbox.fault("delay_after", method="alipay.trade.pay", seconds=30, times=1)
    document = payment(sandbox.code(customer))
    asking = asyncio.create_task(till.post("/v1/payments", json=document))
    while sandbox.people()[customer]["balance"] == 1_000_000:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await till.get(f"/v1/payments/{document['id']}")).json()["state"] == "sending"
    again = await till.post("/v1/payments", json=document)  # the till comes back: it is told how it stands, and nothing is sent again
    assert (again.status_code, again.json()["state"]) == (200, "sending")
    await asyncio.to_thread(sandbox.advance, 30)
    await until(till, document["id"], "paid")
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990
    assert books.count("posting") == 1


async def test_a_till_that_does_not_wait_is_told_later(till, sandbox, payer):
    sandbox.fault("delay_after", method="alipay.trade.pay", seconds=30, times=1)
    document = payment(sandbox.code(payer()))
    answer = await till.post("/v1/payments?wait=0", json=document)
    assert (answer.status_code, answer.json()["state"], answer.json()["decided"]) == (201, "sending", False)
    await asyncio.to_thread(sandbox.advance, 30)
    await until(till, document["id"], "paid")


async def test_stopping_what_is_decided_says_so_and_stopping_twice_changes_nothing(till, sandbox, payer, books):
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    answer = await till.post(f"/v1/payments/{taken['id']}:cancel")
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "payment_decided", "paid")
    asked = payer(password_above=0)
    waiting = (await till.post("/v1/payments", json=payment(sandbox.code(asked)))).json()
    assert waiting["state"] == "waiting"
    stopped = await asyncio.gather(*(till.post(f"/v1/payments/{waiting['id']}:cancel") for _ in range(4)))
    assert {each.status_code for each in stopped} == {200}
    closed = (await till.post(f"/v1/payments/{waiting['id']}:cancel")).json()
    assert (closed["state"], closed["decided"]) == ("closed", True)
    assert sandbox.people()[asked]["balance"] == 1_000_000
    assert books.count("audit", "action = 'payment.cancel'") == 1


async def test_ids_that_a_till_cannot_have_made_just_now_are_refused(till, sandbox, payer, books):
    code = sandbox.code(payer())
    old, early = ("019a0000-0000-7000-8000-000000000001", "01ffffff-ffff-7000-8000-000000000001")
    for changed in ({"id": str(uuid4())}, {"id": old}, {"id": early}, {"sale": str(uuid4())}, {"sale": early}, {"amount": 0}, {"amount": -1},
                    {"amount": 10**15}, {"method": {"type": "code", "code": "9" * 18}}, {"method": {"type": "cash"}}, {"more": 1}):  # fmt: skip
        answer = await till.post("/v1/payments", json=payment(code) | changed)
        assert answer.status_code == 422, (changed, answer.text)
    assert (books.count("payment"), books.count("payment_sale"), books.count("audit", "action like 'payment%'")) == (0, 0, 0)
