"""Who is asking: finds the person, key or till behind a request, and remembers it for a few seconds at most.

A revoked key must stop at once in every process. Whatever ends or changes access says so on the NOTIFY channel
``hutong_access`` in its own transaction; each process listens, and remembers nothing while it cannot listen.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import structlog
from starlette.requests import HTTPConnection

from hutong.directory.permissions import (
    KEY_PERMISSIONS,
    ROLE_PERMISSIONS,
    ROLE_PLACES,
    TILL_PERMISSIONS,
    Grant,
    Permission,
    Principal,
)
from hutong.kernel.errors import Unauthenticated, Unavailable
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope
from hutong.platform.tasks import cancel

__all__ = [
    "KEY_PERMISSIONS", "ROLE_PERMISSIONS", "ROLE_PLACES", "TILL_PERMISSIONS", "Access", "Grant", "Permission", "Principal",
    "authenticate", "caller", "forget", "hash_token", "listening", "new_token", "notify", "session_access", "signed_in",
]  # fmt: skip

COOKIE = "hutong_session"
CHANNEL = "hutong_access"
KEY_PREFIX, TILL_PREFIX = "hk_", "ht_"
REMEMBER_SECONDS = 5.0
REMEMBER_MOST = 20_000
IDLE_HOURS = 12
MAX_TOKEN = 200

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Access:
    """A principal and what its session adds: the token's hash and the CSRF secret (empty for keys)."""

    principal: Principal
    token_hash: bytes
    csrf: str = ""


def new_token(prefix: str = "") -> str:
    """A secret of 256 random bits, 43 URL-safe characters behind ``prefix``."""
    return prefix + token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """What is stored of a token. The tokens are random, so a plain SHA-256 cannot be searched."""
    return sha256(token.encode("utf-8", "replace")).digest()


class Remembered:
    """The accesses that one process has looked up in the last seconds; off unless someone listens for revocations."""

    def __init__(self) -> None:
        self.listening = False
        self.generation = 0
        self._known: dict[bytes, tuple[float, Access]] = {}

    def get(self, token_hash: bytes) -> Access | None:
        known = self._known.get(token_hash)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def put(self, access: Access, generation: int, seconds: float) -> None:
        """Remember, unless something was revoked since ``generation``: the look-up may have been older than that."""
        if not self.listening or generation != self.generation or seconds <= 0:
            return
        if len(self._known) >= REMEMBER_MOST:
            self._known.clear()
        self._known[access.token_hash] = (time.monotonic() + min(seconds, REMEMBER_SECONDS), access)

    def drop(self, actor: str = "") -> None:
        """Forget what is known of one actor (``key:3``), or everything."""
        self.generation += 1
        if actor:
            self._known = {token: known for token, known in self._known.items() if known[1].principal.actor != actor}
        else:
            self._known.clear()


_remembered: WeakKeyDictionary[Database, Remembered] = WeakKeyDictionary()


def remembered(db: Database) -> Remembered:
    """The memory of this process for one database."""
    return _remembered.setdefault(db, Remembered())


async def notify(uow: UnitOfWork, actor: str = "") -> None:
    """Tell every process, when ``uow`` commits, to look ``actor`` up anew (all actors if empty)."""
    await uow.execute("select pg_notify(:channel, :actor)", channel=CHANNEL, actor=actor)


def forget(db: Database, actor: str = "") -> None:
    """Forget in this process now, without waiting for the notification; call it after the commit."""
    remembered(db).drop(actor)


@asynccontextmanager
async def listening(db: Database) -> AsyncIterator[None]:
    """While this is open, this process hears of revocations and may therefore remember look-ups."""
    memory = remembered(db)
    task = asyncio.create_task(_listen(db, memory))
    try:
        yield
    finally:
        await cancel(task)
        memory.listening = False
        memory.drop()


async def _listen(db: Database, memory: Remembered) -> None:
    while True:
        try:
            connection = await db.connect()
            try:
                await connection.execute(f"listen {CHANNEL}")
                memory.listening = True
                async for notification in _notifications(connection):
                    memory.drop(notification)
            finally:
                memory.listening = False
                memory.drop()
                await connection.close()
        except (psycopg.Error, OSError) as error:
            log.warning("not listening for revocations, trying again", error=str(error))
            await asyncio.sleep(0.5)


async def _notifications(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[str]:
    """Payloads as they come; between them a probe, since a silently dead line would hide revocations for ever."""
    while True:
        async for notification in connection.notifies(timeout=2.0):
            yield notification.payload
        async with asyncio.timeout(2.0):
            await connection.execute("select 1")


async def authenticate(request: HTTPConnection) -> Principal:
    """Who sends this request, by its bearer key or its session cookie.

    Raises Unauthenticated if there is none, or it is unknown, expired or revoked.
    """
    return (await _access(request, bearer=True)).principal


async def caller(request: HTTPConnection) -> Principal:
    """FastAPI dependency for the API: a bearer key (of an integrator or a till) or the session cookie."""
    return (await _access(request, bearer=True)).principal


async def signed_in(request: HTTPConnection) -> Principal:
    """FastAPI dependency for pages: the person behind the session cookie. Raises Unauthenticated."""
    return (await _access(request, bearer=False)).principal


async def session_access(request: HTTPConnection) -> Access | None:
    """The session behind the cookie with its CSRF secret, or None if nobody is signed in."""
    try:
        return await _access(request, bearer=False)
    except Unauthenticated:
        return None


async def _access(request: HTTPConnection, *, bearer: bool) -> Access:
    kept: Access | None = getattr(request.state, "access", None)
    if kept is not None and (bearer or kept.principal.person_id is not None):
        return kept
    token, find = _credentials(request, bearer)
    db: Database = request.app.state.database
    memory, token_hash = remembered(db), hash_token(token)
    access = memory.get(token_hash)
    if access is None:
        generation = memory.generation
        access, seconds = await find(db, token_hash)
        memory.put(access, generation, seconds)
    request.state.access = access
    request.state.principal = access.principal
    request.state.actor = access.principal.actor  # for the log
    request.state.csrf = access.csrf
    return access


def _credentials(request: HTTPConnection, bearer: bool) -> tuple[str, Any]:
    header = request.headers.get("authorization") if bearer else None
    if header is not None:
        kind, _, token = header.partition(" ")
        token = token.strip()
        if kind.lower() == "bearer" and len(token) <= MAX_TOKEN:
            if token.startswith(KEY_PREFIX):
                return token, _find_key
            if token.startswith(TILL_PREFIX):
                return token, _find_till
        raise Unauthenticated("Send the key as: Authorization: Bearer hk_… (or ht_… for a till).")
    token = request.cookies.get(COOKIE, "")
    if not token or len(token) > MAX_TOKEN:
        raise Unauthenticated
    return token, _find_session


async def _find_key(db: Database, token_hash: bytes) -> tuple[Access, float]:
    """An integrator's key. Its last use is written once a minute at most."""
    async with db.read(Scope.of_network()) as reader:
        row = await reader.row(
            """select id, name, retailer_id, brand_id, permissions,
                      extract(epoch from expires_at - clock_timestamp())::float as left_seconds,
                      coalesce(last_used_at < now() - interval '1 minute', true) as stale
               from api_key where key_hash = :hash and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())""",
            hash=token_hash,
        )
    if row is None:
        raise Unauthenticated("This key is not valid: it is unknown, expired or revoked.")
    if row.stale:
        await _touch(db, "update api_key set last_used_at = now() where id = :id", id=row.id)
    granted = frozenset(each for each in KEY_PERMISSIONS if each.value in row.permissions)
    principal = Principal(
        f"key:{row.id}",
        row.name,
        "en",
        (Grant("key", granted, row.retailer_id, None, row.brand_id),),
        key_id=row.id,
        retailer_id=row.retailer_id,
    )
    return Access(principal, token_hash), REMEMBER_SECONDS if row.left_seconds is None else row.left_seconds


async def _find_till(db: Database, token_hash: bytes) -> tuple[Access, float]:
    async with db.read(Scope.of_network()) as reader:
        row = await reader.row(
            "select id, code, name, retailer_id, store_id from till where key_hash = :hash and revoked_at is null", hash=token_hash
        )
    if row is None:
        raise Unauthenticated("This till's key is not valid: it was revoked or replaced. Enrol the till again.")
    grant = Grant("till", TILL_PERMISSIONS, row.retailer_id, row.store_id)
    principal = Principal(
        f"till:{row.id}", row.name or row.code, "zh", (grant,), till_id=row.id, store_id=row.store_id, retailer_id=row.retailer_id
    )
    return Access(principal, token_hash), REMEMBER_SECONDS


async def _find_session(db: Database, token_hash: bytes) -> tuple[Access, float]:
    """A person's session. Its last sign of life, from which 12 idle hours count, is written once a minute at most."""
    async with db.read(Scope.of_network()) as reader:
        row = await reader.row(
            """select p.id, p.name, p.locale, s.csrf, s.seen_at < now() - interval '1 minute' as stale,
                      extract(epoch from least(s.expires_at, s.seen_at + make_interval(hours => :idle)) - clock_timestamp())::float as left_seconds,
                      (select coalesce(json_agg(json_build_array(g.role, g.retailer_id, g.store_id, g.brand_id) order by g.id), '[]')
                       from role_grant g where g.person_id = p.id) as grants
               from browser_session s join person p on p.id = s.person_id
               where s.token_hash = :hash and p.disabled_at is null
                 and s.expires_at > clock_timestamp() and s.seen_at > clock_timestamp() - make_interval(hours => :idle)""",
            hash=token_hash, idle=IDLE_HOURS,
        )  # fmt: skip
    if row is None:
        raise Unauthenticated("You are not signed in any more; sign in again.")
    if row.stale:
        await _touch(db, "update browser_session set seen_at = now() where token_hash = :hash", hash=token_hash)
    grants = tuple(Grant.of_role(*each) for each in row.grants)
    return Access(Principal(f"person:{row.id}", row.name, row.locale, grants, person_id=row.id), token_hash, row.csrf), row.left_seconds


async def _touch(db: Database, sql: str, **parameters: Any) -> None:
    """Write a sign of life; a request never fails because of it."""
    with suppress(Unavailable):
        async with db.work(Scope.of_network()) as uow:
            await uow.execute(sql, **parameters)
            await uow.commit()
