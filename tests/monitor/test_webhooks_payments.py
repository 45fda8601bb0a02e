"""A retailer's programs are told of its payments and refunds, each once; another retailer's and brands' of none of them."""

import json
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from hutong.kernel.ids import uuid7
from hutong.monitor.webhooks.model import PAYMENT_KINDS
from tests.monitor.webhooking import fan_out_all, payloads, subscribe
from tests.support.network import Network, Store

HOOK = "https://hooks.example/in"
KINDS = sorted(PAYMENT_KINDS)


@pytest.fixture
def account(owner: psycopg.Connection[Any], network: Network) -> None:
    for retailer in (network.one, network.two):
        owner.execute(
            """insert into wallet_account (retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets)
               values (%s, 'alipay', 'main', '1', '2', 'https://x', 'key', '')""",
            [retailer.id],
        )


def taken(owner: psycopg.Connection[Any], store: Store, *states: str) -> UUID:
    """A payment that went through these states."""
    payment, number = uuid7(), f"S{store.id}T1_x"
    owner.execute(
        """select payment_begin(%s, %s, %s, %s, (select id from wallet_account where retailer_id = %s), %s, 'code', 1990, 'CNY', %s, 'tea', %s, 'till:1',
               now(), now(), false, null, '{}')""",
        [store.retailer_id, payment, store.id, store.tills[0].id, store.retailer_id, uuid7(), number, UUID(int=1)],
    )  # fmt: skip
    for version, state in enumerate(states):
        owner.execute(
            """select payment_advance(%s, %s, %s, %s, 0, 0, '', 'WHY', '', 'T1', 1990, 1790, '138****0001', now(), '', null, 0, null, 'answer', %s, '', '{}',
                   '', null, null, '{}')""",
            [store.retailer_id, payment, version, state, state],
        )
    return payment


def told(owner: psycopg.Connection[Any], webhook: UUID) -> list[tuple[str, str, str]]:
    return [(each["type"], each["data"]["id"], each["data"]["state"]) for each in payloads(owner, webhook)]


@pytest.mark.usefixtures("account")
async def test_a_retailer_is_told_of_its_payments_and_nobody_else_is(database, network, owner):
    webhook, _ = subscribe(owner, HOOK, *KINDS, retailer=network.one.id)
    other, _ = subscribe(owner, HOOK, *KINDS, retailer=network.two.id)
    paid_only, _ = subscribe(owner, HOOK, "payment.paid", retailer=network.one.id)
    brand, _ = subscribe(owner, HOOK, *KINDS, "sale.captured", brand=network.brands[0].id)
    await fan_out_all(database)
    ids = {
        state: taken(owner, network.store, "unknown", "waiting", state) for state in ("paid", "declined", "closed", "cancelled", "refunded")
    }
    assert await fan_out_all(database) == 6
    assert sorted(told(owner, webhook)) == sorted((f"payment.{state}", str(payment), state) for state, payment in ids.items())
    assert told(owner, paid_only) == [("payment.paid", str(ids["paid"]), "paid")]
    assert told(owner, other) == told(owner, brand) == []
    [document] = [each["data"] for each in payloads(owner, paid_only)]
    assert (document["store"], document["till"], document["retailer"]) == (network.store.gln, network.till.code, "one")
    assert (document["amount"], document["receipt_amount"], document["buyer_paid"], document["version"]) == (1990, 1990, 1790, 3)
    assert "138****0001" not in json.dumps(document) and "digest" not in document
    assert await fan_out_all(database) == 0


@pytest.mark.usefixtures("account")
async def test_a_refund_is_told_when_it_is_done_or_refused_and_a_late_success_when_it_went_back(database, network, owner):
    webhook, _ = subscribe(owner, HOOK, "payment.refund", "payment.refunded", retailer=network.one.id)
    await fan_out_all(database)
    payment = taken(owner, network.store, "paid")
    done, refused, under_way = (uuid7() for _ in range(3))
    for refund in (done, refused, under_way):
        values = [network.one.id, refund, payment, network.store.id, UUID(int=1)]
        owner.execute("select refund_begin(%s, %s, %s, %s, 100, 'back', %s, 'till:1', now(), now())", values)
    for refund, state in ((done, "done"), (refused, "refused"), (under_way, "short")):
        finish(owner, network, refund, state)
    assert await fan_out_all(database) == 2
    assert sorted(told(owner, webhook)) == sorted([("payment.refund", str(done), "done"), ("payment.refund", str(refused), "refused")])
    assert {each["data"]["payment"] for each in payloads(owner, webhook)} == {str(payment)}
    late, back = taken(owner, network.store, "cancelled"), uuid7()
    owner.execute(
        """select payment_advance(%s, %s, 1, 'refunding', 0, 0, '', '', '', 'T1', 1990, 1990, '', now(), '', null, 0, null, 'query', 'paid', '', '{}', '', %s,
               %s, '{late}')""",
        [network.one.id, late, back, UUID(int=1)],
    )
    finish(owner, network, back, "done", 1990)
    assert await fan_out_all(database) == 2
    assert set(told(owner, webhook)[2:]) == {("payment.refund", str(back), "done"), ("payment.refunded", str(late), "refunded")}


def finish(owner: psycopg.Connection[Any], network: Network, refund: UUID, state: str, amount: int = 100) -> None:
    owner.execute(
        "select refund_advance(%s, %s, 0, %s, 0, '', %s, now(), null, 'answer', %s, '{}', '')",
        [network.one.id, refund, state, amount if state == "done" else 0, state],
    )


async def test_a_brand_cannot_ask_to_be_told_of_payments(as_person, network, owner):
    office: httpx.AsyncClient = as_person("office")
    brand: httpx.AsyncClient = as_person("brand")
    url = "https://93.184.216.34/in"
    made = await office.post("/v1/webhooks", json={"url": url, "kinds": KINDS})
    assert made.status_code == 201, made.text
    refused = await brand.post("/v1/webhooks", json={"url": url, "kinds": ["payment.paid", "sale.captured"]})
    assert (refused.status_code, refused.json()["field"]) == (422, "kinds")
    assert refused.json()["allowed"] == ["sale.captured", "product.registered"]
    own = (await brand.post("/v1/webhooks", json={"url": url, "kinds": ["sale.captured"]})).json()
    assert (await brand.patch(f"/v1/webhooks/{own['id']}", json={"kinds": ["payment.paid"]})).status_code == 422
    page = (await brand.get(f"/webhooks/{own['id']}")).text
    assert 'value="sale.captured"' in page and "payment.paid" not in page
    assert 'value="payment.paid"' in (await office.get(f"/webhooks/{made.json()['id']}")).text
