"""The webhooks' pages: all of them with a form for a new one, and one with what it was sent."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from hutong.directory import Permission, Principal, brands, retailers, signed_in
from hutong.kernel.errors import HutongError, Invalid
from hutong.monitor.webhooks import commands, queries
from hutong.monitor.webhooks.api import Db, Out
from hutong.monitor.webhooks.model import KIND_WORDS, OFF_WORDS, PAYMENT_KINDS, STATUS_WORDS, Kind, Status
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.platform.web import mark, render

router = APIRouter(prefix="/webhooks", include_in_schema=False)
By = Annotated[Principal, Depends(signed_in)]
Field = Annotated[str, Form(max_length=2_100)]
Filter = Annotated[str, Query(max_length=100)]

PAGE_SIZE = 50
NOTICES = {
    "saved": mark("The webhook is changed."),
    "on": mark("The webhook is switched on. It is told of what happens from now on."),
    "off": mark("The webhook is switched off."),
    "deleted": mark("The webhook is deleted."),
    "ping": mark("A test message is on its way; load the page again to see how it went."),
    "replayed": mark("It is sent again; load the page again to see how it went."),
}
"""What a page says after a form; its address carries only the key, so nobody can make our page say something else."""
WORDS = {"kinds": KIND_WORDS, "statuses": STATUS_WORDS, "reasons": OFF_WORDS}


@router.get("")
async def webhooks_page(request: Request, by: By, db: Db, cursor: Filter = "", done: str = "") -> Response:
    return await _webhooks(request, by, db, cursor=cursor, notice=NOTICES.get(done, ""))


@router.post("")
async def add_webhook(
    request: Request, by: By, db: Db, out: Out, url: Field = "", place: Field = "", kinds: Annotated[list[str] | None, Form()] = None
) -> Response:
    """The secret stands on the answer of the form itself: it is shown once, and no address leads to it."""
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    try:
        owner = chosen_owner(place)
        made = await commands.create_webhook(db, out, by, url=url, kinds=kinds or [], **owner)
    except HutongError as error:
        if error.status >= 500:
            raise
        return await _webhooks(request, by, db, error=error, given={"url": url, "place": place, "kinds": kinds or []})
    return await _webhook(request, by, db, made.id, secret=made.secret)


@router.get("/{webhook_id}")
async def webhook_page(
    request: Request, webhook_id: UUID, by: By, db: Db, status: Filter = "", cursor: Filter = "", done: str = ""
) -> Response:
    return await _webhook(request, by, db, webhook_id, status=status, cursor=cursor, notice=NOTICES.get(done, ""))


@router.post("/{webhook_id}")
async def save_webhook(
    request: Request, webhook_id: UUID, by: By, db: Db, out: Out, url: Field = "", kinds: Annotated[list[str] | None, Form()] = None
) -> Response:
    try:
        await commands.update_webhook(db, out, by, webhook_id, url=url, kinds=kinds or [])
    except HutongError as error:
        if error.status in (403, 404) or error.status >= 500:
            raise
        return await _webhook(request, by, db, webhook_id, error=error)
    return _back(webhook_id, "saved")


@router.post("/{webhook_id}/on")
async def switch_on(webhook_id: UUID, by: By, db: Db, out: Out) -> Response:
    await commands.update_webhook(db, out, by, webhook_id, enabled=True)
    return _back(webhook_id, "on")


@router.post("/{webhook_id}/off")
async def switch_off(webhook_id: UUID, by: By, db: Db, out: Out) -> Response:
    await commands.update_webhook(db, out, by, webhook_id, enabled=False)
    return _back(webhook_id, "off")


@router.post("/{webhook_id}/delete")
async def delete(webhook_id: UUID, by: By, db: Db) -> Response:
    await commands.delete_webhook(db, by, webhook_id)
    return RedirectResponse("/webhooks?done=deleted", status_code=303)


@router.post("/{webhook_id}/secret")
async def new_secret(request: Request, webhook_id: UUID, by: By, db: Db) -> Response:
    made = await commands.rotate_secret(db, by, webhook_id)
    return await _webhook(request, by, db, webhook_id, secret=made.secret)


@router.post("/{webhook_id}/ping")
async def ping(request: Request, webhook_id: UUID, by: By, db: Db) -> Response:
    try:
        await commands.ping_webhook(db, by, webhook_id)
    except HutongError as error:
        if error.status in (403, 404) or error.status >= 500:
            raise
        return await _webhook(request, by, db, webhook_id, error=error)
    return _back(webhook_id, "ping")


@router.post("/{webhook_id}/replay")
async def replay(request: Request, webhook_id: UUID, by: By, db: Db, delivery: Field = "") -> Response:
    """Again one delivery, or all that are dead."""
    try:
        if delivery:
            await commands.replay_one(db, by, webhook_id, queries.place(delivery))
        else:
            await commands.replay(db, by, webhook_id)
    except HutongError as error:
        if error.status in (403, 404) or error.status >= 500:
            raise
        return await _webhook(request, by, db, webhook_id, error=error)
    return _back(webhook_id, "replayed")


def chosen_owner(place: str) -> dict[str, int | None]:
    """The retailer or brand that a form chose. Raises Invalid."""
    kind, _, number = place.partition(":")
    if kind not in ("retailer", "brand") or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise Invalid(mark("Choose the retailer or brand that the webhook is for."), field="place")
    return {"retailer_id": int(number) if kind == "retailer" else None, "brand_id": int(number) if kind == "brand" else None}


def _back(webhook_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/webhooks/{webhook_id}?done={done}", status_code=303)


async def _webhooks(
    request: Request,
    by: Principal,
    db: Database,
    *,
    cursor: str = "",
    notice: str = "",
    error: HutongError | None = None,
    given: Mapping[str, Any] | None = None,
) -> Response:
    shown, after = queries.page_of(await queries.webhooks(db, by, before=cursor, limit=PAGE_SIZE), PAGE_SIZE)
    scope = commands.scope_of(by)
    async with db.read(Scope.of_network()) as reader:
        places = [("retailer", each) for each in await retailers(reader) if scope.network or each.id in scope.retailers]
        places += [("brand", each) for each in await brands(reader) if scope.network or each.id in scope.brands]  # type: ignore[misc]
    return render(
        request, "monitor/webhooks.html", by, status_code=error.status if error else 200, webhooks=shown, next_cursor=after, cursor=cursor,
        places=places, notice=notice, error=error, given=given or {"url": "", "place": "", "kinds": [Kind.SALE_CAPTURED.value]}, all_kinds=list(Kind), **WORDS,
    )  # fmt: skip


async def _webhook(
    request: Request,
    by: Principal,
    db: Database,
    webhook_id: UUID,
    *,
    status: str = "",
    cursor: str = "",
    secret: str = "",
    notice: str = "",
    error: HutongError | None = None,
) -> Response:
    chosen = Status(status) if status in set(Status) else None
    webhook = await queries.webhook(db, by, webhook_id)
    found = await queries.deliveries(db, by, webhook_id, status=chosen, before=cursor, limit=PAGE_SIZE)
    shown, after = queries.page_of(found, PAGE_SIZE)
    return render(
        request, "monitor/webhooks_one.html", by, status_code=error.status if error else 200, webhook=webhook, deliveries=shown, next_cursor=after,
        cursor=cursor, status=chosen.value if chosen else "", secret=secret, notice=notice, error=error,
        all_kinds=[kind for kind in Kind if webhook["brand"] is None or kind not in PAYMENT_KINDS], **WORDS,
        headers={"Cache-Control": "no-store"} if secret else {},
    )  # fmt: skip
