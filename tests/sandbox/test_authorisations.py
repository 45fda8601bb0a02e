"""Frozen money: set aside by code or QR, captured in parts, released, cancelled, run out."""

import pytest

from tests.sandbox.listener import Listener
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox

FREEZE = "alipay.fund.auth.order.freeze"


def order(number: str, amount: str = "100.00", **more: str) -> dict:
    return {
        "out_order_no": number,
        "out_request_no": f"{number}f",
        "order_title": "入场",
        "amount": amount,
        "product_code": "PREAUTH_PAY",
    } | more


def frozen(sandbox: RunningSandbox, merchant: Merchant, number: str, **common: str) -> tuple[str, dict]:
    person = sandbox.person(balance=15_000)
    business = order(number, auth_code=sandbox.code(person), auth_code_type="bar_code")
    return person, merchant.call(FREEZE, business, **common)


def captured(merchant: Merchant, number: str, auth_no: str, amount: str, **more: str) -> dict:
    business = {"out_trade_no": number, "total_amount": amount, "subject": "S", "product_code": "PREAUTH_PAY", "auth_no": auth_no}
    return merchant.call("alipay.trade.pay", business | more)


def detail(merchant: Merchant, number: str) -> dict:
    return merchant.call("alipay.fund.auth.operation.detail.query", {"out_order_no": number, "out_request_no": f"{number}f"})


def test_a_freeze_is_captured_in_parts_and_the_rest_released(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    person, node = frozen(sandbox, merchant, number, notify_url=listener.url)
    assert (node["code"], node["status"], node["amount"]) == ("10000", "SUCCESS", "100.00")
    assert sandbox.people()[person]["balance"] == 5_000
    sandbox.advance(1)
    form = listener.forms[0]
    assert merchant.notice_is_genuine(form)
    told = (form["notify_type"], form["auth_no"], form["rest_amount"], form["total_freeze_amount"])
    assert told == ("fund_auth_freeze", node["auth_no"], "100.00", "100.00")
    assert captured(merchant, f"{number}1", node["auth_no"], "100.01")["sub_code"] == "ACQ.AUTH_AMOUNT_NOT_ENOUGH"
    assert captured(merchant, f"{number}1", node["auth_no"], "30.00")["code"] == "10000"
    assert captured(merchant, f"{number}1", node["auth_no"], "30.00")["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    found = detail(merchant, number)
    assert (found["order_status"], found["rest_amount"], found["total_pay_amount"]) == ("AUTHORIZED", "70.00", "30.00")
    assert captured(merchant, f"{number}2", node["auth_no"], "20.00", auth_confirm_mode="COMPLETE")["code"] == "10000"
    assert detail(merchant, number)["order_status"] == "FINISH"
    assert sandbox.people()[person]["balance"] == 10_000
    assert captured(merchant, f"{number}3", node["auth_no"], "1.00")["sub_code"] == "ACQ.AUTH_ORDER_HAS_FINISHED"
    assert merchant.query(f"{number}2")["trade_status"] == "TRADE_SUCCESS"


def test_a_freeze_by_qr_waits_for_the_payer(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    made = merchant.call("alipay.fund.auth.order.voucher.create", order(number))
    assert merchant.call("alipay.fund.auth.order.voucher.create", order(number))["code_value"] == made["code_value"]
    assert detail(merchant, number)["order_status"] == "INIT"
    person = sandbox.person(balance=10_000)
    auth_no = sandbox.scan(person, made["code_value"])["auth_no"]
    assert captured(merchant, f"{number}1", auth_no, "1.00")["sub_code"] == "ACQ.AUTH_ORDER_NOT_PAID"
    sandbox.approve_freeze(auth_no)
    assert detail(merchant, number)["order_status"] == "AUTHORIZED" and sandbox.people()[person]["balance"] == 0
    by_app = merchant.call("alipay.fund.auth.order.app.freeze", order(f"{number}x"))
    assert by_app["status"] == "INIT" and by_app["orderStr"]


def test_above_the_limit_a_freeze_asks_for_the_password_and_closes_unanswered(
    sandbox: RunningSandbox, merchant: Merchant, number: str
) -> None:
    person = sandbox.person(balance=15_000, password_above=100)
    node = merchant.call(FREEZE, order(number, auth_code=sandbox.code(person), pay_timeout="5m"))
    assert (node["code"], node["status"]) == ("10003", "INIT") and sandbox.people()[person]["balance"] == 15_000
    sandbox.advance(301)
    assert detail(merchant, number)["order_status"] == "CLOSED"
    with pytest.raises(AssertionError, match="STATUS_ERROR"):
        sandbox.approve_freeze(node["auth_no"])


def test_the_same_freeze_again_freezes_once_and_another_is_refused(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person, node = frozen(sandbox, merchant, number)
    again = merchant.call(FREEZE, order(number, auth_code=sandbox.code(person)))
    assert again["auth_no"] == node["auth_no"] and sandbox.people()[person]["balance"] == 5_000
    assert merchant.call(FREEZE, order(number, "100.01", auth_code=sandbox.code(person)))["code"] == "40004"
    poor = sandbox.person(balance=10)
    refused = merchant.call(FREEZE, order(f"{number}p", auth_code=sandbox.code(poor)))
    assert refused["sub_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    assert detail(merchant, f"{number}p")["sub_code"] == "AUTH_ORDER_NOT_EXIST"


def test_money_is_released_by_request_once(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person, node = frozen(sandbox, merchant, number)
    release = {"auth_no": node["auth_no"], "out_request_no": f"{number}u", "amount": "40.00", "remark": "出场"}
    assert merchant.call("alipay.fund.auth.order.unfreeze", release)["status"] == "SUCCESS"
    assert merchant.call("alipay.fund.auth.order.unfreeze", release)["status"] == "SUCCESS"
    assert sandbox.people()[person]["balance"] == 9_000
    more = release | {"out_request_no": f"{number}v", "amount": "60.01"}
    assert merchant.call("alipay.fund.auth.order.unfreeze", more)["sub_code"] == "UNFREEZE_AMOUNT_EXCEED"
    assert merchant.call("alipay.fund.auth.order.unfreeze", more | {"amount": "60.00"})["code"] == "10000"
    assert detail(merchant, number)["order_status"] == "FINISH"
    assert sandbox.people()[person]["balance"] == 15_000


def test_a_cancel_releases_what_is_frozen_and_closes_what_is_not(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    def cancel(number: str) -> dict:
        business = {"out_order_no": number, "out_request_no": f"{number}f", "remark": "撤销"}
        return merchant.call("alipay.fund.auth.operation.cancel", business)

    person, _ = frozen(sandbox, merchant, f"{number}a")
    assert cancel(f"{number}a")["action"] == cancel(f"{number}a")["action"] == "unfreeze"
    assert sandbox.people()[person]["balance"] == 15_000
    merchant.call("alipay.fund.auth.order.voucher.create", order(f"{number}b"))
    assert cancel(f"{number}b")["action"] == "close"
    _, node = frozen(sandbox, merchant, f"{number}c")
    captured(merchant, f"{number}c1", node["auth_no"], "1.00")
    assert cancel(f"{number}c")["code"] == "40004"


def test_a_freeze_ends_by_itself_after_its_days(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.switch(pre_authorisation_days=2)
    person, node = frozen(sandbox, merchant, number)
    sandbox.advance(2 * 86_400 + 1)
    assert sandbox.people()[person]["balance"] == 15_000
    assert captured(merchant, f"{number}1", node["auth_no"], "1.00")["sub_code"] == "ACQ.AUTH_ORDER_HAS_CLOSED"


def test_a_capture_names_the_right_authorisation_product_and_buyer(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    _, node = frozen(sandbox, merchant, number)
    assert captured(merchant, f"{number}1", "2026", "1.00")["sub_code"] == "ACQ.AUTH_NO_ERROR"
    wrong = captured(merchant, f"{number}2", node["auth_no"], "1.00", product_code="FACE_TO_FACE_PAYMENT")
    assert wrong["sub_code"] == "ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT"
    assert captured(merchant, f"{number}3", node["auth_no"], "1.00", buyer_id="2088")["sub_code"] == "ACQ.TRADE_BUYER_NOT_MATCH"
    assert detail(merchant, number)["rest_amount"] == "100.00"


def test_people_may_react_to_a_freeze_by_themselves(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    quick = sandbox.person(balance=15_000, password_above=0, reaction="approve")
    unwilling = sandbox.person(balance=15_000, reaction="decline")
    merchant.call(FREEZE, order(f"{number}a", auth_code=sandbox.code(quick)))
    made = merchant.call("alipay.fund.auth.order.voucher.create", order(f"{number}b"))
    sandbox.scan(unwilling, made["code_value"])
    assert detail(merchant, f"{number}a")["order_status"] == detail(merchant, f"{number}b")["order_status"] == "INIT"
    sandbox.advance(6)
    assert detail(merchant, f"{number}a")["order_status"] == "AUTHORIZED"
    assert detail(merchant, f"{number}b")["order_status"] == "CLOSED"
