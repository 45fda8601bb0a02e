"""The monitor over HTTP: who may see what, what the documents say after real captures, and streams of a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn

from hutong.kernel.clock import now
from hutong.platform.live import apply_frame
from tests.monitor.watching import events_of
from tests.support.network import Network
from tests.support.sales import SHANGHAI, line, return_of, sale
from tests.support.server import RunningServer

Person = Callable[[str], httpx.AsyncClient]


def addresses(network: Network) -> dict[str, str]:
    return {
        "network": "network",
        "one": "retailers/one",
        "two": "retailers/two",
        "store": f"stores/{network.store.gln}",
        "store 2": f"stores/{network.one.stores[1].gln}",
        "store two": f"stores/{network.two.stores[0].gln}",
        "brand": "brands/yunqi",
        "brand two": "brands/beiya",
    }


ALLOWED = {
    "operator": {"network", "one", "two", "store", "store 2", "store two", "brand", "brand two"},
    "office": {"one", "store", "store 2"},
    "manager": {"store"},
    "integrator": {"one", "store", "store 2"},
    "office-two": {"two", "store two"},
    "manager-two": {"store two"},
    "brand": {"brand"},
    "brand-two": {"brand two"},
    "cashier": set(),
    "nobody": set(),
}


@pytest.mark.parametrize("kind", ["monitor", "streams"])
async def test_everyone_sees_their_own_and_nobody_elses(network: Network, as_person: Person, kind: str) -> None:
    for login, allowed in ALLOWED.items():
        client = as_person(login)
        for name, address in addresses(network).items():
            if kind == "streams" and name in allowed:
                continue  # a stream that opens does not end within this process's client
            answer = await client.get(f"/v1/{kind}/{address}")
            expected = 200 if name in allowed else 403 if name == "network" else 404
            assert answer.status_code == expected, (login, name, answer.text)


async def test_without_a_session_or_key_there_is_nothing_to_see(client: httpx.AsyncClient, network: Network) -> None:
    for address in addresses(network).values():
        for kind in ("monitor", "streams"):
            assert (await client.get(f"/v1/{kind}/{address}")).status_code == 401
    assert (await client.get("/v1/monitor/places/31")).status_code == 401


async def test_a_date_that_is_none_is_refused(as_person: Person) -> None:
    operator = as_person("operator")
    for date in ("2026-13-01", "1999-12-31", "yesterday", "2026-11-2", "20261122", "9999-01-01"):
        answer = await operator.get("/v1/monitor/network", params={"date": date})
        assert answer.status_code == 422, date
        assert answer.headers["content-type"] == "application/problem+json", date


async def test_what_is_not_there_is_not_found(as_person: Person, network: Network) -> None:
    operator = as_person("operator")
    for address in ("retailers/nothing", "stores/123", "stores/6909900000000", "brands/one", "places/99", "places/31/4401", "places/x"):
        assert (await operator.get(f"/v1/monitor/{address}")).status_code == 404, address


async def test_documents_say_what_was_captured(network: Network, with_key: Person, as_person: Person) -> None:
    till, completed = with_key(network.till.key), now() - timedelta(seconds=5)
    tea, milk = network.products[0], network.products[3]
    first = sale(network, [line(tea), line(milk, 2000)], at=completed)
    back = return_of(network, first, [1], at=completed + timedelta(seconds=1))
    for each in (first, back):
        assert (await till.post("/v1/sales", json=each)).status_code == 201
    await until_captured(as_person("operator"), "network", 2 * milk.price)

    store = (await as_person("manager").get(f"/v1/monitor/stores/{network.store.gln}")).json()["document"]
    assert store["today"] == {
        "value": 2 * milk.price, "tickets": 1, "items": store["today"]["items"], "returns": 1, "return_value": tea.price, "voids": 0,
        "average_ticket": tea.price + 2 * milk.price, "items_a_basket": store["today"]["items"] * 100,
    }  # fmt: skip
    assert [(each["id"], each["kind"], each["value"]) for each in store["recent"]] == [
        (back["id"], "return", -tea.price), (first["id"], "sale", first["total"]),
    ]  # fmt: skip
    assert store["recent"][1]["products"][0] == {"code": tea.code, "name_zh": tea.name_zh, "name_en": tea.name_en}
    assert store["products"][0]["value"] == 2 * milk.price
    assert store["products"][0]["quantity"] == 2000
    assert store["tills"]["01"]["tickets"] == 1
    assert sum(value for value, _ in store["minutes"].values()) == store["today"]["value"]
    assert store["identity"]["province"]["code"] == "31"

    retailer = (await as_person("office").get("/v1/monitor/retailers/one")).json()["document"]
    assert set(retailer["stores"]) == {each.gln for each in network.one.stores}
    assert retailer["stores"][network.store.gln]["value"] == 2 * milk.price
    brand = (await as_person("brand-two").get("/v1/monitor/brands/beiya")).json()["document"]
    assert brand["today"] == {"value": 2 * milk.price, "quantity": 2000, "lines": 1}
    assert brand["retailers"]["one"]["value"] == brand["provinces"]["31"]["value"] == 2 * milk.price
    screen = (await as_person("operator").get("/v1/monitor/network")).json()["document"]
    assert screen["provinces"]["31"]["value"] == 2 * milk.price
    assert screen["provinces"]["44"]["value"] == 0
    assert [each["kind"] for each in screen["recent"]] == ["return", "sale"]


async def until_captured(client: httpx.AsyncClient, address: str, value: int) -> None:
    async with asyncio.timeout(15):
        while (await client.get(f"/v1/monitor/{address}")).json()["document"]["today"]["value"] != value:
            await asyncio.sleep(0.02)


async def test_latest_is_the_newest_day_with_trade_and_every_day_can_be_asked_for(
    network: Network, with_key: Person, as_person: Person
) -> None:
    long_ago = now() - timedelta(days=40)
    day = long_ago.astimezone(SHANGHAI).date().isoformat()
    rung = sale(network, at=long_ago)
    assert (await with_key(network.one.history_key).post("/v1/sales", json=rung)).status_code == 201
    for login, address in [
        ("operator", "network"),
        ("office", "retailers/one"),
        ("manager", f"stores/{network.store.gln}"),
        ("brand", "brands/yunqi"),
    ]:
        latest = (await as_person(login).get(f"/v1/monitor/{address}", params={"date": "latest"})).json()
        assert latest["document"]["identity"]["business_date"] == day
        assert not latest["document"]["identity"]["today"]
        assert latest["topic"].endswith(day)
        assert latest == (await as_person(login).get(f"/v1/monitor/{address}", params={"date": day})).json() | {"as_of": latest["as_of"]}
        empty = (await as_person(login).get(f"/v1/monitor/{address}")).json()["document"]
        assert empty["today"]["value"] == 0
    screen = (await as_person("operator").get("/v1/monitor/network", params={"date": day})).json()["document"]
    assert screen["today"]["value"] == rung["total"]
    assert len(screen["recent"]) == 0 or screen["recent"][0]["value"] == rung["total"]


async def test_a_place_leads_from_province_to_city_to_store_and_shows_only_ones_own(
    network: Network, with_key: Person, as_person: Person
) -> None:
    assert (await with_key(network.till.key).post("/v1/sales", json=sale(network))).status_code == 201
    total = sale(network)["total"]
    for login, stores in [("operator", 3), ("office", 2), ("manager", 1), ("office-two", 1)]:
        client = as_person(login)
        province = (await client.get("/v1/monitor/places/31")).json()
        assert [(each["code"], each["stores"]) for each in province["cities"]] == [("3101", stores)]
        assert province["value"] == (0 if login == "office-two" else total)
        city = (await client.get("/v1/monitor/places/31/3101")).json()
        assert len(city["stores"]) == stores
        assert city["cities"] == []
    assert (await as_person("brand").get("/v1/monitor/places/31")).status_code == 403


async def test_the_documents_and_frames_are_described(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    for kind in ("monitor", "streams"):
        for path in ("network", "retailers/{code}", "stores/{gln}", "brands/{code}"):
            assert f"/v1/{kind}/{path}" in described["paths"]
    schemas = described["components"]["schemas"]
    assert {"StoreDocument", "BrandDocument", "RetailerDocument", "NetworkDocument", "Snapshot", "Frame", "Place"} <= set(schemas)


@pytest.fixture
async def address(app: Any) -> AsyncIterator[str]:
    """The application of this process on a port of its own, over real TCP."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    app.state.hub.end_streams("closing")
    server.should_exit = True
    await serving


class Stream:
    """A stream over HTTP, read in the background."""

    def __init__(self, url: str, key: str, path: str, last: str = "", after: str = "") -> None:
        self.text = b""
        headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": last} if last else {})
        self.task = asyncio.create_task(self._run(f"{url}/v1/streams/{path}" + (f"?after={after}" if after else ""), headers))

    async def _run(self, url: str, headers: dict[str, str]) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client, client.stream("GET", url, headers=headers) as answer:
            assert answer.status_code == 200
            async for data in answer.aiter_raw():
                self.text += data

    @property
    def events(self) -> list[dict[str, Any]]:
        return events_of(self.text[: self.text.rfind(b"\n\n") + 2])

    async def until(self, condition: Callable[[list[dict[str, Any]]], bool], within: float = 20) -> None:
        async with asyncio.timeout(within):
            while not condition(self.events):
                await asyncio.sleep(0.01)

    async def worth(self, value: int) -> None:
        await self.until(lambda events: bool(events) and self.document()["today"]["value"] == value)

    def document(self) -> dict[str, Any]:
        """What a browser would hold now."""
        document: dict[str, Any] = {}
        for event in self.events:
            if event["event"] == "snapshot":
                document = event["data"]["document"]
            elif event["event"] == "frame":
                document = apply_frame(document, event["data"])
        return document


async def post(url: str, key: str, body: dict[str, Any]) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.post(f"{url}/v1/sales", json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 201, answer.text


async def test_a_sale_in_one_tenants_store_reaches_its_watchers_and_nobody_elses(network: Network, address: str) -> None:
    mine = Stream(address, network.one.key, f"stores/{network.store.gln}")
    sister = Stream(address, network.one.key, f"stores/{network.one.stores[1].gln}")
    foreign = Stream(address, network.two.key, "retailers/two")
    maker = Stream(address, network.brands[0].key, "brands/yunqi")
    other = Stream(address, network.brands[1].key, "brands/beiya")
    for each in (mine, sister, foreign, maker, other):
        await each.until(bool)
    tea, milk = network.products[0], network.products[3]
    await post(address, network.till.key, sale(network, [line(tea)]))
    await mine.worth(tea.price)
    await maker.worth(tea.price)
    await post(address, network.two.stores[0].tills[0].key, sale(network, [line(milk)], store=network.two.stores[0]))
    await foreign.worth(milk.price)
    await other.worth(milk.price)
    assert maker.document()["today"]["value"] == mine.document()["today"]["value"] == tea.price
    assert sister.document()["today"]["value"] == 0
    assert tea.code.encode() not in foreign.text + other.text + sister.text
    assert milk.code.encode() not in mine.text + maker.text + sister.text


async def test_a_stream_goes_on_where_a_page_or_a_broken_line_left_off(network: Network, address: str) -> None:
    path = f"stores/{network.store.gln}"
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        snapshot = (await client.get(f"{address}/v1/monitor/{path}", headers={"Authorization": f"Bearer {network.one.key}"})).json()
    stream = Stream(address, network.one.key, path, after=f"{snapshot['epoch']}:{snapshot['seq']}")
    await post(address, network.till.key, sale(network))
    await stream.until(lambda events: any("today" in each["data"].get("set", {}) for each in events))
    assert all(each["event"] == "frame" for each in stream.events), "nothing is sent twice"
    assert stream.events[0]["data"]["seq"] == snapshot["seq"] + 1
    again = Stream(address, network.one.key, path, last=stream.events[0]["id"])
    await again.until(bool)
    assert again.events[0]["event"] == "frame"
    assert again.events[0]["data"]["seq"] == snapshot["seq"] + 2


async def test_a_stream_ends_within_seconds_of_its_key_being_revoked(
    network: Network, address: str, owner: psycopg.Connection[Any]
) -> None:
    stream = Stream(address, network.one.key, "retailers/one")
    await stream.until(bool)
    owner.execute("update api_key set revoked_at = now() where retailer_id = %s", [network.one.id])
    await stream.until(lambda events: events[-1]["event"] == "end", within=15)
    assert stream.events[-1]["data"] == {"reason": "revoked"}
    await asyncio.wait_for(stream.task, 5)


async def test_a_process_shows_the_sales_that_another_captures(
    network: Network, address: str, make_server: Callable[..., RunningServer]
) -> None:
    stream = Stream(address, network.one.key, f"stores/{network.store.gln}")
    await stream.until(bool)
    rung = sale(network)
    await post((await asyncio.to_thread(make_server)).url, network.till.key, rung)
    await stream.worth(rung["total"])
    assert stream.document()["recent"][0]["id"] == rung["id"]


async def test_the_network_is_compared_with_last_week_store_by_store(network: Network, with_key: Person, as_person: Person) -> None:
    tea, (old, new) = network.products[0], network.one.stores[:2]
    one, operator = with_key(network.one.history_key), as_person("operator")
    then = now() - timedelta(days=7)
    for store, at, quantity in ((old, then, 1000), (old, now() - timedelta(seconds=5), 2000), (new, now() - timedelta(seconds=4), 7000)):
        assert (await one.post("/v1/sales", json=sale(network, [line(tea, quantity)], store=store, at=at))).status_code == 201
    await until_captured(operator, "network", 9 * tea.price)
    screen = (await operator.get("/v1/monitor/network")).json()["document"]
    assert screen["last_week"]["whole_day_value"] == tea.price
    assert (screen["alike"]["stores"], screen["alike"]["figures"]["value"]) == (1, 2 * tea.price)  # the new store is left out
    assert (await one.post("/v1/sales", json=sale(network, [line(tea)], store=new, at=then))).status_code == 201  # it comes late
    async with asyncio.timeout(15):
        while (screen := (await operator.get("/v1/monitor/network")).json()["document"])["alike"]["stores"] != 2:
            await asyncio.sleep(0.02)
    assert screen["alike"]["figures"] == screen["today"]
    assert "like for like" in (await operator.get("/monitor", headers={"Accept-Language": "en"})).text
