"""Notifications at the door: proven ones act once, whenever and however often they come; of all others people are told, and nothing moves."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

from hutong.kernel.ids import uuid7
from hutong.payments import floods, notify
from tests.conftest import Person
from tests.payments.noticing import Noticing, posted
from tests.payments.support import add_account, payment, refund
from tests.support.network import Network
from tests.support.sandbox import app_keys

pytestmark = pytest.mark.usefixtures("wallet")


@pytest.fixture
def notices(app, client, owner, sandbox) -> Noticing:
    return Noticing(client, owner, sandbox, app)


@pytest.fixture
def till(with_key: Person, network: Network) -> Any:
    return with_key(network.till.key)


async def unanswered(till, sandbox, payer, **fields: Any) -> dict[str, Any]:
    """A payment that the wallet carried out and whose answer was lost."""
    sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
    taken: dict[str, Any] = (await till.post("/v1/payments", json=payment(sandbox.code(payer())) | fields)).json()
    assert taken["state"] == "unknown", taken
    return taken


async def state_of(till, taken: dict[str, Any]) -> str:
    return str((await till.get(f"/v1/payments/{taken['id']}")).json()["state"])


async def test_a_proven_success_is_answered_with_seven_bytes_and_books_once_however_often_it_comes(notices, till, sandbox, payer):
    taken = await unanswered(till, sandbox, payer)
    body = posted(notices.fields(taken))
    answers = await asyncio.gather(*(notices.post(body) for _ in range(8)))
    assert {answer.content for answer in answers} == {b"success"}
    assert {(answer.status_code, answer.headers["content-type"].partition(";")[0]) for answer in answers} == {(200, "text/plain")}
    assert (await notices.post(body)).content == b"success"
    assert await notices.tell(taken) == b"success"  # the same success under another id
    assert await state_of(till, taken) == "paid"
    assert sorted(notices.money().values()) == [-1_990, 1_990]
    assert (notices.count("posting", "kind = 'payment.paid'"), notices.count("event", "kind = 'payment.paid'")) == (1, 1)
    assert (notices.count("wallet_notice"), notices.count("payment_alarm"), notices.count("payment_due")) == (2, 0, 0)


def forgeries(notices: Noticing, taken: dict[str, Any], other_app: dict[str, Any]) -> dict[str, bytes]:
    """What nobody may be believed, by what is wrong with it. Each would make the payment paid, were it believed."""
    good, fields = posted(notices.fields(taken)), notices.fields(taken)
    more = f"{int(taken['amount']) / 100 + 0.01:.2f}"
    unsigned = urlencode(fields).encode()
    number = taken["number"]
    return {
        "signed with the app's own key": posted(fields, key=app_keys()[0]),
        "another amount, unsigned": good.replace(b"19.90", b"99.90"),
        "another amount, signed": posted(notices.fields(taken, total_amount=more)),
        "no amount": posted(notices.fields(taken, total_amount="")),
        "another seller": posted(notices.fields(taken, seller_id="2088000000000009")),
        "no seller": posted(notices.fields(taken, seller_id="")),
        "an app that nobody has": posted(notices.fields(taken, app_id="2021000000000000")),
        "another retailer's app and seller": posted(notices.fields(taken, app_id=other_app["app_id"], seller_id=other_app["seller_id"])),
        "another currency": posted(notices.fields(taken, trans_currency="USD")),
        "another payment's number": posted(notices.fields(taken, out_trade_no=number[:-32] + uuid7().hex)),
        "another till's number": posted(notices.fields(taken, out_trade_no=number.replace("T", "T1"))),
        "a number in another script": posted(notices.fields(taken, out_trade_no="Ｓ" + number[1:])),
        "no signature": unsigned + b"&sign_type=RSA2",
        "no signature and no type": unsigned,
        "no type of signature": good.replace(b"&sign_type=RSA2", b""),
        "a weaker signature's type": good.replace(b"sign_type=RSA2", b"sign_type=RSA"),
        "a field twice": good + b"&total_amount=19.90",
        "another charset than signed": good.replace(b"charset=utf-8", b"charset=gbk"),
        "64 KiB": posted(notices.fields(taken, body="x" * 65_000)) + b"&y=" + b"z" * 1_000,
        "NUL in its claim": urlencode({"app_id": "a\0b", "out_trade_no": "\0", "seller_id": "\x1b[31m"}).encode(),
    }  # fmt: skip


async def test_forged_and_replayed_notifications_are_refused_with_an_alarm_each_and_change_nothing(
    notices, till, sandbox, payer, app, network
):
    other_app = sandbox.add_app(public_key=app_keys()[1])
    await add_account(app, network.two.id, sandbox, app_id=other_app["app_id"], seller_id=other_app["seller_id"])
    taken = await unanswered(till, sandbox, payer)
    events = notices.count("payment_event")
    wrong = {}
    for what, body in forgeries(notices, taken, other_app).items():
        before = notices.count("payment_alarm")
        answer = await notices.post(body)
        outcome = (answer.status_code, answer.content, notices.count("payment_alarm") - before)
        if outcome != (200, b"fail", 1):
            wrong[what] = outcome
    assert wrong == {}
    assert await state_of(till, taken) == "unknown"
    assert (notices.count("payment_event"), notices.count("wallet_notice"), notices.count("posting")) == (events, 0, 0)
    # Whose app it named is told; whoever named none tells nobody but the operator.
    whose = dict(notices.owner.execute("select coalesce(retailer_id, 0), count(*) from payment_alarm group by 1").fetchall())
    assert whose[network.two.id] == 1 and whose[0] >= 2 and whose[network.one.id] > 10
    for odd in (b"", b"\xff\xfe\0", b"a=%ff", b"&" * 500, b"<xml/>"):
        answer = await notices.post(odd)
        assert (answer.status_code, answer.content) == (200, b"fail"), odd
    too_long = await notices.post(b"a=" + b"x" * (1024 * 1024))
    assert too_long.status_code == 413 and too_long.content != b"success"
    assert await notices.tell(taken) == b"success"


async def test_a_flood_of_forged_ones_fills_neither_the_disk_nor_others_alarms(notices, app, clients):
    kept_back = notify.KEPT_BACK._value.get()
    for number in range(60):
        assert (await notices.post(f"app_id=1&x={number}".encode())).content == b"fail"
    assert notices.count("payment_alarm") == floods.SENDER_BURST
    assert notify.KEPT_BACK._value.get() - kept_back == 60 - floods.SENDER_BURST
    inbox = app.state.payment_inbox
    await inbox.alarm("from elsewhere", b"app_id=1", "203.0.113.9")
    assert notices.count("payment_alarm") == floods.SENDER_BURST + 1


async def test_news_before_the_payments_own_answer_and_after_it_books_once(notices, till, sandbox, payer):
    sandbox.fault("delay_after", method="alipay.trade.pay", seconds=30, times=1)
    document = payment(sandbox.code(payer()))
    asking = asyncio.create_task(till.post("/v1/payments", json=document))
    while not (
        found := await asyncio.to_thread(
            lambda: [each for each in sandbox.trades() if each["number"].endswith(document["id"].replace("-", ""))]
        )
    ):
        await asyncio.sleep(0.01)
    taken = document | {"number": found[0]["number"]}
    assert await notices.tell(taken) == b"success"
    assert await state_of(till, taken) == "paid"
    await asyncio.to_thread(sandbox.advance, 30)
    assert (await asking).json()["state"] == "paid"
    assert notices.count("posting") == 1 and notices.count("payment_event", "kind = 'paid'") >= 1


async def test_news_of_a_payment_that_is_not_there_yet_is_taken_when_it_comes_again(notices, till, sandbox, payer, network):
    document = payment("281234567890123456")
    number = f"S{network.store.id}T{network.till.id}_{document['id'].replace('-', '')}"
    body = posted(notices.fields(document | {"number": number}))
    assert (await notices.post(body)).content == b"fail"
    sandbox.fault("drop_before", method="alipay.trade.pay", times=1)
    taken = (await till.post("/v1/payments", json=document)).json()
    assert (taken["number"], taken["state"]) == (number, "unknown")
    assert (await notices.post(body)).content == b"success"
    assert await state_of(till, taken) == "paid"


async def test_a_process_that_dies_between_acting_and_keeping_acts_once_when_it_comes_again(notices, till, sandbox, payer, owner):
    taken = await unanswered(till, sandbox, payer)
    body = posted(notices.fields(taken))
    owner.execute("revoke insert on wallet_notice from hutong_app")
    answer = await notices.post(body)
    assert answer.status_code == 500 and answer.content != b"success"
    assert await state_of(till, taken) == "paid"
    owner.execute("grant insert on wallet_notice to hutong_app")
    assert (await notices.post(body)).content == b"success"
    assert (notices.count("posting"), notices.count("wallet_notice")) == (1, 1)


async def test_a_partial_refunds_repeated_success_is_the_refunds_news(notices, till, sandbox, payer):
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    sandbox.fault("drop_after", method="alipay.trade.refund", times=1)
    wish = refund(taken, 990)
    assert (await till.post("/v1/refunds", json=wish)).json()["state"] == "unknown"
    news = {"gmt_refund": "2026-03-01 11:00:00.123", "refund_fee": "9.90", "out_biz_no": wish["id"].replace("-", "")}
    assert await notices.tell(taken, **news) == b"success"
    assert notices.count("payment_due", "refund_id::text = '" + wish["id"] + "' and due_at <= now()") == 1  # asked about at once
    await notices.work(2)
    shown = (await till.get(f"/v1/payments/{taken['id']}")).json()
    assert (shown["state"], shown["refunded"], shown["refund_pending"]) == ("paid", 990, 0)
    for _ in range(3):
        assert await notices.tell(taken, **news) == b"success"
    assert sorted(notices.money().values()) == [-1_000, 1_000]
    elsewhere = news | {"refund_fee": "10.00", "out_biz_no": "made-in-the-portal"}
    assert await notices.tell(taken, **elsewhere) == b"success"
    assert (await till.get(f"/v1/payments/{taken['id']}")).json()["refunded"] == 990


async def test_a_stale_success_after_everything_went_back_changes_nothing(notices, till, sandbox, payer):
    customer = payer()
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(customer)))).json()
    assert (await till.post("/v1/refunds", json=refund(taken, 1_990))).json()["state"] == "done"
    before = notices.count("payment_event")
    assert await notices.tell(taken) == b"success"
    assert await notices.tell(taken, trade_status="TRADE_CLOSED", gmt_refund="2026-03-01 12:00:00") == b"success"
    assert await notices.tell(taken, trade_status="TRADE_FINISHED") == b"success"
    shown = (await till.get(f"/v1/payments/{taken['id']}")).json()
    assert (shown["state"], shown["refunded"]) == ("paid", 1_990)
    assert notices.money() == {} and notices.count("payment_event") == before
    assert sandbox.people()[customer]["balance"] == 1_000_000


async def test_a_success_after_the_till_was_told_otherwise_is_given_back_once(notices, till, sandbox, payer):
    customer = payer()
    sandbox.fault("late", method="alipay.trade.pay", seconds=30, times=1)
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(customer)))).json()
    assert (await till.post(f"/v1/payments/{taken['id']}:cancel")).json()["state"] == "cancelled"
    await asyncio.to_thread(sandbox.advance, 31)
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 1_990
    answers = await asyncio.gather(*(notices.tell(taken) for _ in range(5)))
    assert set(answers) == {b"success"}
    assert await state_of(till, taken) == "refunding"
    await notices.work(2)
    assert await state_of(till, taken) == "refunded"
    assert sandbox.people()[customer]["balance"] == 1_000_000
    assert notices.money() == {}
    assert (notices.count("payment_refund"), notices.count("posting", "kind = 'payment.late'")) == (1, 1)
    assert notices.count("payment_alarm", "kind = 'payment'") == 1


async def test_a_success_that_the_wallet_itself_denies_moves_no_money(notices, till, sandbox, payer):
    """Proven or not, where the till was told otherwise only the wallet's own answer moves money."""
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer(balance=5))))).json()
    assert taken["state"] == "declined"
    assert await notices.tell(taken) == b"success"
    assert await state_of(till, taken) == "declined"
    assert (notices.money(), notices.count("payment_refund")) == ({}, 0)


async def test_an_account_that_was_added_a_moment_ago_is_known(notices, app, network, sandbox):
    await app.state.payments.wallets.active(network.one.id, "alipay")
    made = sandbox.add_app(public_key=app_keys()[1])
    await add_account(app, network.two.id, sandbox, app_id=made["app_id"], seller_id=made["seller_id"])
    app.state.payments.wallets._read_at -= 1  # half a second is over
    fields = notices.fields({"amount": 1, "number": "x"}, app_id=made["app_id"], seller_id=made["seller_id"], notify_type="something_else")
    assert (await notices.post(posted(fields))).content == b"success"


async def test_a_browsers_session_is_no_key_to_it_and_opens_nothing(notices, as_person, clients, till, sandbox, payer):
    taken = await unanswered(till, sandbox, payer)
    office = as_person("office")
    assert (await notices.post(posted(notices.fields(taken), key=app_keys()[0]), office)).content == b"fail"
    without_token = clients(cookies=office.cookies)
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await without_token.post(
            "/alipay/notify",
            content=posted(notices.fields(taken)),
            headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert await state_of(till, taken) == "unknown"
    for method in ("GET", "PUT"):
        assert (await notices.client.request(method, "/alipay/notify")).status_code == 405
