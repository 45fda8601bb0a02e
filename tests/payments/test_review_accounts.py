"""Wallet accounts that are changed, switched off or shared while payments are open: nothing of theirs goes to another merchant."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest

from hutong.directory import Principal
from hutong.kernel import clock
from hutong.kernel.errors import Conflict
from hutong.kernel.ids import uuid7
from hutong.payments import ensure_months
from hutong.payments.agreements import ask_about_agreements
from tests.conftest import Person
from tests.payments.noticing import Noticing
from tests.payments.support import add_account, payment, refund
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox, app_keys

Payer = Callable[..., str]
BY = Principal.system("test")


@pytest.fixture
def till(with_key: Person, network: Network) -> httpx.AsyncClient:
    return with_key(network.till.key)


@pytest.fixture
def later(app: Any, client: httpx.AsyncClient, owner: psycopg.Connection[Any], sandbox: RunningSandbox) -> Noticing:
    return Noticing(client, owner, sandbox, app)


def look_anew(app: Any) -> None:
    app.state.payments.wallets._read_at = -1_000


async def test_a_notice_of_an_app_with_two_accounts_finds_the_payments_own(
    app: Any, network: Network, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, later: Noticing, owner: psycopg.Connection[Any]
) -> None:  # fmt: skip
    """The same merchant's account under a new short name, the old one switched off; and another retailer of the same merchant."""
    await add_account(app, network.one.id, sandbox)
    owner.execute("update wallet_account set code = 'old', disabled_at = now()")
    await add_account(app, network.one.id, sandbox)
    await add_account(app, network.two.id, sandbox)
    look_anew(app)
    for client in (till, httpx.AsyncClient(transport=till._transport, base_url="http://test", headers={"Authorization": f"Bearer {network.two.stores[0].tills[0].key}"})):  # fmt: skip
        sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
        unknown = (await client.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
        assert unknown["state"] == "unknown"
        assert await later.tell(unknown) == b"success"
        assert (await client.get(f"/v1/payments/{unknown['id']}")).json()["state"] == "paid"
    assert later.count("payment_alarm") == 0
    assert await later.tell(unknown, total_amount="0.01") == b"fail"
    assert later.count("payment_alarm") == 1


async def test_an_account_with_payments_never_becomes_another_merchants(
    app: Any, network: Network, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, later: Noticing
) -> None:
    await add_account(app, network.one.id, sandbox)
    other = sandbox.add_app(public_key=app_keys()[1])
    theirs = {"app_id": other["app_id"], "seller_id": other["seller_id"]}
    await add_account(app, network.one.id, sandbox, **theirs)  # nothing was paid through it yet: a mistake is mended
    await add_account(app, network.one.id, sandbox)
    look_anew(app)
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    unknown = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    with pytest.raises(Conflict, match="under another name"):
        await add_account(app, network.one.id, sandbox, **theirs)
    await add_account(app, network.one.id, sandbox, further_public_keys=(sandbox.alipay_public_key,))
    look_anew(app)
    await later.work(1)
    paid = (await till.get(f"/v1/payments/{unknown['id']}")).json()
    assert paid["state"] == "paid"
    assert (await till.post("/v1/refunds", json=refund(paid, 100))).json()["state"] == "done"


@pytest.mark.slow
async def test_an_agreement_is_charged_no_more_through_an_account_that_is_off(
    app: Any, network: Network, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    await add_account(app, network.one.id, sandbox)
    customer, wish = payer(), {"id": str(uuid7())}
    begun = (await till.post("/v1/agreements", json=wish)).json()
    page = await asyncio.to_thread(httpx.get, begun["sign_url"], follow_redirects=True, trust_env=False)
    sandbox.sign(customer, str(page.url))
    assert (await till.post(f"/v1/agreements/{wish['id']}:ask")).json()["state"] == "active"
    owner.execute("update wallet_account set disabled_at = now()")
    look_anew(app)
    charge = payment(amount=4_200) | {"method": {"type": "agreement", "agreement": wish["id"]}}
    answer = await till.post("/v1/payments", json=charge)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_wallet"), answer.text
    assert sandbox.people()[customer]["balance"] == 1_000_000


@pytest.mark.slow
async def test_one_account_that_cannot_be_used_does_not_keep_other_agreements_from_being_asked_about(
    app: Any, network: Network, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any]
) -> None:
    await add_account(app, network.one.id, sandbox)
    first, second = {"id": str(uuid7())}, {"id": str(uuid7())}
    for wish in (first, second):
        begun = (await till.post("/v1/agreements", json=wish)).json()
    page = await asyncio.to_thread(httpx.get, begun["sign_url"], follow_redirects=True, trust_env=False)
    sandbox.sign(payer(), str(page.url))
    owner.execute("update agreement set made_at = now() - interval '1 hour'")
    owner.execute("update agreement set account_id = 999999, changed_at = now() - interval '1 hour' where id = %s", [first["id"]])
    await ask_about_agreements(app.state.database, app.state.payments.wallets)
    assert (await till.get(f"/v1/agreements/{second['id']}")).json()["state"] == "active"


async def test_an_amount_that_no_wallet_takes_is_refused_before_anything_is_kept(
    app: Any, network: Network, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, later: Noticing
) -> None:
    await add_account(app, network.one.id, sandbox)
    answer = await till.post("/v1/payments", json=payment(sandbox.code(payer()), 10_000_000_001))
    held = await till.post("/v1/authorisations", json={"id": str(uuid7()), "amount": 10_000_000_001, "method": {"type": "qr"}})
    assert (answer.status_code, held.status_code) == (422, 422), answer.text
    assert later.count("payment") == 0


@pytest.mark.slow
async def test_an_account_that_is_broken_for_long_does_not_fill_the_stories_of_its_payments(
    app: Any,
    network: Network,
    till: httpx.AsyncClient,
    sandbox: RunningSandbox,
    payer: Payer,
    later: Noticing,
    owner: psycopg.Connection[Any],
) -> None:
    await add_account(app, network.one.id, sandbox)
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    unknown = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    (account,) = owner.execute("select account_id from payment").fetchone() or (0,)
    owner.execute("update payment set account_id = 999999")
    before = later.count("payment_event")
    await later.work(3)
    assert later.count("payment_event") == before
    owner.execute("update payment set account_id = %s", [account])
    await later.work(1)
    assert (await till.get(f"/v1/payments/{unknown['id']}")).json()["state"] == "paid"


@pytest.mark.parametrize(
    "today", [datetime(2026, 3, 1, tzinfo=UTC), pytest.param(datetime(2026, 1, 31, 23, tzinfo=UTC), marks=pytest.mark.slow)]
)
async def test_no_month_is_left_out_around_a_short_one(
    app: Any, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, today: datetime
) -> None:
    monkeypatch.setattr(clock, "now", lambda: today)
    await ensure_months(app.state.database, app.state.settings)
    for month in ("202601", "202602", "202603"):
        assert owner.execute("select to_regclass(%s) is not null", [f"payment_sale_{month}"]).fetchone() == (True,), month
