"""Live payments: which topics there are, and what the event log's news mean to them; the hub's ``Source``.

A process's hub follows the log only while somebody watches. News are read as rows of the moment, not as differences, so a payment
that is told of twice is shown once.
"""

from collections.abc import AsyncIterator, Collection, Hashable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import psycopg
from psycopg.rows import dict_row
from starlette.requests import HTTPConnection

from hutong.kernel.clock import now
from hutong.payments.live_states import LIVE, Changed, PaymentKey, PaymentState, StoreKey, StoreState, first_id, refunds_since, row_of
from hutong.payments.views import REFUND
from hutong.platform.database import Database
from hutong.platform.live import Hub, News
from hutong.platform.scope import Scope
from hutong.platform.tail import Event

CLAIMED_WITHIN = timedelta(days=40)
"""How long after its payment was made a sale may come that claims it and is noticed here at once."""
NAMED = f"{LIVE} where p.retailer_id = any (%(retailers)s) and p.id = any (%(ids)s)"
CLAIMED = f"{LIVE} where p.retailer_id = any (%(retailers)s) and p.sale_id = any (%(sales)s) and p.id >= %(since)s"
REFUNDS = f"{REFUND} where retailer_id = any (%(retailers)s) and payment_id = any (%(ids)s) and id >= %(since)s order by id"
BEGUN = f"{LIVE} where p.store_id = any (:stores) and p.state = 'sending' order by p.id desc limit 2000"


class PaymentsSource:
    """Loads states for the network: who may open a topic is decided before (``payments.progress``)."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._stores: WeakValueDictionary[StoreKey, StoreState] = WeakValueDictionary()

    def name(self, key: Any) -> str:
        """``payment/<id>`` or ``payments/<store's number>/<day>``."""
        return f"payment/{key.id}" if isinstance(key, PaymentKey) else f"payments/{key.store_id}/{key.day.isoformat()}"

    async def load(self, key: Any) -> PaymentState | StoreState:
        """A topic's state as of one snapshot. Raises NotFound."""
        async with self.database.read(Scope.of_network()) as reader:
            if isinstance(key, PaymentKey):
                return await PaymentState.load(reader, key)
            state = self._stores[key] = await StoreState.load(reader, key)
            return state

    async def read(self, connection: psycopg.AsyncConnection[Any], events: list[Event], live: Collection[Hashable]) -> News:
        """The payments among the news that a live topic shows, as they are now."""
        by_payment: dict[UUID, list[PaymentKey]] = {}
        by_store: dict[int, list[StoreKey]] = {}
        for key in live:
            if isinstance(key, PaymentKey):
                by_payment.setdefault(key.id, []).append(key)
            elif isinstance(key, StoreKey):
                by_store.setdefault(key.store_id, []).append(key)
        places = {*by_store, *(keys[0].store_id for keys in by_payment.values())}
        about: dict[UUID, list[Event]] = {}
        sold: dict[UUID, list[Event]] = {}
        for event in events:
            if event.subject is None or event.store_id not in places:
                continue
            if event.kind.startswith("payment."):
                about.setdefault(UUID(event.subject), []).append(event)
            elif event.kind == "sale.captured":
                sold.setdefault(UUID(event.subject), []).append(event)
        items = []
        for row in await _rows(connection, about, sold):
            keys = (*by_payment.get(row["id"], ()), *by_store.get(row["store_id"], ()))
            told, refunds = [*about.get(row["id"], ()), *sold.get(row["sale"], ())], row.pop("refunds", [])
            items += [Changed(event.xid, keys, row, refunds) for event in told] if keys else []
        return News(items)

    def keys_of(self, item: Changed) -> Iterable[Hashable]:
        return item.keys

    async def pulse(self, live: Collection[Hashable]) -> list[StoreKey]:
        """Payments that were begun and have had no answer yet are no events; they are looked up now and then."""
        states = {key: state for key in live if isinstance(key, StoreKey) and (state := self._stores.get(key)) is not None}
        if not states:
            return []
        async with self.database.read(Scope.of_network()) as reader:
            rows = await reader.rows(BEGUN, stores=sorted({key.store_id for key in states}))
        changed = []
        for key, state in states.items():
            fresh = [row for each in rows if each.store_id == key.store_id and (row := row_of(each._mapping)).id not in state.rows]
            for row in fresh:
                state.put(row)
            if fresh:
                changed.append(key)
        return changed


async def _rows(
    connection: psycopg.AsyncConnection[Any], about: dict[UUID, list[Event]], sold: dict[UUID, list[Event]]
) -> list[dict[str, Any]]:
    """The payments that were told of, and those of the sales that came in, each with its refunds."""
    retailers = sorted({event.retailer_id for events in (*about.values(), *sold.values()) for event in events if event.retailer_id})
    found: dict[UUID, dict[str, Any]] = {}
    if not retailers:
        return []
    async with connection.cursor(row_factory=dict_row) as cursor:
        if about:
            await cursor.execute(NAMED, {"retailers": retailers, "ids": list(about)})
            found |= {row["id"]: row for row in await cursor.fetchall()}
        if sold:
            await cursor.execute(CLAIMED, {"retailers": retailers, "sales": list(sold), "since": first_id(now() - CLAIMED_WITHIN)})
            found |= {row["id"]: row for row in await cursor.fetchall()}
        if found:
            await cursor.execute(REFUNDS, {"retailers": retailers, "ids": list(found), "since": refunds_since(min(found))})
            for refund in await cursor.fetchall():
                found[refund["payment"]].setdefault("refunds", []).append(refund)
    return list(found.values())


@asynccontextmanager
async def live_payments(database: Database) -> AsyncIterator[Hub]:
    """The hub of this process's live payments, while this is open."""
    hub = Hub(database, PaymentsSource(database))
    await hub.start()
    try:
        yield hub
    finally:
        await hub.close()


def hub_of(request: HTTPConnection) -> Hub:
    """The process's hub of payments."""
    found: Hub = request.app.state.payment_hub
    return found
