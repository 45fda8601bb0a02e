"""The webhooks' HTTP API: make, change, test and end them, and see and replay what they were sent."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from hutong.directory import Permission, Principal, brand_by_code, caller, retailer_by_code
from hutong.kernel.errors import Invalid, NotFound
from hutong.monitor.webhooks import commands, queries
from hutong.monitor.webhooks.model import Status
from hutong.monitor.webhooks.schemas import (
    DeliveryOut,
    DeliveryPage,
    DeliveryWhole,
    PingOut,
    ReplayIn,
    ReplayOut,
    SecretOut,
    WebhookChange,
    WebhookIn,
    WebhookMade,
    WebhookOut,
    WebhookPage,
    delivery_out,
    webhook_out,
)
from hutong.platform.database import Database
from hutong.platform.outbound import Outbound
from hutong.platform.scope import Scope

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


async def database(request: Request) -> Database:
    """The process's database."""
    found: Database = request.app.state.database
    return found


async def outbound(request: Request) -> Outbound:
    """The process's client for others' addresses."""
    found: Outbound = request.app.state.outbound
    return found


By = Annotated[Principal, Depends(caller)]
Db = Annotated[Database, Depends(database)]
Out = Annotated[Outbound, Depends(outbound)]
Limit = Annotated[int, Query(ge=1, le=200, description="how many items at most")]
Cursor = Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")]


@router.get("", summary="Webhooks that you manage, the newest first")
async def list_webhooks(by: By, db: Db, limit: Limit = 50, cursor: Cursor = None) -> WebhookPage:
    rows, after = queries.page_of(await queries.webhooks(db, by, before=cursor, limit=limit), limit)
    return WebhookPage(items=[WebhookOut(**webhook_out(row)) for row in rows], next_cursor=after)


@router.post("", status_code=201, summary="Make a webhook; its secret is shown this once")
async def make_webhook(body: WebhookIn, by: By, db: Db, out: Out) -> WebhookMade:
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    owner = await owner_of(db, by, body.retailer, body.brand)
    made = await commands.create_webhook(db, out, by, url=body.url, kinds=body.kinds, **owner)
    return WebhookMade(**webhook_out(await queries.webhook(db, by, made.id)), secret=made.secret)


@router.get("/{webhook_id}", summary="A webhook")
async def read_webhook(webhook_id: UUID, by: By, db: Db) -> WebhookOut:
    return WebhookOut(**webhook_out(await queries.webhook(db, by, webhook_id)))


@router.patch("/{webhook_id}", summary="Change a webhook's address or kinds, or switch it on or off")
async def change_webhook(webhook_id: UUID, body: WebhookChange, by: By, db: Db, out: Out) -> WebhookOut:
    await commands.update_webhook(db, out, by, webhook_id, url=body.url, kinds=body.kinds, enabled=body.enabled)
    return WebhookOut(**webhook_out(await queries.webhook(db, by, webhook_id)))


@router.delete("/{webhook_id}", status_code=204, summary="End a webhook")
async def end_webhook(webhook_id: UUID, by: By, db: Db) -> None:
    await commands.delete_webhook(db, by, webhook_id)


@router.post("/{webhook_id}/secret", summary="Make a new secret; it is shown this once, and the old one signs along for a day")
async def new_secret(webhook_id: UUID, by: By, db: Db) -> SecretOut:
    made = await commands.rotate_secret(db, by, webhook_id)
    assert made.previous_until is not None
    return SecretOut(secret=made.secret, previous_secret_until=made.previous_until)


@router.post("/{webhook_id}/ping", status_code=202, summary="Send a test message")
async def ping(webhook_id: UUID, by: By, db: Db) -> PingOut:
    return PingOut(delivery=await commands.ping_webhook(db, by, webhook_id))


@router.get("/{webhook_id}/deliveries", summary="What a webhook was sent, the newest first; `status=dead` is the dead-letter list")
async def list_deliveries(
    webhook_id: UUID, by: By, db: Db, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> DeliveryPage:
    found = await queries.deliveries(db, by, webhook_id, status=status, before=cursor, limit=limit)
    rows, after = queries.page_of(found, limit)
    return DeliveryPage(items=[DeliveryOut(**delivery_out(row)) for row in rows], next_cursor=after)


@router.get("/{webhook_id}/deliveries/{delivery_id}", summary="A delivery with its text")
async def read_delivery(webhook_id: UUID, delivery_id: UUID, by: By, db: Db) -> DeliveryWhole:
    return DeliveryWhole(**delivery_out(await queries.delivery(db, by, webhook_id, delivery_id)))


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202, summary="Send one delivery again")
async def replay_delivery(webhook_id: UUID, delivery_id: UUID, by: By, db: Db) -> ReplayOut:
    await commands.replay_one(db, by, webhook_id, delivery_id)
    return ReplayOut(replayed=1, more=False)


@router.post("/{webhook_id}/replay", status_code=202, summary="Send again what is dead, or all that was made since a time")
async def replay(webhook_id: UUID, body: ReplayIn, by: By, db: Db) -> ReplayOut:
    done = await commands.replay(db, by, webhook_id, since=body.since, delivered=body.delivered)
    return ReplayOut(replayed=done.replayed, more=done.more)


async def owner_of(db: Database, by: Principal, retailer: str | None, brand: str | None) -> dict[str, Any]:
    """The retailer or brand that is meant; with neither named, the only one where ``by`` manages webhooks. Raises Invalid, NotFound."""
    if retailer is not None and brand is not None:
        raise Invalid("A webhook belongs to one retailer or to one brand.", field="brand")
    scope = commands.scope_of(by)
    if retailer is None and brand is None:
        if scope.network or len(scope.retailers) + len(scope.brands) != 1:
            raise Invalid("Say whose webhook it is: `retailer` or `brand`.", field="retailer")
        return {"retailer_id": next(iter(scope.retailers), None), "brand_id": next(iter(scope.brands), None)}
    async with db.read(Scope.of_network()) as reader:
        found = await retailer_by_code(reader, retailer) if retailer is not None else await brand_by_code(reader, brand or "")
    if found is None:
        raise NotFound
    owner = {"retailer_id": found.id if retailer is not None else None, "brand_id": found.id if brand is not None else None}
    by.must(Permission.MANAGE_WEBHOOKS, **owner)
    return owner
