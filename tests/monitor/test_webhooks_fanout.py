"""Each event becomes each subscription's message once: with two processes at it, through kills, backlogs and late commits."""

import asyncio
import json
from datetime import timedelta
from random import Random

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from hutong.kernel.clock import now
from hutong.monitor.webhooks.fanout import Stepped, fan_out
from hutong.platform.scope import Scope
from hutong.platform.tail import Horizon, between, written
from tests.monitor.ringing import a_sale
from tests.monitor.webhooking import fan_out_all, keys_in, make_days, payloads, ring, rung, subscribe

HOOK = "https://hooks.example/in"


@pytest.fixture(autouse=True)
def days(owner):
    make_days(owner)


def ids_told(owner, webhook):
    return [message["data"]["id"] for message in payloads(owner, webhook)]


async def test_a_retailer_is_told_of_its_own_sales_whole_and_of_nobody_elses(database, network, owner):
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    own = rung(network, network.products[0], network.products[3])
    ring(owner, [own])
    ring(owner, [rung(network, network.products[0], store=network.two.stores[0])])
    assert await fan_out_all(database) == 1
    [message] = payloads(owner, webhook)
    assert message["type"] == "sale.captured" and message["timestamp"] == message["data"]["captured_at"]
    sale = message["data"]
    assert (sale["id"], sale["store"], sale["retailer"]) == (str(own.id), network.store.gln, "one")
    assert sale["total"] == sum(own.amounts) == sum(each["amount"] for each in sale["lines"])
    assert len(sale["lines"]) == 2


async def test_a_brand_is_told_of_its_own_lines_and_of_nothing_that_leads_to_the_basket(database, network, owner):
    webhook, _ = subscribe(owner, HOOK, brand=network.brands[0].id)
    sale = rung(network, network.products[0], network.products[3], network.products[6])
    ring(owner, [sale])
    assert await fan_out_all(database) == 1
    [message] = payloads(owner, webhook)
    document = message["data"]
    assert [line["gtin"] for line in document["lines"]] == [network.products[0].gtin]
    assert document["lines"][0]["quantity"] == "2" and document["lines"][0]["amount"] == 2 * network.products[0].price
    assert (document["brand"], document["retailer"], document["store"], document["kind"]) == ("yunqi", "one", network.store.gln, "sale")
    allowed = {
        "type", "timestamp", "data", "kind", "brand", "retailer", "store", "store_name_zh", "store_name_en", "province", "city", "zone", "currency",
        "business_date", "completed_at", "lines", "code", "gtin", "name_zh", "name_en", "quantity", "unit", "amount",
    }  # fmt: skip
    assert keys_in(message) == allowed
    text = json.dumps(message)
    assert str(sale.id) not in text and network.products[3].code not in text and str(sum(sale.amounts)) not in text


async def test_a_brand_is_told_of_returns_by_positive_numbers_and_of_voids_not_at_all(database, network, owner):
    webhook, _ = subscribe(owner, HOOK, brand=network.brands[0].id)
    ring(owner, [rung(network, network.products[0], kind=2), rung(network, network.products[0], kind=3)])
    assert await fan_out_all(database) == 1
    [message] = payloads(owner, webhook)
    assert message["data"]["kind"] == "return" and message["data"]["lines"][0]["amount"] == 2 * network.products[0].price


async def test_a_sale_without_lines_of_the_brand_is_not_told(database, network, owner):
    subscribe(owner, HOOK, brand=network.brands[2].id)
    ring(owner, [rung(network, network.products[0])])
    assert await fan_out_all(database) == 0


async def test_webhooks_that_are_off_deleted_or_of_other_kinds_are_told_nothing(database, network, owner):
    for change in ("disabled_at = now()", "deleted_at = now()", "kinds = '{product.registered}'"):
        webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
        owner.execute(f"update webhook set {change} where id = %s", [webhook])
    ring(owner, [rung(network, network.products[0])])
    assert await fan_out_all(database) == 0


async def test_what_happened_before_the_subscription_is_not_told(database, network, owner):
    ring(owner, [rung(network, network.products[0])])
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    await fan_out_all(database)
    after = rung(network, network.products[1])
    ring(owner, [after])
    await fan_out_all(database)
    assert str(after.id) in ids_told(owner, webhook)


async def test_without_webhooks_the_cursor_moves_and_nothing_is_read(database, network, owner):
    ring(owner, [rung(network, network.products[0])])
    owner.execute("update event_cursor set moved_at = now() - interval '1 hour'")
    assert await fan_out(database) == Stepped()
    moved = owner.execute("select moved_at > now() - interval '1 minute' from event_cursor where name = 'webhooks'").fetchone()
    assert moved == (True,)
    subscribe(owner, HOOK, retailer=network.one.id)
    assert await fan_out_all(database) == 0


async def test_registered_products_are_told_to_their_brand_and_to_retailers(database, network, owner):
    brand, _ = subscribe(owner, HOOK, "product.registered", brand=network.brands[0].id)
    other, _ = subscribe(owner, HOOK, "product.registered", brand=network.brands[1].id)
    retailer, _ = subscribe(owner, HOOK, "product.registered", retailer=network.one.id)
    second, _ = subscribe(owner, HOOK, "product.registered", retailer=network.two.id)
    async with database.work(Scope.of_network()) as uow:
        await uow.publish(
            "product.registered", brand_id=network.brands[0].id, body={"product_ids": [each.id for each in network.products[:2]]}
        )
        await uow.publish("product.registered", retailer_id=network.one.id, body={"product_ids": [network.weighed.id]})
        await uow.commit()
    assert await fan_out_all(database) == 4
    assert payloads(owner, other) == []
    [message] = payloads(owner, brand)
    assert [each["gtin"] for each in message["data"]["products"]] == [each.gtin for each in network.products[:2]]
    assert sorted(len(each["data"]["products"]) for each in payloads(owner, retailer)) == [1, 2]
    assert [each["data"]["products"][0]["brand"] for each in payloads(owner, second)] == ["yunqi"]


async def test_a_backlog_is_worked_off_in_steps_and_each_sale_is_told_once(database, network, owner):
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    sales = [rung(network, network.products[number % 8]) for number in range(23)]
    for start in range(0, 23, 3):
        ring(owner, sales[start : start + 3])
    assert await fan_out_all(database, most=5) == 23
    assert sorted(ids_told(owner, webhook)) == sorted(str(each.id) for each in sales)


async def test_a_transaction_that_commits_late_is_told_once_also_in_the_middle_of_a_backlog(database, database_url, network, owner):
    webhooks = [subscribe(owner, HOOK, retailer=retailer.id)[0] for retailer in (network.one, network.two)]
    # Of another retailer, since captures of one wait for each other.
    late = rung(network, network.products[0], store=network.two.stores[0])
    early, more = rung(network, network.products[3]), [rung(network, network.products[5]) for _ in range(6)]
    with psycopg.connect(database_url) as slow:
        ring(slow, [late])
        ring(owner, [early])
        for each in more:
            ring(owner, [each])
        assert (await fan_out(database, most=2)).more
        slow.commit()
        await fan_out_all(database, most=2)
    told = [sale for webhook in webhooks for sale in ids_told(owner, webhook)]
    assert sorted(told) == sorted(str(each.id) for each in (late, early, *more))
    assert await fan_out_all(database) == 0


async def test_two_processes_fanning_out_while_two_capture_tell_each_sale_once(database, database_url, network, owner):
    """Steps run on separate connections at the same time, as in two processes: what keeps them apart is in the database."""
    retailer, _ = subscribe(owner, HOOK, retailer=network.one.id)
    brand, _ = subscribe(owner, HOOK, brand=network.brands[0].id)
    random, done = Random(7), asyncio.Event()
    sales = [a_sale(network, random, now() - timedelta(seconds=5), stores=network.one.stores) for _ in range(120)]

    def capture(some):
        with psycopg.connect(database_url) as connection:
            for start in range(0, len(some), 4):
                ring(connection, some[start : start + 4])
                connection.commit()

    async def fan():
        while not done.is_set():
            await fan_out(database, most=7)

    fans = [asyncio.create_task(fan()) for _ in range(3)]
    await asyncio.gather(asyncio.to_thread(capture, sales[:60]), asyncio.to_thread(capture, sales[60:]))
    done.set()
    await asyncio.gather(*fans)
    await fan_out_all(database)
    assert sorted(ids_told(owner, retailer)) == sorted(str(each.id) for each in sales)
    own = {product.id for product in network.products if product.brand_id == network.brands[0].id}
    concerned = [each for each in sales if each.kind != 3 and any(product.id in own for product, _ in each.lines)]
    assert len(payloads(owner, brand)) == len(concerned)


async def test_a_step_that_is_cut_off_leaves_nothing_and_is_done_again(database, network, owner):
    webhook, _ = subscribe(owner, HOOK, retailer=network.one.id)
    sale = rung(network, network.products[0])
    ring(owner, [sale])
    # The cursor cannot be written: the deliveries of the same transaction must go with it.
    owner.execute(
        """create function cut() returns trigger language plpgsql as $$ begin raise exception 'cut off'; end $$;
           create trigger cut before update on event_cursor for each row execute function cut()"""
    )
    with pytest.raises(DBAPIError, match="cut off"):
        await fan_out(database)
    assert payloads(owner, webhook) == []
    owner.execute("drop trigger cut on event_cursor")
    assert await fan_out_all(database) == 1


def test_the_horizon_between_sees_up_to_a_transaction_and_keeps_what_still_runs():
    after = Horizon.of("10:30:10,15,28")
    middle = between(after, 20)
    assert written(middle) == "10:21:10,15"
    assert [xid for xid in range(9, 30) if middle.sees(xid)] == [9, 11, 12, 13, 14, 16, 17, 18, 19, 20]
    assert written(between(Horizon.of("30:30:"), 20)) == "21:21:"
