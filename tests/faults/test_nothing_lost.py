"""Kills, cuts and fills: what was acknowledged is there once, what was not is there once or not at all, and retries end with all."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.faults.support import OwnPostgres, Tills, own_postgres, stored_ids
from tests.sales.books import differences
from tests.support.network import Network, insert_network
from tests.support.sales import line, sale
from tests.support.server import RunningServer, start_server


def some_sales(network: Network, count: int) -> list[dict[str, Any]]:
    stores = network.one.stores
    return [
        sale(network, [line(product) for product in network.products[n % 4 : n % 4 + 3]], store=stores[n % 3], till=stores[n % 3].tills[0])
        for n in range(count)
    ]


def must_hold(url: str, tills: Tills) -> None:
    """What must be true at every moment: acknowledged sales are there, none is there twice, every total equals its lines."""
    stored = stored_ids(url)
    assert len(stored) == len(set(stored)), "a sale is there twice"
    assert set(tills.acknowledged) <= set(stored), "an acknowledged sale is lost"
    with psycopg.connect(url) as owner:
        assert differences(owner) == {}


@pytest.fixture
def killable() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@pytest.mark.timeout(180)
async def test_killing_the_server_amid_200_captures_loses_and_doubles_nothing(
    network: Network, database_url: str, tmp_path: Path, make_server: Callable[..., RunningServer]
) -> None:
    server = make_server()
    tills = Tills(server.url, network.one.key)
    sales = some_sales(network, 400)
    killed = asyncio.Event()

    def kill_amid() -> None:
        if len(tills.acknowledged) >= 60 and not killed.is_set():
            killed.set()
            server.kill()
            must_hold(database_url, tills)

    sending = asyncio.create_task(tills.send_until_all_are_there(sales, clients=200, within=100, after_each=kill_amid))
    await asyncio.wait({sending, asyncio.create_task(killed.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert killed.is_set(), "all was sent before the server could be killed"
    await asyncio.to_thread(make_server, port=server.port)
    await sending
    assert tills.lost_lines > 0
    assert sorted(stored_ids(database_url)) == sorted(each["id"] for each in sales)
    must_hold(database_url, tills)


@pytest.mark.timeout(180)
async def test_killing_postgresql_amid_captures_loses_and_doubles_nothing(killable: OwnPostgres, tmp_path: Path) -> None:
    network = insert_network(killable.url)
    server = start_server(killable.url, tmp_path / "server.log")
    try:
        tills = Tills(server.url, network.one.key)
        sales = some_sales(network, 400)
        killed = asyncio.Event()

        def kill_amid() -> None:
            if len(tills.acknowledged) >= 60 and not killed.is_set():
                killed.set()
                killable.kill()

        sending = asyncio.create_task(tills.send_until_all_are_there(sales, clients=200, within=120, after_each=kill_amid))
        await asyncio.wait({sending, asyncio.create_task(killed.wait())}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.5)  # long enough that tills meet the dead database
        before = len(tills.acknowledged)
        await asyncio.to_thread(killable.start)
        must_hold(killable.url, tills)
        await sending
        assert before < len(sales)
        assert 503 in tills.statuses
        assert all(answer.headers.get("retry-after") for answer in tills.refusals if answer.status_code == 503)
        assert sorted(stored_ids(killable.url)) == sorted(each["id"] for each in sales)
        must_hold(killable.url, tills)
    finally:
        server.stop()


@pytest.mark.timeout(120)
async def test_cut_connections_are_mended_and_every_sale_is_there_once(
    network: Network, database_url: str, server: RunningServer, owner: psycopg.Connection[Any]
) -> None:
    tills = Tills(server.url, network.one.key)
    sales = some_sales(network, 300)
    sending = asyncio.create_task(tills.send_until_all_are_there(sales, clients=40, within=90))
    cuts = 0
    while not sending.done():
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        cuts += 1
        await asyncio.sleep(0.15)
        if cuts > 12:
            break
    await sending
    assert set(tills.statuses) <= {200, 201, 503}
    assert sorted(stored_ids(database_url)) == sorted(each["id"] for each in sales)
    must_hold(database_url, tills)


@pytest.mark.timeout(120)
async def test_two_servers_given_the_same_sales_capture_each_once(
    network: Network, database_url: str, make_server: Callable[..., RunningServer]
) -> None:
    servers = [make_server(), make_server()]
    sales = some_sales(network, 150)
    both = [Tills(server.url, network.one.key) for server in servers]
    await asyncio.gather(*(tills.send_until_all_are_there(sales, clients=30) for tills in both))
    assert sorted([*both[0].statuses, *both[1].statuses]) == [200] * 150 + [201] * 150
    assert sorted(stored_ids(database_url)) == sorted(each["id"] for each in sales)
    must_hold(database_url, both[0])


@pytest.mark.timeout(180)
async def test_a_full_disk_answers_503_and_what_was_acknowledged_survives(tmp_path: Path) -> None:
    with own_postgres(mount_megabytes=160) as full:
        network = insert_network(full.url)
        server = start_server(full.url, tmp_path / "server.log")
        ballast = full.server.folder.parent / "ballast"
        try:
            tills = Tills(server.url, network.one.key)
            await tills.send_until_all_are_there(some_sales(network, 20), clients=5)
            with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 4_096)
            refused = await until_refused(tills, network)
            assert refused.status_code == 503
            assert refused.headers["retry-after"]
            ballast.unlink()
            await asyncio.to_thread(full.start)
            must_hold(full.url, tills)
            late = some_sales(network, 5)
            tills.acknowledged.clear()
            await tills.send_until_all_are_there(late, clients=2, within=60)
            must_hold(full.url, tills)
        finally:
            ballast.unlink(missing_ok=True)
            server.stop()


async def test_a_commit_that_fails_answers_5xx_and_writes_nothing(
    with_key: Callable[[str], httpx.AsyncClient],
    as_person: Callable[[str], httpx.AsyncClient],
    network: Network,
    owner: psycopg.Connection[Any],
) -> None:
    owner.execute("create function refuse() returns trigger language plpgsql as $$ begin raise exception 'the disk said no'; end $$")
    for table in ("retailer_day", "till"):
        owner.execute(
            f"create constraint trigger at_commit after insert on {table} deferrable initially deferred for each row execute function refuse()"
        )
    document = sale(network)
    answer = await with_key(network.till.key).post("/v1/sales", json=document)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    batch = await with_key(network.one.key).post("/v1/sales:batch", json={"sales": [sale(network), sale(network)]})
    assert batch.status_code == 503
    made = await as_person("manager").post(f"/v1/stores/{network.store.gln}/tills", json={"code": "99"})
    assert made.status_code >= 500, made.text
    rows = owner.execute(
        "select (select count(*) from sale), (select count(*) from event where kind = 'sale.captured'), (select count(*) from audit), "
        "(select count(*) from sale_key)"
    ).fetchone()
    assert rows == (0, 0, 0, 0)
    assert owner.execute("select count(*) from till where code = '99'").fetchone() == (0,)
    owner.execute("drop function refuse cascade")
    assert (await with_key(network.till.key).post("/v1/sales", json=document)).status_code == 201
    assert differences(owner) == {}


async def until_refused(tills: Tills, network: Network) -> httpx.Response:
    """Send sales until one is not acknowledged; none may be lost on the way."""
    headers = {"Authorization": f"Bearer {tills.key}"}
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=tills.url, headers=headers, timeout=30) as client:
        while not tills.refusals:
            await asyncio.gather(*(tills.acknowledge(client, each) for each in some_sales(network, 50)))
    return tills.refusals[0]
