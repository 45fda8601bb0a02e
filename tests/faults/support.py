"""Clients that behave as tills do, and a PostgreSQL that may be killed."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from hutong.platform.embedded import EmbeddedPostgres
from hutong.platform.migrate import migrate


@dataclass
class Tills:
    """Sends each sale until it is acknowledged, as a till's queue does, and remembers what it was told."""

    url: str
    key: str
    acknowledged: dict[str, int] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    refusals: list[httpx.Response] = field(default_factory=list)
    lost_lines: int = 0

    async def send_until_all_are_there(
        self, sales: Sequence[dict[str, Any]], clients: int = 50, within: float = 60, after_each: Callable[[], None] = lambda: None
    ) -> None:
        """Send them over ``clients`` connections at once, again and again until each is acknowledged."""
        waiting = asyncio.Queue[dict[str, Any]]()
        for each in sales:
            waiting.put_nowait(each)

        async def till(client: httpx.AsyncClient) -> None:
            while len(self.acknowledged) < len(sales):
                try:
                    document = waiting.get_nowait()
                except asyncio.QueueEmpty:
                    await asyncio.sleep(0.02)  # others still hold what may come back
                    continue
                if await self.acknowledge(client, document):
                    after_each()
                else:
                    waiting.put_nowait(document)
                    await asyncio.sleep(0.1)

        limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
        headers = {"Authorization": f"Bearer {self.key}"}
        async with asyncio.timeout(within), httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, limits=limits) as client:
            await asyncio.gather(*(till(client) for _ in range(clients)))

    async def acknowledge(self, client: httpx.AsyncClient, document: dict[str, Any]) -> bool:
        """Send it once; whether it was acknowledged."""
        try:
            answer = await client.post("/v1/sales", json=document)
        except httpx.TransportError:
            self.lost_lines += 1
            return False
        self.statuses.append(answer.status_code)
        if answer.status_code in (200, 201):
            self.acknowledged[document["id"]] = answer.status_code
            return True
        self.refusals.append(answer)
        return False


class OwnPostgres:
    """A PostgreSQL of one test, with durable commits, that may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder)
        self.url = self.server.start()
        migrate(self.url)

    def pids(self) -> list[int]:
        """The postmaster and all its processes."""
        postmaster = psutil.Process(int((self.server.folder / "postmaster.pid").read_text().split()[0]))
        return [postmaster.pid, *(child.pid for child in postmaster.children(recursive=True))]

    def kill(self) -> None:
        """Kill -9 every process of the server, as a power cut would."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=10)

    def start(self) -> None:
        """Start again; recovers what was committed."""
        self.server.start()


@contextmanager
def own_postgres(mount_megabytes: int | None = None) -> Iterator[OwnPostgres]:
    """A server in a folder of its own; with ``mount_megabytes``, on a small file system of its own (skips where none can be mounted)."""
    folder = Path(tempfile.mkdtemp(prefix="hutong-fault-"))
    folder.chmod(0o755)
    mounted = False
    try:
        if mount_megabytes is not None:
            command = ["mount", "-t", "tmpfs", "-o", f"size={mount_megabytes}m,mode=755", "tmpfs", str(folder)]
            if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
                pytest.skip("a small file system cannot be mounted here (that needs root)")
            mounted = True
        server = OwnPostgres(folder / "pg")
        try:
            yield server
        finally:
            server.server.stop()
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def stored_ids(url: str) -> list[str]:
    """The ids of all stored sales, as often as they are stored."""
    with psycopg.connect(url) as owner:
        return [str(row[0]) for row in owner.execute("select id from sale order by id")]
