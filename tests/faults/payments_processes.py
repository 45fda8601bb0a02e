"""A server, a worker and a sandbox Alipay as processes of their own, forked in a blink, that can be told to die at an exact step.

What is forked is the program as it is; only the steps' methods are wrapped so that, when the one that was armed is reached, something
happens just before or after it: this process is killed, PostgreSQL is, the sandbox is, or all connections to the database are cut.
"""

import asyncio
import contextlib
import json
import mmap
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from hutong import payments
from hutong.app import create_app
from hutong.payments import worker as worker_module
from hutong.payments.alipay.wallet import AlipayWallet
from hutong.payments.driver import Driver
from hutong.payments.notify import Inbox
from hutong.payments.store import PostgresStore
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.sandbox import create_sandbox
from hutong.sandbox.serving import server_of
from tests.support.sandbox import RunningSandbox, wallet_key

STEPS: dict[str, tuple[type, str]] = {
    "begin": (PostgresStore, "begin"),
    "pay": (AlipayWallet, "pay"),
    "save": (PostgresStore, "save"),
    "query": (AlipayWallet, "query"),
    "cancel": (AlipayWallet, "cancel"),
    "begin refund": (PostgresStore, "begin_refund"),
    "refund": (AlipayWallet, "refund"),
    "refund query": (AlipayWallet, "refund_query"),
    "save refund": (PostgresStore, "save_refund"),
    "claim": (PostgresStore, "claim"),
    "notice": (Inbox, "receive"),
    "keep notice": (PostgresStore, "keep_notice"),
    "look": (Driver, "look"),
    "drive": (Driver, "pay"),
    "drive refund": (Driver, "refund"),
    "learn": (Driver, "learn"),
}
"""The steps of a story; each is wrapped in every forked process."""
PROCESSES = ("server", "worker")
CUT = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Point:
    """Where something happens: in which process, before, after or within which step, the how many-th time, and what."""

    process: str
    step: str
    when: str
    act: str
    nth: int = 1


class Armed:
    """The point that is armed, in memory that forked processes share; ``fired`` says that it was reached."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096)
        self._at_work = mmap.mmap(-1, len(PROCESSES))
        self.clear()

    def works(self, process: str, more: int) -> None:
        """Count the steps that a process is in; 0 when it begins, whatever it was in when it was killed."""
        place = PROCESSES.index(process)
        self._at_work[place] = self._at_work[place] + more if more else 0

    def idle(self) -> bool:
        """Whether no process is in any step."""
        return not any(self._at_work[:])

    def clear(self) -> None:
        self._write({})

    def arm(self, point: Point, **more: Any) -> None:
        self._write({**point.__dict__, **more, "seen": 0, "fired": False})

    def read(self) -> dict[str, Any]:
        self._memory.seek(0)
        found: dict[str, Any] = json.loads(self._memory.read(4096).split(b"\0")[0] or b"{}")
        return found

    @property
    def fired(self) -> bool:
        return bool(self.read().get("fired"))

    def reached(self, process: str, step: str, when: str) -> dict[str, Any] | None:
        """What is to happen here and now, if anything."""
        point = self.read()
        if not point or point["fired"] or (point["process"], point["step"], point["when"]) != (process, step, when):
            return None
        seen = point["seen"] + 1
        self._write(point | {"seen": seen, "fired": seen >= point["nth"]})
        return point if seen >= point["nth"] else None

    def _write(self, value: dict[str, Any]) -> None:
        self._memory.seek(0)
        self._memory.write(json.dumps(value).encode() + b"\0")


def act(point: dict[str, Any]) -> None:
    """Do what is armed. Killing this process does not return."""
    if point["act"] == "cut":
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(point["url"], autocommit=True) as connection:
            connection.execute(CUT)
        return
    pids = {"kill": [os.getpid()], "kill postgres": point["postgres"], "kill sandbox": [point["sandbox"]]}[point["act"]]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while os.getpid() in pids:
        time.sleep(1)


def wrap(armed: Armed, process: str) -> None:
    """Let every step of this process look whether it is the one."""

    def wrapped(step: str, original: Callable[..., Any]) -> Callable[..., Any]:
        async def around(*arguments: Any, **named: Any) -> Any:
            if step == "claim":  # which a worker does all the time
                return await stepped(*arguments, **named)
            armed.works(process, 1)
            try:
                return await stepped(*arguments, **named)
            finally:
                armed.works(process, -1)

        async def stepped(*arguments: Any, **named: Any) -> Any:
            if point := armed.reached(process, step, "before"):
                act(point)
            if point := armed.reached(process, step, "within"):
                working = asyncio.ensure_future(original(*arguments, **named))
                await asyncio.sleep(0.1)  # the gateway holds its answer back meanwhile: see HELD
                act(point)
                result = await working
            else:
                result = await original(*arguments, **named)
            if point := armed.reached(process, step, "after"):
                act(point)
            return result

        return around

    armed.works(process, 0)
    for step, (kind, name) in STEPS.items():
        setattr(kind, name, wrapped(step, getattr(kind, name)))


def fork(log: Path, work: Callable[[], None]) -> int:
    """Run ``work`` in a copy of this process, which writes to ``log``; answers its pid."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for standard in (1, 2):
            os.dup2(descriptor, standard)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
    finally:
        os._exit(0)


@dataclass
class Processes:
    """The three of one trial and their pids; ``start`` starts those that are dead."""

    url: str
    folder: Path
    postgres_pids: Callable[[], list[int]] = list
    armed: Armed = field(default_factory=Armed)
    pids: dict[str, int] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: {"server": kept_port(), "sandbox": kept_port()})

    @property
    def server(self) -> str:
        return f"http://127.0.0.1:{self.ports['server']}"

    def sandbox(self) -> RunningSandbox:
        return RunningSandbox(f"http://127.0.0.1:{self.ports['sandbox']}")

    def start(self) -> None:
        """Start what is not running and wait until it answers."""
        work: dict[str, Callable[[], None]] = {"sandbox": self._sandbox, "server": self._serve, "worker": self._work}
        deadline = time.monotonic() + 60
        while True:
            for name, each in work.items():
                if not self.alive(name):  # also one that could not start, as where its connection was cut meanwhile
                    self.pids[name] = fork(self.folder / f"{name}.log", each)
            if all(answers(port) for port in self.ports.values()):
                return
            assert time.monotonic() < deadline, self.last_words()
            time.sleep(0.01)

    def last_words(self) -> str:
        """The ends of the logs of what does not come up."""
        ends = {name: (self.folder / f"{name}.log").read_text(errors="replace")[-1500:] for name in self.pids}
        return "\n".join(f"{name}: {end}" for name, end in ends.items())

    def alive(self, name: str) -> bool:
        """Whether a process runs; one that has ended is taken note of."""
        pid = self.pids.get(name)
        if pid is None:
            return False
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                return True
        del self.pids[name]
        return False

    def stop(self) -> None:
        """Kill all."""
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self.pids.clear()

    def arm(self, point: Point) -> None:
        """Let it happen the next time that it is reached."""
        self.armed.arm(point, url=self.url, sandbox=self.pids["sandbox"], postgres=self.postgres_pids())

    def settings(self) -> Settings:
        return Settings(database_url=self.url, data_dir=self.folder, base_url=self.server, jobs=False, pool_size=3, payment_connections=3)

    def _sandbox(self) -> None:
        server_of(
            create_sandbox(wallet_key=wallet_key(), data=self.folder / "sandbox.sqlite", people=False), "127.0.0.1", self.ports["sandbox"]
        ).run()

    def _serve(self) -> None:
        import uvicorn

        wrap(self.armed, "server")
        uvicorn.Server(
            uvicorn.Config(create_app(self.settings()), host="127.0.0.1", port=self.ports["server"], http="httptools", log_config=None)
        ).run()

    def _work(self) -> None:
        wrap(self.armed, "worker")
        worker_module.POLL_SECONDS = 0.02

        async def attend() -> None:
            database = Database(self.url, pool_size=2)
            async with payments.attending(database, self.settings()):
                await asyncio.Event().wait()

        while True:
            try:
                asyncio.run(attend())
            except Exception as error:  # the database is away just now
                sys.stderr.write(f"the worker begins again: {error}\n")
                time.sleep(0.1)


def kept_port() -> int:
    """A port below those that the kernel gives to connections: nobody takes it while its process is dead for a moment."""
    while True:
        port = random.randint(12_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def answers(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
