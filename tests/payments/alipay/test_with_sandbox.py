"""Our client against the sandbox Alipay over HTTP: two implementations that share nothing, from payment to refund and back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count

import pytest
from aiohttp import web

from hutong.payments.alipay import AlipayAccount, AlipayWallet
from hutong.payments.wallet import (
    Absent,
    Cancelled,
    Charge,
    Closed,
    Declined,
    Notice,
    Paid,
    QrCode,
    RefundAccepted,
    Refunded,
    Unknown,
    Waiting,
)
from tests.support.sandbox import RunningSandbox, running_sandbox

_numbers = count(1)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), speed=0, switches={"awkward_text": "true"}) as started:
        started.seller_balance(1_000_000)
        yield started


@pytest.fixture
async def notices() -> AsyncIterator[tuple[str, "asyncio.Queue[bytes]"]]:
    """Where the sandbox sends notifications, and what came."""
    came: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        await came.put(await request.read())
        return web.Response(text="success")

    application = web.Application()
    application.router.add_post("/alipay/notify", take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/alipay/notify", came
    await runner.cleanup()


@pytest.fixture
def account(sandbox, notices) -> AlipayAccount:
    return AlipayAccount(
        app_id=sandbox.app_id,
        seller_id=sandbox.seller_id,
        gateway=sandbox.gateway,
        notify_url=notices[0],
        private_key=sandbox.private_key,
        alipay_public_key=sandbox.alipay_public_key,
    )


@pytest.fixture
async def wallet(account, sandbox) -> AsyncIterator[AlipayWallet]:
    opened = AlipayWallet(account)
    yield opened
    await opened.close()
    await told(sandbox.no_faults)


async def told(call, *arguments, **more):
    """Ask the sandbox's operator without holding up the loop that answers its notifications."""
    return await asyncio.to_thread(call, *arguments, **more)


def charge(code: str = "", amount: int = 1230) -> Charge:
    return Charge(f"S12T3_{next(_numbers):032x}", amount, "茶叶 {a} \\/ & b", "6901234500012", "3", code=code)


async def next_notice(wallet, notices) -> Notice:
    return await wallet.read_notice(await asyncio.wait_for(notices[1].get(), 20))


async def test_the_account_that_the_sandbox_gives_has_no_problems(account):
    assert account.problems() == []


async def test_a_payment_is_made_queried_notified_refunded_in_parts_and_closed(wallet, sandbox, notices):
    person = await told(sandbox.person, balance=10_000)
    wish = charge(await told(sandbox.code, person))
    paid = await wallet.pay(wish)
    assert isinstance(paid, Paid) and (paid.amount, paid.receipt_amount, paid.buyer_paid) == (1230, 1230, 1230) and paid.paid_at is not None
    assert await wallet.query(wish.number) == paid
    notice = await next_notice(wallet, notices)
    assert (notice.kind, notice.number, notice.result) == ("trade", wish.number, paid)

    part = await wallet.refund(wish.number, "R1", 230, "broken")
    assert isinstance(part, Refunded) and (part.amount, part.from_receipt) == (230, 230)
    assert await wallet.refund(wish.number, "R1", 230, "broken") == RefundAccepted()
    assert await wallet.refund_query(wish.number, "R1") == part
    again = await next_notice(wallet, notices)
    assert (again.refund_number, again.refunded) == ("R1", 230) and isinstance(again.result, Paid)
    assert await wallet.refund_query(wish.number, "R2") == Absent()
    assert isinstance(await wallet.refund(wish.number, "R2", 1001, "too much"), Declined)
    assert isinstance(await wallet.refund(wish.number, "R2", 1000, "the rest"), Refunded)
    closed = await wallet.query(wish.number)
    assert isinstance(closed, Closed) and closed.was_paid and closed.paid is not None and closed.paid.amount == 1230
    assert (await told(sandbox.people))[person]["balance"] == 10_000


async def test_a_payment_with_password_waits_and_is_cancelled_or_paid(wallet, sandbox):
    person = await told(sandbox.person, balance=90_000, password_above=0)
    wish = charge(await told(sandbox.code, person))
    waiting = await wallet.pay(wish)
    assert isinstance(waiting, Waiting) and await wallet.query(wish.number) == waiting
    assert await wallet.cancel(wish.number) == Cancelled("close")
    assert await wallet.query(wish.number) == Closed(False)
    other = charge(await told(sandbox.code, person))
    waiting = await wallet.pay(other)
    assert isinstance(waiting, Waiting)
    await told(sandbox.approve, waiting.trade_no)
    assert isinstance(await wallet.query(other.number), Paid)
    assert await wallet.cancel(other.number) == Cancelled("refund")
    closed = await wallet.query(other.number)
    assert isinstance(closed, Closed) and closed.was_paid
    assert (await told(sandbox.people))[person]["balance"] == 90_000


async def test_what_the_sandbox_refuses_names_who_can_fix_it(wallet, sandbox):
    poor = await told(sandbox.person, balance=1)
    refused = await wallet.pay(charge(await told(sandbox.code, poor)))
    assert isinstance(refused, Declined) and (refused.code, refused.who_fixes) == ("BUYER_BALANCE_NOT_ENOUGH", "customer")
    refused = await wallet.pay(charge("281234567890123456"))
    assert isinstance(refused, Declined) and (refused.code, refused.who_fixes) == ("PAYMENT_AUTH_CODE_INVALID", "customer")
    assert await wallet.query("S1T1_nothing") == Absent()
    assert await wallet.cancel("S1T1_nothing") == Cancelled(None)


async def test_a_qr_code_is_scanned_approved_and_paid(wallet, sandbox, notices):
    person = await told(sandbox.person, balance=5_000)
    wish = charge()
    shown = await wallet.show_qr(wish)
    assert isinstance(shown, QrCode)
    assert await wallet.query(wish.number) == Absent()
    trade = await told(sandbox.scan, person, shown.content)
    assert isinstance(await wallet.query(wish.number), Waiting)
    await told(sandbox.approve, trade["trade_no"])
    assert isinstance(await wallet.query(wish.number), Paid)
    assert (await next_notice(wallet, notices)).number == wish.number


async def test_a_face_pays(wallet, sandbox):
    person = await told(sandbox.person, balance=5_000)
    assert isinstance(await wallet.pay(charge(await told(sandbox.code, person, face=True))), Paid)


UNCLEAR = [
    "drop_before", "drop_after", "duplicate_last", "http_500_before", "http_500_after", "http_502_before", "http_502_after", "html_before",
    "html_after", "busy_before", "busy_after", "bad_signature", "unsigned", "truncated",
]  # fmt: skip


@pytest.mark.parametrize("kind", UNCLEAR)
async def test_whatever_the_sandbox_does_to_an_answer_a_query_finds_the_truth(wallet, sandbox, kind):
    person = await told(sandbox.person, balance=5_000)
    wish = charge(await told(sandbox.code, person))
    await told(sandbox.fault, kind, method="alipay.trade.pay", times=1)
    assert isinstance(await wallet.pay(wish), Unknown)
    truth = await wallet.query(wish.number)
    balance = (await told(sandbox.people))[person]["balance"]
    assert isinstance(truth, Paid if balance < 5_000 else Absent)
    await wallet.cancel(wish.number)
    assert (await told(sandbox.people))[person]["balance"] == 5_000


async def test_a_request_that_the_sandbox_did_not_carry_out_is_declined_and_a_cancel_to_repeat_is_unknown(wallet, sandbox):
    person = await told(sandbox.person, balance=5_000)
    wish = charge(await told(sandbox.code, person))
    await told(sandbox.fault, "call_limited", method="alipay.trade.pay", times=1)
    limited = await wallet.pay(wish)
    assert isinstance(limited, Declined) and limited.who_fixes == "till"
    assert await wallet.query(wish.number) == Absent()
    await told(sandbox.fault, "retry_flag", method="alipay.trade.cancel", times=1)
    assert isinstance(await wallet.pay(wish), Paid)
    assert await wallet.cancel(wish.number) == Unknown("retry")
    assert await wallet.cancel(wish.number) == Cancelled("refund")


async def test_the_sandbox_refuses_a_key_that_is_not_the_apps(account, keys):
    stranger = AlipayWallet(replace(account, private_key=keys.other.bare()))
    refused = await stranger.pay(charge("281234567890123456"))
    assert isinstance(refused, Declined | Unknown) and "signature" in repr(refused)
    assert isinstance(await stranger.query("S1T1_nothing"), Unknown)
    await stranger.close()
