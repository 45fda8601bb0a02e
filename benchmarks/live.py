"""500 sales a second and 1,000 watchers of stores, brands, retailers and the network: how long from a commit to the frame with it."""

import argparse
import asyncio
import multiprocessing
import random
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks._fill import FILLING, Network, benches, fill, last_days, network_in, settings
from benchmarks._support import SHANGHAI, Bench, Load, Result, percentile, request_bytes, say
from benchmarks._watch import Seen, Wanted, seen_by, watching
from hutong.platform.live.hub import FRAME_SECONDS
from hutong.platform.live.stream import MOST_STREAMS

SHARES = {"store": 0.5, "brand": 0.25, "network": 0.15, "retailer": 0.1}
WARM_SECONDS = 5
P50_MS, P99_MS = 150, 500
KINDS = ("store", "brand", "retailer", "network")
Topic = tuple[str, int]
Commits = dict[Topic, list[float]]
"""By topic: when each of what it counts (a brand: lines, else tickets) was committed, in that order."""


def main() -> None:
    options = arguments()
    result = Result("live")
    with benches("live") as [bench], ExitStack() as stack:
        network = network_in(bench)
        with settings(bench, FILLING):
            fill(bench.url, options.lines, last_days(8))
        stack.enter_context(settings(bench, {"track_commit_timestamp": "on"}))
        wanted = streams(network, options.watchers)
        requests = sales(network, options.rate, options.seconds + WARM_SECONDS, options.sales_a_request)
        with bench.server(options.workers) as address, watching(address, wanted, options.watching_processes) as watchers:
            say(f"{len(wanted):,} watchers have their first document; {options.rate} sales a second for {options.seconds} s")
            started, before = time.time(), cpu(bench)
            load = send(address, requests, options.rate / options.sales_a_request)
            lasted, after = time.time() - started, cpu(bench)
            time.sleep(3)
            seen = seen_by(watchers)
        commits = read_commits(bench.url, started)
    assert load.statuses == {200: len(requests)}, load.statuses
    cores = {name: round((after[name] - before.get(name, 0)) / lasted, 2) for name in after}
    show(result, options, load, seen, commits, started + WARM_SECONDS, cores)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500, help="sales a second")
    parser.add_argument("--watchers", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=30, help=f"measured, after {WARM_SECONDS} s of warming up")
    parser.add_argument("--sales-a-request", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1, help="server processes")
    parser.add_argument("--watching-processes", type=int, default=1)
    parser.add_argument("--lines", type=int, default=400_000, help="lines present at the start, over eight days")
    return parser.parse_args()


def streams(network: Network, watchers: int) -> list[Wanted]:
    """Who watches what: half the watchers a store each, the others brands, retailers and the network; 20 streams a key at most."""
    chance = random.Random(8)
    counts = {kind: round(watchers * share) for kind, share in SHARES.items()}
    chosen = chance.sample([each for some in network.outlets.values() for each in some], counts["store"])
    by_key = MOST_STREAMS - 2
    network.add_keys(-(-(counts["store"] + counts["retailer"]) // by_key), -(-counts["brand"] // by_key), -(-counts["network"] // by_key))
    used: Counter[Topic] = Counter()

    def number(place: Topic) -> int:
        used[place] += 1
        return (used[place] - 1) // by_key

    wanted = []
    for outlet in chosen:
        key = network.key(outlet.retailer_id, number(("retailer", outlet.retailer_id)))
        wanted.append(Wanted("store", outlet.id, f"/v1/streams/stores/{outlet.gln}", f"Authorization: Bearer {key}"))
    for (brand, code), _ in zip(cycle(network.brands.items()), range(counts["brand"]), strict=False):
        key = network.brand_key(brand, number(("brand", brand)))
        wanted.append(Wanted("brand", brand, f"/v1/streams/brands/{code}", f"Authorization: Bearer {key}"))
    for (retailer, code), _ in zip(cycle(network.retailers.items()), range(counts["retailer"]), strict=False):
        key = network.key(retailer, number(("retailer", retailer)))
        wanted.append(Wanted("retailer", retailer, f"/v1/streams/retailers/{code}", f"Authorization: Bearer {key}"))
    for _ in range(counts["network"]):
        cookie = f"Cookie: hutong_session={network.session(number(('network', 0)))}"
        wanted.append(Wanted("network", 0, "/v1/streams/network", cookie))
    chance.shuffle(wanted)
    return wanted


def sales(network: Network, rate: float, seconds: int, a_request: int) -> list[bytes]:
    """The requests to send, each of one retailer's sales, stamped with about the time at which they are sent."""
    chance = random.Random(9)
    retailers, weights = list(network.outlets), [len(each) for each in network.outlets.values()]
    started, count = datetime.now(SHANGHAI) + timedelta(seconds=5), int(rate * seconds / a_request)
    made = []
    for number in range(count):
        at = started + timedelta(seconds=number * a_request / rate)
        retailer = chance.choices(retailers, weights)[0]
        some = [network.invent(chance, at, number * a_request + n, chance.choice(network.outlets[retailer])) for n in range(a_request)]
        made.append(request_bytes("/v1/sales:batch", {"sales": some}, network.key(retailer)))
    return made


def send(address: str, requests: Sequence[bytes], a_second: float) -> Load:
    """Send the requests at their times, whether or not earlier ones are answered, from a process of its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_send, (address, requests, a_second))


def _send(address: str, requests: Sequence[bytes], a_second: float) -> Load:
    return asyncio.run(_send_paced(address, requests, a_second))


async def _send_paced(address: str, requests: Sequence[bytes], a_second: float) -> Load:
    host, port = address.removeprefix("http://").split(":")
    load, idle = Load(0.0, [], {}), deque[Any]()
    started = time.perf_counter()

    async def one(request: bytes, due: float) -> None:
        reader, writer = idle.popleft() if idle else await asyncio.open_connection(host, int(port), limit=2**22)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        except (ConnectionError, asyncio.IncompleteReadError):  # the server closes a line that was quiet for long: the same again
            return await one(request, due)
        load.latencies.append(time.perf_counter() - due)
        recorded = body.count(b'"captured"') + body.count(b'"duplicate"')
        status = int(head[9:12]) if recorded == request.count(b'"receipt"') else 500
        load.statuses[status] = load.statuses.get(status, 0) + 1
        idle.append((reader, writer))

    tasks = []
    for number, request in enumerate(requests):
        due = started + number / a_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(request, due)))
    await asyncio.gather(*tasks)
    load.seconds = time.perf_counter() - started
    return load


def read_commits(url: str, since: float) -> Commits:
    """When each sale was committed, as PostgreSQL itself noted it, for every topic that counts it."""
    commits: Commits = {}
    with psycopg.connect(url, autocommit=True) as owner:
        rows = owner.execute(
            """select extract(epoch from pg_xact_commit_timestamp(e.xid::xid))::float, e.retailer_id, e.store_id,
                      (select array_agg(brand_id) from sale_line l where l.retailer_id = e.retailer_id and l.sale_id = e.subject
                       and l.business_date = e.business_date)
               from event e where e.kind = 'sale.captured' and e.at >= to_timestamp(%s) order by 1""",
            [since],
        )
        for at, retailer, store, brands in rows:
            for topic in (("network", 0), ("retailer", retailer), ("store", store), *(("brand", each) for each in brands if each)):
                commits.setdefault(topic, []).append(at)
    return commits


def untold(seen: Seen, commits: Commits) -> int:
    """How many sales (of a brand: lines) a watcher was not told of, by its last count; below zero if it was told of too many."""
    return len(commits.get((seen.kind, seen.id), ())) - (seen.count - seen.first_count)


def deliveries(seen: Seen, commits: Sequence[float], since: float) -> Iterator[float]:
    """Seconds from the commit to the frame for each sale (of a brand: line) that a watcher was told of.

    The n-th that its document counts is the n-th that was committed: which of two in the same moment came first changes no sum.
    """
    done = 0
    for at, count in zip(seen.at, seen.counts, strict=True):
        upto = count - seen.first_count
        for committed in commits[done:upto]:
            if committed >= since:
                yield at - committed
        done = upto


def ideal(commits: Sequence[float], since: float) -> Iterator[float]:
    """The same if nothing took any time but the pace of the frames: at once after a pause, else a quarter second apart."""
    sent, place = float("-inf"), 0
    while place < len(commits):
        sent = max(commits[place], sent + FRAME_SECONDS)
        while place < len(commits) and commits[place] <= sent:
            if commits[place] >= since:
                yield sent - commits[place]
            place += 1


def cpu(bench: Bench) -> dict[str, float]:
    """Processor seconds so far: of the server, of PostgreSQL and of the benchmark's own processes."""
    spent: Counter[str] = Counter()
    postmaster = psutil.Process(int((Path(bench.postgres.folder) / "postmaster.pid").read_text().split("\n", 1)[0]))
    for name, root in (("postgres", postmaster), ("benchmark", psutil.Process())):
        for process in (root, *root.children(recursive=True)):
            times = process.cpu_times()
            server = name == "benchmark" and "uvicorn" in " ".join(process.cmdline())
            spent["server" if server else name] += times.user + times.system
    spent["benchmark"] += sum(psutil.Process().cpu_times()[2:4])  # of the process that sent the sales, which has ended
    spent["machine"] = sum(psutil.cpu_times()[:3])
    return dict(spent)


def show(
    result: Result, options: argparse.Namespace, load: Load, seen: Sequence[Seen], commits: Commits, since: float, cores: dict[str, float]
) -> None:
    """Print the percentiles by kind of topic, whether anything was lost, and the line of JSON."""
    lost = sum(abs(untold(each, commits)) for each in seen)
    faults = [fault for each in seen for fault in each.faults]
    faults += [f"{each.kind} {each.id}: {missing} not told" for each in seen if (missing := untold(each, commits))]
    by_kind: dict[str, list[float]] = {kind: [] for kind in KINDS}
    best: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for each in seen:
        mine = commits.get((each.kind, each.id), [])
        by_kind[each.kind] += deliveries(each, mine, since)
        best[each.kind] += ideal(mine, since)
    by_kind["all"], best["all"] = [x for each in by_kind.values() for x in each], [x for each in best.values() for x in each]
    lags = [lag for each in seen for lag in each.newest_lags[1:]]
    table: dict[str, dict[str, Any]] = {}
    for kind, taken in by_kind.items():
        if taken:
            table[kind] = {
                "deliveries": len(taken), "p50": round(percentile(taken, 0.5) * 1000, 1), "p99": round(percentile(taken, 0.99) * 1000, 1),
                "paced_p50": round(percentile(best[kind], 0.5) * 1000, 1), "paced_p99": round(percentile(best[kind], 0.99) * 1000, 1),
            }  # fmt: skip
            say("{:9} {deliveries:>9,} sales told: commit to frame p50 {p50:6.1f} ms, p99 {p99:6.1f} ms; the pace of frames alone p50 "
                "{paced_p50:6.1f}, p99 {paced_p99:6.1f}".format(kind, **table[kind]))  # fmt: skip
    frames, snapshots = sum(each.frames for each in seen), sum(each.snapshots for each in seen)
    say(f"{frames:,} frames and {snapshots:,} whole documents received; {lost} sales not told, {len(faults)} faults {faults[:3]}")
    say(
        f"answers to captures p50 {percentile(load.latencies, 0.5) * 1000:.1f} ms, p99 {percentile(load.latencies, 0.99) * 1000:.1f} ms; cores {cores}"
    )
    every = table["all"]
    result.show(
        every["p50"], "ms", every["paced_p50"] or None, wanted=P50_MS, wanted_p99=P99_MS,
        reached=every["p50"] < P50_MS and every["p99"] < P99_MS and not lost and not faults, p99_ms=every["p99"], kinds=table,
        newest_in_frame_p50_ms=round(percentile(lags, 0.5) * 1000, 1), newest_in_frame_p99_ms=round(percentile(lags, 0.99) * 1000, 1),
        share_of_pacing=round(every["paced_p50"] / every["p50"], 3), rate=options.rate, watchers=len(seen), seconds=options.seconds,
        workers=options.workers, frames=frames, megabytes=round(sum(each.bytes for each in seen) / 1e6),
        skipped_to_whole=snapshots - len(seen), lost=lost, faults=len(faults), cores=cores,
        capture_p50_ms=round(percentile(load.latencies, 0.5) * 1000, 1), capture_p99_ms=round(percentile(load.latencies, 0.99) * 1000, 1),
        bound_is="the same sales told at once after a pause and else every quarter second: nothing but the pace of the frames",
    )  # fmt: skip


if __name__ == "__main__":
    main()
