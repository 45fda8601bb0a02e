"""Streams of payments: one payment for the till that waits for it, and a store's payments for the page that shows them."""

from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import Response

from hutong.directory import Permission, Principal, caller
from hutong.kernel.clock import now
from hutong.kernel.errors import NotFound
from hutong.kernel.gs1 import is_gln
from hutong.payments.days import written_day
from hutong.payments.live import hub_of
from hutong.payments.live_states import PaymentKey, PaymentState, ProgressDocument, StoreKey, StorePaymentsDocument, day_now
from hutong.platform.live import EventStream, Frame, Hub, Whole
from hutong.platform.live.stream import LIMIT_SECONDS

router = APIRouter(prefix="/v1")
encoder = msgspec.json.Encoder()

By = Annotated[Principal, Depends(caller)]
After = Annotated[str | None, Query(max_length=40, description="`epoch:seq` of the snapshot or frame that you have")]
Last = Annotated[str | None, Header(alias="Last-Event-ID", max_length=40, description="the same; what a browser sends when it comes back")]
Day = Annotated[str | None, Query(alias="date", max_length=10, description="`today` (default) or YYYY-MM-DD")]
Code = Annotated[str, Path(max_length=40)]
Keep = Annotated[bool, Query(description="stay after the decision: refunds, and the sale that claims it")]


async def progress_stream(request: Request, by: Principal, payment: str, last: str, *, keep: bool) -> EventStream:
    """A payment's events, until it is decided. Raises NotFound for what is absent or another's."""
    database, hub = request.app.state.database, hub_of(request)
    try:
        payment_id = UUID(payment)
    except ValueError:
        raise NotFound from None
    async with database.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        place = await reader.row("select retailer_id, store_id from payment where id = :id", id=payment_id)
    if place is None:
        raise NotFound
    where = {"retailer_id": place.retailer_id, "store_id": place.store_id}
    by.must(Permission.READ_PAYMENTS, **where)
    topic = await hub.open(PaymentKey(payment_id, place.retailer_id, place.store_id, by.locale))

    async def check() -> str | None:
        (await request.app.state.rechecks.principal(request)).must(Permission.READ_PAYMENTS, **where)
        return None

    def over() -> str | None:
        return "decided" if isinstance(topic.state, PaymentState) and topic.state.view.decided else None

    return EventStream(hub, topic, who=by.actor, last=last, check=check, limit_seconds=limit(request), over=None if keep else over)


async def watched_store(request: Request, by: Principal, gln: str, date: str | None) -> tuple[Any, StoreKey]:
    """The row of a store whose payments ``by`` may read, and the topic of a day of them. Raises NotFound, Invalid."""
    if not is_gln(gln):
        raise NotFound
    async with request.app.state.database.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        row = await reader.row("select id, retailer_id, gln, name_zh, name_en, zone from store where gln = :gln", gln=gln)
    if row is None:
        raise NotFound
    by.must(Permission.READ_PAYMENTS, retailer_id=row.retailer_id, store_id=row.id)
    today = day_now(row.zone, now())
    return row, StoreKey(row.id, today if date in (None, "", "today") else written_day(date or ""))


async def store_snapshot(request: Request, by: Principal, gln: str, date: str | None = None) -> Whole:
    """A store's payments now, and the place in their frames to go on from."""
    _, key = await watched_store(request, by, gln, date)
    return await hub_of(request).whole(key)


async def store_stream(request: Request, by: Principal, gln: str, date: str | None, last: str) -> EventStream:
    """The events of a store's payments."""
    row, key = await watched_store(request, by, gln, date)
    hub: Hub = hub_of(request)
    topic = await hub.open(key)
    zone = ZoneInfo(row.zone)

    async def check() -> str | None:
        again: Principal = await request.app.state.rechecks.principal(request)
        again.must(Permission.READ_PAYMENTS, retailer_id=row.retailer_id, store_id=row.id)
        return "date" if date in (None, "", "today") and now().astimezone(zone).date() != key.day else None

    return EventStream(hub, topic, who=by.actor, last=last, check=check, limit_seconds=limit(request))


def limit(request: Request) -> float:
    """How long a stream may last, in seconds; the application may set ``state.stream_seconds``."""
    return float(getattr(request.app.state, "stream_seconds", LIMIT_SECONDS))


FRAMES = (
    "Server-sent events: `snapshot` (data: Whole, with the document) at the beginning and whenever the watcher fell behind, `frame` (data: Frame) "
    "at most four a second and at least one in five seconds, and `end` (data: {\"reason\": …}), after which the stream is closed."
)  # fmt: skip


def stream_of(document: type[Any], ends: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI answers of a stream of this document."""
    schema = {"type": "string", "description": f"the document is #/components/schemas/{document.__name__}"}
    return {
        200: {"description": f"{FRAMES} {ends}", "content": {"text/event-stream": {"schema": schema}}},
        429: {"description": "More than 20 streams are open"},
    }


PROGRESS_ENDS = (
    "A frame's `set.payment`, where it is there, is the whole payment anew. The reasons: `decided`, `limit`, `revoked`, `closing`; after `decided` "
    "do not come back."
)


@router.get(
    "/payments/{id}/events", tags=["payments"], summary="Follow a payment until it is decided", response_class=Response,
    responses=stream_of(ProgressDocument, PROGRESS_ENDS),
)  # fmt: skip
async def payment_events(request: Request, by: By, id: Code, keep: Keep = False, after: After = None, last: Last = None) -> Response:
    return await progress_stream(request, by, id, last or after or "", keep=keep)


@router.get(
    "/stores/{gln}/payments", tags=["payments"], summary="A store's payments of a day", response_class=Response,
    responses={200: {"description": "The payments now", "content": {"application/json": {"schema": {"allOf": [
        {"$ref": "#/components/schemas/Whole"}, {"properties": {"document": {"$ref": "#/components/schemas/StorePaymentsDocument"}}}]}}}}},
)  # fmt: skip
async def store_payments(request: Request, by: By, gln: Code, day: Day = None) -> Response:
    value = await store_snapshot(request, by, gln, day)
    return Response(encoder.encode(value), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get(
    "/streams/payments/{gln}", tags=["streams"], summary="Watch a store's payments", response_class=Response,
    responses=stream_of(StorePaymentsDocument, "The reasons: `limit`, `revoked`, `date` (the day is over), `closing`."),
)  # fmt: skip
async def stream_payments(request: Request, by: By, gln: Code, day: Day = None, after: After = None, last: Last = None) -> Response:
    return await store_stream(request, by, gln, day, last or after or "")


def openapi_parts() -> tuple[dict[str, Any], dict[str, Any]]:
    """No paths, and the component schemas that the answers above refer to."""
    _, components = msgspec.json.schema_components(
        [Whole, Frame, ProgressDocument, StorePaymentsDocument], ref_template="#/components/schemas/{name}"
    )
    return {}, components
