"""Our client against the sandbox Alipay over HTTP: two implementations that share nothing, from payment to refund and back."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from aiohttp import web

from hutong.payments.alipay import AlipayAccount, AlipayWallet, agreements, authorisations, splits
from hutong.payments.alipay.agreements import Agreement, Ended
from hutong.payments.alipay.authorisations import Freeze, FreezeOver, FreezeUndone, FreezeWaiting, Frozen, Released
from hutong.payments.alipay.splits import Bound, Part, Receiver, Split, SplitState
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


async def test_of_a_payment_with_a_coupon_the_retailers_part_neither_comes_nor_goes(wallet, sandbox):
    person = await told(sandbox.person, balance=10_000, coupons=[{"name": "coupon", "amount": 230}], red_packet=100)
    wish = charge(await told(sandbox.code, person))
    paid = await wallet.pay(wish)
    assert isinstance(paid, Paid) and (paid.amount, paid.receipt_amount, paid.buyer_paid) == (1230, 1000, 900)
    assert await wallet.query(wish.number) == paid
    back = await wallet.refund(wish.number, "R1", 1230, "all")
    assert isinstance(back, Refunded) and (back.amount, back.from_receipt) == (1230, 1000)
    assert await wallet.refund_query(wish.number, "R1") == back


async def test_an_agreement_is_signed_told_charged_and_ended(wallet, sandbox, notices):
    person = await told(sandbox.person, balance=10_000)
    url = agreements.signing_url(wallet.client, "A_1", "INDUSTRY|MEMBER_SHOP")
    async with wallet.client.session.get(url, allow_redirects=False) as response:
        page = response.headers["Location"]
    waiting = await agreements.query_agreement(wallet.client, "A_1")
    assert isinstance(waiting, Agreement) and waiting.state == "waiting"
    await told(sandbox.sign, person, page)
    notice = await next_notice(wallet, notices)
    number = dict(notice.fields)["agreement_no"]
    assert (notice.kind, notice.number, dict(notice.fields)["status"]) == ("agreement", "A_1", "NORMAL")
    signed = await agreements.query_agreement(wallet.client, "A_1")
    assert isinstance(signed, Agreement) and (signed.state, signed.agreement_no) == ("active", number) and signed.valid_until is not None
    wish = replace(charge(), agreement=number)
    assert isinstance(await wallet.pay(wish), Paid)
    assert await agreements.end_agreement(wallet.client, number) == Ended()
    refused = await wallet.pay(replace(charge(), agreement=number))
    assert isinstance(refused, Declined) and refused.code == "AGREEMENT_STATUS_NOT_NORMAL"
    assert await agreements.query_agreement(wallet.client, "A_1") == Absent()
    assert (await told(sandbox.people))[person]["balance"] == 10_000 - 1230


async def test_an_amount_is_frozen_captured_in_parts_and_released(wallet, sandbox, notices):
    person = await told(sandbox.person, balance=10_000)
    wish = Freeze("F_1", "F_1_1", 5_000, "Parking")
    frozen = await authorisations.freeze(wallet.client, wish, await told(sandbox.code, person))
    assert isinstance(frozen, Frozen) and (frozen.amount, frozen.rest) == (5_000, 5_000)
    notice = await next_notice(wallet, notices)
    assert (notice.kind, notice.number) == ("authorisation", "F_1") and dict(notice.fields)["auth_no"] == frozen.auth_no
    assert isinstance(await wallet.pay(replace(charge(amount=2_000), authorisation=frozen.auth_no)), Paid)
    left = await authorisations.query_freeze(wallet.client, "F_1", "F_1_1")
    assert isinstance(left, Frozen) and (left.amount, left.rest, left.captured) == (5_000, 3_000, 2_000)
    too_much = await wallet.pay(replace(charge(amount=3_001), authorisation=frozen.auth_no))
    assert isinstance(too_much, Declined) and too_much.code == "AUTH_AMOUNT_NOT_ENOUGH"
    for _ in range(2):
        given = await authorisations.release(wallet.client, frozen.auth_no, "U_1", 500, "less")
        assert isinstance(given, Released) and given.amount == 500
    assert isinstance(await authorisations.release(wallet.client, frozen.auth_no, "U_2", 2_501, "more"), Declined)
    assert isinstance(await wallet.pay(replace(charge(amount=1_000), authorisation=frozen.auth_no, release_rest=True)), Paid)
    assert await authorisations.query_freeze(wallet.client, "F_1", "F_1_1") == FreezeOver("finished", 3_000)
    assert (await told(sandbox.people))[person]["balance"] == 7_000
    assert await authorisations.query_freeze(wallet.client, "F_2", "F_2_1") == Absent()
    assert await authorisations.undo_freeze(wallet.client, "F_2", "F_2_1", "x") == FreezeUndone(None)


async def test_a_freeze_with_password_waits_and_an_unclear_one_is_undone(wallet, sandbox):
    person = await told(sandbox.person, balance=10_000, password_above=0)
    waiting = await authorisations.freeze(wallet.client, Freeze("F_3", "F_3_1", 5_000, "Parking"), await told(sandbox.code, person))
    assert isinstance(waiting, FreezeWaiting)
    await told(sandbox.approve_freeze, waiting.auth_no)
    assert isinstance(await authorisations.query_freeze(wallet.client, "F_3", "F_3_1"), Frozen)
    assert await authorisations.undo_freeze(wallet.client, "F_3", "F_3_1", "x") == FreezeUndone("unfreeze")
    shown = await authorisations.show_freeze_qr(wallet.client, Freeze("F_4", "F_4_1", 5_000, "Parking"))
    assert isinstance(shown, QrCode)
    assert await authorisations.undo_freeze(wallet.client, "F_4", "F_4_1", "x") == FreezeUndone("close")
    assert await authorisations.query_freeze(wallet.client, "F_4", "F_4_1") == FreezeOver("closed")
    assert (await told(sandbox.people))[person]["balance"] == 10_000


async def test_a_paid_trade_is_split_and_the_rest_set_free(wallet, sandbox):
    brand = "2088000000000777"
    assert await splits.bind_receivers(wallet.client, "B_1", [Receiver("userId", brand)]) == Bound()
    assert await splits.most_ratio(wallet.client, "Q_1") == 3_000
    wish = replace(charge(await told(sandbox.code, await told(sandbox.person, balance=20_000)), amount=10_000), splits=True)
    paid = await wallet.pay(wish)
    assert isinstance(paid, Paid)
    assert isinstance(
        await splits.split(wallet.client, paid.trade_no, "S_1", [Part("userId", brand, 1_000)], last=False), Unknown
    )  # too soon
    await told(sandbox.advance, 31)
    assert isinstance(await splits.split(wallet.client, paid.trade_no, "S_1", [Part("userId", brand, 3_001)], last=False), Declined)
    done = await splits.split(wallet.client, paid.trade_no, "S_2", [Part("userId", brand, 1_000)], last=False)
    assert isinstance(done, Split)
    assert await splits.split(wallet.client, paid.trade_no, "S_2", [Part("userId", brand, 1_000)], last=False) == done
    state = await splits.query_split(wallet.client, paid.trade_no, "S_2")
    assert isinstance(state, SplitState) and [(part.account, part.amount, part.state) for part in state.parts] == [(brand, 1_000, "done")]
    assert await splits.unsettled(wallet.client, paid.trade_no) == 9_000
    assert isinstance(await splits.split(wallet.client, paid.trade_no, "S_3", []), Split)
    assert await splits.unsettled(wallet.client, paid.trade_no) == 0
    assert await splits.query_split(wallet.client, paid.trade_no, "S_9") == Absent()


async def test_a_days_bill_is_fetched_once_it_is_there(wallet, sandbox):
    start = datetime.fromisoformat((await told(sandbox.ask, "GET", "/clock"))["now"].replace("Z", "+00:00"))
    today = (start + timedelta(hours=8)).date()
    assert await wallet.fetch_bill(today) is None
    assert isinstance(await wallet.pay(charge(await told(sandbox.code, await told(sandbox.person, balance=2_000)))), Paid)
    await told(sandbox.advance, 34 * 3600)
    content = await wallet.fetch_bill(today)
    assert content is not None and len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 2
    movements = await wallet.fetch_bill(today, "signcustomer")
    assert movements is not None and movements != content


async def test_the_sandbox_refuses_a_key_that_is_not_the_apps(account, keys):
    stranger = AlipayWallet(replace(account, private_key=keys.other.bare()))
    refused = await stranger.pay(charge("281234567890123456"))
    assert isinstance(refused, Declined | Unknown) and "signature" in repr(refused)
    assert isinstance(await stranger.query("S1T1_nothing"), Unknown)
    await stranger.close()
