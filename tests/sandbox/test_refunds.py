"""Refunds and cancels: what goes back, once, and what a repetition or a stranger's number is told."""

import pytest

from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox


def paid(sandbox: RunningSandbox, merchant: Merchant, number: str, amount: str = "10.00", **fields: object) -> tuple[str, dict]:
    person = sandbox.person(**{"balance": 100_000} | fields)
    node = merchant.pay(number, amount, sandbox.code(person))
    assert node["code"] == "10000", node
    return person, node


def test_refunds_in_part_add_up_and_the_last_closes_the_trade(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person, _ = paid(sandbox, merchant, number)
    first = merchant.refund(number, "3.00", "r1")
    assert (first["fund_change"], first["refund_fee"], first["send_back_fee"]) == ("Y", "3.00", "3.00")
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    again = merchant.refund(number, "3.00", "r1")
    assert (again["code"], again["fund_change"], again["refund_fee"]) == ("10000", "N", "3.00")
    assert merchant.refund(number, "3.01", "r1")["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert merchant.refund(number, "7.01", "r2")["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    assert merchant.refund(number, "7.00", "r2")["refund_fee"] == "10.00"
    assert merchant.query(number)["trade_status"] == "TRADE_CLOSED" and "send_pay_date" in merchant.query(number)
    assert sandbox.people()[person]["balance"] == 100_000
    assert merchant.refund(number, "0.01", "r3")["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    assert sandbox.people()[person]["balance"] == 100_000


def test_a_partial_refund_needs_a_number_and_a_whole_one_takes_the_trades(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    paid(sandbox, merchant, number)
    without = {"out_trade_no": number, "refund_amount": "1.00"}
    assert merchant.call("alipay.trade.refund", without)["sub_code"] == "ACQ.INVALID_PARAMETER"
    assert merchant.call("alipay.trade.refund", without | {"refund_amount": "10.01"})["code"] == "40004"
    assert merchant.call("alipay.trade.refund", without | {"refund_amount": "10.00"})["fund_change"] == "Y"
    asked = merchant.call("alipay.trade.fastpay.refund.query", {"out_trade_no": number, "out_request_no": number})
    assert asked["refund_status"] == "REFUND_SUCCESS"


def test_a_refund_query_without_a_status_means_there_was_none(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    paid(sandbox, merchant, number)
    ask = {"out_trade_no": number, "out_request_no": "r1", "query_options": ["gmt_refund_pay"]}
    asked = merchant.call("alipay.trade.fastpay.refund.query", ask)
    assert asked["code"] == "10000" and "refund_status" not in asked
    merchant.refund(number, "4.00", "r1")
    asked = merchant.call("alipay.trade.fastpay.refund.query", ask)
    assert (asked["refund_status"], asked["refund_amount"], asked["total_amount"]) == ("REFUND_SUCCESS", "4.00", "10.00")
    assert asked["gmt_refund_pay"]
    strange = merchant.call("alipay.trade.fastpay.refund.query", {"out_trade_no": "nobodys", "out_request_no": "r1"})
    assert strange["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_discounts_go_back_in_proportion_and_sum_to_the_fen(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person, node = paid(sandbox, merchant, number, coupons=[{"name": "减", "amount": 100}], red_packet=33)
    assert node["receipt_amount"] == "9.00"
    nodes = [merchant.refund(number, amount, f"r{amount}") for amount in ("3.33", "3.32", "3.35")]
    assert sum(int(each["send_back_fee"].replace(".", "")) for each in [nodes[0]]) == 300
    parts = [[int(each[f"present_refund_{of}_amount"].replace(".", "")) for of in ("buyer", "discount", "mdiscount")] for each in nodes]
    assert [sum(column) for column in zip(*parts, strict=True)] == [867, 33, 100]
    assert [sum(row) for row in parts] == [333, 332, 335]
    assert sandbox.people()[person]["balance"] == 100_000


def test_a_refund_needs_money_at_the_seller_unless_it_may_overdraw(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person, _ = paid(sandbox, merchant, number)
    sandbox.seller_balance(100)
    assert merchant.refund(number, "5.00", "r1")["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert merchant.cancel(number)["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert sandbox.people()[person]["balance"] == 99_000
    sandbox.switch(seller_may_overdraw=True)
    assert merchant.refund(number, "5.00", "r1")["fund_change"] == "Y"
    assert sandbox.people()[person]["balance"] == 99_500


def test_a_refund_may_take_its_time(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.switch(refund_takes=30)
    person, _ = paid(sandbox, merchant, number)
    assert merchant.refund(number, "4.00", "r1")["fund_change"] == "N"
    ask = {"out_trade_no": number, "out_request_no": "r1"}
    assert "refund_status" not in merchant.call("alipay.trade.fastpay.refund.query", ask)
    assert merchant.refund(number, "7.00", "r2")["code"] == "40004", "what is under way counts"
    sandbox.advance(31)
    assert merchant.call("alipay.trade.fastpay.refund.query", ask)["refund_status"] == "REFUND_SUCCESS"
    assert sandbox.people()[person]["balance"] == 99_400


def test_a_finished_trade_takes_no_refund(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    _, node = paid(sandbox, merchant, number)
    sandbox.ask("POST", f"/trades/{node['trade_no']}/finish", {})
    assert merchant.query(number)["trade_status"] == "TRADE_FINISHED"
    assert merchant.refund(number, "1.00", "r1")["sub_code"] == "ACQ.TRADE_HAS_FINISHED"
    assert merchant.cancel(number)["sub_code"] == "ACQ.TRADE_HAS_FINISHED"


def test_a_cancel_gives_back_what_was_paid_once(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person, _ = paid(sandbox, merchant, number)
    node = merchant.cancel(number)
    assert (node["code"], node["retry_flag"], node["action"]) == ("10000", "N", "refund")
    assert sandbox.people()[person]["balance"] == 100_000
    assert merchant.cancel(number)["action"] == "close"
    sandbox.switch(repeated_cancel_action="refund")
    assert merchant.cancel(number)["action"] == "refund"
    assert sandbox.people()[person]["balance"] == 100_000
    assert merchant.query(number)["trade_status"] == "TRADE_CLOSED"
    assert merchant.pay(number, "10.00", sandbox.code(person))["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


@pytest.mark.parametrize("named", ["out_trade_no", "trade_no", "empty"])
def test_the_refund_of_a_cancel_is_called_as_the_switch_says(sandbox: RunningSandbox, merchant: Merchant, number: str, named: str) -> None:
    sandbox.switch(cancel_refund_number=named)
    _, node = paid(sandbox, merchant, number)
    merchant.cancel(number)
    expected = {"out_trade_no": number, "trade_no": node["trade_no"], "empty": ""}[named]
    assert [each["number"] for each in sandbox.trades(number)[0]["refunds"]] == [expected]


def test_a_cancel_closes_what_waits(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(password_above=0)
    trade = merchant.pay(number, "10.00", sandbox.code(person))["trade_no"]
    assert merchant.cancel(number)["action"] == "close"
    with pytest.raises(AssertionError, match="TRADE_STATUS_ERROR"):
        sandbox.approve(trade)


@pytest.mark.parametrize(("switch", "code"), [("succeeds", "10000"), ("refused", "40004")])
def test_a_cancel_of_an_unseen_number_does_nothing_and_what_comes_after_is_a_switch(
    sandbox: RunningSandbox, merchant: Merchant, number: str, switch: str, code: str
) -> None:
    sandbox.switch(pay_after_unseen_cancel=switch)
    node = merchant.cancel(number)
    assert node["code"] == "10000" and "action" not in node and "trade_no" not in node
    person = sandbox.person(balance=5_000)
    late = merchant.pay(number, "10.00", sandbox.code(person))
    assert late["code"] == code and late.get("sub_code", "ACQ.TRADE_HAS_CLOSE") == "ACQ.TRADE_HAS_CLOSE"
    assert sandbox.people()[person]["balance"] == (4_000 if code == "10000" else 5_000)
    assert merchant.call("alipay.trade.cancel", {"trade_no": "2026"})["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_a_cancel_is_too_late_after_a_day_and_after_a_refund(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    paid(sandbox, merchant, f"{number}a")
    paid(sandbox, merchant, f"{number}b")
    merchant.refund(f"{number}b", "1.00", "r1")
    assert merchant.cancel(f"{number}b")["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    sandbox.advance(24 * 3600 + 1)
    assert merchant.cancel(f"{number}a")["sub_code"] == "ACQ.TRADE_CANCEL_TIME_OUT"
    assert merchant.query(f"{number}a")["trade_status"] == "TRADE_SUCCESS"


def test_close_is_for_what_is_not_paid(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    paid(sandbox, merchant, f"{number}a")
    assert merchant.call("alipay.trade.close", {"out_trade_no": f"{number}a"})["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    buyer = sandbox.person()
    order = {"out_trade_no": f"{number}b", "total_amount": "5.00", "subject": "S", "buyer_id": buyer}
    trade_no = merchant.call("alipay.trade.create", order)["trade_no"]
    assert merchant.call("alipay.trade.create", order)["trade_no"] == trade_no
    stranger = order | {"buyer_id": sandbox.person()}
    assert merchant.call("alipay.trade.create", stranger)["sub_code"] == "ACQ.TRADE_BUYER_NOT_MATCH"
    assert merchant.call("alipay.trade.close", {"out_trade_no": f"{number}b"})["trade_no"] == trade_no
    assert merchant.query(f"{number}b")["trade_status"] == "TRADE_CLOSED"


def test_a_qr_code_makes_a_trade_when_it_is_scanned(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    order = {"out_trade_no": number, "total_amount": "5.00", "subject": "S"}
    qr = merchant.call("alipay.trade.precreate", order)["qr_code"]
    assert qr.startswith("https://qr.alipay.com/bax")
    assert merchant.call("alipay.trade.precreate", order)["qr_code"] == qr
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    person = sandbox.person(balance=600)
    trade = sandbox.scan(person, qr)
    assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"
    with pytest.raises(AssertionError, match="BUYER_NOT_MATCH"):
        sandbox.scan(sandbox.person(), qr)
    sandbox.approve(trade["trade_no"])
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    assert sandbox.people()[person]["balance"] == 100


def test_a_qr_code_can_be_scanned_for_its_time_only(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    order = {"out_trade_no": number, "total_amount": "5.00", "subject": "S", "qr_code_timeout_express": "10m"}
    qr = merchant.call("alipay.trade.precreate", order)["qr_code"]
    sandbox.advance(601)
    with pytest.raises(AssertionError, match="TRADE_HAS_CLOSE"):
        sandbox.scan(sandbox.person(), qr)
    assert not sandbox.trades(number)


@pytest.mark.parametrize("voids", [False, True])
def test_a_cancel_may_void_a_qr_code_that_nobody_scanned(sandbox: RunningSandbox, merchant: Merchant, number: str, voids: bool) -> None:
    sandbox.switch(cancel_voids_unscanned_qr=voids)
    qr = merchant.call("alipay.trade.precreate", {"out_trade_no": number, "total_amount": "5.00", "subject": "S"})["qr_code"]
    assert "action" not in merchant.cancel(number)
    person = sandbox.person()
    if voids:
        with pytest.raises(AssertionError, match="TRADE_HAS_CLOSE"):
            sandbox.scan(person, qr)
    else:
        sandbox.approve(sandbox.scan(person, qr)["trade_no"])
    assert bool(sandbox.trades(number)) is not voids
