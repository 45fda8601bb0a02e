"""A retailer's account at Alipay: what each answer means for money, over HTTP, with signatures made by openssl and by another library."""

from datetime import UTC, date, datetime, timedelta

import pytest

from hutong.payments.wallet import (
    Absent,
    Cancelled,
    CancelRefused,
    Charge,
    Closed,
    Declined,
    Paid,
    QrCode,
    RefundAccepted,
    Refunded,
    Unknown,
    Waiting,
)
from tests.payments.alipay.conftest import SELLER

N, R = "S12T3_01900000000070008000000000000001", "01900000000070008000000000000002"
CODE = Charge(number=N, amount=1230, subject="茶叶 a/b=c&d", store="6901234500012", till="3", code="281234567890123456")
PAID = {
    "out_trade_no": N,
    "trade_no": "2026112922001400001",
    "total_amount": "12.30",
    "receipt_amount": "12.00",
    "buyer_pay_amount": "11.00",
    "gmt_payment": "2026-11-30 02:03:04",
    "buyer_logon_id": "138****0000",
}


async def test_a_payment_by_code_says_what_was_taken_and_what_the_retailer_receives(wallet, gateway):
    gateway.says(gateway.node(**PAID))
    assert await wallet.pay(CODE) == Paid(
        "2026112922001400001", 1230, 1200, 1100, datetime(2026, 11, 29, 18, 3, 4, tzinfo=UTC), "138****0000"
    )
    assert gateway.biz == {
        "out_trade_no": N,
        "total_amount": "12.30",
        "subject": "茶叶 a b c d",
        "seller_id": SELLER,
        "timeout_express": "2m",
        "store_id": "6901234500012",
        "terminal_id": "3",
        "product_code": "FACE_TO_FACE_PAYMENT",
        "scene": "bar_code",
        "auth_code": "281234567890123456",
    }
    [request] = gateway.asked
    assert request["method"] == "alipay.trade.pay" and request["signature"] == "True" and request["sign_type"] == "RSA2"
    assert request["notify_url"] == "http://127.0.0.1:8000/alipay/notify" and "app_cert_sn" not in request
    ours = datetime.fromisoformat(request["timestamp"]) - timedelta(hours=8)
    assert abs(ours.replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=60)


async def test_a_face_an_agreement_and_an_authorisation_are_asked_for_in_their_own_way(wallet, gateway):
    gateway.says(gateway.node("10003", out_trade_no=N, trade_no="1"))
    face = Charge(N, 100, "x", "s", "t", code="fp" + "a" * 33)
    assert await wallet.pay(face) == Waiting("1")
    assert gateway.biz["scene"] == "security_code"
    await wallet.pay(Charge(N, 100, "x", "s", "t", agreement="2026001"))
    assert gateway.biz["product_code"] == "GENERAL_WITHHOLDING" and gateway.biz["agreement_params"] == {"agreement_no": "2026001"}
    assert "scene" not in gateway.biz and "auth_code" not in gateway.biz
    await wallet.pay(Charge(N, 100, "x", "s", "t", authorisation="2026002", splits=True))
    assert gateway.biz["auth_no"] == "2026002" and gateway.biz["auth_confirm_mode"] == "NOT_COMPLETE"
    assert gateway.biz["product_code"] == "PREAUTH_PAY" and gateway.biz["extend_params"] == {"royalty_freeze": "true"}
    await wallet.pay(Charge(N, 100, "x", "s", "t", authorisation="2026002", release_rest=True))
    assert gateway.biz["auth_confirm_mode"] == "COMPLETE" and "extend_params" not in gateway.biz


async def test_an_agreements_charge_that_is_only_accepted_is_not_paid(wallet, gateway):
    gateway.says(gateway.node(**{**PAID, "async_payment_mode": "ASYNC_DELAY_PAY"}))
    assert await wallet.pay(Charge(N, 1230, "x", "s", "t", agreement="2026001")) == Waiting("2026112922001400001")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"out_trade_no": "S1T1_other"}, "another number"),
        ({"out_trade_no": ""}, "no trade of ours"),
        ({"trade_no": ""}, "no trade of ours"),
        ({"total_amount": "12.305"}, "amounts"),
        ({"total_amount": 12.3}, ""),
        ({"receipt_amount": "13.00"}, "amounts"),
        ({"buyer_pay_amount": "-1"}, "amounts"),
        ({"total_amount": None}, "amounts"),
    ],
)
async def test_a_handled_answer_that_proves_no_payment_of_ours_is_unknown(wallet, gateway, changed, reason):
    gateway.says(gateway.node(**{**PAID, **changed}))
    result = await wallet.pay(CODE)
    if reason:
        assert isinstance(result, Unknown) and reason in result.reason
    else:  # a number in place of the text is read as it was written
        assert isinstance(result, Paid) and result.amount == 1230


@pytest.mark.parametrize(
    ("sub_code", "expected"),
    [
        ("ACQ.PAYMENT_AUTH_CODE_INVALID", Declined("PAYMENT_AUTH_CODE_INVALID", "customer", "said so")),
        ("ACQ.BUYER_BALANCE_NOT_ENOUGH", Declined("BUYER_BALANCE_NOT_ENOUGH", "customer", "said so")),
        ("ACQ.TOTAL_FEE_EXCEED", Declined("TOTAL_FEE_EXCEED", "merchant", "said so")),
        ("ACQ.SYSTEM_ERROR", Unknown("SYSTEM_ERROR")),
        ("ACQ.TRADE_HAS_SUCCESS", Unknown("TRADE_HAS_SUCCESS")),
        ("ACQ.TRADE_HAS_CLOSE", Unknown("TRADE_HAS_CLOSE")),
        ("ACQ.CONTEXT_INCONSISTENT", Unknown("CONTEXT_INCONSISTENT")),
        ("ACQ.SOMETHING_NEW", Unknown("SOMETHING_NEW")),
        ("isp.unknow-error", Unknown("40004 isp.unknow-error")),
        ("", Unknown("40004 without a sub-code")),
    ],
)
async def test_only_codes_that_are_listed_are_refusals(wallet, gateway, sub_code, expected):
    gateway.says(gateway.fails(sub_code))
    assert await wallet.pay(CODE) == expected


@pytest.mark.parametrize(
    ("code", "sub_code", "who"),
    [
        ("40001", "isv.missing-app-id", "merchant"),
        ("40002", "isv.invalid-parameter", "merchant"),
        ("40003", "isv.some-condition", "merchant"),
        ("40005", "isv.app-call-limited", "till"),
        ("40006", "isv.insufficient-isv-permissions", "merchant"),
        ("20001", "aop.invalid-app-auth-token", "merchant"),
    ],
)
async def test_protocol_errors_are_believed_to_be_not_carried_out_also_unsigned(wallet, gateway, code, sub_code, who):
    gateway.says(gateway.fails(sub_code, code))
    assert await wallet.pay(CODE) == Declined(sub_code, who, "said so")


async def test_the_gateways_own_failure_is_unknown(wallet, gateway):
    gateway.says(gateway.fails("isp.unknow-error", "20000"))
    assert await wallet.pay(CODE) == Unknown("20000 isp.unknow-error")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"trade_status": "WAIT_BUYER_PAY"}, Waiting("1")),
        ({"trade_status": "TRADE_SUCCESS"}, Paid("1", 1230, 1200, 1200)),
        ({"trade_status": "TRADE_FINISHED", "send_pay_date": "2026-11-30 02:03:04"},
         Paid("1", 1230, 1200, 1200, datetime(2026, 11, 29, 18, 3, 4, tzinfo=UTC))),
        ({"trade_status": "TRADE_CLOSED", "receipt_amount": "0.00", "buyer_pay_amount": "0.00"}, Closed(False)),
        ({"trade_status": "TRADE_CLOSED", "send_pay_date": "2026-11-30 02:03:04"},
         Closed(True, Paid("1", 1230, 1200, 1200, datetime(2026, 11, 29, 18, 3, 4, tzinfo=UTC)))),
        ({"trade_status": "TRADE_CLOSED", "refund_fee": "12.30"}, Closed(True, Paid("1", 1230, 1200, 1200, returned=1230))),
        ({"trade_status": "SOMETHING"}, Unknown("unexpected trade status SOMETHING")),
        ({"trade_status": "TRADE_SUCCESS", "out_trade_no": "S1T1_other"}, Unknown("the answer is about another number")),
    ],
)  # fmt: skip
async def test_a_query_tells_paid_from_waiting_from_closed_before_and_after_payment(wallet, gateway, fields, expected):
    gateway.says(gateway.node(**{"out_trade_no": N, "trade_no": "1", "total_amount": "12.30", "receipt_amount": "12.00", **fields}))
    assert await wallet.query(N) == expected
    assert gateway.asked[0]["method"] == "alipay.trade.query" and gateway.biz == {"out_trade_no": N}


async def test_a_query_for_what_alipay_does_not_know_says_absent_and_nothing_else_does(wallet, gateway):
    gateway.says(gateway.fails("ACQ.TRADE_NOT_EXIST"))
    assert await wallet.query(N) == Absent()
    for sub_code, code in (("ACQ.SYSTEM_ERROR", "40004"), ("isv.invalid-parameter", "40002"), ("isp.unknow-error", "20000")):
        gateway.says(gateway.fails(sub_code, code))
        assert isinstance(await wallet.query(N), Unknown)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"action": "close", "retry_flag": "N"}, Cancelled("close")),
        ({"action": "refund", "retry_flag": "N"}, Cancelled("refund")),
        ({"retry_flag": "N"}, Cancelled(None)),
        ({"action": "close", "retry_flag": "Y"}, Unknown("retry")),
        ({"action": "melt"}, Unknown("unexpected action melt")),
        ({"action": "close", "out_trade_no": "S1T1_other"}, Unknown("the answer is about another number")),
    ],
)
async def test_a_cancel_says_what_it_undid_and_asks_again_when_it_is_told_to(wallet, gateway, fields, expected):
    gateway.says(gateway.node(**{"out_trade_no": N, **fields}))
    assert await wallet.cancel(N) == expected


async def test_a_cancel_that_alipay_will_never_do_is_told_from_one_to_repeat(wallet, gateway):
    for sub_code in ("TRADE_CANCEL_TIME_OUT", "REASON_TRADE_REFUND_FEE_ERR", "CANCEL_NOT_ALLOWED", "SELLER_BALANCE_NOT_ENOUGH"):
        gateway.says(gateway.fails(f"ACQ.{sub_code}"))
        assert await wallet.cancel(N) == CancelRefused(sub_code)
    for sub_code, code in (("ACQ.SYSTEM_ERROR", "40004"), ("isv.invalid-parameter", "40002"), ("ACQ.NEW", "40004")):
        gateway.says(gateway.fails(sub_code, code))
        assert isinstance(await wallet.cancel(N), Unknown)


async def test_a_refund_is_done_only_when_alipay_says_that_money_moved(wallet, gateway):
    moved = {"out_trade_no": N, "fund_change": "Y", "refund_fee": "5.00", "gmt_refund_pay": "2026-11-30 02:03:04"}
    gateway.says(gateway.node(**moved))
    assert await wallet.refund(N, R, 500, "bad tea") == Refunded(500, 500, datetime(2026, 11, 29, 18, 3, 4, tzinfo=UTC))
    assert {name: gateway.biz[name] for name in ("out_trade_no", "out_request_no", "refund_amount", "refund_reason")} == {
        "out_trade_no": N, "out_request_no": R, "refund_amount": "5.00", "refund_reason": "bad tea",
    }  # fmt: skip
    for less in ({"fund_change": "N"}, {"fund_change": ""}, {"refund_fee": "4.99"}):
        gateway.says(gateway.node(**{**moved, **less}))
        assert await wallet.refund(N, R, 500, "bad tea") == RefundAccepted()
    gateway.says(gateway.node(**{**moved, "out_trade_no": "S1T1_other"}))
    assert isinstance(await wallet.refund(N, R, 500, "bad tea"), Unknown)


async def test_of_a_refund_the_retailers_own_discount_does_not_leave_its_receipts(wallet, gateway):
    moved = {"out_trade_no": N, "fund_change": "Y", "refund_fee": "12.30"}
    gateway.says(gateway.node(**moved, present_refund_mdiscount_amount="0.30"))
    assert await wallet.refund(N, R, 1230, "x") == Refunded(1230, 1200)
    gateway.says(gateway.node(**moved, send_back_fee="12.00"))
    assert await wallet.refund(N, R, 1230, "x") == Refunded(1230, 1200)
    gateway.says(gateway.node(**moved, send_back_fee="99.00"))  # senseless: then the whole
    assert await wallet.refund(N, R, 1230, "x") == Refunded(1230, 1230)
    gateway.says(gateway.node(**moved, refund_voucher_detail_list=[{"merchant_contribute": "0.20"}, {"merchant_contribute": "0.10"}]))
    assert await wallet.refund(N, R, 1230, "x") == Refunded(1230, 1200)


@pytest.mark.parametrize(
    ("sub_code", "code", "expected"),
    [
        ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "40004", Declined("SELLER_BALANCE_NOT_ENOUGH", "merchant", "said so")),
        ("ACQ.TRADE_HAS_FINISHED", "40004", Declined("TRADE_HAS_FINISHED", "nobody", "said so")),
        ("ACQ.SYSTEM_ERROR", "40004", Unknown("SYSTEM_ERROR")),
        ("ACQ.DISCORDANT_REPEAT_REQUEST", "40004", Unknown("DISCORDANT_REPEAT_REQUEST")),
        ("isv.invalid-timestamp", "40002", Unknown("40002 isv.invalid-timestamp")),
    ],
)
async def test_a_refund_is_refused_only_by_codes_that_say_so_of_the_refund_itself(wallet, gateway, sub_code, code, expected):
    gateway.says(gateway.fails(sub_code, code))
    assert await wallet.refund(N, R, 500, "x") == expected


async def test_a_refund_query_knows_success_and_takes_silence_for_absence(wallet, gateway):
    gateway.says(gateway.node(out_trade_no=N, out_request_no=R, refund_status="REFUND_SUCCESS", refund_amount="5.00"))
    assert await wallet.refund_query(N, R) == Refunded(500, 500)
    gateway.says(gateway.node(out_trade_no=N))
    assert await wallet.refund_query(N, R) == Absent()
    gateway.says(gateway.fails("ACQ.TRADE_NOT_EXIST"))
    assert await wallet.refund_query(N, R) == Absent()
    gateway.says(gateway.node(out_trade_no=N, out_request_no="other", refund_status="REFUND_SUCCESS", refund_amount="5.00"))
    assert isinstance(await wallet.refund_query(N, R), Unknown)
    gateway.says(gateway.node(out_trade_no=N, out_request_no=R, refund_status="REFUND_SUCCESS"))
    assert isinstance(await wallet.refund_query(N, R), Unknown)


async def test_a_qr_code_comes_with_the_time_that_it_is_good_for(wallet, gateway):
    gateway.says(gateway.node(out_trade_no=N, qr_code="https://qr.alipay.example/bax1"))
    shown = await wallet.show_qr(Charge(N, 1230, "x", "s", "t"))
    assert isinstance(shown, QrCode) and shown.content == "https://qr.alipay.example/bax1"
    assert timedelta(seconds=100) < shown.expires_at - datetime.now(UTC) <= timedelta(seconds=120)
    assert gateway.biz["qr_code_timeout_express"] == "2m"
    gateway.says(gateway.fails("ACQ.SELLER_BEEN_BLOCKED"))
    assert await wallet.show_qr(Charge(N, 1230, "x", "s", "t")) == Declined("SELLER_BEEN_BLOCKED", "merchant", "said so")


async def test_a_trade_that_waits_is_closed_and_a_paid_one_is_not(wallet, gateway):
    gateway.says(gateway.node(out_trade_no=N))
    assert await wallet.close_unpaid(N) == Closed()
    gateway.says(gateway.fails("ACQ.TRADE_STATUS_ERROR"))
    assert await wallet.close_unpaid(N) == Declined("TRADE_STATUS_ERROR", "nobody", "said so")
    gateway.says(gateway.fails("ACQ.TRADE_NOT_EXIST"))
    assert await wallet.close_unpaid(N) == Absent()


async def test_numbers_and_amounts_that_alipay_would_refuse_are_never_sent(wallet, gateway):
    gateway.says(gateway.node())
    for number, amount in (("no-hyphens", 1), ("x" * 65, 1), ("", 1), (N, 0), (N, -1), (N, 10_000_000_001)):
        with pytest.raises(ValueError, match="Alipay takes"):
            await wallet.pay(Charge(number, amount, "x", "s", "t", code="281234567890123456"))
    with pytest.raises(ValueError, match="exactly one"):
        await wallet.pay(Charge(N, 1, "x", "s", "t"))
    assert gateway.asked == []


async def test_a_day_without_a_bill_is_none(wallet, gateway):
    gateway.says(gateway.fails("isp.bill_not_exist"))
    assert await wallet.fetch_bill(date(2026, 11, 28)) is None
    assert gateway.biz == {"bill_type": "trade", "bill_date": "2026-11-28"}
