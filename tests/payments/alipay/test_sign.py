"""The texts that signatures cover, exactly; keys in every form they come in; answers whose very bytes are what was signed."""

import base64
import json
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from hutong.payments.alipay.sign import (
    Signer,
    Unreadable,
    UnusableKey,
    Verifier,
    notice_texts,
    private_key,
    public_key,
    request_text,
    take_apart,
)

METHOD = "alipay.trade.pay"


def test_the_text_of_a_request_is_that_of_the_documentation():
    fields = {
        "version": "1.0",
        "app_id": "2016101800718925",
        "sign": "left out",
        "biz_content": '{"out_trade_no":"1"}',
        "charset": "utf-8",
        "format": "json",
        "method": "alipay.trade.page.pay",
        "sign_type": "RSA2",
        "timestamp": "2020-10-13 09:58:50",
        "notify_url": "",
    }
    assert request_text(fields) == (
        'app_id=2016101800718925&biz_content={"out_trade_no":"1"}&charset=utf-8&format=json&method=alipay.trade.page.pay'
        "&sign_type=RSA2&timestamp=2020-10-13 09:58:50&version=1.0"
    )


def test_the_text_of_a_notification_leaves_the_sign_type_out_and_keeps_what_is_empty():
    fields = {"sign": "x", "sign_type": "RSA2", "b": "", "a": "1 &=", "C": "大"}
    assert notice_texts(fields) == ("C=大&a=1 &=&b=",)
    assert notice_texts({**fields, "alipay_cert_sn": "9"}) == ("C=大&a=1 &=&alipay_cert_sn=9&b=", "C=大&a=1 &=&b=")


@given(st.dictionaries(st.text("abcdefXYZ_0123", min_size=1, max_size=8), st.text(max_size=12), max_size=12))
def test_every_sent_value_is_covered_raw_and_in_the_order_of_the_bytes(fields):
    text = request_text(fields)
    expected = b"&".join(
        name.encode() + b"=" + value.encode() for name, value in sorted((n.encode(), v) for n, v in fields.items()) for name in [name.decode()]
        if name != "sign" and value != ""
    )  # fmt: skip
    assert text.encode() == expected
    assert request_text(dict(reversed(fields.items()))) == text


def test_what_we_sign_openssl_verifies_and_the_other_way_round(keys, tmp_path):
    text = 'app_id=1&biz_content={"subject":"茶叶 & {}"}'
    (tmp_path / "signature").write_bytes(base64.b64decode(Signer(keys.app.bare()).sign(text)))
    (tmp_path / "public.pem").write_text(f"-----BEGIN PUBLIC KEY-----\n{keys.app.public()}\n-----END PUBLIC KEY-----\n")
    verify = ["openssl", "dgst", "-sha256", "-verify", tmp_path / "public.pem", "-signature", tmp_path / "signature"]
    assert subprocess.run(verify, input=text.encode(), capture_output=True).stdout == b"Verified OK\n"
    assert subprocess.run(verify, input=text.encode() + b" ", capture_output=True).returncode != 0
    verifier = Verifier(public_key(keys.alipay.public()))
    signature = keys.alipay.sign_by_openssl(text.encode())
    assert len(signature) == 344
    assert verifier.verify(text.encode(), signature)
    assert not verifier.verify(text.encode() + b" ", signature)
    assert not Verifier(public_key(keys.other.public())).verify(text.encode(), signature)


@pytest.mark.parametrize("signature", ["", "!!!", "AAAA", "x" * 344, "é"])
def test_what_is_no_signature_does_not_hold(keys, signature):
    assert not Verifier(public_key(keys.alipay.public())).verify(b"text", signature)


def test_private_keys_are_read_in_both_forms_with_and_without_armour(keys):
    plain, old = keys.app.bare(), keys.app.bare(serialization.PrivateFormat.TraditionalOpenSSL)
    wrapped = "\n".join(old[at : at + 64] for at in range(0, len(old), 64))
    for text in (
        plain,
        old,
        f"  {wrapped}\n",
        f"-----BEGIN PRIVATE KEY-----\n{plain}\n-----END PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\r\n{wrapped}\r\n-----END RSA PRIVATE KEY-----\r\n",
    ):
        assert private_key(text).private_numbers() == keys.app.private.private_numbers()
    armoured = f"-----BEGIN PUBLIC KEY-----\n{keys.app.public()}\n-----END PUBLIC KEY-----\n"
    assert public_key(armoured).public_numbers() == public_key(keys.app.public()).public_numbers()


def test_what_is_not_the_key_that_is_wanted_is_named(keys):
    for text, words in ((keys.app.public(), "public key"), ("AAAA", "PKCS"), ("", "PKCS"), ("no base64!", "base64"), (small(), "1024 bits"),
                        (curve(), "RSA")):  # fmt: skip
        with pytest.raises(UnusableKey, match=words):
            private_key(text)
    with pytest.raises(UnusableKey, match="it is a private key"):
        public_key(keys.app.bare())
    with pytest.raises(UnusableKey, match="SubjectPublicKeyInfo"):
        public_key("AAAA")


def small() -> str:
    return bare(rsa.generate_private_key(65537, 1024))


def curve() -> str:
    return bare(ec.generate_private_key(ec.SECP256R1()))


def bare(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return base64.b64encode(der).decode()


NODES = [
    '{"code":"10000"}',
    '{ "code" : "10000" ,\n "store_name" : "a } b { c" }',
    '{"a":"\\"},\\"sign\\":\\"x\\"}","url":"https:\\/\\/x\\/y","n":{"m":[{},"]"]}}',
    '{"subject":"茶\\u53f6 😀"}',
    "{}",
]


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize(
    "around",
    [
        '{{"alipay_trade_pay_response":{},"sign":"S"}}',
        '{{"sign":"S","alipay_trade_pay_response":{}}}',
        ' {{\n"alipay_cert_sn" : "C", "alipay_trade_pay_response" : {} ,\t"sign":"S" }}\n',
        '{{"extra":{{"alipay_trade_pay_response":{{}}}},"alipay_trade_pay_response":{},"sign":"S"}}',
    ],
)
def test_the_bytes_that_were_signed_are_found_whatever_stands_in_and_around_them(node, around):
    raw = take_apart(around.format(node).encode(), METHOD)
    assert raw.signed == node.encode() and raw.node == json.loads(node)
    assert raw.signature == "S" and raw.name == "alipay_trade_pay_response"
    assert raw.certificate == ("C" if "cert_sn" in around else "")


def test_an_amount_never_becomes_a_float():
    assert take_apart(b'{"alipay_trade_pay_response":{"total_amount":0.10}}', METHOD).node["total_amount"] == "0.10"


def test_an_error_without_the_methods_name_is_read_too():
    raw = take_apart(b'{"error_response":{"code":"40002"}}', METHOD)
    assert (raw.name, raw.signature, raw.certificate) == ("error_response", "", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b'"x"',
        b"{}",
        b'{"alipay_trade_pay_response":',
        b'{"alipay_trade_pay_response":{"code":"10000"}',
        b'{"alipay_trade_pay_response":{"code":"10000"}}x',
        b'{"alipay_trade_pay_response":{"code":"10000"},"alipay_trade_pay_response":{"code":"40004"}}',
        b'{"alipay_trade_pay_response":"text"}',
        b'{"alipay_trade_query_response":{"code":"10000"}}',
        b'{"alipay_trade_pay_response":{"code":"\xff"}}',
        b'{"alipay_trade_pay_response":' + b"[" * 100_000,
        b'{"alipay_trade_pay_response":{},}',
        b"{1:2}",
    ],
)
def test_what_is_not_one_answer_of_the_gateways_shape_is_unreadable(body):
    with pytest.raises(Unreadable):
        take_apart(body, METHOD)


@given(
    st.text(max_size=40), st.dictionaries(st.text(max_size=6), st.text(max_size=10), max_size=5), st.booleans(), st.sampled_from([None, 1])
)
def test_any_node_comes_back_with_its_own_bytes(text, more, escaped, indent):
    node = json.dumps({"code": "10000", "text": text, **more}, ensure_ascii=escaped, indent=indent)
    try:
        body = f'{{"alipay_trade_pay_response":{node},"sign":"S"}}'.encode()
    except UnicodeEncodeError:  # half a character cannot be sent
        return
    assert take_apart(body, METHOD).signed == node.encode()


@given(st.binary(max_size=60), st.sampled_from([b"", b'{"alipay_trade_pay_response":', b'{"alipay_trade_pay_response":{},"sign":']))
def test_no_bytes_break_the_reader(rubbish, before):
    try:
        raw = take_apart(before + rubbish, METHOD)
    except Unreadable:
        return
    assert raw.signed in before + rubbish
