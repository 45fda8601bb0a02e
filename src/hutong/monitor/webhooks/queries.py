"""Reads webhooks and their deliveries for those who manage them; secrets are never read."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hutong.directory import Permission, Principal
from hutong.kernel.errors import Malformed, NotFound
from hutong.monitor.webhooks.commands import scope_of
from hutong.monitor.webhooks.model import Status
from hutong.platform.database import Database

Shown = dict[str, Any]
LAST_ID = UUID(int=2**128 - 1)

WEBHOOKS = """
select w.id, w.url, w.kinds, w.created_at, w.disabled_at, w.disabled_reason, w.failures, w.failing_since, w.resume_at,
       case when w.previous_until > now() then w.previous_until end as previous_secret_until,
       r.code as retailer, b.code as brand, coalesce(r.name_zh, b.name_zh) as place_zh, coalesce(r.name_en, b.name_en) as place_en,
       w.retailer_id, w.brand_id,
       (select max(d.delivered_at) from (select delivered_at from webhook_delivery where webhook_id = w.id order by id desc limit 100) d) as last_delivered_at,
       (select count(*) from (select from webhook_delivery where webhook_id = w.id and status = 'dead' limit 1001) d) as dead,
       (select count(*) from (select from webhook_delivery where webhook_id = w.id and status = 'pending' limit 1001) d) as waiting
from webhook w left join retailer r on r.id = w.retailer_id left join brand b on b.id = w.brand_id
where w.deleted_at is null"""


async def webhooks(db: Database, by: Principal, *, before: str | None = None, limit: int = 50) -> list[Shown]:
    """The webhooks that ``by`` manages, the newest first; up to ``limit`` + 1. ``dead`` and ``waiting`` are counted up to 1,001."""
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    async with db.read(scope_of(by)) as reader:
        rows = await reader.rows(f"{WEBHOOKS} and w.id < :before order by w.id desc limit :limit", before=place(before), limit=limit + 1)
    return [dict(row._mapping) for row in rows]


async def webhook(db: Database, by: Principal, webhook_id: UUID) -> Shown:
    """One webhook. Raises NotFound for what is absent and for what is another's alike."""
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    async with db.read(scope_of(by)) as reader:
        row = await reader.row(f"{WEBHOOKS} and w.id = :id", id=webhook_id)
    if row is None or not by.may(Permission.MANAGE_WEBHOOKS, retailer_id=row.retailer_id, brand_id=row.brand_id):
        raise NotFound
    return dict(row._mapping)


async def deliveries(
    db: Database, by: Principal, webhook_id: UUID, *, status: Status | None = None, before: str | None = None, limit: int = 50
) -> list[Shown]:
    """A webhook's deliveries, the newest first; up to ``limit`` + 1. Raises NotFound."""
    await webhook(db, by, webhook_id)
    # The status is one of three words of ours; written out, its own index serves it.
    chosen = "" if status is None else f"and status = '{status.value}'"
    async with db.read(scope_of(by)) as reader:
        rows = await reader.rows(
            f"""select id, kind, status, attempts, created_at, next_at, last_status, last_error, delivered_at
                from webhook_delivery where webhook_id = :webhook {chosen} and id < :before order by id desc limit :limit""",
            webhook=webhook_id, before=place(before), limit=limit + 1,
        )  # fmt: skip
    return [dict(row._mapping) for row in rows]


async def delivery(db: Database, by: Principal, webhook_id: UUID, delivery_id: UUID) -> Shown:
    """One delivery with what is sent. Raises NotFound."""
    await webhook(db, by, webhook_id)
    async with db.read(scope_of(by)) as reader:
        row = await reader.row(
            """select id, kind, status, attempts, created_at, next_at, last_status, last_error, delivered_at, payload
               from webhook_delivery where webhook_id = :webhook and id = :id""",
            webhook=webhook_id, id=delivery_id,
        )  # fmt: skip
    if row is None:
        raise NotFound
    return dict(row._mapping)


def place(cursor: str | None) -> UUID:
    """The id that a page goes on before. Raises Malformed."""
    if not cursor:
        return LAST_ID
    try:
        return UUID(cursor)
    except ValueError:
        raise Malformed("This cursor was not made here; leave it out to start from the beginning.") from None


def page_of(items: Sequence[Any], limit: int) -> tuple[list[Any], str | None]:
    """The items of a page, and where the next one begins."""
    return list(items[:limit]), str(items[limit - 1]["id"]) if len(items) > limit else None
