"""The monitor's pages as the benchmarks time them: a topic's load and document as the hub makes them, and the drill by place."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from itertools import cycle
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import psycopg

from benchmarks._fill import Network
from hutong.app import spare_the_collector
from hutong.kernel.clock import now
from hutong.monitor.documents import Kind
from hutong.monitor.places import read_place
from hutong.monitor.topics import Key, MonitorSource
from hutong.platform.database import Database
from hutong.platform.scope import Scope

ZONE = "Asia/Shanghai"
STORES_SHOWN = 20
"""So many different stores are asked for in turn."""

encoder = msgspec.json.Encoder()
Load = Callable[[], Awaitable[bytes]]


class Pages:
    """The pages of one day, each as a coroutine that loads and encodes it: the largest retailer, brand, province and city."""

    def __init__(self, network: Network, database: Database, day: date) -> None:
        self.database = database
        self.day = day
        self.source = MonitorSource(database, ZONE)
        self.subjects = largest(network.url, day)
        stores = cycle(self.subjects["stores"])
        province, city = self.subjects["province"], self.subjects["city"]
        self.loads: dict[str, Load] = {
            "network": lambda: self._topic("network", 0),
            "retailer": lambda: self._topic("retailer", self.subjects["retailer"][0]),
            "store": lambda: self._topic("store", next(stores)[0]),
            "brand": lambda: self._topic("brand", self.subjects["brand"][0]),
            "province": lambda: self._place(province, None),
            "city": lambda: self._place(*city),
        }

    async def _topic(self, kind: Kind, number: int) -> bytes:
        state = await self.source.load(Key(kind, number, self.day))
        return encoder.encode(state.document(now()))

    async def _place(self, province: int, city: int | None) -> bytes:
        await self.source.atlas.refresh(self.database)
        async with self.database.read(Scope.of_network()) as reader:
            return encoder.encode(await read_place(reader, self.source.atlas, province, city, self.day))

    def addresses(self) -> dict[str, str]:
        """Where each page is, behind ``/monitor`` or ``/v1/monitor``; the API calls the first ``/network``."""
        return {
            "network": "", "retailer": f"/retailers/{self.subjects['retailer'][1]}", "store": f"/stores/{self.subjects['stores'][0][1]}",
            "brand": f"/brands/{self.subjects['brand'][1]}", "province": f"/places/{self.subjects['province']}",
            "city": "/places/{}/{}".format(*self.subjects["city"]),
        }  # fmt: skip


def largest(url: str, day: date) -> dict[str, Any]:
    """The most that a page can have to show: by id and code, and by place."""
    with psycopg.connect(url, autocommit=True) as owner:

        def first(sql: str) -> Any:
            return owner.execute(sql, {"day": day}).fetchall()  # type: ignore[arg-type]

        return {
            "retailer": first("select r.id, r.code from store s join retailer r on r.id = retailer_id group by 1, 2 order by count(*) desc limit 1")[0],
            "brand": first("select id, code from brand_day join brand on id = brand_id where business_date = %(day)s group by 1, 2 order by sum(lines) desc limit 1")[0],
            "stores": first(
                "select store_id, gln from store_day join store on store.id = store_id where business_date = %(day)s "
                f"order by tickets desc limit {STORES_SHOWN}"
            ),
            "province": first("select province_code from store where province_code > 0 group by 1 order by count(*) desc limit 1")[0][0],
            "city": first("select province_code, city_code from store where city_code > 0 group by 1, 2 order by count(*) desc limit 1")[0],
        }  # fmt: skip


async def seconds(load: Load) -> float:
    """How long one load takes."""
    started = time.perf_counter()
    await load()
    return time.perf_counter() - started


async def rounds(pages: Sequence[Pages], count: int) -> list[dict[str, list[float]]]:
    """Milliseconds of each page, ``count`` times, a page of each database in turn, after a warm-up."""
    times: list[dict[str, list[float]]] = [{} for _ in pages]
    spare_the_collector()  # as the process that serves the pages does
    for number in range(count + 3):
        for name in pages[0].loads:
            for each, kept in zip(pages, times, strict=True):
                took = await seconds(each.loads[name]) * 1000
                if number >= 3:
                    kept.setdefault(name, []).append(took)
                await asyncio.sleep(0)
    return times


def get(address: str, token: str) -> float:
    """Milliseconds that a GET takes with the session of ``token``. Raises HTTPError unless it is answered 200."""
    started = time.perf_counter()
    with urlopen(Request(address, headers={"Cookie": f"hutong_session={token}"}), timeout=30) as answer:
        answer.read()
    return (time.perf_counter() - started) * 1000
