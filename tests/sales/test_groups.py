"""Groups of sales that meet trouble: each sale is still judged alone, and what is answered is what is stored."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg
import pytest

from hutong.catalog import ProductCodes
from hutong.directory import Outlets
from hutong.kernel.clock import now
from hutong.kernel.errors import Unavailable
from hutong.kernel.ids import uuid7
from hutong.platform.database import Database
from hutong.sales import capture
from hutong.sales.capture import CaptureQueue
from hutong.sales.prepare import EARLIEST, PreparedSale, prepare
from hutong.sales.wire import Sale
from tests.sales.books import counts, differences
from tests.support.network import Network
from tests.support.sales import line, return_of, sale

Key = Callable[[str], httpx.AsyncClient]
Owner = psycopg.Connection[Any]


@pytest.fixture
def integrator(with_key: Key, network: Network) -> httpx.AsyncClient:
    return with_key(network.one.key)


async def statuses(client: httpx.AsyncClient, batch: list[dict[str, Any]]) -> list[int]:
    answer = await client.post("/v1/sales:batch", json={"sales": batch})
    assert answer.status_code == 200, answer.text
    return [each["status"] for each in answer.json()["outcomes"]]


async def prepared(database: Database, network: Network, document: dict[str, Any]) -> PreparedSale:
    outlets = Outlets(database)
    outlet = await outlets.find(document["store"], None)
    assert outlet is not None
    return prepare(msgspec.convert(document, Sale), outlet, network.store.tills[0].id, "key:1", datetime.now(UTC), EARLIEST)


async def test_a_product_forgotten_to_make_room_in_the_middle_of_a_sale_is_still_found(
    database: Database, network: Network, owner: Owner
) -> None:
    queue = CaptureQueue(database, ProductCodes(limit=3), 1, 1000)
    queue.start()
    try:
        for codes in (["old"], ["b", "c"], ["old", "new"]):
            document = sale(network, [line(network.products[0], code=code) for code in codes])
            assert isinstance((await queue.submit([await prepared(database, network, document)]))[0], datetime)
    finally:
        await queue.stop()
    rows = owner.execute("select l.code, p.code from sale_line l left join product p on p.id = l.product_id order by 1").fetchall()
    assert rows == [(code, code) for code in ("b", "c", "new", "old", "old")]


async def test_a_sale_that_comes_while_capture_stops_is_refused_and_never_left_waiting(database: Database, network: Network) -> None:
    queue = CaptureQueue(database, ProductCodes(), 1, 1000)
    queue.start()
    document = await prepared(database, network, sale(network))
    submitted = asyncio.create_task(queue.submit([document]))  # first it looks for its products and partitions
    await asyncio.sleep(0)
    await queue.stop()
    with pytest.raises(Unavailable):
        async with asyncio.timeout(10):
            await submitted


@pytest.mark.parametrize(
    "figure", ["sNaN", "-sNaN", "1E-999999999", "0.0000000000000000000000000000000001", "1.00000000000000000000000000000000001"]
)
async def test_a_figure_that_is_no_number_of_goods_harms_no_neighbour(
    figure: str, integrator: httpx.AsyncClient, network: Network, owner: Owner
) -> None:
    bad = line(network.products[0], quantity=figure)
    free = bad | {"unit_price": 0, "amount": 0, "vat": 0}
    strange = line(network.products[0], vat_rate=figure)
    assert await statuses(integrator, [sale(network), sale(network, [bad]), sale(network, [free]), sale(network, [strange])]) == [
        201,
        422,
        422,
        422,
    ]
    assert counts(owner)[0] == 1


async def test_a_sale_that_a_total_cannot_hold_harms_no_neighbour(integrator: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    first, other = network.products[0], network.products[1]
    assert await statuses(integrator, [sale(network, [line(first)])]) == [201]
    owner.execute("update product_hour set quantity = 99999999999.999")
    batch = [sale(network, [line(other)]), sale(network, [line(first)]), sale(network, [line(other)])]
    assert await statuses(integrator, batch) == [201, 422, 201]


async def test_capture_goes_on_when_nobody_made_todays_log(integrator: httpx.AsyncClient, network: Network, owner: Owner) -> None:
    assert await statuses(integrator, [sale(network)]) == [201]
    parts = owner.execute(
        "select inhrelid::regclass::text from pg_inherits where inhparent in ('event'::regclass, 'audit'::regclass)"
    ).fetchall()
    for (part,) in parts:
        owner.execute(f"drop table {part}")
    assert await statuses(integrator, [sale(network)]) == [201]
    assert counts(owner)[0] == 2


async def test_a_return_finds_its_sale_beside_a_bad_one_whatever_their_ids(
    integrator: httpx.AsyncClient, network: Network, owner: Owner
) -> None:
    earlier = str(UUID(int=uuid7().int - (60_000 << 80)))  # the id of the return was made on a clock that is behind
    original = sale(network, at=now() - timedelta(minutes=1))
    taken = sale(network)
    assert await statuses(integrator, [taken]) == [201]
    batch = [original, return_of(network, original, id=earlier), sale(network, receipt=taken["receipt"])]
    assert await statuses(integrator, batch) == [201, 201, 409]
    assert differences(owner) == {}


async def test_sales_are_not_kept_waiting_by_a_connection_that_hangs(database: Database, network: Network, owner: Owner) -> None:
    queue = CaptureQueue(database, ProductCodes(), 2, 1000)
    queue.start()
    document = await prepared(database, network, sale(network))
    await queue.submit([await prepared(database, network, sale(network))])
    with psycopg.connect(owner.info.dsn) as other:
        other.execute("lock table sale_key in share mode")  # whoever writes a key waits, as a capture does that hangs
        hanging = asyncio.create_task(queue.submit([await prepared(database, network, sale(network))]))
        async with asyncio.timeout(15):
            while not waiting_for_locks(owner):
                await asyncio.sleep(0.01)
        second = asyncio.create_task(queue.submit([document]))
        async with asyncio.timeout(15):
            while waiting_for_locks(owner) < 2:  # the second connection has taken it up
                await asyncio.sleep(0.01)
    assert isinstance((await second)[0], datetime)
    assert isinstance((await hanging)[0], datetime)
    await queue.stop()
    assert counts(owner)[0] == 3


def waiting_for_locks(owner: Owner) -> int:
    sql = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%%capture_sales%%'"
    row = owner.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_postgresql_that_falls_silent_is_given_up_and_the_sale_can_be_sent_again(
    database: Database, network: Network, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "ANSWER_SECONDS", 0.5)
    queue = CaptureQueue(database, ProductCodes(), 1, 1000)
    queue.start()
    try:
        assert isinstance((await queue.submit([await prepared(database, network, sale(network))]))[0], datetime)
        row = owner.execute(
            "select pid from pg_stat_activity where datname = current_database() and query like '%%capture_sales%%' and pid <> pg_backend_pid()"
        ).fetchone()
        assert row is not None
        document = await prepared(database, network, sale(network))
        os.kill(row[0], signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable):
                async with asyncio.timeout(15):
                    await queue.submit([document])
        finally:
            os.kill(row[0], signal.SIGCONT)
        async with asyncio.timeout(15):
            assert not isinstance((await queue.submit([document]))[0], Exception)
    finally:
        await queue.stop()
    assert counts(owner)[0] == 2
    assert differences(owner) == {}
