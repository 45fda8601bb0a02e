"""Agreements to charge and money held beforehand, over HTTP, against the sandbox and a real database."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from hutong.kernel.ids import uuid7
from tests.conftest import Person
from tests.payments.support import payment
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("wallet")
Payer = Callable[..., str]


def pending(owner: psycopg.Connection[Any]) -> int:
    """How many pending postings nothing has resolved."""
    row = owner.execute(
        "select count(*) from posting p where state = 'pending' and not exists (select from posting r where r.pending_of = p.id)"
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_money_is_held_captured_and_the_rest_goes_back(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    till, customer = with_key(network.till.key), payer()
    wish = {"id": str(uuid7()), "amount": 30_000, "method": {"type": "code", "code": sandbox.code(customer)}}
    answer = await till.post("/v1/authorisations", json=wish)
    assert (answer.status_code, answer.json()["state"], answer.json()["rest"]) == (201, "held", 30_000), answer.text
    assert (await till.post("/v1/authorisations", json=wish)).status_code == 200
    assert (await till.post("/v1/authorisations", json=wish | {"amount": 5})).status_code == 409
    assert pending(owner) == 1
    document = payment(amount=12_300) | {"method": {"type": "authorisation", "authorisation": wish["id"]}}
    paid = await till.post("/v1/payments", json=document)
    assert (paid.status_code, paid.json()["state"]) == (201, "paid"), paid.text
    shown = (await till.get(f"/v1/authorisations/{wish['id']}")).json()
    assert (shown["state"], shown["captured"], shown["released"]) == ("finished", 12_300, 17_700)
    assert pending(owner) == 0
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 12_300
    again = await till.post("/v1/payments", json=payment(amount=1) | {"method": document["method"]})
    assert (again.status_code, again.json()["code"]) == (409, "agreement_unusable")


async def test_what_is_held_is_given_back_when_nothing_is_bought(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    till, customer = with_key(network.till.key), payer()
    wish = {"id": str(uuid7()), "amount": 20_000, "method": {"type": "code", "code": sandbox.code(customer)}}
    assert (await till.post("/v1/authorisations", json=wish)).json()["state"] == "held"
    ended = await till.post(f"/v1/authorisations/{wish['id']}:end")
    assert (ended.json()["state"], ended.json()["released"]) == ("finished", 20_000), ended.text
    assert (await till.post(f"/v1/authorisations/{wish['id']}:end")).json()["state"] == "finished"
    assert (pending(owner), sandbox.people()[customer]["balance"]) == (0, 1_000_000)
    other = with_key(network.two.stores[0].tills[0].key)
    assert (await other.get(f"/v1/authorisations/{wish['id']}")).status_code == 404


async def test_a_signed_agreement_is_charged_without_asking_and_an_ended_one_is_not(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    till, customer = with_key(network.till.key), payer()
    wish = {"id": str(uuid7()), "member": str(uuid7())}
    begun = await till.post("/v1/agreements", json=wish)
    assert (begun.status_code, begun.json()["state"]) == (201, "signing"), begun.text
    charge = payment(amount=4_200) | {"method": {"type": "agreement", "agreement": wish["id"]}}
    assert (await till.post("/v1/payments", json=charge)).status_code == 409
    page = await asyncio.to_thread(httpx.get, begun.json()["sign_url"], follow_redirects=True, trust_env=False)
    sandbox.sign(customer, str(page.url))
    active = (await till.post(f"/v1/agreements/{wish['id']}:ask")).json()
    assert active["state"] == "active", active
    paid = await till.post("/v1/payments", json=charge)
    assert (paid.status_code, paid.json()["state"]) == (201, "paid"), paid.text
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 4_200
    assert (await till.post(f"/v1/agreements/{wish['id']}:end")).json()["state"] == "ended"
    after = await till.post("/v1/payments", json=payment(amount=1) | {"method": charge["method"]})
    assert (after.status_code, after.json()["code"]) == (409, "agreement_unusable")
    other = with_key(network.two.stores[0].tills[0].key)
    assert (await other.get(f"/v1/agreements/{wish['id']}")).status_code == 404
