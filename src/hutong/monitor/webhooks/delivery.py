"""Sends what waits: claimed with a lease, called outside any transaction, the result written afterwards; retried, then dead.

A delivery is sent at least once; its id (header webhook-id) stays the same, so that a receiver can tell a repetition. Endpoints
share a process's calls fairly, and one that fails or is slow holds up nobody else.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from standardwebhooks import Webhook

from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError
from hutong.monitor.webhooks.model import (
    ANSWERED,
    CAPACITY,
    FAILING_DAYS,
    FAILURES_TO_SLOW,
    JITTER,
    LEASE,
    LONGEST_PAUSE,
    LONGEST_RETRY_AFTER,
    MOST_AT_ONCE,
    OFF_FAILING,
    OFF_GONE,
    REDIRECTED,
    RETRY_SECONDS,
)
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.outbound import Answer, Outbound, OutboundError
from hutong.platform.scope import Scope

LOCK = 7406022
POLL_SECONDS = 0.5
GATHER_SECONDS = 0.01
"""Results of calls that end together are written together."""
GRACE_SECONDS = 2.0

log = structlog.get_logger()

# Claims are made one process at a time (an advisory lock, held for milliseconds), so that the bound of an endpoint holds for all of
# them together. Half of the calls a process can make is shared evenly by the endpoints that have something to send: the other
# half is there for whoever comes next. An endpoint that only fails gets one call at a time.
CLAIM = """
with busy as materialized (
    select w.id as webhook_id, c.calls from webhook w
    cross join lateral (select count(*) as calls from webhook_delivery d where d.webhook_id = w.id and d.leased_until > now()) c
    where c.calls > 0),
ready as materialized (
    select w.id, w.failures from webhook w
    where w.disabled_at is null and w.deleted_at is null and coalesce(w.resume_at, '-infinity') <= now()
      and exists (select from webhook_delivery d where d.webhook_id = w.id and d.status = 'pending' and d.next_at <= now())),
active as materialized (select greatest(1, count(*)) as endpoints from (select webhook_id from busy union select id from ready) e),
due as materialized (
    select d.id, row_number() over (partition by r.id order by d.next_at, d.id) as place
    from ready r cross join active a left join busy b on b.webhook_id = r.id
    cross join lateral (
        select d.id, d.next_at from webhook_delivery d where d.webhook_id = r.id and d.status = 'pending' and d.next_at <= now()
        order by d.next_at, d.id
        limit greatest(0, case when r.failures >= :slow then 1
                               else least(:most, greatest(1, :half / a.endpoints)) end - coalesce(b.calls, 0))
        for update skip locked) d),
chosen as (select id from due order by place limit :room)
update webhook_delivery d set attempts = d.attempts + 1, leased_until = now() + :lease, next_at = now() + :lease
from chosen c, webhook w where d.id = c.id and w.id = d.webhook_id
returning d.id, d.webhook_id, d.attempts, d.payload, w.url, w.secret, case when w.previous_until > now() then w.previous_secret end as previous_secret"""

# `attempts` tells whether the delivery is still this process's: after an expired lease it is another's.
RESULTS = """
update webhook_delivery d
set status = r.status, next_at = now() + r.wait * interval '1 second', leased_until = null, last_status = r.code, last_error = r.error,
    attempts = case when r.released then d.attempts - 1 else d.attempts end,
    delivered_at = case when r.status = 'delivered' then now() end
from unnest(cast(:ids as uuid[]), cast(:attempts as smallint[]), cast(:statuses as text[]), cast(:waits as double precision[]),
            cast(:codes as smallint[]), cast(:errors as text[]), cast(:released as boolean[]))
     r (id, attempt, status, wait, code, error, released)
where d.id = r.id and d.attempts = r.attempt and d.status = 'pending'"""

WELL = "update webhook set failures = 0, failing_since = null, resume_at = null where id = any (cast(:ids as uuid[])) and failures > 0"
FAILED = """
update webhook set failures = failures + 1, failing_since = coalesce(failing_since, now()),
       resume_at = case when failures + 1 >= :slow then now() + least(:longest, 2 ^ least(30, failures + 1 - :slow)) * interval '1 second' end
where id = any (cast(:ids as uuid[])) and disabled_at is null
returning id, retailer_id, brand_id, failing_since < now() - make_interval(days => :days) as hopeless"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process has to itself until its lease ends."""

    id: UUID
    webhook_id: UUID
    attempt: int
    payload: str
    url: str
    secret: str
    previous_secret: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a call."""

    claimed: Claimed
    status: str
    wait: float = 0.0
    code: int | None = None
    error: str = ""
    gone: bool = False
    released: bool = False
    """Never sent: given back as if it had not been claimed."""


class Deliverer:
    """Sends the deliveries that are due, as long as ``run`` runs. Several processes may do so at once."""

    def __init__(
        self, database: Database, outbound: Outbound, *, retry_seconds: Sequence[float] = RETRY_SECONDS, capacity: int = CAPACITY
    ) -> None:
        self.database = database
        self.outbound = outbound
        self.retry_seconds = tuple(retry_seconds)
        self.capacity = capacity
        self._wake = asyncio.Event()
        self._calls: dict[asyncio.Task[None], Claimed] = {}
        self._results: list[Result] = []

    def poke(self) -> None:
        """There is something new to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; then calls have a moment to end, and what was not sent is given back."""
        failures = 0
        try:
            while True:
                self._wake.clear()
                try:
                    more = await self.step()
                    failures = 0
                except Exception as error:
                    failures += 1
                    if not isinstance(error, HutongError | DBAPIError | OSError):
                        log.exception("webhooks could not be sent, trying again")
                    elif failures in (1, 10, 100):
                        log.warning("webhooks cannot be sent just now, trying again", error=str(error)[:300], failures=failures)
                    await asyncio.sleep(min(30.0, 0.5 * 2 ** min(failures, 6)))
                    continue
                if not more:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._wake.wait()
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            await asyncio.shield(self._end())

    async def step(self) -> bool:
        """Write what came back, claim what is due, begin to send it. Answers whether there may be more at once."""
        results, room = self._results[:], min(self.capacity - len(self._calls), self.capacity // 2)
        async with self.database.work(Scope.of_network()) as uow:
            if results:
                await write_results(uow, results)
            claimed = await claim(uow, room, self.capacity) if room > 0 else []
            await uow.commit()
        del self._results[: len(results)]
        for each in claimed:
            task = asyncio.create_task(self._send(each))
            self._calls[task] = each
            task.add_done_callback(lambda done: self._calls.pop(done, None))
        return len(claimed) >= self.capacity // 2

    async def _send(self, claimed: Claimed) -> None:
        try:
            result = self._judge(claimed, await self.outbound.post(claimed.url, claimed.payload.encode(), signed_headers(claimed)))
        except OutboundError as error:
            result = self._failed(claimed, error.detail)
        except asyncio.CancelledError:
            result = Result(claimed, "pending", released=True)
        except Exception:
            log.exception("a webhook could not be sent", webhook=str(claimed.webhook_id))
            result = self._failed(claimed, ANSWERED)
        self._results.append(result)
        self._wake.set()

    def _judge(self, claimed: Claimed, answer: Answer) -> Result:
        if 200 <= answer.status < 300:
            return Result(claimed, "delivered", code=answer.status)
        if answer.status == 410:
            return Result(claimed, "dead", code=410, error=ANSWERED, gone=True)
        wait = retry_after(answer.headers.get("retry-after", "")) if answer.status in (429, 503) else 0.0
        return self._failed(claimed, REDIRECTED if 300 <= answer.status < 400 else ANSWERED, answer.status, wait)

    def _failed(self, claimed: Claimed, error: str, code: int | None = None, at_least: float = 0.0) -> Result:
        if claimed.attempt > len(self.retry_seconds):
            return Result(claimed, "dead", code=code, error=error)
        wait = self.retry_seconds[claimed.attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, hides nothing
        return Result(claimed, "pending", max(wait, at_least), code, error)

    async def _end(self) -> None:
        calls = list(self._calls)
        if calls:
            _, late = await asyncio.wait(calls, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._results:
            with suppress(Exception):  # what is not written is sent again when its lease ends
                async with self.database.work(Scope.of_network()) as uow:
                    await write_results(uow, self._results)
                    await uow.commit()


async def claim(uow: UnitOfWork, room: int, capacity: int) -> list[Claimed]:
    """Take up to ``room`` deliveries that are due, a fair share of each endpoint's."""
    await uow.execute("select pg_advisory_xact_lock(:lock)", lock=LOCK)
    rows = await uow.rows(CLAIM, slow=FAILURES_TO_SLOW, most=MOST_AT_ONCE, half=capacity // 2, room=room, lease=LEASE)
    return [Claimed(row.id, row.webhook_id, row.attempts, row.payload, row.url, row.secret, row.previous_secret) for row in rows]


async def write_results(uow: UnitOfWork, results: Sequence[Result]) -> None:
    """Write what became of calls, and how their endpoints do; switch those off that are gone or beyond hope."""
    ordered = sorted(results, key=lambda each: each.claimed.id)
    await uow.execute(
        RESULTS,
        ids=[each.claimed.id for each in ordered],
        attempts=[each.claimed.attempt for each in ordered],
        statuses=[each.status for each in ordered],
        waits=[each.wait for each in ordered],
        codes=[each.code for each in ordered],
        errors=[each.error for each in ordered],
        released=[each.released for each in ordered],
    )
    sent = [each for each in results if not each.released]
    well = {each.claimed.webhook_id for each in sent if each.status == "delivered"}
    gone = {each.claimed.webhook_id for each in sent if each.gone}
    failed = {each.claimed.webhook_id for each in sent} - well - gone
    if well:
        await uow.execute(WELL, ids=sorted(well))
    if failed:
        rows = await uow.rows(
            FAILED, ids=sorted(failed), slow=FAILURES_TO_SLOW, longest=LONGEST_PAUSE, days=FAILING_DAYS
        )  # fmt: skip
        for row in rows:
            if row.hopeless:
                await switch_off(uow, row.id, OFF_FAILING)
    for webhook_id in sorted(gone):
        await switch_off(uow, webhook_id, OFF_GONE)


async def switch_off(uow: UnitOfWork, webhook_id: UUID, reason: str) -> None:
    """Switch a webhook off on the network's own account; its owner finds it in the audit log, and what waited in the dead list."""
    row = await uow.row(
        """update webhook set disabled_at = now(), disabled_reason = :reason where id = :id and disabled_at is null and deleted_at is null
           returning retailer_id, brand_id""",
        id=webhook_id, reason=reason,
    )  # fmt: skip
    if row is None:
        return
    await bury(uow, webhook_id)
    await uow.record(
        "system:webhooks", "webhook.disable", subject=str(webhook_id), retailer_id=row.retailer_id, brand_id=row.brand_id,
        detail={"reason": reason},
    )  # fmt: skip


async def bury(uow: UnitOfWork, webhook_id: UUID, most: int = 10_000) -> int:
    """Declare dead what waits for a webhook, up to so many; answers how many they were."""
    result = await uow.execute(
        """update webhook_delivery set status = 'dead', leased_until = null where id in (
               select id from webhook_delivery where webhook_id = :id and status = 'pending' order by next_at limit :most for update skip locked)""",
        id=webhook_id, most=most,
    )  # fmt: skip
    return result.rowcount


def signed_headers(claimed: Claimed) -> dict[str, str]:
    """The headers of the Standard Webhooks specification; two signatures while a rotated secret still counts."""
    at, message_id = now(), str(claimed.id)
    secrets = [each for each in (claimed.secret, claimed.previous_secret) if each]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(each).sign(message_id, at, claimed.payload) for each in secrets),
    }


def retry_after(text: str) -> float:
    """The seconds that a Retry-After header asks for (a number or a date, RFC 9110), an hour at most; 0 if it says neither."""
    try:
        seconds: float = int(text) if text.strip().isdigit() else (parsedate_to_datetime(text) - now()).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER)
