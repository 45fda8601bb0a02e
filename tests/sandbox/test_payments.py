"""Payments by code: codes that are good once, passwords, limits, repetition, and what a query tells."""

import pytest

from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox


def test_a_payment_by_code_takes_the_money_and_a_query_tells_the_same(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=10_000, logon_id="xiaoman@example.cn")
    node = merchant.pay(number, "88.80", sandbox.code(person), store_id="0017")
    assert (node["code"], node["total_amount"], node["receipt_amount"], node["buyer_pay_amount"]) == ("10000", "88.80", "88.80", "88.80")
    assert node["buyer_logon_id"] == "xia***@example.cn" and node["buyer_user_id"] == person
    assert node["fund_bill_list"] == [{"fund_channel": "ALIPAYACCOUNT", "amount": "88.80"}]
    assert sandbox.people()[person]["balance"] == 10_000 - 8_880
    asked = merchant.query(number)
    assert (asked["trade_status"], asked["trade_no"], asked["send_pay_date"]) == ("TRADE_SUCCESS", node["trade_no"], node["gmt_payment"])
    assert merchant.call("alipay.trade.query", {"trade_no": node["trade_no"], "out_trade_no": "another"})["out_trade_no"] == number


def test_a_code_is_good_once_and_for_a_minute_and_a_failure_uses_it_up(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=500)
    code = sandbox.code(person)
    assert merchant.pay(f"{number}a", "9.00", code)["sub_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    assert merchant.pay(f"{number}b", "1.00", code)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    code = sandbox.code(person)
    sandbox.advance(61)
    assert merchant.pay(f"{number}c", "1.00", code)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    assert sandbox.code(person) != code
    assert merchant.pay(f"{number}d", "1.00", "2899")["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    assert sandbox.people()[person]["balance"] == 500
    assert merchant.query(f"{number}a")["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_above_the_limit_the_payer_is_asked_for_the_password(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=90_000, password_above=5_000, password="135790")
    code = sandbox.code(person)
    node = merchant.pay(number, "60.00", code)
    assert node["code"] == "10003" and "gmt_payment" not in node
    assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"
    assert merchant.pay(number, "60.00", code)["code"] == "10003", "the same request again waits too"
    with pytest.raises(AssertionError, match="PASSWORD_WRONG"):
        sandbox.approve(node["trade_no"], "000000")
    assert sandbox.people()[person]["balance"] == 90_000
    sandbox.approve(node["trade_no"], "135790")
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    assert sandbox.people()[person]["balance"] == 84_000
    with pytest.raises(AssertionError, match="TRADE_STATUS_ERROR"):
        sandbox.approve(node["trade_no"], "135790")
    assert sandbox.people()[person]["balance"] == 84_000


@pytest.mark.parametrize(("closes", "state"), [("true", "TRADE_CLOSED"), ("false", "WAIT_BUYER_PAY")])
def test_who_declines_pays_nothing(sandbox: RunningSandbox, merchant: Merchant, number: str, closes: str, state: str) -> None:
    sandbox.switch(decline_closes=closes)
    person = sandbox.person(balance=90_000, password_above=0)
    sandbox.decline(merchant.pay(number, "5.00", sandbox.code(person))["trade_no"])
    assert merchant.query(number)["trade_status"] == state
    assert sandbox.people()[person]["balance"] == 90_000


def test_people_may_react_by_themselves(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    quick = sandbox.person(balance=900, password_above=0, reaction="approve", reaction_seconds=7)
    unwilling = sandbox.person(balance=900, password_above=0, reaction="decline", reaction_seconds=7)
    merchant.pay(f"{number}a", "5.00", sandbox.code(quick))
    merchant.pay(f"{number}b", "5.00", sandbox.code(unwilling))
    sandbox.advance(6)
    assert merchant.query(f"{number}a")["trade_status"] == merchant.query(f"{number}b")["trade_status"] == "WAIT_BUYER_PAY"
    sandbox.advance(2)
    assert merchant.query(f"{number}a")["trade_status"] == "TRADE_SUCCESS"
    assert merchant.query(f"{number}b")["trade_status"] == "TRADE_CLOSED"


def test_a_trade_that_nobody_pays_closes_itself(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(password_above=0)
    trade = merchant.pay(number, "5.00", sandbox.code(person), timeout_express="2m")["trade_no"]
    sandbox.advance(119)
    assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"
    sandbox.advance(2)
    assert merchant.query(number)["trade_status"] == "TRADE_CLOSED"
    with pytest.raises(AssertionError, match="TRADE_STATUS_ERROR"):
        sandbox.approve(trade)
    assert merchant.pay(number, "5.00", sandbox.code(person), timeout_express="2m")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


def test_a_number_stands_for_one_payment(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=5_000)
    assert merchant.pay(number, "5.00", sandbox.code(person))["code"] == "10000"
    fresh = sandbox.code(person)
    assert merchant.pay(number, "5.00", fresh)["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    assert merchant.pay(number, "6.00", fresh)["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    assert merchant.pay(number, "5.00", fresh, subject="Supper")["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    sandbox.switch(context_before_state="false")
    assert merchant.pay(number, "6.00", fresh)["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    assert sandbox.people()[person]["balance"] == 4_500
    assert merchant.pay(f"{number}x", "5.00", fresh)["code"] == "10000", "a refused repetition leaves the code alone"


def test_money_may_come_from_a_card_coupons_and_red_packets(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    coupons = [{"name": "立减", "amount": 300}, {"name": "平台补贴", "amount": 200, "borne_by": "alipay"}]
    person = sandbox.person(balance=100, card=10_000, coupons=coupons, red_packet=150)
    node = merchant.pay(number, "20.00", sandbox.code(person))
    assert (node["total_amount"], node["receipt_amount"], node["buyer_pay_amount"]) == ("20.00", "17.00", "13.50")
    assert {each["fund_channel"]: each["amount"] for each in node["fund_bill_list"]} == {
        "MDISCOUNT": "3.00", "DISCOUNT": "2.00", "COUPON": "1.50", "BANKCARD": "13.50",
    }  # fmt: skip
    after = sandbox.people()[person]
    assert (after["balance"], after["card"], after["red_packet"], after["coupons"]) == (100, 8_650, 0, [])


@pytest.mark.parametrize(
    ("fields", "sub_code"),
    [
        ({"balance": 100, "card": 100}, "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH"),
        ({"day_limit": 400}, "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR"),
        ({"blocked": True}, "ACQ.BUYER_ENABLE_STATUS_FORBID"),
        ({"face_payment_off": True}, "ACQ.USER_FACE_PAYMENT_SWITCH_OFF"),
    ],
)
def test_who_may_not_pay_does_not(sandbox: RunningSandbox, merchant: Merchant, number: str, fields: dict, sub_code: str) -> None:
    person = sandbox.person(**fields)
    before = sandbox.people()[person]
    assert merchant.pay(number, "5.00", sandbox.code(person))["sub_code"] == sub_code
    assert sandbox.people()[person] == before and not sandbox.trades(number)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_payment_refused_for_want_of_money_may_leave_a_trade(
    sandbox: RunningSandbox, merchant: Merchant, number: str, leaves: bool
) -> None:
    sandbox.switch(failed_pay_leaves_trade=leaves)
    person = sandbox.person(balance=100)
    assert merchant.pay(number, "5.00", sandbox.code(person))["sub_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    assert merchant.query(number).get("trade_status") == ("WAIT_BUYER_PAY" if leaves else None)
    sandbox.change_person(person, balance=900)
    assert merchant.pay(number, "5.00", sandbox.code(person))["code"] == "10000", "another code of the payer's still pays the number"
    assert sandbox.people()[person]["balance"] == 400


def test_a_face_pays_with_the_token_that_its_camera_got(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=900_000, password_above=0)
    token = sandbox.code(person, face=True)
    assert token.startswith("fp") and len(token) == 35
    assert merchant.pay(number, "2000.00", token, scene="security_code")["code"] == "10000"
    plain = merchant.pay(f"{number}b", "1.00", sandbox.code(person), scene="security_code")
    assert plain["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"total_amount": "0.00"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "1.234"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "100000000.01"}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"subject": "a=b"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": ""}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "has space"}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "x" * 65}, "ACQ.INVALID_PARAMETER"),
        ({"scene": "by_heart"}, "ACQ.INVALID_PARAMETER"),
        ({"timeout_express": "20d"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "2001-01-01 00:00:00"}, "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"),
        ({"product_code": "SOMETHING"}, "ACQ.ACCESS_FORBIDDEN"),
        ({"seller_id": "2088000000000000"}, "ACQ.ACCESS_FORBIDDEN"),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_the_code_alone(
    sandbox: RunningSandbox, merchant: Merchant, number: str, change: dict, sub_code: str
) -> None:
    person = sandbox.person(balance=9_000)
    business = {"out_trade_no": number, "total_amount": "1.00", "auth_code": sandbox.code(person), "subject": "S"} | change
    node = merchant.call("alipay.trade.pay", business)
    assert (node["code"], node["sub_code"]) == ("40004", sub_code)
    assert sandbox.people()[person]["balance"] == 9_000
    assert merchant.pay(f"{number}ok", "1.00", business["auth_code"])["code"] == "10000"
