"""``hutong verify`` finds every total that is not what its sales say."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from hutong.cli.verify import verify_books
from hutong.platform.database import Database
from tests.support.network import Network
from tests.support.sales import return_of, sale


@pytest.fixture
async def traded(with_key: Callable[[str], httpx.AsyncClient], network: Network) -> None:
    """A morning's trade: sales at two stores, a return, a void."""
    client = with_key(network.one.key)
    first = sale(network)
    void = sale(network, kind="void", tenders=[])
    batch = [first, sale(network), sale(network, store=network.one.stores[2]), return_of(network, first, [1]), void]
    for each in batch:
        answer = await client.post("/v1/sales", json=each)
        assert answer.status_code == 201, answer.text


async def test_books_that_add_up_have_no_differences(traded: None, database: Database) -> None:
    days, differences = await verify_books(database)
    assert days >= 1
    assert differences == []


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("update store_minute set value = value + 1", "store and minute"),
        ("update retailer_day set tickets = tickets - 1", "retailer and day"),
        ("update product_hour set quantity = quantity + 0.001", "product, store and hour"),
        ("update product_hour set brand_id = null", "product, store and hour"),
        ("delete from brand_minute", "brand, province and minute"),
        ("update store_day set last_minute = last_minute + 1", "store and day"),
        ("update retailer_minute set voids = voids + 1", "retailer and minute"),
        ("update brand_day set quantity = quantity + 0.001", "brand and day"),
        ("delete from sale_line where line = 2", "lines sum"),
        ("update sale_tender set amount = amount + 1", "tenders"),
        ("delete from sale where kind = 1", "belongs to a sale"),
        ("delete from sale_key", "its key"),
        ("update line_returned set quantity = 0.5", "was returned"),
    ],
)
async def test_a_damaged_book_is_found(traded: None, database: Database, owner: psycopg.Connection[Any], damage: str, named: str) -> None:
    owner.execute(damage)
    _, differences = await verify_books(database)
    assert any(named in line for line in differences), differences
