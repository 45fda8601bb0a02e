"""Brands' shares of payments: owed when paid, passed on through the wallet once, given back with refunds, open while it fails."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from hutong.directory import Principal
from hutong.payments import bind_brand
from tests.conftest import Person
from tests.payments.support import payment, refund
from tests.payments.test_api import balances
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox

Payer = Callable[..., str]
BY = Principal.system("test")


@pytest.fixture
def receiver(payer: Payer) -> str:
    """The brand's own account at the wallet."""
    return payer(balance=0)


async def bound(app: Any, network: Network, receiver: str) -> None:
    await bind_brand(app.state.database, app.state.payments.wallets, BY, network.one.id, network.brands[0].code, "userId", receiver)


def make_due(owner: psycopg.Connection[Any]) -> None:
    """The half minute that the wallet wants is over."""
    owner.execute("update payment_split set due_at = now() where due_at is not null")


def open_shares(owner: psycopg.Connection[Any], brand: str) -> int:
    """What the brand is owed, in fen."""
    return -balances(owner).get(f"brand_payable:{brand}", 0)


def passed_on(sandbox: RunningSandbox, number: str, receiver: str) -> list[int]:
    """What the wallet says it passed on of a payment to this account."""
    (trade,) = sandbox.trades(number)
    return [part["amount"] for split in trade["splits"] for part in split["parts"] if part["account"] == receiver]


async def test_a_share_is_passed_on_once_and_a_refund_takes_its_part_back(
    app: Any,
    network: Network,
    with_key: Person,
    sandbox: RunningSandbox,
    payer: Payer,
    owner: psycopg.Connection[Any],
    wallet: int,
    receiver: str,
) -> None:
    till, brand = with_key(network.till.key), network.brands[0].code
    await bound(app, network, receiver)
    document = payment(sandbox.code(payer()), 10_000, shares=[{"brand": brand, "amount": 2_500}])
    paid = (await till.post("/v1/payments", json=document)).json()
    assert paid["state"] == "paid", paid
    assert open_shares(owner, brand) == 2_500
    assert await app.state.payments.splitter.turn() == 0  # the wallet wants half a minute
    make_due(owner)
    sandbox.advance(40)
    assert await app.state.payments.splitter.turn() == 1
    assert open_shares(owner, brand) == 0
    assert balances(owner)[f"alipay:clearing:{wallet}"] == 7_500
    assert passed_on(sandbox, paid["number"], receiver) == [2_500]
    make_due(owner)
    assert await app.state.payments.splitter.turn() == 0
    given = await till.post("/v1/refunds", json=refund(paid, 4_000))
    assert given.json()["state"] == "done", given.text
    # 4,000 of 10,000 went back, so 1,000 of the brand's 2,500 did.
    assert balances(owner)[f"brand_share:{brand}"] == 1_500
    assert balances(owner)[f"alipay:clearing:{wallet}"] == 10_000 - 2_500 - 4_000 + 1_000


async def test_what_the_wallet_refuses_stays_owed_until_the_brand_has_an_account(
    app: Any,
    network: Network,
    with_key: Person,
    sandbox: RunningSandbox,
    payer: Payer,
    owner: psycopg.Connection[Any],
    wallet: int,
    receiver: str,
) -> None:
    till, brand = with_key(network.till.key), network.brands[0].code
    document = payment(sandbox.code(payer()), 9_999, shares=[{"brand": brand, "amount": 1_000}])
    assert (await till.post("/v1/payments", json=document)).json()["state"] == "paid"
    make_due(owner)
    sandbox.advance(40)
    assert await app.state.payments.splitter.turn() == 1
    assert (open_shares(owner, brand), owner.execute("select kind from payment_alarm").fetchall()) == (1_000, [("split",)])
    assert wallet
    await bound(app, network, receiver)
    make_due(owner)
    assert await app.state.payments.splitter.turn() == 1
    assert open_shares(owner, brand) == 0


async def test_a_refund_before_the_split_lessens_what_is_passed_on(
    app: Any,
    network: Network,
    with_key: Person,
    sandbox: RunningSandbox,
    payer: Payer,
    owner: psycopg.Connection[Any],
    wallet: int,
    receiver: str,
) -> None:
    till, brand = with_key(network.till.key), network.brands[0].code
    await bound(app, network, receiver)
    document = payment(sandbox.code(payer()), 9_000, shares=[{"brand": brand, "amount": 901}])
    paid = (await till.post("/v1/payments", json=document)).json()
    assert (await till.post("/v1/refunds", json=refund(paid, 3_000))).json()["state"] == "done"
    assert open_shares(owner, brand) == 901 - 300
    make_due(owner)
    sandbox.advance(40)
    assert await app.state.payments.splitter.turn() == 1
    assert (open_shares(owner, brand), passed_on(sandbox, paid["number"], receiver)) == (0, [601])
    assert sum(balances(owner).values()) == 0
    assert wallet


async def test_shares_beyond_the_payment_or_of_one_brand_twice_are_refused(
    network: Network, with_key: Person, sandbox: RunningSandbox, payer: Payer, wallet: int
) -> None:
    till, brand, customer = with_key(network.till.key), network.brands[0].code, payer()
    for shares in ([{"brand": brand, "amount": 101}], [{"brand": brand, "amount": 1}, {"brand": brand, "amount": 2}]):
        answer = await till.post("/v1/payments", json=payment(sandbox.code(customer), 100, shares=shares))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    assert sandbox.people()[customer]["balance"] == 1_000_000
    assert wallet
