"""``python -m hutong.demo``: the player as a process of its own, started and ended by ``hutong demo``."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from hutong.demo.keys import read_keys
from hutong.demo.market import Market
from hutong.demo.play import Player
from hutong.demo.post import Post, Tally


def main() -> None:
    """Play until SIGINT or SIGTERM, or until the process that started this one is gone."""
    parser = argparse.ArgumentParser(prog="python -m hutong.demo", description="Play the demonstration's trade into a running network.")
    parser.add_argument("--url", required=True, help="address of the network")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder that holds the demonstration's keys")
    parser.add_argument("--rate", type=float, default=100.0, help="sales a second")
    parser.add_argument("--stores", type=int, required=True, help="stores of the network")
    parser.add_argument("--history", type=int, default=0, help="stores whose missing days are filled in")
    asked = parser.parse_args()
    asyncio.run(_play(asked.url, asked.data_dir, asked.rate, asked.stores, asked.history))


async def _play(url: str, data_dir: Path, rate: float, stores: int, history: int) -> None:
    stop, parent = asyncio.Event(), os.getppid()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    post = Post(url, read_keys(data_dir), Tally())
    watching = asyncio.create_task(_watch(parent, stop))
    try:
        await Player(Market(stores), post, data_dir, rate, history, _say).run(stop)
    finally:
        watching.cancel()
        await post.close()


async def _watch(parent: int, stop: asyncio.Event) -> None:
    """A player whose starter was killed ends by itself."""
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel tells nobody when a parent dies
        await asyncio.sleep(0.5)
    stop.set()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
