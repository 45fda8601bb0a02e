"""The snapshot of every monitor page (load and document) with 20 million lines present; each must take less than 50 ms."""

import argparse
import asyncio
import time
from datetime import date, timedelta

import psycopg

from benchmarks._fill import FILLING, Network, benches, fill, last_days, network_in, settings
from benchmarks._pages import Pages, get, rounds
from benchmarks._support import Result, middle, percentile, say
from hutong.platform.database import Database

WANTED_MS = 50
LEDGER = "select minute, sum(total), count(*) from sale where business_date = %s and kind = 1 group by minute"
LEDGER_BRANDS = "select brand_id, sum(amount), sum(quantity) from sale_line where business_date = %s group by brand_id"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    result = Result("queries")
    with benches("queries") as [bench]:
        network = network_in(bench)
        days = last_days(options.days)
        with settings(bench, FILLING):
            fill(bench.url, options.lines, days)
        times = asyncio.run(measure(network, days[-1], options.rounds))
        for name, taken in times.items():
            say(f"{name:9} load and document: median {middle(taken):6.1f} ms, p95 {percentile(taken, 0.95):6.1f} ms")
        through = asyncio.run(through_http(network, days))
        for name, (api, page) in through.items():
            say(f"{name:9} through HTTP, loaded for it: document {api:6.1f} ms, HTML page {page:6.1f} ms")
        ledger = ledger_ms(network.url, days[-1])
        say(f"the network's curve and brands summed from the day's sales and lines instead: {ledger:,.0f} ms")
    slowest = max(times, key=lambda name: middle(times[name]))
    result.show(
        middle(times[slowest]), "ms", None, wanted=WANTED_MS, lower_is_better=True, slowest=slowest, lines=options.lines, days=options.days,
        pages={name: round(middle(taken), 1) for name, taken in times.items()},
        pages_p95={name: round(percentile(taken, 0.95), 1) for name, taken in times.items()},
        http={name: round(api, 1) for name, (api, _) in through.items()}, html={name: round(page, 1) for name, (_, page) in through.items()},
        network_summed_from_lines_ms=round(ledger), network_ratio_to_that=round(middle(times["network"]) / ledger, 4),
    )  # fmt: skip


async def measure(network: Network, day: date, count: int) -> dict[str, list[float]]:
    """Each page of the last day through the code that serves them."""
    database = Database(network.url)
    try:
        return (await rounds([Pages(network, database, day)], count))[0]
    finally:
        await database.close()


async def through_http(network: Network, days: list[date]) -> dict[str, tuple[float, float]]:
    """The median of each page's JSON and HTML over some days: each day's topic is asked for once, so that it is loaded for it."""
    database = Database(network.url)
    addresses = Pages(network, database, days[-1]).addresses()
    await database.close()
    some = days[-9:]
    times: dict[str, tuple[float, float]] = {}
    with network.bench.server() as address:
        get(f"{address}/v1/monitor/network?date={days[-1] + timedelta(days=1)}", network.session())  # the tail and the names
        get(f"{address}/monitor?date={days[-1] + timedelta(days=1)}", network.session())
        for name, path in addresses.items():
            api = [get(f"{address}/v1/monitor{path or '/network'}?date={day}", network.session()) for day in some[::2]]
            page = [get(f"{address}/monitor{path}?date={day}", network.session()) for day in some[1::2] or some]
            times[name] = middle(api), middle(page)
    return times


def ledger_ms(url: str, day: date) -> float:
    """What the same costs without totals, the median of three."""
    taken = []
    with psycopg.connect(url, autocommit=True) as owner:
        for _ in range(3):
            started = time.perf_counter()
            owner.execute(LEDGER, [day]).fetchall()
            owner.execute(LEDGER_BRANDS, [day]).fetchall()
            taken.append((time.perf_counter() - started) * 1000)
    return middle(taken)


if __name__ == "__main__":
    main()
