"""The whole demonstration as a stranger starts it, small: begins, trades, survives kill -9 of each part, ends without a trace."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.support.server import CHECKOUT, free_port

PATIENCE = 90.0


class Demonstration:
    """A small ``hutong demo`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.sandbox_port = folder, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "printed.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> "Demonstration":
        command = [
            sys.executable, "-m", "hutong.cli", "demo", "--port", str(self.port), "--data-dir", str(self.folder / "data"),
            "--stores", "300", "--rate", "4", "--history", "3", "--sandbox-port", str(self.sandbox_port), *options,
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HUTONG_")} | {
            "PYTHONPATH": str(CHECKOUT / "src")
        }
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=self.folder)
        return self

    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def ready(self) -> "Demonstration":
        """Wait for the panel with the log-ins."""
        until(lambda: "password" in self.printed() or self.process_ended(), self.printed)
        assert not self.process_ended(), self.printed()
        return self

    def process_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def child(self, name: str) -> int:
        return int(json.loads((self.folder / "data" / "demo" / f"{name}.pid").read_text())["pid"])

    def database(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(f"host={self.folder / 'data' / 'pg'} user=postgres dbname=hutong", autocommit=True)

    def sales(self) -> int:
        with self.database() as connection:
            return int(connection.execute("select count(*) from sale").fetchone()[0])  # type: ignore[index]

    def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def running(self) -> list[str]:
        """Every process that has to do with this folder, PostgreSQL included."""
        found = []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                if (str(self.folder) in line or f"--port {self.port}" in line) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(line)
            except psutil.Error:
                continue
        return found


def until(true: Callable[[], bool], explain: Callable[[], object] = lambda: "") -> None:
    """Wait until something is so; fails with an explanation after a while."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.1)


@pytest.fixture
def demonstration(tmp_path: Path) -> Iterator[Demonstration]:
    made = Demonstration(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.terminate()
        made.process.wait(PATIENCE)
    for process in psutil.process_iter():
        try:
            if str(tmp_path) in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_starts_trades_keeps_others_out_survives_kills_and_leaves_nothing_running(demonstration: Demonstration) -> None:
    demonstration.start().ready()
    printed = demonstration.printed()
    assert re.search(r"[1-9][0-9,]* sales of last week", printed), printed
    assert "refused" not in printed
    first = demonstration.sales()
    until(lambda: demonstration.sales() > first + 5, demonstration.printed)
    assert httpx.get(f"{demonstration.url}/healthz", trust_env=False).status_code == 200

    others_are_kept_out(demonstration)
    server, trade = demonstration.child("server"), demonstration.child("trade")
    os.kill(server, signal.SIGKILL)
    os.kill(trade, signal.SIGKILL)
    until(lambda: demonstration.child("server") != server and demonstration.child("trade") != trade, demonstration.printed)
    assert "The web server ended (killed by signal 9) and is started again" in demonstration.printed()
    after_kill = demonstration.sales()
    until(lambda: demonstration.sales() > after_kill + 5, demonstration.printed)

    assert demonstration.process is not None
    demonstration.process.kill()
    demonstration.process.wait()
    before = demonstration.sales()
    demonstration.start().ready()
    assert "sales of last week" not in demonstration.printed()
    assert "Writing" not in demonstration.printed()
    until(lambda: demonstration.sales() > before + 5, demonstration.printed)
    nothing_is_there_twice(demonstration)

    demonstration.end(signal.SIGINT)
    assert demonstration.process.returncode == 130
    must_be_gone(demonstration)


def others_are_kept_out(demonstration: Demonstration) -> None:
    """Two more that cannot be: one in the same folder, one on the same port."""
    same_folder, same_port = Demonstration(demonstration.folder), Demonstration(demonstration.folder / "other")
    same_folder.log = demonstration.folder / "second.log"
    same_port.folder.mkdir()
    same_port.port = demonstration.port
    same_folder.start()
    same_port.start()
    until(lambda: same_folder.process_ended() and same_port.process_ended())
    assert "Another `hutong demo` runs in" in same_folder.printed()
    assert f"Port {demonstration.port}" in same_port.printed()


def must_be_gone(demonstration: Demonstration) -> None:
    """PostgreSQL takes its pid file away, which its stopping waits for, some milliseconds before its process is gone."""
    deadline = time.monotonic() + 3
    while demonstration.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert demonstration.running() == [], demonstration.printed()


def nothing_is_there_twice(demonstration: Demonstration) -> None:
    with demonstration.database() as connection:
        sales, ids, receipts = connection.execute(
            "select count(*), count(distinct id), count(distinct (till_id, business_date, receipt)) from sale"
        ).fetchone()  # type: ignore[misc]
    assert sales == ids == receipts
