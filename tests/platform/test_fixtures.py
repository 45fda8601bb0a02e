"""The fixtures themselves: what every other test stands on."""

from typing import Any

import psycopg

from hutong.kernel.gs1 import gtin14, is_gln
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from tests.support.network import Network


async def test_the_network_is_in_a_fresh_database_and_seen_by_its_scope(database: Database, network: Network) -> None:
    async with database.read(Scope.of_network()) as reader:
        assert await reader.value("select count(*) from store") == 5
        assert await reader.value("select count(*) from product where registered_at is not null") == 9
    async with database.read(Scope.of_retailer(network.one.id)) as reader:
        assert {row.id for row in await reader.rows("select id from store")} == {store.id for store in network.one.stores}


def test_codes_of_the_network_have_right_check_digits(network: Network) -> None:
    assert all(gtin14(product.code) == product.gtin for product in network.products)
    assert all(is_gln(store.gln) for store in network.stores)
    assert len({store.gln for store in network.stores}) == 5


def test_each_test_has_a_database_of_its_own(owner: psycopg.Connection[Any]) -> None:
    row = owner.execute("select count(*) from store").fetchone()
    assert row == (0,)
