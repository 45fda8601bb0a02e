"""Keys made once a run, a scripted gateway and our wallet that talks to it."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from hutong.payments.alipay import AlipayAccount, AlipayWallet
from tests.payments.alipay.certifying import make_chain
from tests.payments.alipay.gateway import Gateway, make_key, serving

APP, SELLER = "2021004100000001", "2088000000000001"


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> SimpleNamespace:
    """Key pairs: the app's, Alipay's, and another that neither side should believe."""
    folder = tmp_path_factory.mktemp("alipay-keys")
    return SimpleNamespace(**{name: make_key(folder, name) for name in ("app", "alipay", "other")})


@pytest.fixture
async def gateway(keys) -> AsyncIterator[Gateway]:
    async with serving(Gateway(keys.alipay, keys.app)) as running:
        yield running


@pytest.fixture(scope="session")
def chain(keys) -> SimpleNamespace:
    """Certificates of a root of our own."""
    return make_chain(keys)


@pytest.fixture
def account(keys, gateway) -> AlipayAccount:
    return account_at(gateway.url, keys)


def account_at(url: str, keys: SimpleNamespace) -> AlipayAccount:
    return AlipayAccount(
        app_id=APP,
        seller_id=SELLER,
        gateway=url,
        notify_url="http://127.0.0.1:8000/alipay/notify",
        private_key=keys.app.bare(),
        alipay_public_key=keys.alipay.public(),
    )


@pytest.fixture
async def wallet(account) -> AsyncIterator[AlipayWallet]:
    opened = AlipayWallet(account)
    yield opened
    await opened.close()
