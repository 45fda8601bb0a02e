"""The capture routes: plain Starlette routes with msgspec, since every sale of the network passes here."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hutong.directory import authenticate
from hutong.kernel.errors import HutongError, Malformed, Unavailable
from hutong.sales.capture import Result
from hutong.sales.intake import Intake
from hutong.sales.wire import Captured, Outcome, Outcomes, Sale

_encode = msgspec.json.Encoder().encode


async def post_sale(request: Request) -> Response:
    """Capture one sale: 201 when this call captured it, 200 with the same answer when an earlier one had."""
    by = await authenticate(request)
    _expect_json(request)
    intake: Intake = request.app.state.intake
    sale, result = await intake.capture_one(await request.body(), by)
    if isinstance(result, HutongError):
        raise result
    again = isinstance(result, tuple)
    return Response(_answer(sale, result[0] if isinstance(result, tuple) else result), 200 if again else 201, media_type="application/json")


async def post_batch(request: Request) -> Response:
    """Capture up to 1,000 sales; 200 with an outcome for each, in order."""
    by = await authenticate(request)
    _expect_json(request)
    intake: Intake = request.app.state.intake
    outcomes = [_outcome(sale_id, result) for sale_id, result in await intake.capture_batch(await request.body(), by)]
    if all(each.status == 503 for each in outcomes):
        raise Unavailable("The sales could not be committed just now; send them again with the same ids.", retry_after=1)
    return Response(_encode(Outcomes(outcomes)), 200, media_type="application/json")


def _expect_json(request: Request) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Malformed(f"Send application/json in UTF-8, not {kind[:60]}.")


def _answer(sale: Sale, captured_at: datetime) -> bytes:
    return _encode(Captured(sale.id, sale.kind, sale.business_date, sale.receipt, sale.total, captured_at))


def _outcome(sale_id: UUID | None, result: Result) -> Outcome:
    spelled = None if sale_id is None else str(sale_id)
    if isinstance(result, datetime):
        return Outcome(201, "captured", spelled, result)
    if isinstance(result, tuple):
        return Outcome(200, "duplicate", spelled, result[0])
    problem: dict[str, Any] = {
        "type": f"urn:hutong:problem:{result.code}",
        "title": result.title,
        "status": result.status,
        "detail": result.detail,
    }
    kind = "conflict" if result.status == 409 else "unavailable" if result.status == 503 else "invalid"
    return Outcome(result.status, kind, spelled, None, {**problem, "code": result.code, **result.extra})


capture_routes = [Route("/v1/sales", post_sale, methods=["POST"]), Route("/v1/sales:batch", post_batch, methods=["POST"])]
