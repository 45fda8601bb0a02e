"""One PostgreSQL for all test processes of a checkout, and a fresh migrated database for each test in some 15 ms.

Runs may overlap and may be killed at any point: the server ends with its last user, and what killed ones left is cleared by the next.
"""

import fcntl
import functools
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg

from hutong.platform.embedded import EmbeddedPostgres
from hutong.platform.migrate import migrate

CHECKOUT = Path(__file__).resolve().parents[2]
TEMPLATE_LOCK = 7406999
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 2 << 30
# What a test's database loses when the machine loses its power does not matter. Fault tests start a server of their own.
# Few buffers: each database that is dropped, and each checkpoint that a clone asks for, walks through all of them.
RELAXED = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "500",
    "autovacuum_naptime": "300",
    "log_min_messages": "panic",
    "file_copy_method": "clone",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
}


@functools.cache
def home() -> Path:
    """The folder that this process's server is kept in, for this user's tests of this checkout: in memory, if there is some to spare.

    A database is 500 files. ext4 does not use the inodes of files removed in the last minutes and looks through all of them for each
    new file, so that there every database dropped makes the next one slower: the most of what the whole suite cost.
    """
    in_memory, on_disk = _homes()
    return on_disk if (on_disk / "pg" / "postmaster.pid").exists() or not _memory_to_spare() else in_memory


def run_folder() -> Path:
    """Where this run's tests have their folders; gone with it, and those of killed runs with the next that is alone."""
    home().mkdir(parents=True, exist_ok=True)
    return home() / f"run-{os.getpid()}"


def _homes() -> tuple[Path, Path]:
    name = f"hutong-tests-{os.geteuid()}-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}"
    return MEMORY / name, Path(tempfile.gettempdir()) / name


def _memory_to_spare() -> bool:
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return False
    return shutil.disk_usage(MEMORY).free > MEMORY_NEEDED and psutil.virtual_memory().available > 2 * MEMORY_NEEDED


class SharedPostgres:
    """This process's share of the test server; ``url`` leads to its ``postgres`` database as owner."""

    def __init__(self) -> None:
        self.url = os.environ.get("HUTONG_TEST_DATABASE_URL", "")
        self._server: EmbeddedPostgres | None = None
        self._template: str | None = None
        self._connection: psycopg.Connection[Any] | None = None
        if not self.url:
            with _door(home()):
                self._server = _start()
            self.url = self._server.database_url("postgres")

    def template(self) -> str:
        """The name of a migrated, empty database that is cloned for each test; made once for one state of the migrations."""
        if self._template is None:
            name = f"template_{date.today():%Y%m%d}_{_migrations_digest()}"  # log partitions are made a few days ahead
            with psycopg.connect(self.url, autocommit=True) as owner:
                owner.execute("select pg_advisory_lock(%s)", [TEMPLATE_LOCK])
                if owner.execute("select from pg_database where datname = %s", [name]).fetchone() is None:
                    unfinished = f"{name}_unfinished"
                    owner.execute(f"drop database if exists {unfinished} with (force)")
                    owner.execute(f"create database {unfinished}")
                    migrate(with_database(self.url, unfinished))
                    owner.execute(f"alter database {unfinished} rename to {name}")
            self._template = name
        return self._template

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """The URL, as owner, of a migrated empty database that is dropped afterwards."""
        with self.empty_database(self.template()) as url:
            yield url

    @contextmanager
    def empty_database(self, template: str = "template1") -> Iterator[str]:
        """The URL, as owner, of a database without a schema that is dropped afterwards."""
        name = f"test_{os.getpid()}_{secrets.token_hex(4)}"
        self._owner().execute(f"create database {name} template {template} strategy file_copy")
        try:
            yield with_database(self.url, name)
        finally:
            self._owner().execute(f"drop database if exists {name} with (force)")

    def leave(self) -> None:
        """Give this process's share back; the last one out stops the server."""
        if self._connection is not None:
            self._connection.close()
        if self._server is not None:
            with _door(home()):
                self._server.stop()

    def _owner(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.url, autocommit=True)
        return self._connection


def stop_if_unused() -> None:
    """Stop a server that killed test processes left running."""
    for folder in _homes():
        if (folder / "pg" / "postmaster.pid").exists():
            with _door(folder):
                server = EmbeddedPostgres(folder / "pg")
                if not server.is_used():
                    server.start()  # takes it over
                    server.stop()


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}")) if "///" not in url else url.replace(":///", f":///{name}", 1)


def _start() -> EmbeddedPostgres:
    server = EmbeddedPostgres(home() / "pg")
    alone = not server.is_used()
    try:
        server.start()
    except RuntimeError:  # a folder that no longer starts (a machine that lost its power) is not worth mending
        if not alone:
            raise
        shutil.rmtree(home() / "pg")
        server.start()
    relaxed = home() / "pg" / "relaxed"
    if not relaxed.exists():
        with psycopg.connect(server.database_url("postgres"), autocommit=True) as owner:
            for setting, value in RELAXED.items():
                owner.execute(f"alter system set {setting} = '{value}'")
        server.stop()
        server.start()
        relaxed.touch()
    if alone:
        _drop_left_over(server.database_url("postgres"))
        for folder in home().glob("run-*"):
            if not psutil.pid_exists(int(folder.name.removeprefix("run-"))):
                shutil.rmtree(folder, ignore_errors=True)
    return server


def _drop_left_over(url: str) -> None:
    today = f"template_{date.today():%Y%m%d}_"
    with psycopg.connect(url, autocommit=True) as owner:
        for (name,) in owner.execute(
            r"select datname from pg_database where datname like 'test\_%' or datname like 'template\_%'"
        ).fetchall():
            if not name.startswith(today):
                owner.execute(f'drop database "{name}" with (force)')


def _migrations_digest() -> str:
    digest = hashlib.sha256()
    platform = CHECKOUT / "src" / "hutong" / "platform"
    for path in sorted([platform / "migrate.py", *platform.glob("migrations/**/*.py"), *platform.glob("migrations/**/*.sql")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    """One test process at a time joins or leaves the server in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "door").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
