"""Capture and every page's snapshot with 20 million lines present against 1 million, on one server in alternating rounds."""

import argparse
import asyncio
import random
from collections.abc import Sequence
from datetime import datetime

import psycopg

from benchmarks._fill import FILLING, Network, benches, fill, last_days, network_in, settings
from benchmarks._pages import Pages, rounds
from benchmarks._support import SHANGHAI, Result, middle, request_bytes, say, send_all
from hutong.platform.database import Database

WANTED = 1.2
SALES_A_REQUEST = 100
CLIENTS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000_000, help="lines of the larger database")
    parser.add_argument("--small", type=int, default=1_000_000, help="lines of the smaller one")
    parser.add_argument(
        "--small-days", type=int, default=29, help="days of the smaller one; the larger has as many lines a day, and so more days"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=10, help="requests of 100 sales a round")
    options = parser.parse_args()
    result = Result("growth")
    sizes = [options.small, options.lines]
    counts = [options.small_days, round(options.small_days * options.lines / options.small)]
    with benches("small", "large") as made:
        networks = [network_in(bench) for bench in made]
        with settings(made[0], FILLING):
            for network, size, count in zip(networks, sizes, counts, strict=True):
                fill(network.url, size, last_days(count))
        capture = measure_capture(networks, options.rounds, options.requests)
        pages = asyncio.run(measure_pages(networks, options.rounds))
    ratios = {"capture": ratio(*capture), **{name: ratio(small, pages[1][name]) for name, small in pages[0].items()}}
    say(
        f"{'capture':9} a sale: {middle(capture[0]):6.3f} ms with {sizes[0]:,} lines, {middle(capture[1]):6.3f} ms with {sizes[1]:,}: {ratios['capture']:.3f}"
    )
    for name, small in pages[0].items():
        say(
            f"{name:9} page:   {middle(small):6.1f} ms with {sizes[0]:,} lines, {middle(pages[1][name]):6.1f} ms with {sizes[1]:,}: {ratios[name]:.3f}"
        )
    worst = max(ratios, key=lambda name: ratios[name])
    value, bound = (middle(capture[1]), middle(capture[0])) if worst == "capture" else (middle(pages[1][worst]), middle(pages[0][worst]))
    result.show(
        value, "ms", bound, wanted=WANTED, lower_is_better=True, worst=worst, ratios={name: round(each, 3) for name, each in ratios.items()},
        lines=sizes, days=counts, capture_ms_a_sale=[round(middle(each), 4) for each in capture],
        pages_ms=[{name: round(middle(taken), 2) for name, taken in each.items()} for each in pages],
        bound_is="the same with the smaller database, in alternating rounds",
    )  # fmt: skip


def ratio(small: Sequence[float], large: Sequence[float]) -> float:
    """The larger database's median to the smaller's."""
    return middle(large) / middle(small)


def measure_capture(networks: Sequence[Network], count: int, requests: int) -> list[list[float]]:
    """Milliseconds a sale of batches through HTTP, round by round; the databases take turns in who comes first."""
    chance = random.Random(7)
    taken: list[list[float]] = [[] for _ in networks]
    receipt = 0
    with networks[0].bench.server() as first, networks[1].bench.server() as second:
        for number in range(count + 2):
            receipt += 1
            turns = list(zip(networks, (first, second), taken, strict=True))
            for network, address, kept in turns if number % 2 else reversed(turns):
                sent = [batch(network, chance, (receipt * requests + n) * SALES_A_REQUEST) for n in range(requests)]
                load = asyncio.run(send_all(address, sent, CLIENTS))
                assert load.statuses == {200: requests}, load.statuses
                if number >= 2:  # the first are warm-up: plans, caches, connections
                    kept.append(load.seconds * 1000 / (requests * SALES_A_REQUEST))
    sales = (count + 2) * requests * SALES_A_REQUEST
    for network in networks:
        with psycopg.connect(network.url, autocommit=True) as owner:
            stored = owner.execute(
                "select count(*) from sale where business_date >= %s and receipt not like 'f%%'", [last_days(2)[0]]
            ).fetchone()
            assert stored == (sales,), f"{stored} sales are stored, {sales} were sent"
            owner.execute("vacuum (analyze)")
    return taken


def batch(network: Network, chance: random.Random, receipt: int) -> bytes:
    """A request of sales of one retailer, chosen by its number of stores."""
    retailer = chance.choices(list(network.outlets), [len(each) for each in network.outlets.values()])[0]
    at, outlets = datetime.now(SHANGHAI), network.outlets[retailer]
    sales = [network.invent(chance, at, receipt + n, chance.choice(outlets)) for n in range(SALES_A_REQUEST)]
    return request_bytes("/v1/sales:batch", {"sales": sales}, network.key(retailer))


async def measure_pages(networks: Sequence[Network], count: int) -> list[dict[str, list[float]]]:
    """Each page of today, a page of each database in turn."""
    databases = [Database(network.url) for network in networks]
    try:
        return await rounds(
            [Pages(network, database, last_days(1)[0]) for network, database in zip(networks, databases, strict=True)], count
        )
    finally:
        for database in databases:
            await database.close()


if __name__ == "__main__":
    main()
