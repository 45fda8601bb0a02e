"""The database of one process: readers and units of work, each opened for a scope, each rolled back unless committed."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy import event, text
from sqlalchemy.engine import CursorResult, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from hutong.kernel.errors import Unavailable
from hutong.platform.scope import SET_SCOPE, Scope

APP_ROLE = "hutong_app"
SNAPSHOT = re.compile(r"[0-9A-F]{1,16}-[0-9A-F]{1,16}-[0-9]{1,10}")
"""What ``pg_export_snapshot()`` answers."""
STATEMENT_TIMEOUT_MS = 15_000


class Reader:
    """A read-only transaction opened for a scope: a stable view of the database that cannot write."""

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def execute(self, sql: str, **parameters: Any) -> CursorResult[Any]:
        """Run one statement of our own SQL; values only through ``parameters`` (``:name``)."""
        result = await self.session.execute(text(sql), parameters)
        assert isinstance(result, CursorResult)
        return result

    async def rows(self, sql: str, **parameters: Any) -> Sequence[Row[Any]]:
        """All rows of one query."""
        return (await self.execute(sql, **parameters)).all()

    async def row(self, sql: str, **parameters: Any) -> Row[Any] | None:
        """The first row of one query, or None."""
        return (await self.execute(sql, **parameters)).first()

    async def value(self, sql: str, **parameters: Any) -> Any:
        """The first column of the first row of one query, or None."""
        row = await self.row(sql, **parameters)
        return None if row is None else row[0]


class UnitOfWork(Reader):
    """One transaction that may write: the change, its audit row and its event row stand or fall together.

    Nothing is kept unless ``commit`` is awaited before the block ends.
    """

    async def commit(self) -> None:
        """Commit now. When this returns, what was done is on disk; when it raises, nothing of it is."""
        await self.session.commit()

    async def record(
        self,
        actor: str,
        action: str,
        *,
        subject: str = "",
        retailer_id: int | None = None,
        store_id: int | None = None,
        brand_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the audit row: who (``person:7``, ``key:3``, ``till:12``) did what (``store.create``) to what, for which tenant."""
        await self.execute(
            """insert into audit (actor, action, retailer_id, store_id, brand_id, subject, detail)
               values (:actor, :action, :retailer_id, :store_id, :brand_id, :subject, cast(:detail as jsonb))""",
            actor=actor, action=action, retailer_id=retailer_id, store_id=store_id, brand_id=brand_id, subject=subject,
            detail=None if detail is None else json.dumps(detail, default=str),
        )  # fmt: skip

    async def publish(
        self,
        kind: str,
        *,
        subject: str | None = None,
        retailer_id: int | None = None,
        store_id: int | None = None,
        brand_id: int | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the event row (``product.registered``) that higher modules and webhooks learn of once this commits."""
        await self.execute(
            """insert into event (kind, retailer_id, store_id, brand_id, subject, body)
               values (:kind, :retailer_id, :store_id, :brand_id, cast(:subject as uuid), cast(:body as jsonb))""",
            kind=kind, retailer_id=retailer_id, store_id=store_id, brand_id=brand_id, subject=subject,
            body=None if body is None else json.dumps(body, default=str),
        )  # fmt: skip


class Database:
    """The connections of one process. Close it when the process ends."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.url = plain_url(url)
        self.engine: AsyncEngine = create_async_engine(
            self.url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
            connect_args={"options": session_options()},
        )
        event.listen(self.engine.sync_engine, "connect", _become_app_role)

    @asynccontextmanager
    async def read(self, scope: Scope, snapshot: str | None = None) -> AsyncIterator[Reader]:
        """A read-only transaction with one snapshot (repeatable read): its own, or one that another open reader exported."""
        first = ["set transaction isolation level repeatable read, read only"]
        if snapshot is not None:
            if not SNAPSHOT.fullmatch(snapshot):
                raise ValueError(f"not an exported snapshot: {snapshot!r}")
            first.append(f"set transaction snapshot '{snapshot}'")
        async with self._session(scope, first) as session:
            yield Reader(session, scope)

    @asynccontextmanager
    async def work(self, scope: Scope) -> AsyncIterator[UnitOfWork]:
        """A unit of work; rolls back unless ``commit`` was awaited."""
        async with self._session(scope, ()) as session:
            yield UnitOfWork(session, scope)

    @asynccontextmanager
    async def _session(self, scope: Scope, first: Sequence[str]) -> AsyncIterator[AsyncSession]:
        session = AsyncSession(self.engine, expire_on_commit=False)
        try:
            for statement in first:
                await session.execute(text(statement))
            await session.execute(text(SET_SCOPE), scope.settings())
            yield session
        except DBAPIError as error:
            if is_outage(error.orig):
                raise Unavailable("The database is not reachable just now; try again in a moment.") from error
            raise
        except (PoolTimeout, TimeoutError) as error:
            raise Unavailable("All database connections are busy; try again in a moment.") from error
        finally:
            await session.close()

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """A connection of its own, outside the pool, for capture, LISTEN and tails: autocommit, in the program's role."""
        connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True, options=session_options(), connect_timeout=5)
        await connection.execute(f"set role {APP_ROLE}")
        return connection

    async def close(self) -> None:
        await self.engine.dispose()


def plain_url(url: str) -> str:
    """The URL without a driver's name: ``postgresql://…``."""
    scheme, _, rest = url.partition("://")
    return f"postgresql://{rest}" if scheme.split("+")[0] in ("postgres", "postgresql") else url


def session_options() -> str:
    """Server settings of every session: UTC, and no statement or lock that waits for ever."""
    return f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout=8000 -c idle_in_transaction_session_timeout=60000"


def is_outage(error: BaseException | None) -> bool:
    """Whether a database error says "not now" (connection lost, shutting down, disk full, too many clients, timed out)."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate[:2] in ("08", "53", "57", "58") or error.sqlstate in ("40001", "40P01", "55P03", "25006")
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError)


def _become_app_role(connection: Any, _record: Any) -> None:
    autocommit, connection.autocommit = connection.autocommit, True
    cursor = connection.cursor()
    cursor.execute(f"set role {APP_ROLE}")
    cursor.close()
    connection.autocommit = autocommit
