"""Payments' pages as the server answers them: what they say, to whom, and that a form does its work once."""

import html
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from hutong.kernel.ids import uuid7
from tests.conftest import Person
from tests.payments.support import payment, refund
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox, app_keys

pytestmark = pytest.mark.usefixtures("wallet")
Payer = Callable[..., str]


def words(answer: httpx.Response) -> str:
    """What a page says, without its markup and without the empty rows that scripts copy."""
    text = re.sub(r"<(script|template)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def hidden(answer: httpx.Response, name: str) -> str:
    """The value of a form's hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    assert found is not None, name
    return found[1]


async def test_a_stores_page_and_a_payments_story_say_what_happened(
    network: Network, with_key: Person, as_person: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    till, manager = with_key(network.till.key), as_person("manager")
    path = f"/payments/stores/{network.store.gln}"
    assert "No payment yet today" in words(await manager.get(path))
    paid = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    declined = (await till.post("/v1/payments", json=payment(sandbox.code(payer(balance=5)), 2_590))).json()
    await till.post("/v1/refunds", json=refund(paid, 990))
    shown = words(await manager.get(path))
    for said in ("Xuhui", "¥19.90", "Paid, refunded in part", "¥9.90 back", "Declined", "Scanned code · till 01", "Take a payment"):
        assert said in shown, said
    assert "Declined" not in words(await manager.get(f"{path}?state=paid")).partition("Show all")[2]
    assert "¥25.90" in words(await manager.get(f"{path}?state=unpaid")).partition("Show all")[2]

    story = words(await manager.get(f"/payments/{paid['id']}"))
    for said in ("The till asked for the money.", "The wallet answered: paid.", "A refund was asked for and set aside in the books.",
                 "The wallet carried the refund out.", "owed by the wallet ¥19.90", "received, waiting for its sale −¥19.90", "in no sale yet",
                 paid["number"], paid["trade_no"], "At most ¥10.00 can still be refunded"):  # fmt: skip
        assert said in story, said
    refused = words(await manager.get(f"/payments/{declined['id']}"))
    assert "show a fresh code" in refused and "Nothing: no money moved." in refused and "At most" not in refused
    chinese = words(await manager.get(f"/payments/{paid['id']}?lang=zh"))
    assert "收银机发起收款。" in chinese and "The till" not in chinese


async def test_what_stands_out_is_first_and_what_no_sale_claims_is_named(
    network: Network, with_key: Person, as_person: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    till, office = with_key(network.till.key), as_person("office")
    paid = (await till.post("/v1/payments", json=payment(sandbox.code(payer()), 4_550))).json()
    overview = words(await office.get("/payments"))
    assert "Needs a look now" not in overview and "Xuhui" in overview and "¥45.50" in overview
    owner.execute("update payment set changed_at = now() - interval '20 minutes' where id = %s", [paid["id"]])
    owner.execute(
        """insert into payment_alarm (retailer_id, store_id, payment_id, kind, message)
           values (%s, %s, %s, 'payment', 'a payment of 4550 fen succeeded after the till was told otherwise; it is given back')""",
        [network.one.id, network.store.id, paid["id"]],
    )
    overview = words(await office.get("/payments"))
    assert "Needs a look now" in overview and "1 paid, but no sale" in overview and "1 to look at" in overview
    assert "in no sale yet" in words(await office.get(f"/payments/stores/{network.store.gln}?state=unclaimed"))
    for who, sees in (("office", True), ("manager", True), ("manager-2", False), ("office-two", False), ("brand", False)):
        alarms = words(await as_person(who).get("/payments/alarms"))
        assert ("succeeded after the till was told" in alarms) is sees, who
        assert ("Nothing needs a look" in alarms) is not sees, who


async def test_who_has_one_store_is_led_to_it_and_who_has_none_is_told_so(network: Network, as_person: Person) -> None:
    led = await as_person("cashier").get("/payments")
    assert (led.status_code, led.headers["location"]) == (303, f"/payments/stores/{network.store.gln}")
    assert "No store's payments are yours to see" in words(await as_person("brand").get("/payments"))
    assert (await as_person("nobody").get("/payments")).status_code == 403
    for path in (
        f"/payments/stores/{network.store.gln}",
        f"/payments/stores/{network.store.gln}/take",
        f"/payments/{uuid7()}",
        "/payments/x",
    ):
        assert (await as_person("manager-2").get(path)).status_code == 404, path


async def test_a_number_leads_to_its_payment(
    network: Network, with_key: Person, as_person: Person, sandbox: RunningSandbox, payer: Payer
) -> None:
    till, manager = with_key(network.till.key), as_person("manager")
    document = payment(sandbox.code(payer()))
    paid = (await till.post("/v1/payments", json=document)).json()
    back = (await till.post("/v1/refunds", json=refund(paid, 100))).json()
    for number in (paid["id"], UUID(paid["id"]).hex, paid["number"], paid["trade_no"], document["sale"], back["id"]):
        answer = await manager.get("/payments/search", params={"q": f" {number} "})
        assert (answer.status_code, answer.headers.get("location")) == (303, f"/payments/{paid['id']}"), number
        assert "No such payment" in words(await as_person("manager-2").get("/payments/search", params={"q": number})), number
    assert "No such payment" in words(await manager.get("/payments/search?q=' or true --"))


async def test_a_refund_is_confirmed_then_made_once_however_often_the_form_is_sent(
    network: Network, with_key: Person, as_person: Person, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    customer, manager = payer(), as_person("manager")
    paid = (await with_key(network.till.key).post("/v1/payments", json=payment(sandbox.code(customer)))).json()
    page = await manager.get(f"/payments/{paid['id']}")
    form = {"refund_id": hidden(page, "refund_id"), "amount": "￥5.50", "reason": "Another reason", "other": "broken <cup>"}
    asked = await manager.post(f"/payments/{paid['id']}/refund", data=form)
    assert asked.status_code == 200 and "Refund ¥5.50?" in words(asked) and "broken <cup>" in words(asked) and "<cup>" not in asked.text
    assert owner.execute("select count(*) from payment_refund").fetchone() == (0,)
    sure = {"refund_id": hidden(asked, "refund_id"), "amount": hidden(asked, "amount"), "reason": "broken <cup>", "confirmed": "yes"}
    for _ in range(2):
        made = await manager.post(f"/payments/{paid['id']}/refund", data=sure)
        assert made.headers["location"] == f"/payments/{paid['id']}?done=refunded"
    assert owner.execute("select amount, state, reason, actor from payment_refund").fetchall() == [
        (550, "done", "broken <cup>", f"person:{network.people['manager'].id}")
    ]
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990 + 550
    for amount, said in (("100", "more than can still be refunded"), ("x", "Write the amount in yuan"), ("0", "more than nothing")):
        answer = await manager.post(f"/payments/{paid['id']}/refund", data={"refund_id": str(uuid7()), "amount": amount})
        assert answer.status_code == 422 and said in words(answer), amount
    assert (await as_person("cashier").post(f"/payments/{paid['id']}/refund", data=form)).status_code == 404
    assert "At most" not in words(await as_person("cashier").get(f"/payments/{paid['id']}"))


async def test_a_waiting_payment_is_stopped_on_its_page_and_shows_its_qr_code(
    network: Network, with_key: Person, as_person: Person, sandbox: RunningSandbox
) -> None:
    manager = as_person("manager")
    begun = (await with_key(network.till.key).post("/v1/payments", json=payment(method={"type": "qr"}))).json()
    picture = await manager.get(f"/payments/{begun['id']}/qr.svg")
    assert picture.headers["content-type"] == "image/svg+xml" and picture.text.startswith("<svg")
    assert "Stop it" in words(await manager.get(f"/payments/{begun['id']}"))
    stopped = await manager.post(f"/payments/{begun['id']}/cancel")
    assert stopped.headers["location"] == f"/payments/{begun['id']}?done=stopped"
    story = words(await manager.get(stopped.headers["location"]))
    assert "Somebody stopped it." in story and "Manager Person" in story and "It was stopped at the till." in story
    assert "Stop this payment" not in story


async def test_a_wallet_account_is_set_up_by_form_tested_and_switched_off_and_its_keys_are_never_shown(
    network: Network, as_person: Person, sandbox: RunningSandbox, owner: psycopg.Connection[Any]
) -> None:
    operator, office = as_person("operator"), as_person("office-two")
    form = {
        "retailer": str(network.two.id), "code": "main", "app_id": sandbox.app_id, "seller_id": sandbox.seller_id, "gateway": "other",
        "other_gateway": sandbox.gateway, "private_key": app_keys()[0], "alipay_public_key": sandbox.alipay_public_key,
    }  # fmt: skip
    elsewhere = await office.post("/payments/wallets", data=form)
    assert elsewhere.status_code == 422 and "Choose the gateway." in words(elsewhere)  # only who runs the network names any address
    wrong = await operator.post("/payments/wallets", data=form | {"seller_id": "7", "alipay_public_key": "no key"})
    assert (
        wrong.status_code == 422
        and "16 digits that begin with 2088" in words(wrong)
        and "Alipay's public key cannot be used" in words(wrong)
    )
    assert owner.execute("select count(*) from wallet_account where retailer_id = %s", [network.two.id]).fetchone() == (0,)
    assert (await operator.post("/payments/wallets", data=form)).headers["location"].endswith("?done=saved")
    (account,) = owner.execute("select id from wallet_account where retailer_id = %s", [network.two.id]).fetchone() or (0,)
    page = await office.get("/payments/wallets")
    assert "Wangyue" in words(page) and sandbox.app_id in words(page) and "Qingsong" not in words(page)
    for answer in (page, wrong):
        assert app_keys()[0][40:80] not in answer.text and sandbox.alipay_public_key[40:80] not in answer.text
    assert (await office.post(f"/payments/wallets/{account}/test")).headers["location"].endswith("?done=works")
    sandbox.unplug()
    assert "does not work" in words(await office.post(f"/payments/wallets/{account}/test"))
    sandbox.plug()
    for _ in range(2):
        assert (await office.post(f"/payments/wallets/{account}/off")).headers["location"].endswith("?done=off")
    assert "Switch on" in words(await office.get("/payments/wallets"))
    assert owner.execute("select count(*) from audit where action like 'wallet.%%' and subject = %s", [f"wallet:{account}"]).fetchone() == (
        3,
    )
    assert (await office.post(f"/payments/wallets/{account}/on")).headers["location"].endswith("?done=on")
    for who in ("office", "manager-two"):
        assert (await as_person(who).post(f"/payments/wallets/{account}/off")).status_code == 404, who
    assert (await as_person("manager-two").get("/payments/wallets")).status_code == 403
