"""The routes that tills use all day: plain Starlette routes with msgspec, as sale capture's are."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hutong.directory import Outlets, Principal, authenticate
from hutong.payments.machine import Attempt
from hutong.payments.requests import path_id, query_id, read_document, request_desk, respond, wait_seconds
from hutong.payments.views import payment_view, payments_of_sale, read_payment, read_refund, refund_view
from hutong.payments.wire import GiveBack, Take

_take = msgspec.json.Decoder(Take)
_give_back = msgspec.json.Decoder(GiveBack)


async def post_payment(request: Request) -> Response:
    """Take a payment: 201 when this call began it, 200 with how it stands when an earlier one had."""
    by = await authenticate(request)
    attempt, new = await request_desk(request).take(await read_document(request, _take), by, wait_seconds(request))
    return _answer(request, by, attempt, 201 if new else 200)


async def get_payment(request: Request) -> Response:
    """A payment as it stands, with its refunds."""
    by = await authenticate(request)
    return respond(await read_payment(request.app.state.database, by, path_id(request), by.locale))


async def get_payments(request: Request) -> Response:
    """The payments of one sale, the newest first."""
    by = await authenticate(request)
    return respond({"payments": await payments_of_sale(request.app.state.database, by, query_id(request, "sale"), by.locale)})


async def cancel_payment(request: Request) -> Response:
    """Stop a payment that is not decided yet; repeated, it answers how that stands."""
    by = await authenticate(request)
    return _answer(request, by, await request_desk(request).cancel(path_id(request), by), 200)


async def post_refund(request: Request) -> Response:
    """Refund a payment in part or whole: 201 when this call began it, 200 with how it stands when an earlier one had."""
    by = await authenticate(request)
    refund, new = await request_desk(request).refund(await read_document(request, _give_back), by, wait_seconds(request))
    return respond(refund_view(refund, by.locale), 201 if new else 200)


async def get_refund(request: Request) -> Response:
    """A refund as it stands."""
    by = await authenticate(request)
    return respond(await read_refund(request.app.state.database, by, path_id(request), by.locale))


def _answer(request: Request, by: Principal, attempt: Attempt, status: int) -> Response:
    outlets: Outlets = request.app.state.outlets
    outlet, till = outlets.by_id(attempt.store_id), outlets.till_code(attempt.till_id)
    return respond(payment_view(attempt, outlet.gln if outlet else "", till or "", by.locale), status)


capture_routes = [
    Route("/v1/payments", post_payment, methods=["POST"]),
    Route("/v1/payments", get_payments, methods=["GET"]),
    Route("/v1/payments/{id}:cancel", cancel_payment, methods=["POST"]),
    Route("/v1/payments/{id}", get_payment, methods=["GET"]),
    Route("/v1/refunds", post_refund, methods=["POST"]),
    Route("/v1/refunds/{id}", get_refund, methods=["GET"]),
]
