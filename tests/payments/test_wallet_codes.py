"""The scanned code picks the wallet: ranges and lengths, and nothing that only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.payments.wallet import wallet_of


@pytest.mark.parametrize(
    ("code", "wallet"),
    [
        ("2512345678901234", "alipay"),
        ("281234567890123456", "alipay"),
        ("301234567890123456789012", "alipay"),
        ("fp" + "a1B" * 11, "alipay"),
        ("101234567890123456", "wechat"),
        ("151234567890123456", "wechat"),
        ("6212345678901234567", "unionpay"),
    ],
)
def test_each_wallets_codes_are_known(code, wallet):
    assert wallet_of(code) == wallet


@pytest.mark.parametrize(
    "code",
    [
        "",
        "24" + "1" * 16,  # below and above Alipay's ranges
        "31" + "1" * 16,
        "28" + "1" * 13,  # too short, too long
        "28" + "1" * 23,
        "09" + "1" * 16,
        "16" + "1" * 16,
        "10" + "1" * 15,
        "10" + "1" * 17,
        "62" + "1" * 16,
        "62" + "1" * 18,
        "fp" + "a" * 32,
        "fp" + "a" * 34,
        "FP" + "a" * 33,
        "fp" + "a" * 32 + "-",
        "28123456789012345x",
        " 281234567890123456",
        "281234567890123456\n",
        "２８1234567890123456",
        "6901234567892",  # a product's
    ],
)
def test_what_is_no_payment_code_has_no_wallet(code):
    assert wallet_of(code) is None


@given(st.integers(25, 30), st.text("0123456789", min_size=14, max_size=22))
def test_every_code_in_alipays_ranges_is_alipays(start, rest):
    assert wallet_of(f"{start}{rest}") == "alipay"
