"""The gateway's door: signatures, common parameters, charsets, and answers whose exact bytes are what was signed."""

import base64
import http.client
import json
import subprocess
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.sandbox.merchant import Merchant, beijing_now
from tests.support.sandbox import RunningSandbox

QUERY = "alipay.trade.query"


def node_of(merchant: Merchant, method: str, parameters: dict[str, str]) -> dict:
    return merchant.verified(method, merchant.send(parameters).content)


def test_a_wrong_signature_is_told_which_text_was_expected(merchant: Merchant) -> None:
    parameters = merchant.signed(QUERY, {"out_trade_no": "a&b=早"}) | {"charset": "utf-8"}
    parameters["sign"] = base64.b64encode(b"x" * 256).decode()
    node = node_of(merchant, QUERY, parameters)
    assert (node["code"], node["sub_code"]) == ("40002", "isv.invalid-signature")
    text = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()) if name != "sign")
    assert node["sub_msg"].endswith(f"验签字符串为：{text}")


def test_the_signature_is_looked_at_before_anything_else_that_can_be_wrong(merchant: Merchant) -> None:
    parameters = merchant.signed(QUERY, {"out_trade_no": "a"}) | {"timestamp": "yesterday"}
    assert node_of(merchant, QUERY, parameters)["sub_code"] == "isv.invalid-signature"
    parameters = merchant.signed(QUERY, {"out_trade_no": "a"}, timestamp="yesterday")
    assert node_of(merchant, QUERY, parameters)["sub_code"] == "isv.invalid-timestamp"


@pytest.mark.parametrize(
    ("missing", "sub_code"),
    [("sign", "isv.missing-signature"), ("timestamp", "isv.missing-timestamp"), ("version", "isv.missing-version")],
)
def test_what_must_be_there_is_missed(merchant: Merchant, missing: str, sub_code: str) -> None:
    parameters = merchant.signed(QUERY, {"out_trade_no": "a"})
    del parameters[missing]
    node = node_of(merchant, QUERY, parameters)
    assert (node["code"], node["sub_code"]) == ("40001", sub_code)


@pytest.mark.parametrize(
    ("change", "code", "sub_code"),
    [
        ({"app_id": ""}, "40001", "isv.missing-app-id"),
        ({"app_id": "2021000000000000"}, "40002", "isv.invalid-app-id"),
        ({"method": "alipay.trade.gift"}, "40002", "isv.invalid-method"),
    ],
)
def test_without_a_known_app_and_method_the_error_is_not_signed(merchant: Merchant, change: dict, code: str, sub_code: str) -> None:
    answer = merchant.raw(QUERY, {"out_trade_no": "a"}, **change).json()
    assert set(answer) == {"error_response"}
    assert (answer["error_response"]["code"], answer["error_response"]["sub_code"]) == (code, sub_code)


@pytest.mark.parametrize(
    ("change", "code", "sub_code"),
    [
        ({"version": "2.0"}, "40002", "isv.invalid-version"),
        ({"format": "XML"}, "40002", "isv.invalid-format"),
        ({"biz_content": "[1]"}, "40002", "isv.invalid-parameter"),
        ({"biz_content": "{"}, "40002", "isv.invalid-parameter"),
        ({"app_auth_token": "2026abc"}, "20001", "aop.invalid-app-auth-token"),
    ],
)
def test_what_is_wrong_is_named(merchant: Merchant, change: dict, code: str, sub_code: str) -> None:
    node = node_of(merchant, QUERY, merchant.signed(QUERY, {"out_trade_no": "a"}, **change))
    assert (node["code"], node["sub_code"]) == (code, sub_code)


def test_the_timestamp_is_beijing_time_within_a_tolerance_or_not_looked_at(sandbox: RunningSandbox, merchant: Merchant) -> None:
    from datetime import UTC, datetime

    as_utc = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    wrong = merchant.call(QUERY, {"out_trade_no": "a"}, timestamp=as_utc)
    assert wrong["sub_code"] == "isv.invalid-timestamp", "a host that stamps its own zone is eight hours off"
    sandbox.switch(timestamp_tolerance=0)
    assert merchant.call(QUERY, {"out_trade_no": "a"}, timestamp=as_utc)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert beijing_now() != as_utc


@pytest.mark.parametrize("signed", [True, False])
def test_protocol_errors_may_be_unsigned(sandbox: RunningSandbox, merchant: Merchant, signed: bool) -> None:
    sandbox.switch(protocol_errors_signed=signed)
    answer = merchant.raw(QUERY, {"out_trade_no": "a"}, version="2.0").json()
    assert ("sign" in answer) is signed and answer["alipay_trade_query_response"]["code"] == "40002"


def test_too_many_calls_a_second_are_turned_away(sandbox: RunningSandbox, merchant: Merchant) -> None:
    sandbox.switch(calls_per_second=1)
    codes = {merchant.query("a")["code"] for _ in range(8)}
    assert codes == {"40004", "40005"}


def test_query_and_body_are_one_whatever_is_where(sandbox: RunningSandbox, merchant: Merchant) -> None:
    parameters = merchant.signed(QUERY, {"out_trade_no": "a"})
    business = {"biz_content": parameters.pop("biz_content")}
    split = merchant.http.post(sandbox.gateway, params=parameters, data=business)
    assert merchant.verified(QUERY, split.content)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    by_get = merchant.http.get(sandbox.gateway, params=parameters | business)
    assert merchant.verified(QUERY, by_get.content)["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_an_absolute_request_target_is_routed(sandbox: RunningSandbox, merchant: Merchant) -> None:
    line = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    line.request("POST", f"{sandbox.gateway}?{urlencode(merchant.signed(QUERY, {'out_trade_no': 'a'}))}")
    assert merchant.verified(QUERY, line.getresponse().read())["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    line.close()


def test_gbk_is_spoken_both_ways(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=900)
    business = {"out_trade_no": number, "total_amount": "1.00", "auth_code": sandbox.code(person), "subject": "豆浆"}
    answer = merchant.raw("alipay.trade.pay", business, charset="GBK")
    content = answer.content[len(b'{"alipay_trade_pay_response":') :].rpartition(b',"sign":"')[0]
    assert merchant.is_signature(content, answer.content.rpartition(b'"sign":"')[2].removesuffix(b'"}').decode())
    assert json.loads(content.decode("gbk"))["code"] == "10000"
    assert sandbox.trades(number)[0]["subject"] == "豆浆"


def test_answers_vary_in_order_and_escapes_and_switches_end_that(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=900)
    merchant.pay(number, "1.00", sandbox.code(person))

    def shapes() -> tuple[set[tuple[str, ...]], set[bool]]:
        orders, escapes = set(), set()
        for _ in range(24):
            orders.add(tuple(merchant.query(number)))
            escapes.add(rb"\/" in merchant.last)
        return orders, escapes

    orders, escapes = shapes()
    assert len(orders) > 3 and escapes == {True, False}
    sandbox.switch(shuffle_keys=False, escape_slashes=False)
    orders, escapes = shapes()
    assert len(orders) == 1 and escapes == {False}


def test_openssl_signs_and_verifies_too(sandbox: RunningSandbox, merchant: Merchant, tmp_path: Path) -> None:
    def pem(name: str, text: str, kind: str) -> str:
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        (tmp_path / name).write_text("\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""]))
        return str(tmp_path / name)

    parameters = merchant.signed(QUERY, {"out_trade_no": "nobodys"})
    text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "sign")
    sign = ["openssl", "dgst", "-sha256", "-sign", pem("private.pem", sandbox.private_key, "PRIVATE KEY")]
    parameters["sign"] = base64.b64encode(subprocess.run(sign, input=text.encode(), capture_output=True, check=True).stdout).decode()
    body = merchant.send(parameters).content
    content, _, tail = body[len(b'{"alipay_trade_query_response":') :].rpartition(b',"sign":"')
    (tmp_path / "signature").write_bytes(base64.b64decode(tail.removesuffix(b'"}')))
    verify = ["openssl", "dgst", "-sha256", "-verify", pem("public.pem", sandbox.alipay_public_key, "PUBLIC KEY")]
    verify += ["-signature", str(tmp_path / "signature")]
    assert subprocess.run(verify, input=content, capture_output=True, check=False).returncode == 0
    assert subprocess.run(verify, input=content + b" ", capture_output=True, check=False).returncode != 0


def test_an_apps_key_can_be_changed_without_a_gap_and_the_wallets_too(sandbox: RunningSandbox, merchant: Merchant) -> None:
    other = sandbox.add_app(name="隔壁")
    sandbox.ask("PATCH", f"/apps/{other['app_id']}", {"add_public_key": sandbox.ask("GET", "/keys")["alipay_public_key"]})
    mine = merchant.raw(QUERY, {"out_trade_no": "a"}, app_id=other["app_id"])
    assert mine.json()["alipay_trade_query_response"]["sub_code"] == "isv.invalid-signature", "another app's key signs nothing here"
    from tests.support.sandbox import app_keys

    sandbox.ask("PATCH", f"/apps/{other['app_id']}", {"add_public_key": app_keys()[1]})
    assert merchant.call(QUERY, {"out_trade_no": "a"}, app_id=other["app_id"])["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_a_huge_body_and_other_verbs_are_refused(sandbox: RunningSandbox, merchant: Merchant) -> None:
    assert merchant.http.post(sandbox.gateway, content=b"a=" + b"x" * 2**20).status_code == 413
    assert merchant.http.put(sandbox.gateway).status_code == 405


@pytest.mark.parametrize("awkward", [True, False])
def test_a_field_that_breaks_counters_of_braces_can_be_had(sandbox: RunningSandbox, merchant: Merchant, awkward: bool) -> None:
    sandbox.switch(awkward_text=awkward)
    assert ("sandbox_note" in merchant.query("a")) is awkward
    assert (merchant.last.count(b'"sign"') > 1 or merchant.last.count(b'\\"sign') > 0) is awkward
