"""From the bytes of a request to results: reads sales, places them in stores that the caller may sell for, checks, commits."""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from hutong.directory import Outlet, Outlets, Permission, Principal, register_till, touch_tills
from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError, Invalid, Malformed, NotFound, Unavailable
from hutong.platform.database import Database
from hutong.sales.capture import CaptureQueue, Result, oldest_allowed
from hutong.sales.errors import SaleInvalid, UnknownStore
from hutong.sales.prepare import EARLIEST, PreparedSale, prepare
from hutong.sales.wire import Batch, Sale

log = structlog.get_logger(__name__)

TOUCH_SECONDS = 5.0
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_sale_decoder = msgspec.json.Decoder(Sale)
_batch_decoder = msgspec.json.Decoder(Batch)


class Intake:
    """What the capture routes call; one a process."""

    def __init__(self, database: Database, queue: CaptureQueue, outlets: Outlets, late_days: int) -> None:
        self._database = database
        self._queue = queue
        self._outlets = outlets
        self._late_days = late_days
        self._seen: dict[int, datetime] = {}

    async def capture_one(self, body: bytes, by: Principal) -> tuple[Sale, Result]:
        """Capture one sale. Raises Forbidden for who captures nowhere, HutongError for a sale that breaks a rule."""
        by.must_somewhere(Permission.CAPTURE_SALES)
        sale = read_sale(body)
        prepared = await self._prepare([sale], by)
        if isinstance(prepared[0], HutongError):
            raise prepared[0]
        results = await self._queue.submit([prepared[0]])
        self._note_seen([prepared[0]])
        return sale, results[0]

    async def capture_batch(self, body: bytes, by: Principal) -> list[tuple[UUID | None, Result]]:
        """Capture up to 1,000 sales, each with a result of its own, in order. Raises Forbidden, Malformed if the batch cannot be read."""
        by.must_somewhere(Permission.CAPTURE_SALES)
        read = [_read_or_error(raw) for raw in read_batch(body)]
        prepared = await self._prepare([each for each in read if isinstance(each, Sale)], by)
        answers: list[tuple[UUID | None, Result | None]] = []
        good: dict[int, tuple[int, PreparedSale]] = {}
        seen: set[tuple[int, int]] = set()
        ready = iter(prepared)
        for position, each in enumerate(read):
            result = next(ready) if isinstance(each, Sale) else each
            if isinstance(result, PreparedSale):
                if result.key in seen:
                    result = SaleInvalid("Another sale of this batch has the same id.", "id")
                else:
                    seen.add(result.key)
                    good[position] = (len(good), result)
                    answers.append((result.id, None))  # its place; the result comes with the commit
                    continue
            answers.append((each.id if isinstance(each, Sale) else None, result))
        if good:
            sales = [sale for _, sale in good.values()]
            results = await self._submit_by_retailer(sales)
            for position, (index, sale) in good.items():
                answers[position] = (sale.id, results[index])
            self._note_seen(sales)
        return [(sale_id, result) for sale_id, result in answers if result is not None]

    async def _submit_by_retailer(self, sales: Sequence[PreparedSale]) -> list[Result]:
        try:
            return await self._queue.submit(sales)
        except Unavailable as error:
            return [error] * len(sales)

    async def keep_signs_of_life(self) -> None:
        """Write the tills' signs of life that came with sales, every few seconds, apart from the requests: until cancelled."""
        while True:
            await asyncio.sleep(TOUCH_SECONDS)
            await self.write_signs_of_life()

    async def write_signs_of_life(self) -> None:
        """Write what has come since the last time; what cannot be written now is kept for the next."""
        seen, self._seen = self._seen, {}
        try:
            await touch_tills(self._database, seen)
        except Exception:
            log.warning("signs of life not written, trying again", exc_info=True)
            self._seen = seen | self._seen

    def _note_seen(self, sales: Sequence[PreparedSale]) -> None:
        at = now()
        for sale in sales:
            self._seen[sale.till_id] = at

    # placing -------------------------------------------------------------------------------------------------------

    async def _prepare(self, sales: Sequence[Sale], by: Principal) -> list[PreparedSale | HutongError]:
        """Place and check each sale; what is wrong with one is its result, not the others'."""
        if self._outlets.stale:
            await self._outlets.refresh()
        at = now()
        allowed: dict[int, bool | None] = {}
        prepared: list[PreparedSale | HutongError] = []
        for sale in sales:
            try:
                outlet = await self._outlet(sale, by)
                history = allowed.get(outlet.id)
                if history is None:
                    by.must(Permission.CAPTURE_SALES, retailer_id=outlet.retailer_id, store_id=outlet.id)
                    history = by.may(Permission.CAPTURE_HISTORY, retailer_id=outlet.retailer_id, store_id=outlet.id)
                    allowed[outlet.id] = history
                earliest = oldest_allowed(at.date(), self._late_days, history, EARLIEST)
                till_id = await self._till(sale, outlet, by)
                prepared.append(prepare(sale, outlet, till_id, by.actor, at, earliest))
            except UnknownStore as error:
                prepared.append(error)
            except NotFound:
                prepared.append(UnknownStore(f"Store {sale.store} is not one that this key may send sales for.", field="store"))
            except HutongError as error:
                prepared.append(error)
        return prepared

    async def _outlet(self, sale: Sale, by: Principal) -> Outlet:
        own = by.store_id if by.till_id is not None else None
        outlet = self._outlets.by_gln(sale.store) if sale.store is not None else self._outlets.by_id(own) if own is not None else None
        if outlet is None and sale.store is None and own is None:
            raise SaleInvalid("Name the store by its GLN; only a till's own key implies it.", "store")
        if outlet is None:
            outlet = await self._outlets.find(sale.store, own)
        if outlet is None or (own is not None and outlet.id != own):
            raise UnknownStore(f"Store {sale.store} is not one that this key may send sales for.", field="store")
        return outlet

    async def _till(self, sale: Sale, outlet: Outlet, by: Principal) -> int:
        if by.till_id is not None:
            if sale.till is not None and self._outlets.till_code(by.till_id) not in (None, sale.till):
                raise UnknownStore(f"This key is of till {self._outlets.till_code(by.till_id)}, not of till {sale.till}.", field="till")
            return by.till_id
        if sale.till is None:
            raise SaleInvalid("Name the till by its code; only a till's own key implies it.", "till")
        till_id = self._outlets.till(outlet.id, sale.till) or await self._outlets.find_till(outlet.id, sale.till)
        if till_id is None and by.may(Permission.REGISTER_TILLS, retailer_id=outlet.retailer_id, store_id=outlet.id):
            till_id = (await register_till(self._database, by, outlet.ref, sale.till)).id
            self._outlets.remember_till(outlet.id, sale.till, till_id)
        if till_id is None:
            raise UnknownStore(f"Store {outlet.gln} has no till {sale.till}; create it, or use a key with tills:register.", field="till")
        return till_id


# reading -----------------------------------------------------------------------------------------------------------


def read_sale(body: bytes) -> Sale:
    """Read one sale. Raises Malformed (400) if it is not JSON in UTF-8, Invalid (422) if it is JSON but not a sale."""
    try:
        body.decode()  # msgspec names the wrong type first, whatever the bytes are
        sale = _sale_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _reading_error(error) from None
    if b"\\u" in body or b"\x7f" in body:
        _refuse_control_characters(sale)
    return sale


def read_batch(body: bytes) -> list[msgspec.Raw]:
    """The sales of a batch, unread. Raises Malformed or Invalid."""
    try:
        body.decode()
        return _batch_decoder.decode(body).sales
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _reading_error(error) from None


def _read_or_error(raw: msgspec.Raw) -> Sale | HutongError:
    try:
        return read_sale(bytes(raw))
    except HutongError as error:
        return error


def _reading_error(error: Exception) -> HutongError:
    if isinstance(error, msgspec.ValidationError):
        # msgspec ends its message with the place: "Expected `int`, got `str` - at `$.lines[0].amount`".
        detail, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or None
        where = re.search(r"lines\[(\d+)\]", place)
        return Invalid(f"{field or 'The document'}: {detail}.", field=field, line=int(where[1]) + 1 if where else None)
    return Malformed(f"The body is not JSON in UTF-8: {error}.")


def _refuse_control_characters(sale: Sale) -> None:
    # Only an escape can bring them in: JSON forbids them raw. PostgreSQL cannot store NUL, and none of them prints.
    texts: list[Any] = [sale.receipt, sale.store, sale.till, sale.cashier]
    texts += [line.code for line in sale.lines] + [line.unit for line in sale.lines] + [tender.reference for tender in sale.tenders]
    for value in texts:
        if value is not None and CONTROL.search(value):
            raise SaleInvalid("A text has a control character in it.", "receipt")
