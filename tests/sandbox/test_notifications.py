"""Notifications: what they say and how they are signed, when they come again, and what does not make them stop."""

import pytest

from tests.sandbox.listener import Listener
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox


def pay(sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str, **fields: object) -> tuple[str, dict]:
    person = sandbox.person(**{"balance": 100_000} | fields)
    return person, merchant.pay(number, "10.00", sandbox.code(person), notify_url=listener.url, passback_params="a%3D1")


def test_a_payment_is_told_and_the_signature_covers_all_but_itself(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    person, node = pay(sandbox, merchant, listener, number)
    sandbox.advance(1)
    [form] = listener.forms
    assert merchant.notice_is_genuine(form) and "alipay_cert_sn" not in form
    assert form["body"] == "", "empty values are sent and signed"
    expected = {
        "notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS", "out_trade_no": number, "trade_no": node["trade_no"],
        "total_amount": "10.00", "receipt_amount": "10.00", "app_id": sandbox.app_id, "seller_id": sandbox.seller_id, "buyer_id": person,
        "sign_type": "RSA2", "charset": "utf-8", "version": "1.0", "passback_params": "a%3D1", "gmt_payment": node["gmt_payment"],
    }  # fmt: skip
    assert expected.items() <= form.items()
    assert not merchant.notice_is_genuine(form | {"total_amount": "0.01"})
    sandbox.advance(30 * 3600)
    assert len(listener.forms) == 1, "success ends it"


def test_without_success_it_comes_eight_times_over_a_day(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    listener.answer = ["fail", "success\n", "SUCCESS", "<p>success</p>", "", "fail", "fail", "fail", "fail"]
    pay(sandbox, merchant, listener, number)
    sandbox.advance(1)
    arrived = [1]
    for gap in (240, 600, 600, 3600, 7200, 21_600, 54_000):
        sandbox.advance(gap - 2)
        arrived.append(len(listener.forms))
        sandbox.advance(2)
    assert arrived == [1, 1, 2, 3, 4, 5, 6, 7], "not sooner than its gap"
    assert len(listener.forms) == 8
    assert len({form["notify_id"] for form in listener.forms}) == 1
    assert all(merchant.notice_is_genuine(form) for form in listener.forms)
    sandbox.advance(40 * 3600)
    assert len(listener.forms) == 8
    assert [each["state"] for each in sandbox.notifications() if each["fields"]["out_trade_no"] == number] == ["given_up"]


@pytest.mark.parametrize("status", [201, 302, 500])
def test_only_status_200_counts_and_no_redirect_is_followed(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str, status: int
) -> None:
    listener.status = status
    pay(sandbox, merchant, listener, number)
    sandbox.advance(1)
    assert len(listener.forms) == 1
    listener.status = 200
    sandbox.advance(240)
    assert len(listener.forms) == 2
    sandbox.advance(3600)
    assert len(listener.forms) == 2


def test_a_partial_refund_tells_success_again_and_a_whole_one_nothing(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    pay(sandbox, merchant, listener, number)
    merchant.refund(number, "4.00", "r1")
    sandbox.advance(1)
    of_payment, of_refund = sorted(listener.forms, key=lambda form: "out_biz_no" in form)
    assert of_payment["trade_status"] == of_refund["trade_status"] == "TRADE_SUCCESS"
    assert (of_refund["out_biz_no"], of_refund["refund_fee"]) == ("r1", "4.00") and of_refund["gmt_refund"][-4] == "."
    assert of_payment["notify_id"] != of_refund["notify_id"] and "refund_fee" not in of_payment
    merchant.refund(number, "6.00", "r2")
    sandbox.advance(1)
    assert len(listener.forms) == 2
    assert merchant.query(number)["trade_status"] == "TRADE_CLOSED"


def test_switches_widen_and_narrow_what_is_told(sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str) -> None:
    sandbox.switch(barcode_notifies=False)
    pay(sandbox, merchant, listener, f"{number}a")
    sandbox.advance(1)
    assert listener.forms == []
    sandbox.switch(barcode_notifies=True, closed_notifies=True, full_refund_notifies=True, finished_notifies=True, notify_delay=30)
    pay(sandbox, merchant, listener, f"{number}b", password_above=0)
    merchant.cancel(f"{number}b")
    sandbox.advance(29)
    assert listener.forms == []
    sandbox.advance(2)
    assert [form["trade_status"] for form in listener.forms] == ["TRADE_CLOSED"]
    _, node = pay(sandbox, merchant, listener, f"{number}c")
    merchant.refund(f"{number}c", "10.00", "r1")
    sandbox.advance(31)
    assert sorted(form["trade_status"] for form in listener.forms[1:]) == ["TRADE_CLOSED", "TRADE_SUCCESS"]
    _, node = pay(sandbox, merchant, listener, f"{number}d")
    sandbox.ask("POST", f"/trades/{node['trade_no']}/finish", {})
    sandbox.advance(31)
    assert {form["trade_status"] for form in listener.forms[3:]} == {"TRADE_SUCCESS", "TRADE_FINISHED"}


def test_a_closed_or_finished_trade_is_not_told_by_default(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    pay(sandbox, merchant, listener, f"{number}a", password_above=0)
    merchant.cancel(f"{number}a")
    _, node = pay(sandbox, merchant, listener, f"{number}b")
    sandbox.ask("POST", f"/trades/{node['trade_no']}/finish", {})
    sandbox.advance(1)
    assert [(form["trade_status"], form["out_trade_no"]) for form in listener.forms] == [("TRADE_SUCCESS", f"{number}b")]


def test_a_trade_finishes_after_its_days_or_never(sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str) -> None:
    sandbox.switch(finish_after_days=2)
    pay(sandbox, merchant, listener, number)
    sandbox.advance(2 * 86_400 - 60)
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    sandbox.switch(finish_after_days=0)
    sandbox.advance(120)
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    sandbox.switch(finish_after_days=2)
    assert merchant.query(number)["trade_status"] == "TRADE_FINISHED"


def test_nothing_is_sent_to_a_host_that_was_not_named(sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str) -> None:
    listener.url = "http://notify.example.com/x"
    pay(sandbox, merchant, listener, number)
    sandbox.advance(1)
    [sent] = [each for each in sandbox.notifications() if each["fields"]["out_trade_no"] == number]
    assert sent["answers"][0].startswith("not sent")


@pytest.mark.parametrize(("by", "there", "absent"), [("user_id", "buyer_id", "buyer_open_id"), ("open_id", "buyer_open_id", "buyer_id")])
def test_the_payer_is_named_as_the_switch_says(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str, by: str, there: str, absent: str
) -> None:
    sandbox.switch(payer_named_by=by)
    _, node = pay(sandbox, merchant, listener, number)
    sandbox.advance(1)
    assert there in listener.forms[0] and absent not in listener.forms[0]
    assert ("buyer_user_id" in node, "buyer_open_id" in node) == (by == "user_id", by == "open_id")
