"""What the tests of webhooks share: receivers that may be called, subscriptions, and waiting without luck."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from standardwebhooks import Webhook

from hutong.kernel.clock import now
from hutong.kernel.ids import uuid7
from hutong.monitor.webhooks.delivery import Deliverer
from hutong.monitor.webhooks.fanout import fan_out
from hutong.monitor.webhooks.model import new_secret
from hutong.platform.database import Database
from tests.monitor.ringing import CAPTURE, Rung, columns_of
from tests.support.network import Network, Product, Store
from tests.support.receiver import Received
from tests.support.sales import SHANGHAI


async def until(condition: Callable[[], Any], within: float = 20.0) -> Any:
    """What ``condition`` answers as soon as it is true."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
    return found


def make_days(owner: psycopg.Connection[Any]) -> None:
    """The partitions that sales of today and yesterday fall into."""
    today = now().astimezone(SHANGHAI).date()
    owner.execute("select ensure_days(%s)", [[today - timedelta(days=1), today]])
    owner.execute("select ensure_key_months(%s)", [[(today - timedelta(days=back)).replace(day=1) for back in (31, 0)]])


def rung(network: Network, *products: Product, store: Store | None = None, kind: int = 1) -> Rung:
    """A sale of two of each of these products, just now."""
    at = now() - timedelta(seconds=5)
    return Rung(store or network.store, at, at.astimezone(SHANGHAI).date(), [(product, 2000) for product in products], kind)


def ring(connection: psycopg.Connection[Any], sales: list[Rung]) -> None:
    """Capture sales in the connection's transaction."""
    connection.execute(CAPTURE, columns_of(sales))


def subscribe(
    owner: psycopg.Connection[Any], url: str, *kinds: str, retailer: int | None = None, brand: int | None = None
) -> tuple[UUID, str]:
    """A webhook written past the API, and its secret."""
    webhook, secret = uuid7(), new_secret()
    owner.execute(
        "insert into webhook (id, retailer_id, brand_id, url, kinds, secret) values (%s, %s, %s, %s, %s, %s)",
        [webhook, retailer, brand, url, list(kinds) or ["sale.captured"], secret],
    )
    return webhook, secret


async def fan_out_all(database: Database, most: int = 1_000) -> int:
    """Step until nothing is new; answers the deliveries made."""
    made = 0
    while True:
        done = await fan_out(database, most)
        made += done.deliveries
        if not done.more:
            return made


async def deliver_all(deliverer: Deliverer, owner: psycopg.Connection[Any], within: float = 20.0) -> None:
    """Send until nothing waits that is due within the minute."""
    deadline = time.monotonic() + within
    task = asyncio.create_task(deliverer.run())
    try:
        while owner.execute(
            "select exists (select from webhook_delivery where status = 'pending' and next_at < now() + interval '1 minute')"
        ).fetchone() == (True,):
            assert time.monotonic() < deadline, "deliveries are still waiting"
            await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def statuses(owner: psycopg.Connection[Any]) -> dict[str, int]:
    """How many deliveries there are of each status."""
    return dict(owner.execute("select status, count(*) from webhook_delivery group by 1").fetchall())


def verified(request: Received, secret: str) -> Any:
    """The message of a request whose signature is right; raises WebhookVerificationError otherwise."""
    return Webhook(secret).verify(request.body, request.headers)


def keys_in(document: Any) -> set[str]:
    """All names of fields, at any depth."""
    if isinstance(document, dict):
        return set(document) | {key for value in document.values() for key in keys_in(value)}
    return {key for each in document for key in keys_in(each)} if isinstance(document, list) else set()


def payloads(owner: psycopg.Connection[Any], webhook: UUID) -> list[Any]:
    """The messages of a webhook, in the order they were made."""
    return [
        json.loads(row[0]) for row in owner.execute("select payload from webhook_delivery where webhook_id = %s order by id", [webhook])
    ]
