"""Thousands of products and prices are seeded at once, and twice changes nothing."""

from datetime import UTC, datetime
from typing import Any

import psycopg

from hutong.catalog import SeedCategory, SeedPrice, SeedProduct, seed_categories, seed_prices, seed_products
from hutong.kernel.gs1 import check_digit
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from tests.support.network import Network


async def test_a_whole_catalogue_is_seeded_at_once_and_only_once(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    bodies = [f"069099001{number:04d}" for number in range(1000, 4000)]
    products = [SeedProduct(body + check_digit(body), "茶", "Tea", network.brands[0].id, "tea") for body in bodies]
    products += [SeedProduct("77", "散装", "Loose", None, "food", "KGM", 900, retailer_id=each.id) for each in (network.one, network.two)]
    since = datetime(2025, 1, 1, tzinfo=UTC)
    answers = []
    for _ in range(2):
        async with database.work(Scope.of_network()) as uow:
            await seed_categories(uow, [SeedCategory("food", "食品", "Food"), SeedCategory("tea", "茶", "Tea", "food")])
            ids = await seed_products(uow, products)
            written = await seed_prices(uow, [SeedPrice(network.one.id, each, 500 + each, since) for each in ids[:3001]])
            await uow.commit()
        answers.append((ids, written))
    assert answers[0][0] == answers[1][0]
    assert len(set(ids)) == 3002
    assert [written for _, written in answers] == [3001, 0]
    assert owner.execute("select count(*) from product p join category c on c.id = p.category_id where c.code = 'tea'").fetchone() == (
        3000,
    )
