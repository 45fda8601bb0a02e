"""The whole way through a real server: everything once, however often and wherever the importer or the server is killed."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from hutong.cli.main import build
from hutong.importer import Pace, Target, close, due, open_import, replay, send
from tests.importer.conftest import SMALL, row, write_csv
from tests.support.network import Network
from tests.support.server import CHECKOUT, RunningServer

RECEIPTS = 2_400


def write_file(folder: Path, network: Network, receipts: int = RECEIPTS) -> Path:
    """A file of receipts of two rows over three days, every tenth of them brought back, at two tills of two stores."""
    (folder / "m.toml").write_text(SMALL + '[returns]\nreceipt_prefix = "C"\n')
    rows = []
    for number in range(receipts):
        back = number % 10 == 0
        for line in range(2):
            rows.append(
                row(
                    f"C{number}" if back else str(number), -1 if back else line + 1, f"{number % 7}.{number % 100:02d}",
                    store=network.one.stores[number % 2].gln, till=f"T{number % 2}", code=f"P{number % 50}",
                    time=f"2024-03-0{1 + number * 3 // receipts} {9 + number % 10:02d}:{number % 60:02d}:00",
                )
            )  # fmt: skip
    return write_csv(folder / "f.csv", rows)


def file_sums(path: Path) -> tuple[int, int]:
    """Rows, and their sum in fen, read by other code than the importer's."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return len(rows), sum(int(each["quantity"]) * round(float(each["price"]) * 100) for each in rows)


def stored(owner: psycopg.Connection[Any]) -> tuple[int, int, int, int]:
    """Sales, lines, the lines' sum and the monitors' sum, as they are in the database."""
    found = owner.execute(
        """select (select count(*) from sale), (select count(*) from sale_line), (select coalesce(sum(amount), 0) from sale_line),
                  (select coalesce(sum(value), 0) from retailer_day)"""
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1]), int(found[2]), int(found[3])


def start(path: Path, server_url: str, key: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hutong.cli", "import", "sales", str(path), "-m", str(path.parent / "m.toml"), "--url", server_url, *more],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT / "src"), "HUTONG_KEY": key, "NO_PROXY": "*"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def until_lines(process: subprocess.Popen[str], state: Path, lines: int) -> None:
    """Wait until the state file has so many lines more; the process must still be at work."""
    deadline = time.monotonic() + 60
    before = state.read_bytes().count(b"\n") if state.exists() else 0
    while not state.exists() or state.read_bytes().count(b"\n") < before + lines:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the import does not go on"
        time.sleep(0.002)


def end(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    return output


async def test_an_import_adds_up_and_a_second_one_adds_nothing(server: RunningServer, network: Network, owner: Any, tmp_path: Path):
    path = write_file(tmp_path, network, 300)
    rows, total = file_sums(path)
    job = open_import(path, tmp_path / "m.toml")
    assert not await send(job, Target(server.url, network.one.history_key), tmp_path / "s")
    summary = close(job, tmp_path / "a.csv")
    assert (summary.balanced, summary.captured, summary.duplicate, summary.rows_imported) == (True, 300, 0, rows)
    assert stored(owner) == (300, rows, total, total)
    again = open_import(path, tmp_path / "m.toml")
    assert not await send(again, Target(server.url, network.one.history_key), tmp_path / "s")
    assert (again.answers.captured, again.answers.duplicate) == (0, 300)
    assert stored(owner) == (300, rows, total, total)


async def test_a_limit_sends_the_first_receipts_and_the_next_run_the_rest(
    server: RunningServer, network: Network, owner: Any, tmp_path: Path
):
    path = write_file(tmp_path, network, 100)
    job = open_import(path, tmp_path / "m.toml", limit=30)
    await send(job, Target(server.url, network.one.history_key), tmp_path / "s")
    summary = close(job, tmp_path / "a.csv")
    assert (summary.balanced, summary.receipts_not_sent, stored(owner)[0]) == (True, 70, 30)
    rest = open_import(path, tmp_path / "m.toml")
    assert await send(rest, Target(server.url, network.one.history_key), tmp_path / "s")
    assert (rest.answers.captured, rest.answers.duplicate, stored(owner)[0]) == (100, 0, 100)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_wherever_it_is_an_import_ends_with_everything_there_once(
    server: RunningServer, network: Network, owner: Any, tmp_path: Path
) -> None:
    path = write_file(tmp_path, network)
    rows, total = file_sums(path)
    state = tmp_path / "f.csv.state.jsonl"
    for lines in (2, 1, 2):  # the first line is the header
        process = start(path, server.url, network.one.history_key)
        until_lines(process, state, lines)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        process.communicate()
        assert 0 < stored(owner)[0] < RECEIPTS
    output = end(start(path, server.url, network.one.history_key))
    assert "It adds up." in output
    assert "0 refused" in output
    assert stored(owner) == (RECEIPTS, rows, total, total)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_that_is_killed_and_comes_back_gets_everything_once(
    make_server: Callable[..., RunningServer], network: Network, owner: Any, tmp_path: Path
) -> None:
    path = write_file(tmp_path, network)
    rows, total = file_sums(path)
    first = make_server()
    process = start(path, first.url, network.one.history_key)
    until_lines(process, tmp_path / "f.csv.state.jsonl", 4)
    first.kill()
    assert 0 < stored(owner)[0] < RECEIPTS
    make_server(port=first.port)
    assert "It adds up." in end(process)
    assert stored(owner) == (RECEIPTS, rows, total, total)


async def test_a_replay_plays_the_days_it_was_asked_for_by_their_own_clock(
    server: RunningServer, network: Network, owner: Any, tmp_path: Path
):
    from datetime import date

    path = write_file(tmp_path, network, 90)
    job = open_import(path, tmp_path / "m.toml")
    pace = Pace(speed=36_000, start=date(2024, 3, 2), end=date(2024, 3, 2), longest_wait=0.3)
    receipts = [job.plan.receipts[place] for place in due(job, pace)]
    seen: list[Any] = []
    began = time.monotonic()
    played = await replay(job, Target(server.url, network.one.history_key), pace, lambda each: seen.append((each.at, each.captured)))
    took = time.monotonic() - began
    assert (len(receipts), played.captured) == (30, 30)
    days = owner.execute("select distinct business_date from sale").fetchall()
    assert days == [(date(2024, 3, 2),)]
    assert took >= (receipts[-1].at - receipts[0].at).total_seconds() / pace.speed * 0.9 - 0.1
    assert [count for _, count in seen] == sorted(count for _, count in seen)
    for at, count in seen:  # nothing is sent before its time
        assert count <= sum(receipt.at <= at for receipt in receipts)
    assert (await replay(job, Target(server.url, network.one.history_key), pace)).duplicate == 30


def test_the_command_prints_an_example_and_dry_runs_without_a_server(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_file(tmp_path, network, 20)
    monkeypatch.delenv("HUTONG_KEY", raising=False)

    def run(*more: str) -> Any:
        return CliRunner().invoke(
            build(), ["import", "sales", str(path), "-m", str(tmp_path / "m.toml"), "--url", "http://127.0.0.1:9", *more]
        )

    dry = run("--dry-run")
    assert (dry.exit_code, "would be imported" in dry.output, "It adds up." in dry.output) == (0, True, True), dry.output
    assert not (tmp_path / "f.csv.state.jsonl").exists()
    example = run("--example")
    assert (example.exit_code, "[[rules]]" in example.output) == (0, True), example.output
    refused = run()
    assert (refused.exit_code, "Give an API key" in refused.output) == (2, True), refused.output
