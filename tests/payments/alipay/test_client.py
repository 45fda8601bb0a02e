"""What the gateway or the network may do to one request: only a proven answer is believed, everything else is Unknown, once."""

import asyncio
import json
from dataclasses import replace

import pytest
import structlog.testing

from hutong.payments.alipay import AlipayWallet
from hutong.payments.alipay.client import AlipayClient, Answer, NotExecuted
from hutong.payments.alipay.limits import Breaker, TokenBucket
from hutong.payments.alipay.wallet import GATEWAY_DOWN
from hutong.payments.wallet import Charge, Declined, Paid, Unknown, Waiting
from tests.payments.alipay.gateway import page, reset, text, truncated
from tests.payments.alipay.test_wallet import CODE, PAID, N


async def test_answers_signed_by_openssl_are_believed_with_any_escapes_and_braces(wallet, gateway, keys):
    node = json.dumps({"code": "10000", **PAID, "store_name": 'a } b { "c"'}, ensure_ascii=False).replace("/", "\\/")
    gateway.says(gateway.raw(node + " ", sign=None), gateway.raw(node.replace("茶", "\\u8336"), sign=keys.alipay.sign_by_openssl))
    assert isinstance(await wallet.pay(CODE), Unknown)  # a space that was signed but is not the node's
    assert isinstance(await wallet.pay(CODE), Paid)


async def test_an_answer_that_was_changed_or_signed_by_another_or_not_at_all_is_never_a_success(wallet, gateway, keys):
    good = json.dumps({"code": "10000", **PAID})

    async def changed(request, fields):
        body = f'{{"alipay_trade_pay_response":{good.replace("12.30", "12.31")},"sign":"{keys.alipay.sign(good.encode())}"}}'
        return text(body)

    async def respaced(request, fields):
        body = f'{{"alipay_trade_pay_response":{json.dumps(json.loads(good), indent=1)},"sign":"{keys.alipay.sign(good.encode())}"}}'
        return text(body)

    async def unsigned(request, fields):
        return text(f'{{"alipay_trade_pay_response":{good}}}')

    for reply in (changed, respaced, gateway.raw(good, sign=keys.other.sign), gateway.raw(good, sign=keys.app.sign)):
        gateway.says(reply)
        assert await wallet.pay(CODE) == Unknown("the answer's signature does not hold")
    assert wallet.client.unverified == 4
    gateway.says(unsigned)
    wallet.client.breaker.succeeded()
    assert await wallet.pay(CODE) == Unknown("the answer is not signed")
    gateway.says(gateway.raw(good))
    assert isinstance(await wallet.pay(CODE), Paid) and wallet.client.unverified == 0


async def test_an_answer_to_another_method_or_as_an_error_is_never_a_success(wallet, gateway):
    good = json.dumps({"code": "10000", **PAID})
    gateway.says(gateway.raw(good, name="alipay_trade_query_response"))
    assert isinstance(await wallet.pay(CODE), Unknown)
    gateway.says(gateway.raw(good, name="error_response"))
    assert await wallet.pay(CODE) == Unknown("unexpected code 10000")


async def test_an_unsigned_error_is_believed_only_where_it_says_that_nothing_was_carried_out(wallet, gateway):
    async def unsigned(request, fields):
        return text('{"error_response":{"code":"%s","sub_code":"isv.x","msg":"m"}}' % code)  # noqa: UP031

    gateway.says(unsigned)
    for code in ("40001", "40002", "40003", "40005", "40006", "20001"):
        assert isinstance(await wallet.pay(CODE), Declined), code
    for code in ("20000", "40004", "10000", "", "50000"):
        wallet.client.breaker.succeeded()
        assert isinstance(await wallet.pay(CODE), Unknown), code


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (page(502), "status 502"),
        (page(500, "{}"), "status 500"),
        (page(302), "status 302"),
        (page(404), "status 404"),
        (page(200), "the answer is not JSON"),
        (page(200, ""), "the answer is not JSON"),
        (page(200, "x" * 1_100_000), "the answer is too long"),
        (reset, "connection: "),
        (truncated, "connection: "),
    ],
)
async def test_what_is_no_answer_is_unknown_and_asked_once(wallet, gateway, reply, reason):
    gateway.says(reply)
    result = await wallet.pay(CODE)
    assert isinstance(result, Unknown) and result.reason.startswith(reason)
    assert len(gateway.asked) == 1


async def test_a_connection_that_dies_between_two_requests_does_not_send_the_second_twice(wallet, gateway):
    gateway.says(gateway.node(**PAID), reset)
    assert isinstance(await wallet.pay(CODE), Paid)
    assert isinstance(await wallet.pay(CODE), Unknown)
    assert len(gateway.asked) == 2


async def test_a_gateway_that_does_not_answer_in_time_is_unknown(account, gateway):
    never = asyncio.Event()

    async def silent(request, fields):
        await never.wait()

    gateway.says(silent)
    wallet = AlipayWallet(account, seconds=0.1)
    assert await wallet.pay(CODE) == Unknown("time-out")
    await wallet.close()


async def test_nobody_listening_is_unknown(account, keys):
    wallet = AlipayWallet(replace(account, gateway="http://127.0.0.1:9/gateway.do"))
    result = await wallet.pay(CODE)
    assert isinstance(result, Unknown) and result.reason.startswith("connection")
    await wallet.close()


async def test_while_nothing_answers_new_payments_are_held_back_and_queries_go_on(wallet, gateway):
    gateway.says(page(502))
    for _ in range(5):
        assert isinstance(await wallet.pay(CODE), Unknown)
    assert await wallet.pay(CODE) == GATEWAY_DOWN
    assert isinstance(await wallet.show_qr(Charge(N, 1230, "x", "s", "t")), Declined)
    assert len(gateway.asked) == 5
    assert await wallet.query(N) == Unknown("status 502")
    assert await wallet.cancel(N) == Unknown("status 502")
    assert await wallet.refund(N, "1", 1, "x") == Unknown("status 502")
    assert len(gateway.asked) == 8
    gateway.says(gateway.node(out_trade_no=N, trade_no="1", trade_status="WAIT_BUYER_PAY"), gateway.node(**PAID))
    assert await wallet.query(N) == Waiting("1")
    assert isinstance(await wallet.pay(CODE), Paid)


def test_an_open_breaker_lets_one_payment_try_after_each_pause():
    now = 0.0
    breaker = Breaker(most=2, pause=5, clock=lambda: now)
    assert [breaker.failed(), breaker.failed(), breaker.failed()] == [False, True, False]
    assert not breaker.allows()
    now = 5.1
    assert breaker.allows() and not breaker.allows()
    now = 10.2
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows() and breaker.allows() and not breaker.is_open


def test_a_bucket_keeps_to_its_rate_and_refuses_who_would_wait_too_long():
    now = 0.0
    bucket = TokenBucket(rate=10, burst=2, clock=lambda: now)
    assert [bucket.reserve(1) for _ in range(4)] == pytest.approx([0, 0, 0.1, 0.2])
    assert bucket.reserve(0.25) is None
    assert bucket.reserve(0.35) == pytest.approx(0.3)
    now = 100.0
    assert [bucket.reserve(0) for _ in range(3)] == [0, 0, None]


async def test_a_payment_past_the_apps_rate_is_refused_unsent_and_one_within_it_is_sent(account, gateway):
    gateway.says(gateway.node(**PAID))
    wallet = AlipayWallet(account, rate=0.1)
    assert isinstance(await wallet.pay(CODE), Paid)
    assert await wallet.pay(CODE) == Declined("hutong.rate", "till", "more requests than the app's rate allows; try again in a moment")
    assert len(gateway.asked) == 1
    await wallet.close()


async def test_our_own_key_changes_at_alipay_without_a_refusal_at_the_till(account, gateway, keys):
    wallet = AlipayWallet(replace(account, next_private_key=keys.other.bare()))
    gateway.app = keys.other  # what the retailer has uploaded meanwhile
    good = gateway.node(**PAID)

    async def strict(request, fields):
        return await (good if fields["signature"] == "True" else gateway.fails("isv.invalid-signature", "40002"))(request, fields)

    gateway.says(strict)
    assert all(isinstance(each, Paid) for each in await asyncio.gather(*(wallet.pay(CODE) for _ in range(4))))
    assert sorted(each["signature"] for each in gateway.asked) == ["False"] * 4 + ["True"] * 4
    assert isinstance(await wallet.pay(CODE), Paid)
    assert [each["signature"] for each in gateway.asked[8:]] == ["True"]
    await wallet.close()


async def test_alipays_old_and_new_key_are_both_believed_while_it_changes(account, gateway, keys):
    wallet = AlipayWallet(replace(account, further_public_keys=(keys.other.public(),)))
    for signer in (keys.alipay, keys.other):
        gateway.says(gateway.raw(json.dumps({"code": "10000", **PAID}), sign=signer.sign))
        assert isinstance(await wallet.pay(CODE), Paid)
    await wallet.close()


async def test_the_gateways_clock_is_compared_with_ours(account, gateway):
    good = gateway.node(**PAID)

    async def late(request, fields):
        response = await good(request, fields)
        response.headers["Date"] = "Sun, 29 Nov 2020 11:00:00 GMT"
        return response

    gateway.says(late)
    client = AlipayClient(account)
    with structlog.testing.capture_logs() as logs:
        assert isinstance(await client.call("alipay.trade.pay", {}), Answer)
    assert client.clock_skew is not None and client.clock_skew < -100_000_000
    assert [line["event"] for line in logs] == ["our clock and alipay's differ"]
    await client.close()


async def test_a_refused_signature_is_told_without_the_request_that_the_gateway_repeats(wallet, gateway):
    async def repeats(request, fields):
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name not in {"sign", "signature"})
        return await gateway.node("40002", sub_code="isv.invalid-signature", sub_msg=f"验签出错，网关生成的验签字符串为：{text}")(
            request, fields
        )

    gateway.says(repeats)
    with structlog.testing.capture_logs() as logs:
        refused = await wallet.pay(CODE)
    assert isinstance(refused, Declined) and refused.code == "isv.invalid-signature"
    assert CODE.code not in repr(refused) + repr(logs) and logs[0]["same_text"] is True
    assert "does not belong to the configured private key" in refused.message
    gateway.says(gateway.node("40002", sub_code="isv.invalid-signature", sub_msg="验签出错，app_id=1&auth_code=" + CODE.code))
    with structlog.testing.capture_logs() as logs:
        refused = await wallet.pay(CODE)
    assert isinstance(refused, Declined) and CODE.code not in repr(refused) + repr(logs) and logs[0]["same_text"] is False


async def test_what_alipay_says_can_be_kept_and_shown(wallet, gateway):
    gateway.says(gateway.raw('{"code":"40004","sub_code":"ACQ.PAYMENT_FAIL","sub_msg":"a\\u0000b\\ud800c"}'))
    refused = await wallet.pay(CODE)
    assert isinstance(refused, Declined) and refused.message == "a b c"


async def test_nothing_secret_is_logged_or_shown(account, gateway, keys):
    gateway.says(page(502), gateway.raw("{}", sign=keys.other.sign), gateway.fails("isv.invalid-signature", "40002"))
    wallet = AlipayWallet(account)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await wallet.pay(CODE)
    shown = repr(logs) + repr(account)
    assert len(logs) >= 3
    for secret in (CODE.code, keys.app.bare(), gateway.asked[0]["sign"], gateway.asked[2]["sign"]):
        assert secret not in shown
    await wallet.close()


async def test_a_refused_request_names_its_most_telling_code(account, gateway):
    gateway.says(gateway.fails("isv.insufficient-isv-permissions", "40006"))
    client = AlipayClient(account)
    result = await client.call("alipay.trade.pay", {})
    assert (
        result == NotExecuted("40006", "isv.insufficient-isv-permissions", "said so") and result.word == "isv.insufficient-isv-permissions"
    )
    await client.close()
