"""Commits sales: concurrent requests share one transaction, a bad sale is singled out, and nothing is answered before the commit."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
import structlog
from psycopg import errors as pg

from hutong.catalog import ProductCodes
from hutong.kernel.errors import HutongError, Unavailable
from hutong.platform.database import STATEMENT_TIMEOUT_MS, Database, is_outage
from hutong.sales.claims import CLAIM, claims_of
from hutong.sales.errors import OriginalUnknown, PaymentNotClaimable, ReceiptTaken, ReturnExceedsSale, SaleDiffers, SaleInvalid
from hutong.sales.gathering import Gathering
from hutong.sales.partitions import Partitions
from hutong.sales.prepare import PreparedSale
from hutong.sales.rows import CALL, Audit, array, parameters

log = structlog.get_logger(__name__)

GROUP_SALES = 200
"""Where a group ends, though one request of more is a group of its own. Much larger groups leave PostgreSQL idle while the next
requests are read and this process idle while PostgreSQL works (docs/performance.md)."""
GROUP_LINES = 20_000
ATTEMPTS = 4
PRESSED_SECONDS = 2.0
QUICKLY_JUDGED = 8
"""A request of more sales than this, one of which is at fault, is looked into apart, so that nobody else waits for it."""
ANSWER_SECONDS = STATEMENT_TIMEOUT_MS / 1000 + 5
"""PostgreSQL ends a statement before this; one that has not answered by then is not there any more, or cannot be reached."""
FAULTS = ("HT001", "HT002", "HT003", "22003")
"""SQLSTATEs that ``capture_sales`` raises when one sale of the group is at fault; so do unique and check violations."""

Result = datetime | tuple[datetime] | HutongError
"""When the sale was captured by this call; in a 1-tuple when it had been captured before; or why it was not."""


@dataclass(slots=True, eq=False)
class Submission:
    """The sales of one request, waiting for their results, which come all at once."""

    sales: Sequence[PreparedSale]
    future: "asyncio.Future[list[Result]]"


class CaptureQueue:
    """Takes prepared sales from requests and commits them in groups, on connections of its own.

    While one group commits, requests that arrive wait and form the next: the busier, the larger the groups. ``on_commit``
    is called after each commit (the live topics' wake-up).
    """

    def __init__(
        self, database: Database, codes: ProductCodes, connections: int, backlog: int, on_commit: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._codes = codes
        self._connections = connections
        self._backlog = backlog
        self._on_commit = on_commit
        self._waiting: deque[Submission] = deque()
        self._gathering = Gathering()
        self._arrived = asyncio.Event()
        self._troubled: deque[Submission] = deque()
        self._troubled_sales = 0
        self._trouble = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []
        self._partitions = Partitions(database)
        self._pressed_at = 0.0
        self._stopping = False

    def start(self) -> None:
        self._writers = [asyncio.create_task(self._write_for_ever(first=n == 0), name=f"capture-{n}") for n in range(self._connections)]
        self._writers.append(asyncio.create_task(self._write_for_ever(troubled=True), name="capture-troubled"))

    async def stop(self) -> None:
        """Let what is being committed finish; refuse what is still waiting."""
        self._stopping = True
        self._arrived.set()
        self._trouble.set()
        self._gathering.stop()
        await asyncio.gather(*self._writers, return_exceptions=True)
        self._finish_all([*self._waiting, *self._troubled], Unavailable("The server is stopping; send it again."))
        self._waiting.clear()
        self._troubled.clear()

    @property
    def waiting(self) -> int:
        """How many sales wait to be committed."""
        return self._gathering.waiting + self._troubled_sales

    @property
    def pressed(self) -> bool:
        """Whether requests have come faster than they are committed, a moment ago: what is not urgent had better wait."""
        return time.monotonic() - self._pressed_at < PRESSED_SECONDS

    async def submit(self, sales: Sequence[PreparedSale]) -> list[Result]:
        """Commit these sales of one retailer and answer what became of each, in order. The ids differ.

        Raises Unavailable if too many are waiting already or the database cannot be reached; then it may be that they were
        committed and may be that they were not: the same ids sent again find out.
        """
        self._refuse_if_full(sales)
        await self._partitions.ensure(sales)
        await self._find_products(sales)
        self._refuse_if_full(sales)  # others came meanwhile, or the end: nobody would take it up any more
        submission = Submission(sales, asyncio.get_running_loop().create_future())
        if self._waiting:
            self._pressed_at = time.monotonic()
        self._waiting.append(submission)
        self._gathering.came(len(sales))
        self._arrived.set()
        return await asyncio.shield(submission.future)

    def _refuse_if_full(self, sales: Sequence[PreparedSale]) -> None:
        if self._stopping or self.waiting + len(sales) > self._backlog:
            raise Unavailable("Too many sales are waiting to be committed; send it again in a moment.", retry_after=1)

    async def _find_products(self, sales: Sequence[PreparedSale]) -> None:
        missing: set[tuple[int, str]] = set()
        for sale in sales:
            retailer, get = sale.outlet.retailer_id, self._codes.get
            sale.products = [get(retailer, row[1]) or 0 for row in sale.lines]
            if 0 in sale.products:
                missing.update((retailer, row[1]) for row, product in zip(sale.lines, sale.products, strict=True) if not product)
        if missing:
            found = await self._codes.ensure(self._database, missing)
            for sale in sales:  # what was known is kept: learning the new ones may have made room by forgetting it
                known = zip(sale.products or (), sale.lines, strict=True)
                sale.products = [product or found[sale.outlet.retailer_id, row[1]] for product, row in known]

    # groups --------------------------------------------------------------------------------------------------------

    async def _write_for_ever(self, *, first: bool = True, troubled: bool = False) -> None:
        """Commit what waits, group by group; the one for the ``troubled`` takes requests with a faulty sale, one by one."""
        queue, arrived = (self._troubled, self._trouble) if troubled else (self._waiting, self._arrived)
        connection: psycopg.AsyncConnection[Any] | None = None
        while not self._stopping:
            if not queue:
                arrived.clear()
                await arrived.wait()
                continue
            if not troubled and not await self._gather(first):
                continue
            requests = self._take_troubled() if troubled else self._take_group()
            try:
                if connection is None or connection.closed:
                    connection = await self._database.connect()
                group = Group(connection, self._partitions)
                undone = await group.commit(requests, patient=troubled)
            except Exception as error:  # noqa: BLE001 - _give_up logs it, and whoever sent it is told
                if connection is not None:
                    await connection.close()
                    connection = None
                self._give_up(requests, error)
                await asyncio.sleep(0.05)
                continue
            finally:
                if not troubled:
                    self._gathering.done(sum(len(each.sales) for each in requests))
            self._on_commit()
            for submission in requests:
                if submission not in undone and not submission.future.done():
                    submission.future.set_result([group.results[sale.key] for sale in submission.sales])
            self._put_aside(undone)
        if connection is not None:
            await connection.close()

    async def _gather(self, first: bool) -> bool:
        """Wait for company, and with another connection than the first until it is wanted; whether there is something to commit then."""
        head = self._waiting[0]
        ready = await (self._gathering.for_half() if first else self._gathering.for_many())
        return bool(self._waiting) and (ready or self._waiting[0] is head)

    def _give_up(self, requests: list[Submission], error: Exception) -> None:
        if is_outage(error):
            log.warning("capture_unavailable", error=str(error).strip(), sales=sum(len(each.sales) for each in requests))
        else:
            log.exception("capture_failed", sales=sum(len(each.sales) for each in requests))
        self._finish_all(requests, Unavailable("The sale could not be committed just now; send it again with the same id.", retry_after=1))

    def _put_aside(self, requests: list[Submission]) -> None:
        self._troubled.extend(requests)
        self._troubled_sales += sum(len(each.sales) for each in requests)
        self._trouble.set()

    def _take_troubled(self) -> list[Submission]:
        """The smallest request with a fault: a till's few sales do not wait for a file of a thousand."""
        submission = min(self._troubled, key=lambda each: len(each.sales))
        self._troubled.remove(submission)
        self._troubled_sales -= len(submission.sales)
        return [submission]

    def _take_group(self) -> list[Submission]:
        """The requests at the head of the queue that fit one transaction; an id that is in it already waits for the next."""
        group: list[Submission] = []
        keys: set[tuple[int, int]] = set()
        lines = 0
        while self._waiting:
            candidate = self._waiting[0]
            wanted = {sale.key for sale in candidate.sales}
            weight = sum(len(sale.lines) for sale in candidate.sales)
            full = len(keys) + len(wanted) > GROUP_SALES or lines + weight > GROUP_LINES
            if group and (full or not keys.isdisjoint(wanted)):
                break
            group.append(self._waiting.popleft())
            self._gathering.taken(len(candidate.sales))
            keys |= wanted
            lines += weight
        return group

    @staticmethod
    def _finish_all(group: list[Submission], error: HutongError) -> None:
        for submission in group:
            if not submission.future.done():
                submission.future.set_exception(error)


class Group:
    """One group on one connection: tried whole, and halved until the sale at fault stands alone. ``results`` are by sale's key."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], partitions: Partitions) -> None:
        self._connection = connection
        self._partitions = partitions
        self.results: dict[tuple[int, int], Result] = {}

    async def commit(self, requests: Sequence[Submission], *, patient: bool) -> list[Submission]:
        """Commit what can be, with a result for each sale; answer the requests left undone.

        Undone is a large request with a sale at fault, unless ``patient``. Outages raise psycopg.Error or TimeoutError.
        """
        undone = await self._commit_requests(list(requests), patient)
        # Halving may have tried a return before its sale, when the clocks that made their ids differ.
        done = sales_of([each for each in requests if each not in undone])
        await self._settle([sale for sale in done if isinstance(self.results[sale.key], OriginalUnknown) and self._came_with(sale)])
        return undone

    async def _commit_requests(self, requests: list[Submission], patient: bool) -> list[Submission]:
        sales = [sale for sale in sales_of(requests) if sale.key not in self.results]
        if len(requests) == 1 and (patient or len(sales) <= QUICKLY_JUDGED):
            await self._settle(sales)
            return []
        while sales:
            if await self._insert_or_fault(sales) is None:
                return []
            remaining = await self._without_known(sales)
            if len(remaining) == len(sales):
                break
            sales = remaining
        if not sales:
            return []
        if len(requests) == 1:
            return requests
        half = len(requests) // 2
        return [*await self._commit_requests(requests[:half], patient), *await self._commit_requests(requests[half:], patient)]

    def _came_with(self, sale: PreparedSale) -> bool:
        """Whether the sale that this one returns came with it and is recorded, by this group or just before."""
        original = sale.sale.original
        return original is not None and isinstance(self.results.get((sale.outlet.retailer_id, original.int)), datetime | tuple)

    async def _settle(self, sales: list[PreparedSale]) -> None:
        """Give each of these a result, by halving where it must be."""
        if not sales:
            return
        fault = await self._insert_or_fault(sales)
        if fault is None:
            return
        remaining = await self._without_known(sales)
        if len(remaining) < len(sales):
            await self._settle(remaining)
        elif len(sales) == 1:
            self.results[sales[0].key] = explain(fault, sales[0])
        else:
            half = len(sales) // 2
            await self._settle(sales[:half])
            await self._settle(sales[half:])

    async def _insert_or_fault(self, sales: list[PreparedSale]) -> psycopg.Error | None:
        """Commit these together; if one of them is at fault, none is, and the fault is the answer."""
        try:
            at = await self._insert(sales)
        except psycopg.Error as error:
            if not is_fault(error):
                raise
            return error
        self.results.update((sale.key, at) for sale in sales)
        return None

    async def _insert(self, sales: list[PreparedSale]) -> datetime:
        """Call ``capture_sales``: one statement, one transaction, committed when this returns."""
        values, claims = parameters(sales, audits_of(sales)), claims_of(sales)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    row = await self._call(values, claims)
                assert row is not None
                return row[0]  # type: ignore[no-any-return]
            except (pg.DeadlockDetected, pg.SerializationFailure):
                if attempt == ATTEMPTS:
                    raise
            except pg.CheckViolation as error:
                if error.diag.constraint_name is not None or attempt == ATTEMPTS:
                    raise
                await self._partitions.make_again(sales)
        raise AssertionError("unreachable")

    async def _call(self, values: list[str], claims: list[str] | None) -> Any:
        """One transaction: what the sales claim, if they claim something, and the sales."""
        if claims is None:
            return await (await self._connection.execute(CALL, values, prepare=True)).fetchone()
        async with self._connection.transaction():
            await self._connection.execute(CLAIM, claims, prepare=True)
            return await (await self._connection.execute(CALL, values, prepare=True)).fetchone()

    async def _without_known(self, sales: list[PreparedSale]) -> list[PreparedSale]:
        """The sales that are not recorded yet; those that are get the first answer, or SaleDiffers if their content differs."""
        async with asyncio.timeout(ANSWER_SECONDS), self._connection.transaction():
            scope = array(sorted({sale.outlet.retailer_id for sale in sales}))
            await self._connection.execute("select set_config('hutong.retailers', %s, true)", (scope,))
            cursor = await self._connection.execute(
                """select k.retailer_id, k.id, k.digest, k.captured_at from unnest(%s::integer[], %s::uuid[]) as w (retailer_id, id)
                   join sale_key k using (retailer_id, id)""",
                ([sale.outlet.retailer_id for sale in sales], [sale.id for sale in sales]),
            )
            known = {(row[0], row[1].int): (row[2].hex, row[3]) for row in await cursor.fetchall()}
        remaining = []
        for sale in sales:
            if sale.key not in known:
                remaining.append(sale)
            elif known[sale.key][0] == sale.digest:
                self.results[sale.key] = (known[sale.key][1],)
            else:
                self.results[sale.key] = SaleDiffers(
                    f"Sale {sale.id} is recorded with other content; nothing was changed.", id=str(sale.id)
                )
        return remaining


def sales_of(requests: Sequence[Submission]) -> list[PreparedSale]:
    """All sales of these requests in the order in which groups lock."""
    return sorted((sale for each in requests for sale in each.sales), key=lambda sale: sale.key)


def audits_of(sales: Sequence[PreparedSale]) -> list[Audit]:
    """One audit row for each caller: who captured how many sales. Its sales are those with the same ``captured_at``."""
    by_caller: dict[tuple[str, int], list[PreparedSale]] = {}
    for sale in sales:
        by_caller.setdefault((sale.actor, sale.outlet.retailer_id), []).append(sale)
    rows: list[Audit] = []
    for (actor, retailer_id), captured in by_caller.items():
        stores = {sale.outlet.id for sale in captured}
        detail = None if len(captured) == 1 else f'{{"sales": {len(captured)}}}'
        rows.append((actor, retailer_id, stores.pop() if len(stores) == 1 else None, str(captured[0].id), detail))
    return rows


def is_fault(error: psycopg.Error) -> bool:
    """Whether a sale of the group is at fault, which halving will find; a row without a partition is nobody's fault."""
    if isinstance(error, pg.CheckViolation):
        return error.diag.constraint_name is not None
    return isinstance(error, pg.UniqueViolation) or error.sqlstate in FAULTS


def explain(fault: psycopg.Error, prepared: PreparedSale) -> HutongError:
    """Why PostgreSQL refused this one sale, in words for the till."""
    sale = prepared.sale
    if fault.sqlstate == "HT002":
        return OriginalUnknown(
            f"Sale {sale.original}, or a line of it that comes back, is not recorded; send that sale first.", field="original"
        )
    if fault.sqlstate == "HT003":
        return PaymentNotClaimable(
            "A payment that a tender names is not paid, is another store's, of another amount, or claimed by another sale.", field="tenders"
        )
    if isinstance(fault, pg.NumericValueOutOfRange):
        return SaleInvalid("A total of the day cannot hold what this sale would add; look at its quantities.", "lines")
    if fault.sqlstate == "HT001" or (isinstance(fault, pg.CheckViolation) and fault.diag.table_name == "line_returned"):
        return ReturnExceedsSale(f"More would come back of sale {sale.original} than was sold, counting earlier returns.", field="lines")
    if isinstance(fault, pg.UniqueViolation) and "receipt" in (fault.diag.constraint_name or ""):
        return ReceiptTaken(
            f"Receipt {sale.receipt} of this till is taken on {sale.business_date}; receipt numbers are unique per till and business date.",
            field="receipt",
        )
    if isinstance(fault, pg.UniqueViolation):  # the id came in by another way between our insert and our look
        return Unavailable("The same sale is being captured at this moment; send it again.", retry_after=1)
    raise fault


def oldest_allowed(today: date, late_days: int, history: bool, earliest: date) -> date:
    """The oldest business date that a caller may send: any with the permission for history, else ``late_days`` back."""
    return earliest if history else date.fromordinal(max(earliest.toordinal(), today.toordinal() - late_days))
