"""Registering products: who may, what a late registration does to sales of before, and what it leaves alone."""

import asyncio
import threading
from typing import Any

import psycopg
import pytest

from hutong.catalog import CATALOG_LOCK, Outcome, ProductCodes, ProductEntry, RowsInvalid, register_products, save_category
from hutong.catalog.errors import CategoryLoop
from hutong.directory import Grant, Principal
from hutong.kernel.errors import Forbidden
from hutong.kernel.gs1 import check_digit
from hutong.platform.database import Database
from tests.catalog.ledger import TOTALS, brand_totals, ring_up
from tests.support.network import Network

OPERATOR = Principal.system("test")


def office(retailer_id: int) -> Principal:
    return Principal("person:1", "Office", grants=(Grant.of_role("head_office", retailer_id),))


def brand_manager(brand_id: int) -> Principal:
    return Principal("person:2", "Brand", grants=(Grant.of_role("brand_manager", brand_id=brand_id),))


def gtin(body: str) -> str:
    return body + check_digit(body)


async def test_a_late_registration_keeps_the_product_and_gives_its_sales_to_the_brand(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    brand, code = network.brands[0], gtin("690990017777")
    product = (await ProductCodes().ensure(database, [(network.one.id, code)]))[network.one.id, code]
    for store in network.stores:
        ring_up(owner, store, [(product, code, 500), (product, code, 700), (network.products[3].id, network.products[3].code, 1890)])
    assert brand_totals(owner, brand.id)["sale_line"] == (0, 0, 0)

    [registered] = await register_products(database, office(network.one.id), [ProductEntry(code, "新茶", retailer_id=network.one.id)])

    assert registered.product_id == product
    assert registered.outcome is Outcome.COMPLETED
    assert brand_totals(owner, brand.id) == dict.fromkeys(TOTALS, (6000, 10, 10))
    provinces = owner.execute(
        "select province_code, sum(value)::int from brand_minute where brand_id = %s group by 1 order by 1", [brand.id]
    )
    assert provinces.fetchall() == [(31, 3600), (44, 2400)]
    event = owner.execute("select retailer_id, brand_id, body from event where kind = 'product.registered'").fetchall()
    assert event == [(None, brand.id, {"product_ids": [product]})]


async def test_totals_equal_the_lines_while_sales_go_on_during_the_registration(
    database: Database, network: Network, owner: psycopg.Connection[Any], database_url: str
) -> None:
    brand, code = network.brands[1], gtin("690990027777")
    product = (await ProductCodes().ensure(database, [(network.one.id, code)]))[network.one.id, code]
    ring_up(owner, network.store, [(product, code, 100)])
    captured, stop = [0, 0], threading.Event()

    def sell(place: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not stop.is_set():
                ring_up(connection, network.stores[place], [(product, code, 100)])
                captured[place] += 1

    async def both_beyond(counts: list[int]) -> None:
        async with asyncio.timeout(20):
            while any(done < wanted for done, wanted in zip(captured, counts, strict=True)):
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(asyncio.to_thread(sell, place)) for place in (0, 1)]
    try:
        await both_beyond([20, 20])
        await register_products(database, OPERATOR, [ProductEntry(code, "牛奶")])
        await both_beyond([done + 5 for done in captured])
    finally:
        stop.set()
        await asyncio.gather(*writers)
    count = 1 + sum(captured)
    assert brand_totals(owner, brand.id) == dict.fromkeys(TOTALS, (100 * count, count, count))


async def test_a_registration_waits_for_a_capture_that_has_not_committed_and_then_finds_its_line(
    database: Database, network: Network, owner: psycopg.Connection[Any], database_url: str
) -> None:
    brand, code = network.brands[0], gtin("690990018888")
    product = (await ProductCodes().ensure(database, [(network.one.id, code)]))[network.one.id, code]
    with psycopg.connect(database_url) as capture:
        ring_up(capture, network.store, [(product, code, 300)])
        registration = asyncio.create_task(register_products(database, OPERATOR, [ProductEntry(code, "茶")]))
        waiting = f"select count(*) from pg_locks where locktype = 'advisory' and objid = {CATALOG_LOCK} and not granted"
        async with asyncio.timeout(10):
            while owner.execute(waiting).fetchone() != (1,):
                await asyncio.sleep(0.01)
        assert not registration.done()
        capture.commit()
        await registration
    assert brand_totals(owner, brand.id) == dict.fromkeys(TOTALS, (300, 1, 1))


async def test_a_product_that_changes_its_brand_leaves_its_history_with_the_brand_that_sold_it(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    product = network.products[0]
    ring_up(owner, network.store, [(product.id, product.code, 12800)])
    [changed] = await register_products(database, OPERATOR, [ProductEntry(product.code, brand="beiya")])
    assert changed.outcome is Outcome.CHANGED
    ring_up(owner, network.store, [(product.id, product.code, 12800)])
    for brand in network.brands[:2]:
        assert brand_totals(owner, brand.id) == dict.fromkeys(TOTALS, (12800, 1, 1))


async def test_registering_again_changes_nothing_and_an_empty_field_keeps_what_is_known(database: Database, network: Network) -> None:
    entry = ProductEntry(gtin("690990019999"), "茶", "Tea", unit="KGM", vat_rate=900)
    [created] = await register_products(database, OPERATOR, [entry])
    [again] = await register_products(database, OPERATOR, [entry])
    [bare] = await register_products(database, OPERATOR, [ProductEntry(entry.code)])
    assert [created.outcome, again.outcome, bare.outcome] == [Outcome.CREATED, Outcome.UNCHANGED, Outcome.UNCHANGED]
    assert created.product_id == again.product_id == bare.product_id


async def test_two_registrations_of_the_same_new_product_at_once_make_one(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    entries = [ProductEntry(gtin(f"69099001{number:04d}"), f"茶 {number}") for number in range(5000, 5050)]
    answers = await asyncio.gather(*(register_products(database, OPERATOR, entries[::step]) for step in (1, -1, 1)))
    assert len({frozenset(each.product_id for each in answer) for answer in answers}) == 1
    assert owner.execute("select count(*) from product where name_zh like '茶 %%'").fetchone() == (50,)


async def test_all_rows_are_refused_together_with_every_reason(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    before = owner.execute("select count(*) from product").fetchone()
    with pytest.raises(RowsInvalid) as refused:
        await register_products(
            database,
            OPERATOR,
            [
                ProductEntry(gtin("690990011234"), "好茶"),
                ProductEntry("own-1", "自有"),
                ProductEntry(gtin("690990011235"), "茶", brand="no such", vat_rate=1700, unit="XX", category="nowhere"),
                ProductEntry(gtin("690990011236")),
                ProductEntry("0" + gtin("690990011234"), "好茶"),
                ProductEntry(gtin("200000000001"), "自有"),
            ],
        )
    reasons = [(row["row"], row["reason"]) for row in refused.value.extra["rows"]]
    assert reasons == [
        (2, "own_number_needs_retailer"), (3, "unknown_unit"), (3, "vat_not_allowed"), (3, "unknown_category"), (3, "unknown_brand"),
        (4, "name_missing"), (5, "duplicate"), (6, "restricted_number"),
    ]  # fmt: skip
    assert owner.execute("select count(*) from product").fetchone() == before


@pytest.mark.parametrize(
    ("body", "brand", "reason"),
    [
        ("690990021111", "yunqi", "brand_of_other"),  # another brand's prefix
        ("690990091111", "yunqi", "brand_needs_prefix"),  # nobody's prefix, but yunqi has its own
    ],
)
async def test_a_retailer_cannot_hand_a_gtin_to_a_brand_whose_prefix_it_does_not_carry(
    database: Database, network: Network, body: str, brand: str, reason: str
) -> None:
    with pytest.raises(RowsInvalid) as refused:
        await register_products(database, office(network.one.id), [ProductEntry(gtin(body), "茶", brand=brand, retailer_id=network.one.id)])
    assert [row["reason"] for row in refused.value.extra["rows"]] == [reason]


async def test_a_brand_without_prefixes_is_given_its_products_by_a_retailer(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("insert into brand (code, name_zh, name_en) values ('plain', '素牌', 'Plain')")
    entry = ProductEntry(network.products[6].code, brand="素牌", retailer_id=network.one.id)
    [registered] = await register_products(database, office(network.one.id), [entry])
    assert registered.outcome is Outcome.CHANGED


async def test_a_brand_registers_under_its_own_prefix_only(database: Database, network: Network) -> None:
    mine = brand_manager(network.brands[0].id)
    [registered] = await register_products(database, mine, [ProductEntry(gtin("690990013333"), "新茶")])
    assert registered.outcome is Outcome.CREATED
    for entry in [
        ProductEntry(gtin("690990023333"), "别家"),
        ProductEntry(gtin("690990093333"), "无主"),
        ProductEntry(network.products[3].code, "改名"),
        ProductEntry("00417", "改名", retailer_id=network.one.id),
    ]:
        with pytest.raises(RowsInvalid) as refused:
            await register_products(database, mine, [entry])
        assert [row["reason"] for row in refused.value.extra["rows"]] == ["not_yours"]


async def test_a_retailer_leaves_products_of_a_brand_as_they_are_and_cannot_touch_anothers_own_numbers(
    database: Database, network: Network
) -> None:
    entry = ProductEntry(network.products[0].code, "改名", retailer_id=network.two.id)
    [kept] = await register_products(database, office(network.two.id), [entry])
    assert kept.outcome is Outcome.KEPT
    with pytest.raises(RowsInvalid):
        await register_products(database, office(network.two.id), [ProductEntry("00417", "改名", retailer_id=network.one.id)])


async def test_who_does_not_keep_a_catalogue_registers_nothing(database: Database, network: Network) -> None:
    for role in ("store_manager", "cashier"):
        nobody = Principal("person:3", "x", grants=(Grant.of_role(role, network.one.id, network.store.id),))
        with pytest.raises(Forbidden):
            await register_products(database, nobody, [ProductEntry("A", "甲", retailer_id=network.one.id)])


async def test_a_category_cannot_be_moved_below_itself(database: Database, network: Network) -> None:
    await save_category(database, OPERATOR, "food", "食品", "Food")
    await save_category(database, OPERATOR, "tea", "茶", "Tea", "food")
    with pytest.raises(CategoryLoop):
        await save_category(database, OPERATOR, "food", "食品", "Food", "tea")
    with pytest.raises(Forbidden):
        await save_category(database, office(network.one.id), "x", "x", "x")
