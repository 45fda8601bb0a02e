"""Keeps the sandbox's records in one SQLite file: each call's changes are one transaction, written before its answer goes out.

With ``synchronous=off`` a commit is handed to the operating system and not forced to the disk: a killed process loses nothing that
it answered; a power cut may, which a sandbox can bear.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path


class Storage:
    """Rows of (table, key, JSON). Without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._file: sqlite3.Connection | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.execute("pragma journal_mode = wal")
            self._file.execute("pragma synchronous = off")
            self._file.execute("create table if not exists record (kind text, id text, body blob, primary key (kind, id)) without rowid")

    def load(self, table: str) -> Iterator[bytes]:
        """All bodies of a table, by key."""
        if self._file is not None:
            for (body,) in self._file.execute("select body from record where kind = ? order by id", (table,)):
                yield body

    def write(self, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Put these rows in place of what was there, all or none."""
        if self._file is None or not rows:
            return
        self._file.execute("begin immediate")
        try:
            self._file.executemany("insert or replace into record (kind, id, body) values (?, ?, ?)", rows)
        except BaseException:
            self._file.execute("rollback")
            raise
        self._file.execute("commit")

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None
