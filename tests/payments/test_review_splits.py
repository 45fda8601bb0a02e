"""Brands' shares where things meet: names that no book takes, refunds before, while and after a share is passed on."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.conftest import Person
from tests.payments.support import payment, refund
from tests.payments.test_api import balances
from tests.payments.test_splits import bound, make_due, open_shares
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("wallet")
Payer = Callable[..., str]


@pytest.fixture
def till(with_key: Person, network: Network) -> httpx.AsyncClient:
    return with_key(network.till.key)


@pytest.fixture
def brand(network: Network) -> str:
    return network.brands[0].code


@pytest.fixture
async def receiver(app: Any, network: Network, payer: Payer) -> str:
    person = payer(balance=0)
    await bound(app, network, person)
    return person


async def taken(till: httpx.AsyncClient, code: str, amount: int, brand: str, share: int) -> dict[str, Any]:
    document = payment(code, amount, shares=[{"brand": brand, "amount": share}])
    paid: dict[str, Any] = (await till.post("/v1/payments", json=document)).json()
    assert paid["state"] == "paid", paid
    return paid


def held_by_wallet(sandbox: RunningSandbox, number: str) -> int:
    """What the wallet has passed on of a payment and not taken back, in fen."""
    (trade,) = sandbox.trades(number)
    return sum(part["amount"] - part["returned"] for split in trade["splits"] for part in split["parts"])


@pytest.mark.parametrize("name", ["百事", pytest.param("nobody", marks=pytest.mark.slow)])
async def test_a_share_of_a_brand_that_is_none_is_refused_before_anything_is_asked(
    till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], name: str
) -> None:
    customer = payer()
    document = payment(sandbox.code(customer), 1_000, shares=[{"brand": name, "amount": 100}])
    answer = await till.post("/v1/payments", json=document)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    assert sandbox.people()[customer]["balance"] == 1_000_000
    assert owner.execute("select count(*) from payment").fetchone() == (0,)


async def test_the_books_follow_the_wallet_through_refunds_before_and_after_the_split(
    app: Any, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], brand: str, receiver: str,
    wallet: int,
) -> None:  # fmt: skip
    sandbox.seller_balance(100_000)  # what the brand keeps of a refund, the retailer pays
    paid = await taken(till, sandbox.code(payer()), 9_000, brand, 901)
    assert (await till.post("/v1/refunds", json=refund(paid, 3_000))).json()["state"] == "done"
    make_due(owner)
    sandbox.advance(40)
    assert await app.state.payments.splitter.turn() == 1
    for back in (3_000, 1_000, 1_999):
        assert (await till.post("/v1/refunds", json=refund(paid, back))).json()["state"] == "done"
        held = held_by_wallet(sandbox, paid["number"])
        left = (await till.get(f"/v1/payments/{paid['id']}")).json()
        assert balances(owner)[f"alipay:clearing:{wallet}"] == 9_000 - left["refunded"] - held
        # What the brand has beyond its share of what was not refunded, it owes.
        share = balances(owner).get(f"brand_share:{brand}", 0)
        assert open_shares(owner, brand) == share - held


async def test_a_refund_while_a_split_is_not_known_to_be_done_ends_as_at_the_wallet(
    app: Any, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], brand: str, receiver: str,
    wallet: int,
) -> None:  # fmt: skip
    for fault in ("drop_after", "drop_before"):
        paid = await taken(till, sandbox.code(payer()), 10_000, brand, 2_500)
        before = balances(owner)
        make_due(owner)
        sandbox.advance(40)
        sandbox.fault(fault, method="alipay.trade.order.settle", times=1)
        assert await app.state.payments.splitter.turn() == 1
        assert open_shares(owner, brand) > 0
        given = (await till.post("/v1/refunds", json=refund(paid, 4_000))).json()
        sandbox.advance(100)
        for _ in range(6):
            make_due(owner)
            owner.execute("update payment_due set due_at = now(), leased_until = null")
            await app.state.payments.splitter.turn()
            for due in await app.state.payments.store.claim(10):
                await app.state.payments.driver.look(due)
        assert (await till.get(f"/v1/refunds/{given['id']}")).json()["state"] == "done"
        after = balances(owner)
        clearing = f"alipay:clearing:{wallet}"
        held = held_by_wallet(sandbox, paid["number"])
        assert after[clearing] - before[clearing] == -4_000 - held, (fault, held)
        assert after[f"brand_share:{brand}"] - before[f"brand_share:{brand}"] == -1_000
        assert owner.execute("select state from payment_split where payment_id = %s", [paid["id"]]).fetchone() == ("done",)


@pytest.mark.slow
async def test_a_refund_that_bears_its_payments_id_is_booked_all_the_same(
    app: Any, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], brand: str, receiver: str
) -> None:
    paid = await taken(till, sandbox.code(payer()), 10_000, brand, 2_500)
    make_due(owner)
    sandbox.advance(40)
    assert await app.state.payments.splitter.turn() == 1
    given = await till.post("/v1/refunds", json=refund(paid, 4_000, id=paid["id"]))
    assert given.json()["state"] == "done", given.text
    assert balances(owner)[f"brand_share:{brand}"] == 1_500


@pytest.mark.slow
async def test_a_split_of_what_was_given_back_whole_comes_to_an_end(
    app: Any, till: httpx.AsyncClient, sandbox: RunningSandbox, payer: Payer, owner: psycopg.Connection[Any], brand: str
) -> None:
    paid = await taken(till, sandbox.code(payer()), 10_000, brand, 2_500)  # nobody receives for this brand yet: refused
    make_due(owner)
    sandbox.advance(40)
    assert await app.state.payments.splitter.turn() == 1
    assert (await till.post("/v1/refunds", json=refund(paid, 10_000))).json()["state"] == "done"
    make_due(owner)
    await app.state.payments.splitter.turn()
    assert owner.execute("select state, due_at from payment_split").fetchone() == ("void", None)
    assert open_shares(owner, brand) == 0
