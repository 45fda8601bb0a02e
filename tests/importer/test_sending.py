"""Batches arrive whatever the server answers on the way: busy, away, too large, refusing."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hutong.importer import Import, SendingStopped, Target, close, open_import, send
from hutong.importer.sending import retry_seconds
from tests.importer.conftest import SMALL, row, write_csv

Answer = tuple[int, dict[str, str], Any]


class Scripted:
    """A server outside of ours that answers each request by ``script(number, sales)``; None breaks the line."""

    def __init__(self, script: Callable[[int, list[dict[str, Any]]], Answer | None]) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sales = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["sales"]
                outer.requests.append(sales)
                answer = script(len(outer.requests), sales)
                if answer is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, headers, body = answer
                encoded = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(encoded))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    made: list[Scripted] = []

    def make(script: Callable[[int, list[dict[str, Any]]], Answer | None]) -> Scripted:
        made.append(Scripted(script))
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def outcomes(sales: list[dict[str, Any]], status: int = 201, **more: Any) -> Answer:
    return 200, {}, {"outcomes": [{"id": sale["id"], "status": status, "outcome": "x", **more} for sale in sales]}


def job_of(folder: Path, receipts: int = 6) -> Import:
    (folder / "m.toml").write_text(SMALL)
    return open_import(write_csv(folder / "f.csv", [row(str(number)) for number in range(receipts)]), folder / "m.toml")


async def test_a_busy_server_is_waited_for_and_a_broken_line_tried_again(scripted: Any, tmp_path: Path):
    answers: list[Answer | None] = [(503, {"Retry-After": "0"}, {}), (429, {"Retry-After": "0"}, {}), None, (502, {}, {})]
    server = scripted(lambda number, sales: answers[number - 1] if number <= len(answers) else outcomes(sales))
    job = job_of(tmp_path)
    await send(job, Target(server.url, "hk_x"), tmp_path / "s")
    assert len(server.requests) == 5
    assert len({json.dumps(request) for request in server.requests}) == 1
    assert close(job, tmp_path / "a.csv").captured == 6


async def test_retry_after_is_kept_to(scripted: Any, tmp_path: Path):
    moments: list[datetime] = []

    def script(number: int, sales: list[dict[str, Any]]) -> Answer:
        moments.append(datetime.now(UTC))
        return (503, {"Retry-After": "1"}, {}) if number == 1 else outcomes(sales)

    await send(job_of(tmp_path), Target(scripted(script).url, "hk_x"), tmp_path / "s")
    assert moments[1] - moments[0] >= timedelta(seconds=1)


async def test_a_request_that_is_too_large_is_halved(scripted: Any, tmp_path: Path):
    server = scripted(lambda _, sales: (413, {}, {}) if len(sales) > 2 else outcomes(sales))
    job = job_of(tmp_path)
    await send(job, Target(server.url, "hk_x"), tmp_path / "s")
    assert job.answers.captured == 6
    assert {len(request) for request in server.requests} <= {6, 3, 2, 1}


async def test_sales_that_are_not_taken_now_are_sent_again_without_the_others(scripted: Any, tmp_path: Path):
    def script(number: int, sales: list[dict[str, Any]]) -> Answer:
        answer = outcomes(sales)
        if number == 1:
            answer[2]["outcomes"][2]["status"] = 503
        return answer

    server = scripted(script)
    job = job_of(tmp_path)
    await send(job, Target(server.url, "hk_x"), tmp_path / "s")
    assert [len(request) for request in server.requests] == [6, 1]
    assert job.answers.captured == 6


async def test_a_sale_that_is_refused_is_set_aside_with_the_servers_reason_and_the_account_balances(scripted: Any, tmp_path: Path):
    def script(_: int, sales: list[dict[str, Any]]) -> Answer:
        answer = outcomes(sales)
        answer[2]["outcomes"][1] = {
            "status": 422,
            "outcome": "invalid",
            "problem": {"code": "sale_invalid", "detail": "Nobody sells that."},
        }
        return answer

    job = job_of(tmp_path)
    await send(job, Target(scripted(script).url, "hk_x"), tmp_path / "s")
    summary = close(job, tmp_path / "a.csv")
    assert summary.balanced
    assert (summary.rows_imported, summary.rows_aside, summary.refused) == (5, 1, 1)
    assert "3,the server refused the sale (422 sale_invalid): Nobody sells that." in (tmp_path / "a.csv").read_text("utf-8-sig")


async def test_a_server_that_refuses_everything_stops_the_import_at_once(scripted: Any, tmp_path: Path):
    problem = {"code": "unknown_store", "detail": "No such store."}
    server = scripted(lambda _, sales: outcomes(sales, 422, problem=problem))
    with pytest.raises(SendingStopped, match=r"refuses every sale .* No such store\. .*import setup"):
        await send(job_of(tmp_path, 500), Target(server.url, "hk_x"), tmp_path / "s")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "says"), [((401, {}, {"detail": "Send a key."}), "401: Send a key."), ((200, {}, {"a": 1}), "is .* hutong")]
)
async def test_an_answer_that_will_not_change_stops_the_import(scripted: Any, tmp_path: Path, answer: Answer, says: str):
    server = scripted(lambda *_: answer)
    with pytest.raises(SendingStopped, match=says):
        await send(job_of(tmp_path), Target(server.url, "hk_x"), tmp_path / "s")
    assert len(server.requests) == 1


async def test_patience_ends(tmp_path: Path):
    with pytest.raises(SendingStopped, match="cannot be reached"):
        await send(job_of(tmp_path), Target("http://127.0.0.1:9", "hk_x", patience=0.1), tmp_path / "s")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("0", 0), ("100000", 300), ("", None), ("soon", None), (None, None)])
def test_retry_after_is_read(header: str | None, seconds: float | None):
    assert retry_seconds(header) == seconds


def test_retry_after_may_be_a_date():
    assert 50 < (retry_seconds(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)) or 0) <= 60
