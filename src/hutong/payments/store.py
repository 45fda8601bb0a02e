"""Keeps attempts and refunds in PostgreSQL: each step one call of an SQL function, one transaction, one round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from hutong.kernel import clock
from hutong.kernel.errors import NotFound, Unavailable
from hutong.payments.driver import Due, Origin
from hutong.payments.machine import Attempt, Event, State, Step
from hutong.payments.refunds import Refund, RefundEvent, RefundState, RefundStep, give_back_id
from hutong.payments.wallet import Notice
from hutong.platform.database import APP_ROLE, Database, is_outage, session_options

LEASE_SECONDS = 15
"""From the claim to the first step, which sets its own time: no longer, for it is what a worker that dies costs its payments."""
LONGEST_WORK = 20.0
"""Seconds for a step in all, waiting for a connection included; the server itself ends a statement after 15."""
NOBODY = UUID(int=0)

COLUMNS = """p.retailer_id, p.id, p.store_id, p.till_id, p.account_id, p.sale_id, p.method, p.amount, p.number, p.made_at, p.state, p.version,
    p.tries, p.watched, p.settling, p.code, p.who_fixes, p.trade_no, p.receipt_amount, p.buyer_paid, p.buyer, p.paid_at, p.qr, p.qr_expires_at,
    p.refunded"""
ATTEMPT = f"select {COLUMNS} from payment p where p.retailer_id = %s and p.id = %s"
ATTEMPT_FOR_NOTICE = f"""select {COLUMNS}, exists (select from wallet_notice n
        where n.retailer_id = p.retailer_id and n.payment_id = p.id and n.notify_id = %s) as known
    from payment p where p.retailer_id = %s and p.id = %s"""
REFUND = """select r.retailer_id, r.id, r.store_id, r.payment_id, r.account_id, r.payment_number, r.amount, r.reason, r.made_at, r.late, r.state,
    r.version, r.tries, r.code, r.from_receipt, r.done_at from payment_refund r where r.retailer_id = %s and r.id = %s"""
SCOPED = "select payment_scope(%s)"
BEGIN = """select outcome, other from payment_begin(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s::interval, %s, %s, %s::jsonb)"""
ADVANCE = """select payment_advance(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s::interval, %s, %s, %s, %s::jsonb, %s, %s, %s, %s)"""
NOTE = """insert into payment_event (retailer_id, payment_id, version, store_id, source, kind, state, actor, body)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)"""
REFUND_BEGIN = "select outcome, remaining from refund_begin(%s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s::interval)"
REFUND_ADVANCE = "select refund_advance(%s, %s, %s, %s, %s, %s, %s, %s, now() + %s::interval, %s, %s, %s::jsonb, %s)"
# Rows that another worker is about to lease are passed over; those whose lease has ended are anybody's, in their turn.
CLAIM = """update payment_due d set leased_until = now() + make_interval(secs => %s)
    from (select retailer_id, payment_id, refund_id from payment_due
          where due_at <= now() and (leased_until is null or leased_until < now()) order by greatest(due_at, leased_until) limit %s
          for update skip locked) c
    where d.retailer_id = c.retailer_id and d.payment_id = c.payment_id and d.refund_id = c.refund_id
    returning d.retailer_id, d.payment_id, d.refund_id"""
NOTICE = """with scope as materialized (select payment_scope(%s)), kept as (
        insert into wallet_notice (retailer_id, payment_id, notify_id, store_id, body)
        select %s, %s, %s, %s, %s::jsonb from scope on conflict do nothing returning 1)
    select count(*) from kept"""
WAKE = """update payment_due set due_at = now(), leased_until = null
    where retailer_id = %s and payment_id = %s and refund_id::text = regexp_replace(%s, '^(.{8})(.{4})(.{4})(.{4})(.{12})$', '\\1-\\2-\\3-\\4-\\5')"""
OTHER_NOTICE = "select wallet_other_notice(%s, %s, %s, %s, %s::jsonb)"
ALARM = "insert into payment_alarm (retailer_id, kind, message, detail) values (%s, %s, %s, %s::jsonb)"
LOG_DAYS = "select ensure_log_days()"
NETWORK = "select set_config('hutong.network', 'on', true)"
FORGET = "delete from payment_due where retailer_id = %s and payment_id = %s and refund_id = %s"

T = TypeVar("T")
Connection = psycopg.AsyncConnection[Any]

_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(frozen=True, slots=True)
class Begun:
    """What became of a wish to begin: ``outcome`` as the SQL functions say; ``other`` is the attempt that stands in the way."""

    outcome: str
    other: UUID | None = None
    remaining: int = 0


class PostgresStore:
    """The driver's ``Store`` on the network's database, with connections of its own."""

    def __init__(self, database: Database, connections: int = 4) -> None:
        self.on_commit: Callable[[], None] = _nobody
        """Called after each commit: who shows payments live looks at once."""
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            database.url,
            min_size=1,
            max_size=connections,
            timeout=5,
            open=False,
            kwargs={"autocommit": True, "options": f"{session_options()} -c role={APP_ROLE} -c plan_cache_mode=auto", "connect_timeout": 5},
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    # attempts ------------------------------------------------------------------------------------------------------------

    async def begin(
        self, attempt: Attempt, *, subject: str, digest: UUID, actor: str, due: datetime, parts: bool, source: UUID | None, body: Any
    ) -> Begun:
        """Commit the intent to pay, unless it is there already or the sale has another attempt."""
        row = await self._once(
            BEGIN,
            (attempt.retailer_id, attempt.id, attempt.store_id, attempt.till_id, attempt.account_id, attempt.sale_id, attempt.method,
             attempt.amount, "CNY", attempt.number, subject, digest, actor, attempt.made_at, until(due), parts, source, text_of(body)),
        )  # fmt: skip
        return Begun(row[0], row[1])

    async def load(self, retailer_id: int, payment_id: UUID) -> Attempt:
        """The attempt as it stands. Raises NotFound."""
        row = await self._row(ATTEMPT, retailer_id, (retailer_id, payment_id))
        return Attempt(**{**row, "state": State(row["state"])})

    async def save(self, step: Step, event: Event, origin: Origin) -> bool:
        after = step.attempt
        back = give_back_id(after.id) if step.give_back else None
        row = await self._one(
            ADVANCE,
            (after.retailer_id, after.id, after.version, after.state.value, after.tries, after.watched, after.settling, after.code,
             after.who_fixes, after.trade_no, after.receipt_amount, after.buyer_paid, after.buyer, after.paid_at, after.qr,
             after.qr_expires_at, after.refunded, until(step.due), origin.source, kind_of(event), origin.actor, text_of(event), step.alarm,
             back, None if back is None else digest_of("late", after.amount), [booking.value for booking in step.bookings]),
        )  # fmt: skip
        return bool(row[0])

    async def note(self, attempt: Attempt, event: Event, origin: Origin) -> None:
        await self._scoped(
            attempt.retailer_id, NOTE,
            (attempt.retailer_id, attempt.id, attempt.version, attempt.store_id, origin.source, kind_of(event), attempt.state.value,
             origin.actor, text_of(event)),
        )  # fmt: skip

    # refunds -------------------------------------------------------------------------------------------------------------

    async def begin_refund(self, refund: Refund, *, digest: UUID, actor: str, due: datetime) -> Begun:
        """Reserve a refund against what is paid and not refunded yet, unless it is there already."""
        row = await self._once(
            REFUND_BEGIN,
            (refund.retailer_id, refund.id, refund.payment_id, refund.store_id, refund.amount, refund.reason, digest, actor,
             refund.made_at, until(due)),
        )  # fmt: skip
        return Begun(row[0], None, row[1] or 0)

    async def load_refund(self, retailer_id: int, refund_id: UUID) -> Refund:
        """The refund as it stands. Raises NotFound."""
        row = await self._row(REFUND, retailer_id, (retailer_id, refund_id))
        return Refund(**{**row, "state": RefundState(row["state"])})

    async def save_refund(self, step: RefundStep, event: RefundEvent, origin: Origin) -> bool:
        after = step.refund
        row = await self._one(
            REFUND_ADVANCE,
            (after.retailer_id, after.id, after.version, after.state.value, after.tries, after.code, after.from_receipt, after.done_at,
             until(step.due), origin.source, kind_of(event), text_of(event), step.alarm),
        )  # fmt: skip
        return bool(row[0])

    # what is due ---------------------------------------------------------------------------------------------------------

    async def claim(self, most: int) -> list[Due]:
        rows = await self._scoped(None, CLAIM, (LEASE_SECONDS, most))
        return [Due(row[0], row[1], None if row[2] == NOBODY else row[2]) for row in rows]

    async def forget(self, due: Due) -> None:
        await self._scoped(due.retailer_id, FORGET, (due.retailer_id, due.payment_id, due.refund_id or NOBODY))

    # notifications -------------------------------------------------------------------------------------------------------

    async def load_for_notice(self, retailer_id: int, payment_id: UUID, notify_id: str) -> tuple[Attempt, bool]:
        """The attempt that a notification is about, and whether the notification is in the inbox already. Raises NotFound."""
        row = await self._row(ATTEMPT_FOR_NOTICE, retailer_id, (notify_id, retailer_id, payment_id))
        known = bool(row.pop("known"))
        return Attempt(**{**row, "state": State(row["state"])}), known

    async def keep_notice(self, attempt: Attempt, notify_id: str, fields: dict[str, str]) -> bool:
        """Put a proven notification into the inbox; False if it is there already."""
        row = await self._one(NOTICE, (attempt.retailer_id, attempt.retailer_id, attempt.id, notify_id, attempt.store_id, text_of(fields)))
        return bool(row[0])

    async def wake_refund(self, attempt: Attempt, number: str) -> None:
        """Let a worker ask at once about a refund that a notification told of."""
        await self._scoped(attempt.retailer_id, WAKE, (attempt.retailer_id, attempt.id, number))

    async def keep_other_notice(self, retailer_id: int, account_id: int, notice: Notice) -> str:
        """Agreements and authorisations: what became of what the customer was asked."""
        row = await self._one(OTHER_NOTICE, (retailer_id, account_id, notice.kind, notice.number, text_of(dict(notice.fields))))
        return str(row[0])

    async def alarm(self, retailer_id: int | None, kind: str, message: str, detail: dict[str, Any]) -> None:
        """Write down that people must look at something."""
        await self._scoped(None, ALARM, (retailer_id, kind, message, text_of(detail)))

    # for what has tables of its own beside payments ------------------------------------------------------------------------

    async def value(self, sql: str, parameters: Sequence[Any]) -> Any:
        """The one value of a call of one of our SQL functions, which sets its own scope."""
        return (await self._once(sql, parameters))[0]

    async def row(self, sql: str, retailer_id: int, row_id: UUID) -> dict[str, Any]:
        """The one row of a query by retailer and id. Raises NotFound."""
        return await self._row(sql, retailer_id, (retailer_id, row_id))

    async def network_rows(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement of the network's own, such as a claim of what is due."""
        return await self._scoped(None, sql, parameters)

    # how -----------------------------------------------------------------------------------------------------------------

    async def _run(self, work: "Callable[[Connection], Awaitable[T]]") -> T:
        """``work`` on a connection; once more if the pooled one had been cut, for every step bears being done twice.

        Raises Unavailable when the database is away, or silent.
        """
        try:
            async with asyncio.timeout(LONGEST_WORK):
                try:
                    return await self._work(work)
                except psycopg.OperationalError as error:
                    if not is_outage(error):
                        raise
                    await self._pool.check()  # a server that was started again has cut all of them
                    return await self._work(work)
        except (psycopg.Error, PoolTimeout, TimeoutError) as error:
            if isinstance(error, psycopg.Error) and not is_outage(error):
                raise
            raise Unavailable("The database is not reachable just now; ask again in a moment.") from error

    async def _work(self, work: "Callable[[Connection], Awaitable[T]]") -> T:
        async with self._pool.connection() as connection:
            return await work(connection)

    async def _one(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
        """The one row of a statement."""

        async def work(connection: Connection) -> Any:
            return await (await connection.execute(sql, parameters)).fetchone()

        try:
            row = await self._run(work)
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name is not None:
                raise
            await self._scoped(None, LOG_DAYS, ())  # no job has made today's part of the logs; what is known of money is kept all the same
            row = await self._run(work)
        assert row is not None
        self.on_commit()
        return tuple(row)

    async def _once(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
        """The same for what inserts under an id of the caller's: the same id at the same moment by another call is met by one more try."""
        try:
            return await self._one(sql, parameters)
        except psycopg.errors.UniqueViolation:
            return await self._one(sql, parameters)

    async def _row(self, sql: str, retailer_id: int, parameters: Sequence[Any]) -> dict[str, Any]:
        async def work(connection: Connection) -> Any:
            async with connection.pipeline(), connection.transaction():
                await connection.execute(SCOPED, (retailer_id,))
                cursor = connection.cursor(row_factory=dict_row)
                await cursor.execute(sql, parameters)
                return await cursor.fetchone()

        row: dict[str, Any] | None = await self._run(work)
        if row is None:
            raise NotFound
        return row

    async def _scoped(self, retailer_id: int | None, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement within a retailer's scope, or the network's."""

        async def work(connection: Connection) -> list[tuple[Any, ...]]:
            async with connection.transaction():
                await connection.execute(*(NETWORK,) if retailer_id is None else (SCOPED, (retailer_id,)))
                cursor = await connection.execute(sql, parameters)
                return await cursor.fetchall() if cursor.description else []

        return await self._run(work)


def _nobody() -> None:
    """Nobody watches."""


def until(due: datetime | None) -> timedelta | None:
    """How long from now that is: the database counts it by its own clock, for that says what is due, and this machine's may differ."""
    return None if due is None else due - clock.now()


def kind_of(event: object) -> str:
    """What a story calls an event: the result's kind, or what was asked."""
    result = getattr(event, "result", event)
    return _WORDS.get(type(result).__name__, type(result).__name__.lower())


_WORDS = {
    "CancelAsked": "cancel",
    "TimePassed": "time",
    "RefundTimePassed": "time",
    "GivenBack": "given back",
    "CancelRefused": "cancel refused",
    "RefundAccepted": "accepted",
    "QrCode": "qr code",
    "HoldEndAsked": "end asked",
    "HoldTimePassed": "time",
    "FreezeWaiting": "waiting",
    "FreezeOver": "over",
    "FreezeUndone": "undone",
}


def digest_of(*meaning: object) -> UUID:
    """128 bits over what a request means: the same id with another digest contradicts what is recorded."""
    return UUID(bytes=blake2b(_encode(meaning), digest_size=16).digest())


def text_of(value: Any) -> str:
    """JSON of dataclasses, ids and times."""
    return _encode(value).decode()
