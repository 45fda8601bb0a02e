"""From the event log to deliveries: each event becomes each subscribed webhook's delivery exactly once, whoever is killed when.

Reading what is new, writing the deliveries and moving the cursor is one transaction, and the cursor moves only from where it was
read. The cursor is a snapshot, not an id (see platform/tail.py). A long backlog is worked off in steps by making the snapshot that
lies between: what was seen so far, and everything up to a transaction number.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from hutong.kernel.errors import HutongError
from hutong.kernel.ids import uuid7
from hutong.monitor.webhooks.model import PAYMENT_KINDS, Fact, Kind
from hutong.monitor.webhooks.payloads import SaleKey, brand_messages, payment_messages, product_messages, retailer_messages
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope
from hutong.platform.tail import LONGEST_TRANSACTION, Horizon, between, written

LOCK = 7406020
CURSOR = "webhooks"
STEP_EVENTS = 1_000
POLL_SECONDS = 0.3
IDLE_MOVE = timedelta(seconds=10)
"""A cursor with nothing to tell moves this often: it lets old days of the event log go."""

log = structlog.get_logger()

# One statement, so that events, webhooks and horizon are of one snapshot: who had subscribed by then is told, nobody else.
# Without webhooks no event is read. `with ties` keeps the events of one transaction together.
NEWS = """
with hooks as materialized (
    select id, retailer_id, brand_id, kinds from webhook where disabled_at is null and deleted_at is null),
new as materialized (
    select e.xid, e.at, e.kind, e.retailer_id, e.store_id, e.brand_id, e.business_date, e.subject, e.body from event e
    where (select exists (select from hooks)) and e.xid >= cast(:xmax as xid8) and e.at >= :since
    order by e.xid fetch first :most rows with ties),
late as materialized (
    select e.xid, e.at, e.kind, e.retailer_id, e.store_id, e.brand_id, e.business_date, e.subject, e.body from event e
    where (select exists (select from hooks)) and e.xid = any (cast(:running as xid8[])) and e.at >= :since)
select pg_current_snapshot()::text as horizon, statement_timestamp() as as_of,
       (select count(*) from new) as read, (select max(xid)::text from new) as last_xid, (select max(at) from new) as last_at,
       (select coalesce(json_agg(json_build_array(id, retailer_id, brand_id, kinds)), '[]') from hooks) as hooks,
       (select coalesce(json_agg(json_build_array(kind, retailer_id, store_id, brand_id, business_date, subject, body, at)), '[]')
        from (select * from new union all select * from late) e where kind in (select unnest(kinds) from hooks)) as events"""

INSERT = """
insert into webhook_delivery (id, webhook_id, retailer_id, brand_id, kind, payload)
select * from unnest(cast(:ids as uuid[]), cast(:hooks as uuid[]), cast(:retailers as integer[]), cast(:brands as integer[]),
                     cast(:kinds as text[]), cast(:payloads as text[]))"""


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook that is on."""

    id: UUID
    retailer_id: int | None
    brand_id: int | None
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step did; ``more`` says that the next should follow at once."""

    events: int = 0
    deliveries: int = 0
    more: bool = False


async def fan_out(database: Database, most: int = STEP_EVENTS) -> Stepped:
    """One step: turn what is new into deliveries. Does nothing while another process is at it."""
    async with database.work(Scope.of_network()) as uow:
        if not await uow.value("select pg_try_advisory_xact_lock(:lock)", lock=LOCK):
            return Stepped()
        cursor = await uow.row("select snapshot::text as snapshot, moved_at from event_cursor where name = :name", name=CURSOR)
        if cursor is None:
            await uow.execute("insert into event_cursor (name, snapshot) values (:name, pg_current_snapshot())", name=CURSOR)
            await uow.commit()
            return Stepped()
        before = Horizon.of(cursor.snapshot)
        news = await uow.row(
            NEWS, xmax=str(before.xmax), running=[str(each) for each in before.running], since=cursor.moved_at - LONGEST_TRANSACTION, most=most
        )  # fmt: skip
        assert news is not None
        more = news.read >= most
        facts = [_fact(*each) for each in news.events]
        if not facts and not more and news.as_of - cursor.moved_at < IDLE_MOVE:
            return Stepped()
        rows = await deliveries_of(uow, facts, [_hook(*each) for each in news.hooks])
        if rows:
            await uow.execute(INSERT, **_columns(rows))
        after = Horizon.of(news.horizon)
        # Whatever is yet to be read began at most a day (LONGEST_TRANSACTION) before moved_at.
        horizon, moved_at = (between(after, int(news.last_xid)), max(cursor.moved_at, news.last_at)) if more else (after, news.as_of)
        moved = await uow.execute(
            """update event_cursor set snapshot = cast(:new as pg_snapshot), moved_at = :moved_at
               where name = :name and snapshot::text = :old""",
            new=written(horizon), moved_at=moved_at, name=CURSOR, old=cursor.snapshot,
        )  # fmt: skip
        if moved.rowcount != 1:
            return Stepped()  # somebody else has moved it: nothing of this step is kept
        await uow.commit()
    return Stepped(len(facts), len(rows), more)


Row = tuple[Hook, str, str]
"""A webhook, the kind of message and its text."""


async def deliveries_of(uow: UnitOfWork, facts: Iterable[Fact], hooks: list[Hook]) -> list[Row]:
    """What each webhook is to be told of these events."""
    facts = list(facts)
    rows: list[Row] = []
    rows += await _of_sales(uow, [fact for fact in facts if fact.kind == Kind.SALE_CAPTURED], hooks)
    for fact in facts:
        if fact.kind == Kind.PRODUCT_REGISTERED:
            rows += await _of_products(uow, fact, hooks)
    rows += await _of_payments(uow, [fact for fact in facts if fact.kind in PAYMENT_KINDS], hooks)
    return rows


async def _of_sales(uow: UnitOfWork, facts: list[Fact], hooks: list[Hook]) -> list[Row]:
    kind = Kind.SALE_CAPTURED
    hooks = [hook for hook in hooks if kind in hook.kinds]
    sales: dict[SaleKey, tuple[int, date]] = {
        (fact.retailer_id, fact.subject): (fact.store_id, fact.business_date)
        for fact in facts
        if fact.retailer_id is not None and fact.subject is not None and fact.store_id is not None and fact.business_date is not None
    }
    retailers = {hook.retailer_id for hook in hooks if hook.retailer_id is not None}
    brands = {hook.brand_id for hook in hooks if hook.brand_id is not None}
    whole = await retailer_messages(uow, kind, sales, retailers)
    lines = await brand_messages(uow, kind, sales, brands)
    rows: list[Row] = []
    for hook in hooks:
        if hook.retailer_id is not None:
            rows += [(hook, kind, text) for (retailer_id, _), text in whole.items() if retailer_id == hook.retailer_id]
        else:
            rows += [(hook, kind, text) for (brand_id, _), text in lines.items() if brand_id == hook.brand_id]
    return rows


async def _of_products(uow: UnitOfWork, fact: Fact, hooks: list[Hook]) -> list[Row]:
    """A retailer learns of its own numbers and of products of the network; a brand of its own products."""
    rows: list[Row] = []
    texts: dict[int | None, list[str]] = {}
    for hook in hooks:
        concerned = hook.brand_id == fact.brand_id if hook.brand_id is not None else fact.retailer_id in (None, hook.retailer_id)
        if fact.kind in hook.kinds and concerned:
            if hook.brand_id not in texts:
                texts[hook.brand_id] = await product_messages(uow, fact.kind, fact.body.get("product_ids", ()), hook.brand_id, fact.at)
            rows += [(hook, fact.kind, text) for text in texts[hook.brand_id]]
    return rows


async def _of_payments(uow: UnitOfWork, facts: list[Fact], hooks: list[Hook]) -> list[Row]:
    """A retailer learns of its own payments; a brand of none, whatever its webhook says."""
    hooks = [hook for hook in hooks if hook.retailer_id is not None and not PAYMENT_KINDS.isdisjoint(hook.kinds)]
    retailers = {hook.retailer_id for hook in hooks}
    facts = [fact for fact in facts if fact.retailer_id in retailers]
    texts = await payment_messages(uow, facts)
    return [
        (hook, fact.kind, text)
        for fact, text in zip(facts, texts, strict=True)
        if text is not None
        for hook in hooks
        if fact.retailer_id == hook.retailer_id and fact.kind in hook.kinds
    ]


def _hook(id: str, retailer_id: int | None, brand_id: int | None, kinds: list[str]) -> Hook:
    return Hook(UUID(id), retailer_id, brand_id, frozenset(kinds))


def _fact(
    kind: str, retailer: int | None, store: int | None, brand: int | None, day: str | None, subject: str | None, body: Any, at: str
) -> Fact:  # fmt: skip
    return Fact(
        kind, retailer, store, brand, None if day is None else date.fromisoformat(day), None if subject is None else UUID(subject),
        body if isinstance(body, dict) else {}, datetime.fromisoformat(at),
    )  # fmt: skip


def _columns(rows: list[Row]) -> dict[str, list[Any]]:
    return {
        "ids": [uuid7() for _ in rows],
        "hooks": [hook.id for hook, _, _ in rows],
        "retailers": [hook.retailer_id for hook, _, _ in rows],
        "brands": [hook.brand_id for hook, _, _ in rows],
        "kinds": [str(kind) for _, kind, _ in rows],
        "payloads": [text for _, _, text in rows],
    }


async def keep_fanning_out(database: Database, written: Callable[[], None]) -> None:
    """Step for ever; ``written`` is called when there are new deliveries. An outage only delays it."""
    failures = 0
    while True:
        try:
            done = await fan_out(database)
            failures = 0
        except Exception as error:
            failures += 1
            if not isinstance(error, HutongError | DBAPIError | OSError):
                log.exception("webhooks could not be fanned out, trying again")
            elif failures in (1, 10, 100):
                log.warning("webhooks cannot be fanned out just now, trying again", error=str(error)[:300], failures=failures)
            await asyncio.sleep(min(30.0, 0.5 * 2 ** min(failures, 6)))
            continue
        if done.deliveries:
            written()
        if not done.more:
            await asyncio.sleep(POLL_SECONDS)
