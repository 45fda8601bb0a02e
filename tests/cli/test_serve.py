"""``hutong serve`` with a PostgreSQL of its own: it starts by itself, leaves nothing running, and comes back after a kill -9."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from hutong.cli.serve import wait_for_port
from hutong.platform.embedded import EmbeddedPostgres
from tests.support.launching import Launched, launch
from tests.support.server import CHECKOUT, children, free_port

HUTONG = [sys.executable, "-m", "hutong.cli"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder whose .data is made once for all tests here."""
    folder = tmp_path_factory.mktemp("serve")
    yield folder
    left = EmbeddedPostgres(folder / ".data" / "pg")
    left.start()
    left.stop()


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUTONG_")}
    return kept | {"PYTHONPATH": str(CHECKOUT / "src"), "HUTONG_PASSWORD": "lavender tractor umbrella"}


@pytest.fixture
def serve(home: Path, environment: dict[str, str]) -> Iterator[Callable[..., "Served"]]:
    """Starts ``hutong serve`` with these options and waits until it answers; what a test leaves running is ended."""
    started: list[Served] = []

    def start(*options: str, port: int | None = None) -> Served:
        port = port or free_port()
        process = launch(["serve", "--port", str(port), *options], environment=environment, log=home / "log", folder=home)
        started.append(Served(process, port, home))
        until(lambda: started[-1].answers() or process.poll() is not None, 60)
        assert process.poll() is None, (home / "log").read_text()[-2000:]
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
            each.process.wait(30)


class Served:
    """A running ``hutong serve``."""

    def __init__(self, process: Launched | subprocess.Popen[bytes], port: int, home: Path) -> None:
        self.process, self.port, self.home = process, port, home

    def answers(self, path: str = "/readyz") -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def postmaster(self) -> int | None:
        try:
            pid = int((self.home / ".data" / "pg" / "postmaster.pid").read_text().splitlines()[0])
            return pid if psutil.Process(pid).name() == "postgres" else None
        except (OSError, IndexError, psutil.NoSuchProcess):
            return None


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2")])
def test_when_it_is_asked_to_end_nothing_is_left_running(serve: Callable[..., Served], number: int, workers: str) -> None:
    served = serve("--workers", workers)
    postmaster, processes = served.postmaster(), children(served.process.pid)
    served.process.send_signal(number)
    served.process.wait(30)
    assert served.process.returncode == 0
    assert postmaster is not None
    assert gone(postmaster)
    until(lambda: all(gone(pid) for pid in processes), seconds=5)


@pytest.mark.slow
def test_after_a_kill_its_workers_go_by_themselves_and_the_next_start_recovers(serve: Callable[..., Served]) -> None:
    served = serve("--workers", "2")
    workers = children(served.process.pid)
    served.process.kill()
    served.process.wait()
    assert served.postmaster() is not None
    again = serve(port=served.port)  # the killed one's workers may answer for a moment still
    until(lambda: all(gone(pid) for pid in workers))
    until(again.answers)
    again.process.send_signal(signal.SIGINT)
    again.process.wait(30)
    assert again.postmaster() is None


def test_a_postgresql_that_dies_is_started_again(serve: Callable[..., Served]) -> None:
    served = serve()
    postmaster = served.postmaster()
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    until(lambda: served.postmaster() not in (None, postmaster), 30)
    until(served.answers, 30)


def test_commands_use_the_running_server_and_leave_it_running(
    serve: Callable[..., Served], home: Path, environment: dict[str, str]
) -> None:
    served = serve()
    done = subprocess.run(
        [*HUTONG, "user", "create", "ada", "--name", "Ada", "--role", "network_operator"], cwd=home, env=environment, check=True
    )
    assert done.returncode == 0
    assert served.answers()


def test_a_port_in_use_is_waited_for_and_then_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"Port {port} of 127.0.0.1 cannot be used"):
            wait_for_port("127.0.0.1", port, patience=0.3)
    wait_for_port("127.0.0.1", port, patience=0)


@pytest.mark.slow
def test_a_port_in_use_is_said_in_one_line(home: Path, environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*HUTONG, "serve", "--port", str(port)], cwd=home, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "Traceback" not in done.stderr
