"""One sale a request, 64 clients, 1 and 2 workers, against the same route answering at once without a database."""

import argparse
import asyncio
import multiprocessing
import random

import psycopg

from benchmarks._support import Bench, Load, Result, books_at_rest, invent_sale, middle, percentile, request_bytes, say, send_all, workbench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sales", type=int, default=6_000, help="sales a run")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result = Result("capture-single")
    chance = random.Random(6)
    rates: dict[tuple[str, int], list[float]] = {}
    tails: dict[int, list[float]] = {1: [], 2: []}
    with workbench() as bench:
        receipt = 0
        for workers in (1, 2):
            with (
                bench.server(workers) as ours,
                bench.server(workers, "benchmarks._app:create_without_database") as bound,
                psycopg.connect(bench.url, autocommit=True) as owner,
                books_at_rest(owner),
            ):
                for round_number in range(options.rounds + 1):
                    for name, address in (("bound", bound), ("ours", ours)):
                        load = run(bench, address, chance, receipt, options.sales, options.clients)
                        receipt += options.sales
                        if round_number == 0:
                            continue  # warm-up
                        rates.setdefault((name, workers), []).append(options.sales / load.seconds)
                        if name == "ours":
                            tails[workers].append(percentile(load.latencies, 0.99) * 1000)
                    bench.empty()
            say(
                f"{workers} worker(s): {middle(rates['ours', workers]):,.0f} sales/s, p99 {middle(tails[workers]):.0f} ms; "
                f"without a database {middle(rates['bound', workers]):,.0f}/s"
            )
    one, two = middle(rates["ours", 1]), middle(rates["ours", 2])
    result.show(
        one, "sales/s", middle(rates["bound", 1]), wanted=0.4, p99_ms=round(middle(tails[1]), 1), clients=options.clients,
        two_workers={"value": round(two), "bound": round(middle(rates["bound", 2])), "ratio": round(two / middle(rates["bound", 2]), 3), "p99_ms": round(middle(tails[2]), 1)},
        bound_is="the same route, which reads, authorises and checks the sale, answering at once without a database",
    )  # fmt: skip


def run(bench: Bench, address: str, chance: random.Random, receipt: int, sales: int, clients: int) -> Load:
    """Send ``sales`` new sales, one a request, from a process of its own."""
    requests = [request_bytes("/v1/sales", invent_sale(bench, chance, receipt + n)) for n in range(sales)]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        load = pool.apply(_send, (address, requests, clients))
    assert load.statuses == {201: sales}, load.statuses
    return load


def _send(address: str, requests: list[bytes], clients: int) -> Load:
    return asyncio.run(send_all(address, requests, clients))


if __name__ == "__main__":
    main()
