"""The small network's first retailer with a wallet account, and its books."""

from typing import Any

import psycopg
import pytest

from hutong.payments.reconciliation import Account
from tests.payments.reconciliation.books import SELLER, Books
from tests.support.network import Network


@pytest.fixture
def books(network: Network, owner: psycopg.Connection[Any]) -> Books:
    """The first retailer's books; nothing is paid yet."""
    row = owner.execute(
        """insert into wallet_account (retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets, created_at)
           values (%s, 'alipay', 'main', 'app', %s, 'http://127.0.0.1:1/', 'key', '', '2026-01-01') returning id""",
        [network.one.id, SELLER],
    ).fetchone()
    assert row is not None
    owner.execute("select ensure_payment_months(array['2026-10-01', '2026-11-01', '2026-12-01']::date[])")
    return Books(owner, network, Account(row[0], network.one.id, "alipay", SELLER))
