"""Notifications: what Alipay signed about this app and seller is read; forged, replayed for another and unreadable ones are refused."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.payments.alipay import Claim, NoticeRefused, claim_of
from hutong.payments.wallet import Closed, Paid, Waiting
from tests.payments.alipay.conftest import APP, SELLER
from tests.payments.alipay.test_wallet import N, R

SUCCESS = {
    "notify_time": "2026-11-30 02:03:05",
    "notify_type": "trade_status_sync",
    "notify_id": "ac05099524730693a8b330c5ecf72da9786",
    "app_id": APP,
    "charset": "utf-8",
    "version": "1.0",
    "trade_no": "1",
    "out_trade_no": N,
    "seller_id": SELLER,
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "12.30",
    "receipt_amount": "12.00",
    "buyer_pay_amount": "11.00",
    "subject": "茶叶 & =",
    "body": "",
    "gmt_payment": "2026-11-30 02:03:04",
    "fund_bill_list": '[{"amount":"12.30","fundChannel":"ALIPAYACCOUNT"}]',
}


def posted(key, fields, *, charset="utf-8", left_out=("sign", "sign_type"), **more) -> bytes:
    """The form as Alipay posts it, signed by another implementation than ours."""
    covered = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name not in left_out)
    signed = {**fields, "sign_type": "RSA2", "sign": key.sign(covered.encode(charset)), **more}
    return urlencode(signed, encoding=charset).encode("ascii")


async def test_a_success_says_what_a_query_would_say(wallet, keys):
    notice = await wallet.read_notice(posted(keys.alipay, SUCCESS))
    assert (notice.id, notice.kind, notice.number) == (SUCCESS["notify_id"], "trade", N)
    assert notice.result == Paid("1", 1230, 1200, 1100, datetime(2026, 11, 29, 18, 3, 4, tzinfo=UTC))
    assert (notice.refund_number, notice.refunded) == ("", 0)
    assert dict(notice.fields) == SUCCESS
    assert claim_of(posted(keys.alipay, SUCCESS)) == Claim(APP, SELLER, N)


async def test_a_success_that_a_partial_refund_sends_again_is_a_refunds_news(wallet, keys):
    again = {**SUCCESS, "gmt_refund": "2026-11-30 03:00:00.123", "refund_fee": "5.00", "out_biz_no": R}
    notice = await wallet.read_notice(posted(keys.alipay, again))
    assert (notice.refund_number, notice.refunded) == (R, 500)
    assert isinstance(notice.result, Paid) and notice.result.returned == 500


async def test_closed_before_and_after_payment_are_told_apart(wallet, keys):
    closed = {**SUCCESS, "trade_status": "TRADE_CLOSED"}
    notice = await wallet.read_notice(posted(keys.alipay, {**closed, "refund_fee": "12.30", "gmt_refund": "2026-11-30 03:00:00"}))
    assert isinstance(notice.result, Closed) and notice.result.was_paid and notice.refunded == 1230
    never = {name: value for name, value in closed.items() if name != "gmt_payment"}
    assert (await wallet.read_notice(posted(keys.alipay, never))).result == Closed(False)
    waits = {**never, "trade_status": "WAIT_BUYER_PAY"}
    assert (await wallet.read_notice(posted(keys.alipay, waits))).result == Waiting("1")


async def test_both_readings_of_the_certificate_number_and_a_chinese_charset_are_believed(wallet, keys):
    with_number = {**SUCCESS, "alipay_cert_sn": "a" * 32}
    for left_out in (("sign", "sign_type"), ("sign", "sign_type", "alipay_cert_sn")):
        assert (await wallet.read_notice(posted(keys.alipay, with_number, left_out=left_out))).number == N
    gbk = {**SUCCESS, "charset": "GBK"}
    notice = await wallet.read_notice(posted(keys.alipay, gbk, charset="gb18030"))
    assert dict(notice.fields)["subject"] == "茶叶 & ="


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"app_id": "2021004100000009"}, "another app"),
        ({"seller_id": "2088000000000009"}, "another seller"),
        ({"seller_id": ""}, "another seller"),
        ({"total_amount": "x"}, "amounts"),
        ({"total_amount": "0.00"}, "amounts"),
        ({"refund_fee": "-1.00"}, "refunded"),
        ({"trade_status": "DONE"}, "trade status"),
        ({"notify_id": ""}, "missing"),
        ({"notify_id": "x" * 200}, "too long"),
        ({"out_trade_no": ""}, "missing"),
    ],
)
async def test_a_signed_notification_that_is_not_ours_or_says_nothing_clear_is_refused(wallet, keys, changed, reason):
    with pytest.raises(NoticeRefused, match=reason):
        await wallet.read_notice(posted(keys.alipay, {**SUCCESS, **changed}))


async def test_forged_notifications_are_refused(wallet, keys):
    good = posted(keys.alipay, SUCCESS)
    forged = [
        (posted(keys.other, SUCCESS), "signature"),
        (posted(keys.app, SUCCESS), "signature"),
        (good.replace(b"12.30", b"1.23"), "signature"),
        (good.replace(b"body=&", b""), "signature"),
        (good + b"&refund_fee=12.30", "signature"),
        (good + b"&total_amount=0.01", "twice"),
        (good.replace(b"sign_type=RSA2", b"sign_type=RSA"), "RSA2"),
        (good.replace(b"sign_type=RSA2", b"sign_type="), "RSA2"),
        (good.split(b"&sign=")[0], "RSA2"),
        (good.replace(b"charset=utf-8", b"charset=utf-7"), "charset"),
        (b"", "RSA2"),
        (b"\xff\xfe", "form"),
        (b"a=%ff", "form"),
        (b"&".join(b"f%d=1" % at for at in range(300)), "form"),
        (good + b"&x=" + b"y" * 70_000, "too long"),
    ]
    for body, reason in forged:
        with pytest.raises(NoticeRefused, match=reason):
            await wallet.read_notice(body)


async def test_news_of_agreements_and_authorisations_carries_its_own_number(wallet, keys):
    base = {"notify_id": "1", "app_id": APP, "charset": "utf-8"}
    signed = {**base, "notify_type": "dut_user_sign", "external_agreement_no": "A1", "agreement_no": "2026", "status": "NORMAL"}
    notice = await wallet.read_notice(posted(keys.alipay, signed))
    assert (notice.kind, notice.number, notice.result) == ("agreement", "A1", None) and dict(notice.fields)["agreement_no"] == "2026"
    unsigned = {**signed, "notify_type": "dut_user_unsign", "status": "UNSIGN"}
    assert (await wallet.read_notice(posted(keys.alipay, unsigned))).kind == "agreement"
    frozen = {**base, "notify_type": "fund_auth_freeze", "out_order_no": "F1", "auth_no": "9", "payee_user_id": SELLER}
    notice = await wallet.read_notice(posted(keys.alipay, frozen))
    assert (notice.kind, notice.number) == ("authorisation", "F1")
    with pytest.raises(NoticeRefused, match="another seller"):
        await wallet.read_notice(posted(keys.alipay, {**frozen, "payee_user_id": "2088000000000009"}))
    assert (await wallet.read_notice(posted(keys.alipay, {**base, "notify_type": "something_else"}))).kind == "other"


@given(st.binary(max_size=60), st.sampled_from([b"", b"charset=utf-8&app_id=1&notify_type=dut_user_sign&x="]))
def test_no_bytes_break_the_reader(rubbish, before):
    try:
        claim = claim_of(before + rubbish)
    except NoticeRefused:
        return
    assert isinstance(claim, Claim)
