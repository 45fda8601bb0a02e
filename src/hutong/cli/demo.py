"""``hutong demo``: a whole network on one machine, with trade, and somebody of every role to log in as."""

import asyncio
import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hutong.cli.say import note, notes

if TYPE_CHECKING:
    from hutong.cli.demo_children import Child
    from hutong.demo.keys import Keys
    from hutong.demo.stores import Store
    from hutong.platform.config import Settings

LOOK_EVERY = 0.3
ANSWERS_WITHIN = 90.0


def demo(
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for every interface."),
    port: int = typer.Option(8000, min=1, max=65535, help="Port to listen on."),
    rate: float = typer.Option(100.0, min=0.1, max=5000, help="Sales a second in the whole network."),
    data_dir: Path | None = typer.Option(
        None, help="Folder of the database and the demonstration's keys (default: HUTONG_DATA_DIR, or .data)."
    ),
    trade: bool = typer.Option(True, "--trade/--no-trade", help="Play trade into the network."),
    history: int = typer.Option(48, min=0, max=4700, help="Stores that get the trade of yesterday and of a week ago to be compared with."),
    stores: int = typer.Option(4700, min=10, max=4700, help="Stores of the network, at its first start."),
    workers: int = typer.Option(1, min=1, max=16, help="Server processes."),
    sandbox_port: int = typer.Option(8100, min=1, max=65535, help="Port of the sandbox Alipay and its wallet page."),
    payments: float = typer.Option(1.0, min=0, max=50, help="Payments a second by Alipay at a dozen stores; 0: no sandbox Alipay."),
    password: str | None = typer.Option(None, help="Password of everybody in the demonstration (default: made once and shown)."),
) -> None:
    """
    Run a demonstration network with live trade.

    Five invented retail groups with 4,700 stores in 25 provinces, 43 brands and some 3,000 products. The first start makes the
    database, fills it and plays two days of history for some stores (about half a minute); later starts take seconds. Trade goes
    through the same HTTP API that real tills use. Ctrl-C ends everything that this started.

    Examples:

      hutong demo

      hutong demo --port 9000 --rate 300

      hutong demo --data-dir /tmp/small --stores 50 --rate 10 --history 5
    """
    from hutong.cli.running import ending_on_sigterm, running_database
    from hutong.cli.serve import settings_for

    settings = settings_for(host, port)
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir})
    settings = settings.model_copy(update={"data_dir": settings.data_dir.resolve()})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell script's background job would ignore it
    with ending_on_sigterm(), only_one(settings.data_dir):
        free_the_ports(settings, host, port, sandbox_port if payments else None)
        began = time.monotonic()
        with running_database(settings, migrated=False, watched=True) as url:
            step(f"PostgreSQL runs{'' if settings.database_url else f' in {shown(settings.data_dir)}'}", began)
            network = read_network(settings, url, password)
            if network is None:
                network = make_network(settings, url, stores, password)
            options = Options(host, port, rate, trade, history, workers, sandbox_port, payments)
            run_until_stopped(settings, url, network, password, options)


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line of the processes that run."""

    host: str
    port: int
    rate: float
    trade: bool
    history: int
    workers: int
    sandbox_port: int
    payments: float


def run_until_stopped(settings: "Settings", url: str, network: "SeededNetwork", password: str | None, asked: Options) -> None:
    """Start the server, the sandbox Alipay, trade and shoppers; keep them running until Ctrl-C; end them all."""
    from hutong.cli.demo_wallet import open_accounts, sandbox_child, shoppers_child
    from hutong.cli.serve import missing_browser_files

    here, wallet = local_url(asked.host, asked.port), f"http://127.0.0.1:{asked.sandbox_port}"
    children = [server_child(settings, url, asked.host, asked.port, asked.workers)]
    try:
        if asked.payments:
            children.append(sandbox_child(settings, asked.sandbox_port))
            children[1].start()
        start_and_wait(children[0], settings, asked.host, asked.port)
        if missing_browser_files():
            note("Browser files are missing: pages will not be live. In a checkout, `make setup` fetches them.")
        if network.day != today():
            network = make_network(settings, url, len(network.shops), password)
        if asked.payments:
            began = time.monotonic()
            made = open_accounts(settings, url, wallet, children[1])
            step(f"The sandbox Alipay answers at {wallet}{f'; {made} retailers have accounts there now' if made else ''}", began)
        if asked.trade:
            first_history(settings, network, children[0], here, asked.history, asked.rate)
            children.append(trade_child(settings, here, asked.rate, len(network.shops), asked.history))
            children[-1].start()
        if asked.payments:
            children.append(shoppers_child(settings, here, wallet, len(network.shops), asked.payments))
            children[-1].start()
        welcome(settings, network, asked.rate if asked.trade else 0.0, f"{wallet}/wallet" if asked.payments else "")
        while True:
            time.sleep(LOOK_EVERY)
            for child in children:
                child.look_after()
    finally:
        stop_all(children)


@dataclass(frozen=True)
class SeededNetwork:
    """The demonstration in the database: its stores, the keys to it, and the day for which it was last brought up to date."""

    shops: tuple["Store", ...]
    keys: "Keys"
    day: str


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Raises RuntimeError if another ``hutong demo`` works in this folder. A killed one holds nothing."""
    from hutong.demo.keys import folder_of

    with (folder_of(data_dir) / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"Another `hutong demo` runs in {shown(data_dir)}; end it, or choose another folder with --data-dir."
            ) from None
        yield


def free_the_ports(settings: "Settings", host: str, port: int, sandbox_port: int | None) -> None:
    """End what a killed demonstration left running in this folder, then see that the ports are free. Raises RuntimeError."""
    from hutong.cli.demo_children import end_left_over
    from hutong.cli.serve import wait_for_port
    from hutong.demo.keys import folder_of

    for name in ("shoppers", "trade", "alipay", "server"):
        end_left_over(folder_of(settings.data_dir) / f"{name}.pid")
    wait_for_port(host, port)
    if sandbox_port is not None:
        wait_for_port("127.0.0.1", sandbox_port)


def read_network(settings: "Settings", url: str, password: str | None) -> SeededNetwork | None:
    """The network of an earlier start, if this folder's keys fit this database; without loading what it takes to make one."""
    import psycopg

    from hutong.demo.keys import read_keys, stored
    from hutong.demo.stores import stores

    file = settings.data_dir / "demo" / "network.json"
    if not file.exists():
        return None
    noted, keys = json.loads(file.read_text()), read_keys(settings.data_dir)
    if password not in (None, keys.password):
        return None
    shops = stores(noted["stores"])
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select to_regclass('api_key') is not null and to_regclass('till') is not null").fetchone()
        if row is None or not row[0]:
            return None
        row = connection.execute(
            """select (select count(*) from api_key where key_hash = any (%s) and revoked_at is null) = %s
                  and exists (select from till where key_hash = %s)""",
            [[stored(key) for key in keys.retailers.values()], len(keys.retailers), stored(keys.till(shops[0].gln, "01"))],
        ).fetchone()
    return SeededNetwork(shops, keys, noted["day"]) if row is not None and row[0] else None


def make_network(settings: "Settings", url: str, count: int, password: str | None) -> SeededNetwork:
    """Fill the database if it is empty, and bring days, keys and people up to date."""
    from hutong.cli.running import bring_up_to_date
    from hutong.demo.diary import forget_player
    from hutong.demo.keys import folder_of, read_keys, write_keys, write_whole
    from hutong.demo.market import local
    from hutong.demo.seed import change_passwords, seed_network, seeded_stores
    from hutong.demo.stores import stores
    from hutong.platform.database import Database

    began = time.monotonic()
    bring_up_to_date(url)
    known = (settings.data_dir / "demo" / "keys.json").exists()
    keys = read_keys(settings.data_dir)
    kept = keys.password if known else None
    keys.password = password or keys.password

    async def fill() -> tuple[bool, tuple["Store", ...]]:
        database = Database(url, pool_size=2)
        try:
            shops = stores(await seeded_stores(database) or count)
            fresh = await seed_network(database, shops, keys, local(time.time()).date(), note)
            if not fresh and keys.password != kept:
                await change_passwords(database, shops, keys.password)
            return fresh, shops
        finally:
            await database.close()

    fresh, shops = asyncio.run(fill())
    write_keys(settings.data_dir, keys)
    if fresh:
        forget_player(settings.data_dir)
    write_whole(folder_of(settings.data_dir) / "network.json", json.dumps({"stores": len(shops), "day": today()}))
    step(f"The network has {len(shops):,} stores" if fresh else "The network is up to date", began)
    return SeededNetwork(shops, keys, today())


def today() -> str:
    """The network's date."""
    from hutong.demo.market import local

    return local(time.time()).date().isoformat()


def server_child(settings: "Settings", url: str, host: str, port: int, workers: int) -> "Child":
    """The web server: ``hutong serve`` as anybody starts it, on the database that runs already."""
    from hutong.cli.demo_children import Child, python
    from hutong.demo.keys import folder_of

    folder = folder_of(settings.data_dir)
    (folder / "server.log").write_text("")
    command = python("hutong.cli.demo", "serve", "--host", host, "--port", str(port), "--workers", str(workers))
    environment = {"HUTONG_DATABASE_URL": url, "HUTONG_DATA_DIR": str(settings.data_dir), "HUTONG_BASE_URL": settings.base_url}
    return Child("web server", command, environment, folder / "server.log", folder / "server.pid")


def trade_child(settings: "Settings", url: str, rate: float, stores: int, history: int) -> "Child":
    """The player, which prints a line of figures every ten seconds."""
    from hutong.cli.demo_children import Child, python
    from hutong.demo.keys import folder_of

    options = {"--url": url, "--data-dir": settings.data_dir, "--rate": rate, "--stores": stores, "--history": history}
    command = python("hutong.demo", *(str(part) for option in options.items() for part in option))
    return Child("trade", command, {}, None, folder_of(settings.data_dir) / "trade.pid")


def start_and_wait(server: "Child", settings: "Settings", host: str, port: int) -> None:
    """Start the server and wait until it answers. Raises RuntimeError with the end of its log if it does not."""
    import httpx

    began = time.monotonic()
    server.start()
    while True:
        try:
            if httpx.get(f"{local_url(host, port)}/healthz", timeout=2, trust_env=False).status_code < 500:
                break
        except httpx.TransportError:
            pass
        if server.ended() is not None or time.monotonic() - began > ANSWERS_WITHIN:
            raise RuntimeError(f"The web server did not start:{server.last_words()}")
        time.sleep(0.05)
    step(f"The web server answers at {settings.base_url}", began)


def first_history(settings: "Settings", network: SeededNetwork, server: "Child", url: str, count: int, rate: float) -> None:
    """At the first start, play the days that pages compare with before anybody looks; later the player fills gaps by itself."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from hutong.demo.diary import read_diary
    from hutong.demo.history import play_history
    from hutong.demo.market import Market
    from hutong.demo.post import Post, Tally

    if not count or read_diary(settings.data_dir).days:
        return
    began, tally = time.monotonic(), Tally()
    if not notes.is_terminal:
        note(f"Playing last week, yesterday and today so far in {count} stores")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        task = progress.add_task("Playing last week and yesterday", total=None)

        async def watch() -> None:
            while True:
                server.look_after()
                await asyncio.sleep(LOOK_EVERY)

        async def play() -> int:
            post, watching = Post(url, network.keys, tally), asyncio.create_task(watch())
            try:
                return await play_history(
                    Market(len(network.shops)), post, settings.data_dir, count, rate, time.time(),
                    lambda done, expected: progress.update(task, completed=done, total=max(done, expected)),
                )  # fmt: skip
            finally:
                watching.cancel()
                await post.close()

        sent = asyncio.run(play())
    step(f"{sent:,} sales of last week, yesterday and today so far{f', {tally.refused:,} refused' if tally.refused else ''}", began)
    for reason, times in tally.reasons.most_common(3):
        note(f"    refused {times:,} times: {reason}")


def welcome(settings: "Settings", network: SeededNetwork, rate: float, wallet: str) -> None:
    """The address and who to log in as."""
    from rich.panel import Panel
    from rich.table import Table

    from hutong.demo.people import people

    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    for title in ("Log in as", "Role", "Where", "First page"):
        table.add_column(title, overflow="fold")
    for each in people(network.shops):
        table.add_row(each.login, each.role.replace("_", " "), each.where, each.page)
    playing = f"{rate:g} sales a second" if rate else "no trade"
    title = f"hutong is at {settings.base_url} · {playing} · Ctrl-C ends everything"
    if wallet:
        table.add_section()
        table.add_row("", "shopper", "the sandbox Alipay's wallet: codes, passwords, receipts", wallet)
    notes.print(Panel(table, title=title, subtitle=f"everybody's password: {network.keys.password}", expand=False, padding=(1, 2)))


def stop_all(children: list["Child"]) -> None:
    """End the trade, then the server; a second Ctrl-C does not interrupt it."""
    from hutong.cli.running import deaf

    with deaf():
        note("Ending …")
        for child in reversed(children):
            child.stop()


def step(text: str, began: float) -> None:
    """Say that a step is done and how long it took."""
    notes.print(f"[green]✓[/green] {text} [dim]{time.monotonic() - began:.1f} s[/dim]")


def local_url(host: str, port: int) -> str:
    """Where this machine itself reaches the server."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{reached}:{port}"


def shown(folder: Path) -> str:
    """A folder as people would write it from here."""
    return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


def end_with_parent(parent: int) -> None:
    """End this process, as SIGTERM does, when the one that started it is gone: kill -9 of the demonstration leaves no server."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    # As a child of the demonstration: any other command, for as long as the demonstration lives.
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    from hutong.cli.main import main

    sys.argv[0] = "hutong"
    main()
