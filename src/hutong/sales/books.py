"""Books every captured sale into the ledger, soon after it was captured and without keeping the next one waiting.

Follows the event log by a cursor that moves in the transaction of the postings, so each sale is booked exactly once whoever is
killed when; and once more would do no harm, for a posting's id is made of the sale's. What the cursor has never seen (sales from
before there was a ledger, or a log that was restored) ``book_missing`` finds and books.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from hutong.kernel.errors import HutongError
from hutong.platform.database import Database, UnitOfWork, is_outage
from hutong.platform.scope import Scope
from hutong.platform.tail import LONGEST_TRANSACTION, Horizon, between, written
from hutong.platform.tasks import cancel

LOCK = 7406032
CURSOR = "books"
STEP_SALES = 1_000
POLL_SECONDS = 1.0
BUSY_SECONDS = 5.0
"""While sales come faster than they are captured, steps are this far apart: a thousand sales are some 0.15 s of one processor. Otherwise a backlog is
worked off for half of the time."""
IDLE_MOVE = timedelta(seconds=10)

log = structlog.get_logger(__name__)

# One statement, so that the events and the horizon are of one snapshot; `with ties` keeps one transaction's events together.
NEWS = """
with new as materialized (
    select e.xid, e.at, e.kind, e.retailer_id, e.store_id, e.business_date, e.subject from event e
    where e.xid >= cast(:xmax as xid8) and e.at >= :since order by e.xid fetch first :most rows with ties),
late as materialized (
    select e.xid, e.at, e.kind, e.retailer_id, e.store_id, e.business_date, e.subject from event e
    where e.xid = any (cast(:running as xid8[])) and e.at >= :since)
select pg_current_snapshot()::text as horizon, statement_timestamp() as as_of,
       (select count(*) from new) as read, (select max(xid)::text from new) as last_xid, (select max(at) from new) as last_at,
       (select coalesce(json_agg(json_build_array(business_date, retailer_id, store_id, subject)), '[]')
        from (select * from new union all select * from late) e where kind = 'sale.captured') as sales"""

# The entries of sales of one day, in one statement. The business date is a parameter, so only that day's partitions are opened.
# A tender that claims a payment (or, on a return, a refund) of ours was booked when it was taken: at the store of the payment.
BOOK = """
with w as materialized (
    select * from unnest(cast(:retailers as integer[]), cast(:stores as integer[]), cast(:ids as uuid[])) as w (retailer_id, store_id, id)),
s as materialized (
    select s.retailer_id, s.id, s.store_id, s.completed_at, s.total, s.vat, s.change, st.gln, r.currency
    from w join sale s on s.retailer_id = w.retailer_id and s.store_id = w.store_id and s.id = w.id and s.business_date = :day
    join store st on st.retailer_id = s.retailer_id and st.id = s.store_id join retailer r on r.id = s.retailer_id where s.kind <> 3),
t as materialized (
    select s.retailer_id, s.id, s.gln, t.type, t.amount,
           case when t.type not in ('cash', 'rounding', 'voucher', 'points') and t.reference ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                then t.reference::uuid end as named
    from s join sale_tender t on t.retailer_id = s.retailer_id and t.sale_id = s.id and t.business_date = :day),
claimed as materialized (
    select t.retailer_id, t.id, t.named, st.gln from t
    join lateral (
        select p.store_id from payment p where p.retailer_id = t.retailer_id and p.id = t.named and p.claimed_by = t.id
        union all
        select p.store_id from payment_refund r join payment p on p.retailer_id = r.retailer_id and p.id = r.payment_id
        where r.retailer_id = t.retailer_id and r.id = t.named and r.claimed_by = t.id) p on true
    join store st on st.retailer_id = t.retailer_id and st.id = p.store_id where t.named is not null),
moved as (
    select t.retailer_id, t.id, case when c.gln is not null then 'received:' || c.gln when t.type = 'rounding' then 'rounding:' || t.gln
                                     else 'tender:' || t.type || ':' || t.gln end as code,
           case when c.gln is not null then 'L' when t.type = 'rounding' then 'E' else 'A' end as kind, t.amount
    from t left join claimed c on c.retailer_id = t.retailer_id and c.id = t.id and c.named = t.named
    union all select retailer_id, id, 'tender:cash:' || gln, 'A', -change from s where change <> 0
    union all select retailer_id, id, 'sales:' || gln, 'I', vat - total from s
    union all select retailer_id, id, 'vat:' || gln, 'L', -vat from s
    -- Capture sees to it that tenders less change are the total. Whatever came past it must not stop the books: people look at it.
    union all select s.retailer_id, s.id, 'suspense:difference', 'A', s.total + s.change - coalesce(sum(t.amount), 0)
    from s left join t on t.retailer_id = s.retailer_id and t.id = s.id group by s.retailer_id, s.id, s.total, s.change),
e as materialized (
    select retailer_id, id, code, kind, sum(amount)::bigint as amount from moved group by 1, 2, 3, 4 having sum(amount) <> 0),
p as materialized (
    select s.*, row_number() over (order by s.retailer_id, s.id) as n from s where exists (select from e where e.retailer_id = s.retailer_id and e.id = s.id)),
posted as (select coalesce(array_agg(ledger_id(id, id::text || '\\:captured') order by n), '{}') as ids,
                  array_agg(retailer_id order by n) as retailers, array_agg(cast(:day as date) order by n) as days, array_agg(completed_at order by n) as ats,
                  array_agg('sale.captured'::text order by n) as kinds, array_agg(id::text || '\\:captured' order by n) as texts,
                  array_agg(id order by n) as refs, array_agg('posted'::text order by n) as states, array_agg(null::uuid order by n) as pendings,
                  array_agg(currency::text order by n) as currencies from p),
lines as (select array_agg(p.n::integer order by p.n, e.code) as places, array_agg(e.code order by p.n, e.code) as codes,
                 array_agg(e.kind order by p.n, e.code) as kinds, array_agg(p.store_id order by p.n, e.code) as stores,
                 array_agg(e.amount order by p.n, e.code) as amounts
          from p join e on e.retailer_id = p.retailer_id and e.id = p.id)
select case when cardinality(ids) = 0 then 0 else
    ledger_post(ids, retailers, days, ats, posted.kinds, texts, refs, states, pendings, currencies, places, codes, lines.kinds, stores, amounts) end
from posted, lines"""

MISSING = """
select s.business_date, s.retailer_id, s.store_id, s.id from sale s
where s.business_date = :day and s.kind <> 3
  and (s.total <> 0 or exists (select from sale_tender t where t.retailer_id = s.retailer_id and t.sale_id = s.id and t.business_date = :day))
  and not exists (select from posting p where p.retailer_id = s.retailer_id and p.id = ledger_id(s.id, s.id::text || '\\:captured'))
  and (s.retailer_id, s.id) > (:retailer, cast(:after as uuid))
order by s.retailer_id, s.id limit :most"""

PLANS = "select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
"""A step looks a few rows up by their keys, whatever size the planner takes a growing day to have."""

Captured = tuple[date, int, int, UUID]
"""Business date, retailer, store and id of a captured sale."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step did; ``more`` says that the next should follow."""

    sales: int = 0
    booked: int = 0
    more: bool = False


async def book_news(database: Database, most: int = STEP_SALES, *, apart: bool = False) -> Stepped:
    """One step: book what was captured since the last. Does nothing while another process is at it.

    With ``apart``, a sale that the ledger refuses is left out (``hutong ledger check`` names it) instead of failing the step.
    """
    async with database.work(Scope.of_network()) as uow:
        if not await uow.value("select pg_try_advisory_xact_lock(:lock)", lock=LOCK):
            return Stepped()
        cursor = await uow.row("select snapshot::text as snapshot, moved_at from event_cursor where name = :name", name=CURSOR)
        if cursor is None:
            return Stepped()
        before = Horizon.of(cursor.snapshot)
        news = await uow.row(
            NEWS, xmax=str(before.xmax), running=[str(each) for each in before.running], since=cursor.moved_at - LONGEST_TRANSACTION, most=most
        )  # fmt: skip
        assert news is not None
        more = news.read >= most
        if not news.sales and not more and news.as_of - cursor.moved_at < IDLE_MOVE:
            return Stepped()
        await uow.execute(PLANS)
        booked = await (book_apart if apart else book)(
            uow, [(date.fromisoformat(day), retailer, store, UUID(sale)) for day, retailer, store, sale in news.sales]
        )
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
    return Stepped(len(news.sales), booked, more)


async def book(uow: UnitOfWork, sales: Iterable[Captured]) -> int:
    """Write these sales into the ledger, in the transaction of ``uow``; answers how many were not there before."""
    fresh = 0
    for day, group in groupby(sorted(sales), key=lambda sale: sale[0]):
        some = list(group)
        fresh += await uow.value(
            BOOK, day=day, retailers=[retailer for _, retailer, _, _ in some], stores=[store for _, _, store, _ in some],
            ids=[sale for _, _, _, sale in some],
        )  # fmt: skip
    return fresh


async def book_apart(uow: UnitOfWork, sales: Iterable[Captured]) -> int:
    """As ``book``, one by one; what cannot be booked is logged and left out."""
    fresh = 0
    for sale in sales:
        try:
            async with uow.session.begin_nested():
                fresh += await book(uow, [sale])
        except DBAPIError as error:
            if is_outage(error.orig):
                raise
            log.error("a sale cannot be booked", sale=str(sale[3]), retailer=sale[1], error=str(error.orig)[:300])
    return fresh


async def book_missing(database: Database, days: Iterable[date]) -> int:
    """Book the sales of these business dates that the ledger does not have; answers how many there were."""
    fresh = 0
    for day in days:
        after: tuple[int, UUID] = (0, UUID(int=0))
        while True:
            async with database.work(Scope.of_network()) as uow:
                rows = await uow.rows(MISSING, day=day, retailer=after[0], after=after[1], most=STEP_SALES)
                if not rows:
                    break
                await uow.execute(PLANS)
                after = rows[-1].retailer_id, rows[-1].id
                fresh += await book(uow, [(row.business_date, row.retailer_id, row.store_id, row.id) for row in rows])
                await uow.commit()
    return fresh


async def keep_booking(database: Database, busy: Callable[[], bool] = lambda: False) -> None:
    """Step for ever, slowly while ``busy`` says that sales wait to be captured. An outage only delays it."""
    failures, apart = 0, False
    while True:
        pause, began = POLL_SECONDS, time.monotonic()
        try:
            done = await book_news(database, apart=apart)
            failures, apart = 0, False
            if busy():
                pause = BUSY_SECONDS
            elif done.more:
                pause = time.monotonic() - began
        except Exception as error:
            failures += 1
            apart = isinstance(error, DBAPIError)  # one that is "not now" comes as Unavailable: a sale is at fault
            if not isinstance(error, HutongError | DBAPIError | OSError):
                log.exception("sales could not be booked, trying again")
            elif failures in (1, 10, 100):
                log.warning("sales cannot be booked just now, trying again", error=str(error)[:300], failures=failures)
            pause = min(30.0, 0.5 * 2 ** min(failures, 6))
        await asyncio.sleep(pause)


@asynccontextmanager
async def booking(database: Database, busy: Callable[[], bool] = lambda: False) -> AsyncIterator[None]:
    """Books sales while this is open. Any number of processes may have it open: one at a time is at it."""
    task = asyncio.create_task(keep_booking(database, busy), name="books")
    try:
        yield
    finally:
        await cancel(task)
