"""The monitor's HTTP API: snapshots and streams of live documents, and the drill by place."""

from dataclasses import replace
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

from hutong.directory import Permission, Principal, caller
from hutong.kernel.clock import now
from hutong.kernel.errors import Forbidden, NotFound
from hutong.monitor.access import day_of, is_over, source_of, subject, written_day
from hutong.monitor.documents import BrandDocument, Kind, NetworkDocument, RetailerDocument, Snapshot, StoreDocument
from hutong.monitor.places import Place, read_place
from hutong.monitor.topics import Key
from hutong.platform.live import EventStream, Frame, Hub, Whole

router = APIRouter(prefix="/v1")
encoder = msgspec.json.Encoder()

By = Annotated[Principal, Depends(caller)]
Day = Annotated[str | None, Query(alias="date", max_length=10, description="`today` (default), `latest` with trade, or YYYY-MM-DD")]
After = Annotated[str | None, Query(max_length=40, description="`epoch:seq` of the snapshot or frame that you have")]
Last = Annotated[str | None, Header(alias="Last-Event-ID", max_length=40, description="the same; what a browser sends when it comes back")]
Code = Annotated[str, Path(max_length=40)]


async def topic_snapshot(request: Request, principal: Principal, kind: Kind, code: str, date: str | None = None) -> Whole:
    """A topic's document now, and the place in its frames to go on from.

    Raises NotFound for what is absent or another's, Invalid for a date that is none, Unavailable while the database is.
    """
    source, hub = source_of(request), hub_of(request)
    found = await subject(source, principal, kind, code)
    return await hub.whole(Key(kind, found.id, await day_of(source.database, found, date)))


async def topic_stream(
    request: Request, principal: Principal, kind: Kind, code: str, date: str | None, last: str, limit_seconds: float | None = None
) -> EventStream:
    """A topic's events. It is asked again every few seconds whether the caller may still watch, and whether its day is over."""
    source, hub = source_of(request), hub_of(request)
    found = await subject(source, principal, kind, code)
    day = await day_of(source.database, found, date)
    topic = await hub.open(Key(kind, found.id, day))

    async def check() -> str | None:
        found.must(await request.app.state.rechecks.principal(request))
        return "date" if is_over(found, day, date) else None

    limit = limit_seconds if limit_seconds is not None else request.app.state.stream_seconds
    return EventStream(hub, topic, who=principal.actor, last=last, check=check, limit_seconds=limit)


async def place_snapshot(request: Request, principal: Principal, province: str, city: str | None = None, date: str | None = None) -> Place:
    """A province or city with those of its stores that the caller may watch. Raises NotFound, Forbidden for brands."""
    source = source_of(request)
    scope = replace(principal.scope_for(Permission.READ_MONITOR), brands=frozenset())
    if not (scope.network or scope.retailers or scope.stores):
        raise Forbidden
    if not (
        province.isascii()
        and province.isdigit()
        and len(province) <= 4
        and (city is None or (city.isascii() and city.isdigit() and len(city) <= 8))
    ):
        raise NotFound
    await source.atlas.refresh(source.database)
    day = now().astimezone(ZoneInfo(source.network_zone)).date() if date in (None, "", "today", "latest") else written_day(date or "")
    async with source.database.read(scope) as reader:
        return await read_place(reader, source.atlas, int(province), None if city is None else int(city), day)


def hub_of(request: HTTPConnection) -> Hub:
    """The process's hub."""
    found: Hub = request.app.state.hub
    return found


def answered(value: Any) -> Response:
    """A struct as JSON."""
    return Response(encoder.encode(value), media_type="application/json", headers={"Cache-Control": "no-store"})


def snapshot_of(document: type[Any]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI answers of a snapshot whose document is of this type."""
    reference = {"$ref": f"#/components/schemas/{document.__name__}"}
    whole = {"allOf": [{"$ref": "#/components/schemas/Snapshot"}, {"properties": {"document": reference}}]}
    return {200: {"description": "The document now", "content": {"application/json": {"schema": whole}}}}


STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `snapshot` (data: Snapshot) at the beginning and whenever the watcher fell behind, `frame` (data: Frame) "
        "at most four a second and at least one in five seconds, and `end` (data: {\"reason\": \"limit\" | \"revoked\" | \"date\" | \"closing\"}).",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    429: {"description": "More than 20 streams are open"},
}  # fmt: skip


@router.get(
    "/monitor/network", tags=["monitor"], summary="The network now", response_class=Response, responses=snapshot_of(NetworkDocument)
)
async def network(request: Request, by: By, day: Day = None) -> Response:
    return answered(await topic_snapshot(request, by, "network", "network", day))


@router.get(
    "/monitor/retailers/{code}",
    tags=["monitor"],
    summary="A retailer now",
    response_class=Response,
    responses=snapshot_of(RetailerDocument),
)
async def retailer(request: Request, by: By, code: Code, day: Day = None) -> Response:
    return answered(await topic_snapshot(request, by, "retailer", code, day))


@router.get("/monitor/stores/{gln}", tags=["monitor"], summary="A store now", response_class=Response, responses=snapshot_of(StoreDocument))
async def store(request: Request, by: By, gln: Code, day: Day = None) -> Response:
    return answered(await topic_snapshot(request, by, "store", gln, day))


@router.get(
    "/monitor/brands/{code}", tags=["monitor"], summary="A brand now", response_class=Response, responses=snapshot_of(BrandDocument)
)
async def brand(request: Request, by: By, code: Code, day: Day = None) -> Response:
    return answered(await topic_snapshot(request, by, "brand", code, day))


PLACE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The place now", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Place"}}}}
}


@router.get(
    "/monitor/places/{province}", tags=["monitor"], summary="A province's cities and stores", response_class=Response, responses=PLACE
)
async def province(request: Request, by: By, province: Code, day: Day = None) -> Response:
    return answered(await place_snapshot(request, by, province, None, day))


@router.get("/monitor/places/{province}/{city}", tags=["monitor"], summary="A city's stores", response_class=Response, responses=PLACE)
async def city(request: Request, by: By, province: Code, city: Code, day: Day = None) -> Response:
    return answered(await place_snapshot(request, by, province, city, day))


@router.get("/streams/network", tags=["streams"], summary="Watch the network", response_class=Response, responses=STREAM)
async def stream_network(request: Request, by: By, day: Day = None, after: After = None, last: Last = None) -> Response:
    return await topic_stream(request, by, "network", "network", day, last or after or "")


@router.get("/streams/retailers/{code}", tags=["streams"], summary="Watch a retailer", response_class=Response, responses=STREAM)
async def stream_retailer(request: Request, by: By, code: Code, day: Day = None, after: After = None, last: Last = None) -> Response:
    return await topic_stream(request, by, "retailer", code, day, last or after or "")


@router.get("/streams/stores/{gln}", tags=["streams"], summary="Watch a store", response_class=Response, responses=STREAM)
async def stream_store(request: Request, by: By, gln: Code, day: Day = None, after: After = None, last: Last = None) -> Response:
    return await topic_stream(request, by, "store", gln, day, last or after or "")


@router.get("/streams/brands/{code}", tags=["streams"], summary="Watch a brand", response_class=Response, responses=STREAM)
async def stream_brand(request: Request, by: By, code: Code, day: Day = None, after: After = None, last: Last = None) -> Response:
    return await topic_stream(request, by, "brand", code, day, last or after or "")


def openapi_parts() -> tuple[dict[str, Any], dict[str, Any]]:
    """No paths, and the component schemas that the answers above refer to."""
    types = [Snapshot, Frame, Place, StoreDocument, BrandDocument, RetailerDocument, NetworkDocument]
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return {}, components
