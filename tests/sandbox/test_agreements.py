"""Agreements: asked for on a page, signed by a person, charged within their limits, ended by either side."""

import pytest

from tests.sandbox.listener import Listener
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox

SIGN = "alipay.user.agreement.page.sign"


def asked(merchant: Merchant, number: str, **more: object) -> dict:
    business = {
        "personal_product_code": "GENERAL_WITHHOLDING_P", "sign_scene": "INDUSTRY|MEMBER_SHOP", "external_agreement_no": number,
        "access_params": {"channel": "QRCODE"},
    }  # fmt: skip
    common = {name: str(more.pop(name)) for name in ("notify_url",) if name in more}
    return merchant.call(SIGN, business | more, **common)


def charged(merchant: Merchant, number: str, agreement_no: str, amount: str = "5.00", product: str = "GENERAL_WITHHOLDING") -> dict:
    business = {"out_trade_no": number, "total_amount": amount, "subject": "S", "product_code": product}
    return merchant.call("alipay.trade.pay", business | {"agreement_params": {"agreement_no": agreement_no}})


def test_an_agreement_is_signed_told_charged_and_ended(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    person = sandbox.person(balance=2_000)
    node = asked(merchant, number, notify_url=listener.url)
    assert node["pageRedirectionData"].startswith(f"{sandbox.url}/wallet/sign/")
    query = {"external_agreement_no": number}
    assert merchant.call("alipay.user.agreement.query", query)["status"] == "TEMP"
    signed = sandbox.sign(person, node["pageRedirectionData"])
    sandbox.advance(1)
    [form] = listener.forms
    assert merchant.notice_is_genuine(form)
    assert (form["notify_type"], form["status"], form["external_agreement_no"]) == ("dut_user_sign", "NORMAL", number)
    assert form["invalid_time"].startswith("2115-02-01") and form["alipay_user_id"] == person
    found = merchant.call("alipay.user.agreement.query", {"agreement_no": signed["agreement_no"]})
    assert (found["status"], found["agreement_no"]) == ("NORMAL", form["agreement_no"])
    assert charged(merchant, f"{number}a", form["agreement_no"])["code"] == "10000"
    assert charged(merchant, f"{number}a", form["agreement_no"])["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    assert charged(merchant, f"{number}b", form["agreement_no"], "15.01")["sub_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    assert sandbox.people()[person]["balance"] == 1_500
    assert merchant.call("alipay.user.agreement.unsign", {"agreement_no": form["agreement_no"]})["code"] == "10000"
    sandbox.advance(1)
    assert (listener.forms[-1]["notify_type"], listener.forms[-1]["status"]) == ("dut_user_unsign", "UNSIGN")
    assert charged(merchant, f"{number}c", form["agreement_no"])["sub_code"] == "ACQ.AGREEMENT_STATUS_NOT_NORMAL"
    assert merchant.call("alipay.user.agreement.query", query)["sub_code"] == "USER_AGREEMENT_NOT_EXIST"
    sandbox.switch(ended_agreement="STOP")
    assert merchant.call("alipay.user.agreement.query", query)["status"] == "STOP"
    assert sandbox.people()[person]["balance"] == 1_500


def test_the_page_is_where_a_browser_is_led(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    business = {
        "personal_product_code": "GENERAL_WITHHOLDING_P",
        "external_agreement_no": number,
        "access_params": {"channel": "ALIPAYAPP"},
    }
    answer = merchant.http.get(sandbox.gateway, params=merchant.signed(SIGN, business))
    assert answer.status_code == 302 and "/wallet/sign/" in answer.headers["location"]


def test_a_person_may_end_it_and_cannot_sign_twice(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(password="135790")
    page = asked(merchant, number)["pageRedirectionData"]
    with pytest.raises(AssertionError, match="PASSWORD_WRONG"):
        sandbox.sign(person, page, "000000")
    signed = sandbox.sign(person, page, "135790")
    with pytest.raises(AssertionError, match="STATUS_NOT_NORMAL"):
        sandbox.sign(person, page)
    assert asked(merchant, number)["sub_code"] == "ACQ.AGREEMENT_ERROR", "its number is taken"
    with pytest.raises(AssertionError, match="STATUS_NOT_NORMAL"):
        sandbox.end_agreement(sandbox.person(), signed["token"])
    sandbox.end_agreement(person, signed["token"])
    assert charged(merchant, number, signed["agreement_no"])["sub_code"] == "ACQ.AGREEMENT_STATUS_NOT_NORMAL"


def test_an_agreement_runs_out_without_a_word(sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str) -> None:
    page = asked(merchant, number, sign_validity_period="10d", notify_url=listener.url)["pageRedirectionData"]
    signed = sandbox.sign(sandbox.person(), page)
    sandbox.advance(11 * 86_400)
    assert len(listener.forms) == 1
    assert charged(merchant, number, signed["agreement_no"])["sub_code"] == "ACQ.AGREEMENT_INVALID"


def test_a_strangers_agreement_and_another_product_charge_nothing(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    signed = sandbox.sign(person := sandbox.person(balance=900), asked(merchant, number)["pageRedirectionData"])
    assert charged(merchant, f"{number}a", "2026")["sub_code"] == "ACQ.AGREEMENT_NOT_EXIST"
    assert charged(merchant, f"{number}b", "")["sub_code"] == "ACQ.AGREEMENT_NOT_EXIST"
    assert charged(merchant, f"{number}c", signed["agreement_no"], product="CYCLE_PAY_AUTH")["sub_code"] == "ACQ.AGREEMENT_ERROR"
    assert sandbox.people()[person]["balance"] == 900


def test_a_periodic_agreement_keeps_its_dates_and_sums(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    today = sandbox.ask("GET", "/clock")["now"][:10]
    rule = {"period_type": "DAY", "period": 7, "execute_time": today, "single_amount": "6.00", "total_amount": "11.00", "total_payments": 3}
    wanted = {"personal_product_code": "CYCLE_PAY_AUTH_P"}
    assert asked(merchant, f"{number}x", **wanted, period_rule_params=rule | {"period": 6})["code"] == "40004"
    page = asked(merchant, number, **wanted, period_rule_params=rule)["pageRedirectionData"]
    agreement = sandbox.sign(sandbox.person(), page)["agreement_no"]

    def charge(letter: str, amount: str) -> str:
        return charged(merchant, number + letter, agreement, amount, "CYCLE_PAY_AUTH").get("sub_code", "paid")

    assert charge("a", "6.01") == "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED"
    assert charge("b", "5.00") == "paid"
    sandbox.switch(charge_days_early=0)
    assert charge("c", "5.00") == "ACQ.CYCLE_PAY_DATE_NOT_MATCH"
    sandbox.advance(8 * 86_400)
    assert charge("d", "5.00") == "paid"
    sandbox.switch(charge_days_early=30)
    assert charge("e", "1.01") == "ACQ.CYCLE_PAY_TOTAL_FEE_EXCEED"
    assert charge("f", "0.50") == "paid"
    assert charge("g", "0.10") == "ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED"


def test_a_charge_may_be_taken_on_and_carried_out_later(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    sandbox.switch(asynchronous_charge_seconds=20)
    signed = sandbox.sign(person := sandbox.person(balance=900), asked(merchant, number)["pageRedirectionData"])

    def charge(letter: str, amount: str) -> dict:
        business = {
            "out_trade_no": number + letter, "total_amount": amount, "subject": "S", "product_code": "GENERAL_WITHHOLDING",
            "agreement_params": {"agreement_no": signed["agreement_no"]}, "pay_params": {"async_type": "NORMAL_ASYNC"},
        }  # fmt: skip
        return merchant.call("alipay.trade.pay", business, notify_url=listener.url)

    node = charge("a", "5.00")
    assert (node["code"], node["async_payment_mode"]) == ("10003", "NORMAL_ASYNC_PAYMENT")
    with pytest.raises(AssertionError, match="TRADE_STATUS_ERROR"):
        sandbox.approve(node["trade_no"])
    charge("b", "500.00")
    sandbox.advance(19)
    assert merchant.query(f"{number}a")["trade_status"] == "WAIT_BUYER_PAY" and sandbox.people()[person]["balance"] == 900
    sandbox.advance(2)
    assert merchant.query(f"{number}a")["trade_status"] == "TRADE_SUCCESS" and sandbox.people()[person]["balance"] == 400
    assert merchant.query(f"{number}b")["trade_status"] == "TRADE_CLOSED"
    assert [form["out_trade_no"] for form in listener.forms] == [f"{number}a"]
    charge("c", "1.00")
    sandbox.end_agreement(person, signed["token"])
    sandbox.advance(21)
    assert merchant.query(f"{number}c")["trade_status"] == "TRADE_CLOSED", "it was ended in between"
