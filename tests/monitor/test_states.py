"""Snapshot plus frames equals a fresh snapshot: every kind of topic, against writers that commit out of order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import psycopg
import pytest

from hutong.kernel.clock import now
from hutong.monitor.topics import Key, MonitorSource
from hutong.monitor.usual import refresh_usual
from hutong.platform.database import Database
from hutong.platform.live import Hub
from tests.monitor.ringing import Rung, a_sale, capture, make_days
from tests.monitor.watching import Client, caught_up
from tests.support.network import Network
from tests.support.sales import SHANGHAI

ZONE = "Asia/Shanghai"


def day() -> date:
    return now().astimezone(SHANGHAI).date()


async def ringing(database: Database, *back: int) -> psycopg.AsyncConnection[Any]:
    """A connection that captures, with the partitions of today, of last week's same day and of so many days ago."""
    connection = await database.connect()
    await make_days(connection, *(day() - timedelta(days=each) for each in {0, 7, *back}))
    return connection


def every_key(network: Network, on: date) -> list[Key]:
    return [
        Key("network", 0, on),
        *(Key("retailer", each.id, on) for each in (network.one, network.two)),
        *(Key("store", each.id, on) for each in network.stores),
        *(Key("brand", each.id, on) for each in network.brands),
    ]


@asynccontextmanager
async def watched(database: Database, keys: list[Key]) -> AsyncIterator[tuple[Hub, dict[Key, Client]]]:
    hub = Hub(database, MonitorSource(database, ZONE), frame_seconds=0.01)
    await hub.start()
    try:
        clients = {}
        for key in keys:
            topic = await hub.open(key)
            clients[key] = Client(topic)
            hub.watch(topic, clients[key].watcher)
            clients[key].read()
        yield hub, clients
    finally:
        await hub.close()


async def fresh(database: Database, key: Key, at: datetime) -> dict[str, Any]:
    """The document of a state loaded just now by another process's eyes."""
    state = await MonitorSource(database, ZONE).load(key)
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state.document(at)))
    return decoded


async def assert_equal_to_fresh(hub: Hub, clients: dict[Key, Client], database: Database) -> None:
    for attempt in range(3):
        began = now()
        await caught_up(hub, database)
        for topic in hub.topics.values():  # the frame that moves what the clock decides
            topic.emit(now(), asyncio.get_running_loop().time())
        expected = {key: await fresh(database, key, now()) for key in clients}
        if began.minute == now().minute or attempt == 2:
            break
    for key, client in clients.items():
        client.read()
        for section, value in expected[key].items():
            assert client.document[section] == value, (key, section)
        assert client.document == expected[key]


@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_snapshot_plus_frames_equals_a_fresh_snapshot_with_two_writers_and_a_long_transaction(
    database: Database, network: Network, seed: int
) -> None:
    random, today = Random(seed), day()
    writers = {retailer.id: await ringing(database, 1) for retailer in (network.one, network.two)}
    shops = {retailer.id: retailer.stores for retailer in (network.one, network.two)}

    def some(retailer: int, on: date) -> list[Rung]:
        at = datetime.combine(on, datetime.min.time(), SHANGHAI) + timedelta(seconds=random.randrange(86_000))
        return [a_sale(network, random, at, stores=shops[retailer], day=on) for _ in range(random.randint(1, 6))]

    for retailer, connection in writers.items():  # some trade before anybody watches
        await capture(connection, *some(retailer, today), *some(retailer, today - timedelta(days=7)))
    slow, quick = network.one.id, network.two.id
    async with watched(database, every_key(network, today)) as (hub, clients):
        for round_ in range(8):
            await writers[slow].execute("begin")
            await capture(writers[slow], *some(slow, today))
            for _ in range(random.randint(1, 4)):  # committed while the other is open, and seen before it
                await capture(
                    writers[quick], *some(quick, random.choice([today, today, today - timedelta(days=7), today - timedelta(days=1)]))
                )
                if random.random() < 0.5:
                    await asyncio.sleep(random.random() * 0.03)
            if round_ % 3 == 2:  # the long transaction's rounds: watchers must be right while it is open
                await assert_equal_to_fresh(hub, clients, database)
            await writers[slow].execute("commit" if random.random() < 0.8 else "rollback")
            if round_ % 2:
                await assert_equal_to_fresh(hub, clients, database)
            slow, quick = quick, slow
        await assert_equal_to_fresh(hub, clients, database)
        assert all(each.wholes == 1 for each in clients.values()), "nobody was slow, so nobody is sent the whole document twice"
        assert clients[Key("network", 0, today)].document["today"]["value"] != 0
    for connection in writers.values():
        await connection.close()


async def test_topics_opened_while_sales_are_committed_count_each_of_them_once(database: Database, network: Network) -> None:
    random, today = Random(5), day()
    connection = await ringing(database)
    keys = every_key(network, today)
    hub = Hub(database, MonitorSource(database, ZONE), frame_seconds=0.01)
    await hub.start()
    clients: dict[Key, Client] = {}

    async def ring() -> None:
        for _ in range(60):
            await capture(connection, a_sale(network, random, now()))
            hub.poke()
            await asyncio.sleep(0)

    async def come() -> None:
        for key in keys:
            topic = await hub.open(key)
            clients[key] = Client(topic)
            hub.watch(topic, clients[key].watcher)
            clients[key].read()

    await asyncio.gather(ring(), come())
    await assert_equal_to_fresh(hub, clients, database)
    await hub.close()
    await connection.close()


async def test_a_late_registration_moves_past_sales_to_the_brand_in_all_documents(
    database: Database, network: Network, owner: psycopg.Connection[Any]
) -> None:
    today, tissues, brand = day(), network.products[6], network.brands[2]
    connection = await ringing(database)
    async with watched(database, every_key(network, today)) as (hub, clients):
        await capture(connection, Rung(network.store, now(), today, [(tissues, 3000)]))
        await assert_equal_to_fresh(hub, clients, database)
        assert clients[Key("brand", brand.id, today)].document["today"]["value"] == 0
        with owner.transaction():
            owner.execute("update product set brand_id = %s, name_en = 'Linglan tissues' where id = %s", [brand.id, tissues.id])
            owner.execute("select attribute_product(%s, %s)", [tissues.id, brand.id])
            owner.execute(
                "insert into event (kind, brand_id, body) values ('product.registered', %s, jsonb_build_object('product_ids', jsonb_build_array(%s::int)))",
                [brand.id, tissues.id],
            )
        async with asyncio.timeout(15):
            while clients[Key("brand", brand.id, today)].document["today"]["value"] != 3 * tissues.price:
                await asyncio.sleep(0.02)
                for client in clients.values():
                    client.read()
        await caught_up(hub, database)
        await assert_equal_to_fresh(hub, clients, database)
        assert clients[Key("store", network.store.id, today)].document["products"][0]["product"]["name_en"] == "Linglan tissues"
    await connection.close()


async def test_a_brand_document_holds_nothing_of_baskets_tills_cashiers_or_other_brands(database: Database, network: Network) -> None:
    today, connection = day(), await ringing(database)
    sale = Rung(network.store, now(), today, [(network.products[0], 1000), (network.products[3], 2000)])
    await capture(connection, sale)
    text = msgspec.json.encode(
        (await MonitorSource(database, ZONE).load(Key("brand", network.brands[0].id, today))).document(now())
    ).decode()
    assert network.products[0].name_en in text
    for secret in (str(sale.id), "c07", "receipt", "till", "sale_id", network.products[3].name_en, network.products[3].code):
        assert secret not in text, secret
    await connection.close()


async def test_amounts_of_two_currencies_are_never_added(database: Database, network: Network, owner: psycopg.Connection[Any]) -> None:
    today, connection = day(), await ringing(database)
    owner.execute("update retailer set currency = 'GBP' where id = %s", [network.two.id])
    abroad, home = (Rung(each.stores[0], now(), today, [(network.products[0], 1000)]) for each in (network.two, network.one))
    keys = [Key("network", 0, today), Key("brand", network.brands[0].id, today)]
    async with watched(database, keys) as (hub, clients):
        await capture(connection, abroad)
        await assert_equal_to_fresh(hub, clients, database)
        async with asyncio.timeout(15):  # pounds alone, until a yuan is taken
            while clients[keys[0]].document["identity"]["currency"] != "CNY":
                await capture(connection, Rung(home.store, now(), today, home.lines))
                await asyncio.sleep(0.3)
                clients[keys[0]].read()
        await caught_up(hub, database)
        await assert_equal_to_fresh(hub, clients, database)
        assert list(clients[keys[1]].document["retailers"]) == ["one"]
    await connection.close()


async def test_what_is_usual_decides_which_stores_are_in_trouble_and_which_stopped_selling(database: Database, network: Network) -> None:
    today, connection, random = day(), await ringing(database, *range(1, 9), 14, 21, 28), Random(2)
    for week in range(1, 5):
        for hour in range(24):
            on = today - timedelta(days=7 * week)
            at = datetime.combine(on, datetime.min.time(), SHANGHAI) + timedelta(hours=hour, minutes=7)
            await capture(connection, *[Rung(network.store, at, on, [(network.products[0], 1000)]) for _ in range(3)])
    for back in range(1, 8):
        at = datetime.combine(today - timedelta(days=back), datetime.min.time(), SHANGHAI) + timedelta(minutes=5)
        await capture(connection, Rung(network.one.stores[1], at, at.date(), [(network.products[3], 1000)]))
    await refresh_usual(database, today)
    retailer = await MonitorSource(database, ZONE).load(Key("retailer", network.one.id, today))
    noon = datetime.combine(today, datetime.min.time(), SHANGHAI) + timedelta(hours=12)
    cells = retailer.document(noon).stores
    assert cells[network.store.gln].usual_tickets == 3600
    assert cells[network.store.gln].usual_value == 36 * network.products[0].price
    assert cells[network.store.gln].status == "silent"
    assert retailer.document(noon).statuses["silent"] == 1
    brand = await MonitorSource(database, ZONE).load(Key("brand", network.brands[1].id, today))
    stopped = brand.document(noon).stopped
    assert [(each.gln, each.days_sold) for each in stopped.stores] == [(network.one.stores[1].gln, 7)]
    await capture(connection, a_sale(network, random, now()))
    await connection.close()
