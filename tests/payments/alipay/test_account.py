"""What is wrong with a configuration is said in a sentence that tells how to mend it; a sound one has nothing to say."""

from dataclasses import replace

import pytest

from hutong.payments.alipay import AlipayAccount
from tests.payments.alipay.certifying import pem
from tests.payments.alipay.conftest import account_at


@pytest.fixture
def account(keys) -> AlipayAccount:
    return account_at("http://127.0.0.1:8100/gateway.do", keys)


def test_a_sound_account_has_no_problems(account):
    assert account.problems() == []
    assert (
        replace(account, gateway="https://openapi.alipay.com/gateway.do", notify_url="https://shop.example/alipay/notify").problems() == []
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"app_id": ""}, "app id is missing"),
        ({"seller_id": ""}, "seller id is missing"),
        ({"seller_id": "2021004100000001"}, "the same"),
        ({"gateway": "http://openapi.alipay.com/gateway.do"}, "must be https"),
        ({"gateway": "openapi.alipay.com"}, "not a plain URL"),
        ({"gateway": "https://x:y/"}, "not a URL"),
        ({"gateway": "https://a:b@c/gateway.do"}, "not a plain URL"),
        ({"gateway": "https://openapi.alipay.com/gateway.do"}, "this machine only"),
        ({"notify_url": "ftp://x/"}, "notify URL"),
        ({"notify_url": "https://x/" + "y" * 300}, "at most 256"),
        ({"private_key": ""}, "private key cannot be used"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nx"}, "neither PEM nor base64"),
        ({"alipay_public_key": "AAAA"}, "支付宝公钥"),
        ({"further_public_keys": ("AAAA",)}, "支付宝公钥"),
        ({"next_private_key": "AAAA"}, "The next private key"),
    ],
)
def test_each_mistake_is_named(account, changed, words):
    problems = replace(account, **changed).problems()
    assert any(words in each for each in problems), problems


def test_keys_in_each_others_place_are_recognised(account, keys):
    swapped = replace(account, private_key=keys.alipay.public(), alipay_public_key=keys.app.bare())
    assert swapped.problems() == ["The private key and Alipay's public key are in each other's place: exchange them."]
    assert "public key; the app's private key" in replace(account, private_key=keys.app.public()).problems()[0]
    assert "it is a private key" in replace(account, alipay_public_key=keys.app.bare()).problems()[0]
    assert "the app's own" in replace(account, alipay_public_key=keys.app.public()).problems()[0]


def test_a_damaged_private_key_is_found_by_using_it(account, keys):
    text, at = keys.app.bare(), 100  # in the modulus, which stands first
    damaged = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
    assert any("private key is damaged" in each for each in replace(account, private_key=damaged).problems())


def test_mistakes_of_certificate_mode_are_named(account, chain):
    good = replace(
        account,
        mode="certificate",
        app_certificate=pem(chain.app),
        alipay_certificate=pem(chain.now, chain.middle),
        root_certificate=pem(chain.root),
    )
    assert good.problems() == []
    for changed, words in (
        ({"app_certificate": ""}, "appCertPublicKey"),
        ({"app_certificate": pem(chain.now)}, "belongs to another private key"),
        ({"alipay_certificate": "x"}, "alipayCertPublicKey_RSA2"),
        ({"alipay_certificate": pem(chain.now)}, "not proven by the root"),
        ({"alipay_certificate": pem(chain.expired, chain.middle)}, "not valid at this time"),
        ({"root_certificate": pem(chain.curve_root)}, "alipayRootCert"),
        ({"root_certificate": ""}, "alipayRootCert"),
    ):
        problems = replace(good, **changed).problems()
        assert any(words in each for each in problems), (changed, problems)
