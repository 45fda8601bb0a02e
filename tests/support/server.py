"""A real hutong server in a process of its own, for tests of faults, streams and browsers."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.launching import Launched, launch

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class RunningServer:
    """A started ``hutong serve``; ``url`` is its address, ``log`` the file that holds what it printed."""

    url: str
    port: int
    log: Path
    process: Launched | subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill -9 the server and the worker processes it started, as a power cut would."""
        for pid in [*children(self.process.pid), self.process.pid]:
            _signal(pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self, within: float = 15) -> int:
        """Ask it to end, wait, and answer its exit code; kill it if it does not obey ``within`` so many seconds."""
        if self.process.poll() is None:
            _signal(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.wait(1)


def start_server(
    database_url: str,
    log: Path,
    *,
    workers: int = 1,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    within: float = 60,
) -> RunningServer:
    """Start ``hutong serve`` on a loopback port and wait until it answers.

    ``settings`` are further environment variables (``HUTONG_…``). Raises RuntimeError with the end of its log if it does not come up.
    """
    port = port or free_port()
    environment = os.environ | {
        "PYTHONPATH": str(CHECKOUT / "src"),
        "HUTONG_DATABASE_URL": database_url,
        "HUTONG_DATA_DIR": str(log.parent / "data"),
        "HUTONG_BASE_URL": f"http://127.0.0.1:{port}",
    }
    process = launch(
        ["serve", "--port", str(port), "--workers", str(workers)],
        environment=environment | dict(settings or {}),
        log=log,
        folder=log.parent,
    )
    server = RunningServer(f"http://127.0.0.1:{port}", port, log, process)
    deadline = time.monotonic() + within
    while not _answers(server.url):
        if process.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise RuntimeError(f"the server did not come up; the end of its log:\n{_end(log)}")
        time.sleep(0.05)
    return server


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """The processes below ``pid``, deepest first. PostgreSQL's are never among them: it is started as a daemon."""
    import psutil

    try:
        return [child.pid for child in reversed(psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2, trust_env=False).status_code < 500
    except httpx.TransportError:
        return False


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])
