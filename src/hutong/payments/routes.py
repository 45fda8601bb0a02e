"""The routes that tills use all day: plain Starlette routes with msgspec, as sale capture's are."""

import re
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hutong.directory import Outlets, Principal, authenticate
from hutong.kernel.errors import HutongError, Invalid, Malformed, NotFound
from hutong.payments.desk import Desk
from hutong.payments.machine import Attempt
from hutong.payments.views import payment_view, payments_of_sale, read_payment, read_refund, refund_view
from hutong.payments.wire import GiveBack, Take

LONGEST_WAIT = 15.0
MOST_BYTES = 16 * 1024
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_take = msgspec.json.Decoder(Take)
_give_back = msgspec.json.Decoder(GiveBack)


async def post_payment(request: Request) -> Response:
    """Take a payment: 201 when this call began it, 200 with how it stands when an earlier one had."""
    by = await authenticate(request)
    attempt, new = await _desk(request).take(await _read(request, _take), by, _wait(request))
    return _answer(request, by, attempt, 201 if new else 200)


async def get_payment(request: Request) -> Response:
    """A payment as it stands, with its refunds."""
    by = await authenticate(request)
    return _json(await read_payment(request.app.state.database, by, _id(request), by.locale))


async def get_payments(request: Request) -> Response:
    """The payments of one sale, the newest first."""
    by = await authenticate(request)
    return _json({"payments": await payments_of_sale(request.app.state.database, by, _query_id(request, "sale"), by.locale)})


async def cancel_payment(request: Request) -> Response:
    """Stop a payment that is not decided yet; repeated, it answers how that stands."""
    by = await authenticate(request)
    return _answer(request, by, await _desk(request).cancel(_id(request), by), 200)


async def post_refund(request: Request) -> Response:
    """Refund a payment in part or whole: 201 when this call began it, 200 with how it stands when an earlier one had."""
    by = await authenticate(request)
    refund, new = await _desk(request).refund(await _read(request, _give_back), by, _wait(request))
    return _json(refund_view(refund, by.locale), 201 if new else 200)


async def get_refund(request: Request) -> Response:
    """A refund as it stands."""
    by = await authenticate(request)
    return _json(await read_refund(request.app.state.database, by, _id(request), by.locale))


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.payment_desk
    return desk


def _answer(request: Request, by: Principal, attempt: Attempt, status: int) -> Response:
    outlets: Outlets = request.app.state.outlets
    outlet, till = outlets.by_id(attempt.store_id), outlets.till_code(attempt.till_id)
    return _json(payment_view(attempt, outlet.gln if outlet else "", till or "", by.locale), status)


def _json(value: Any, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Malformed(f"Send application/json in UTF-8, not {kind[:60]}.")
    return await request.body()


async def _read(request: Request, decoder: "msgspec.json.Decoder[T]") -> T:
    """The request's document. Raises Malformed (400) if it is not JSON in UTF-8, Invalid (422) if it is something else."""
    body = await _body(request)
    try:
        text = body.decode()
        value = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _reading_error(error) from None
    if "\\u" in text and any(CONTROL.search(each) for each in msgspec.to_builtins(value).values() if isinstance(each, str)):
        raise Invalid("A text has a control character in it.")
    return value


def _reading_error(error: Exception) -> HutongError:
    if isinstance(error, msgspec.ValidationError):
        detail, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or None
        return Invalid(f"{field or 'The document'}: {detail}.", field=field)
    return Malformed(f"The body is not JSON in UTF-8: {error}.")


def _wait(request: Request) -> float:
    """How long to wait for the wallet's answer, in seconds: ``?wait=``, 12 unless said."""
    text = request.query_params.get("wait", "12")
    if not re.fullmatch(r"\d{1,2}(\.\d{1,3})?", text, re.ASCII):
        raise Invalid(f"wait is a number of seconds from 0 to {LONGEST_WAIT:g}.", field="wait")
    return min(float(text), LONGEST_WAIT)


def _id(request: Request) -> UUID:
    return _uuid(request.path_params["id"])


def _query_id(request: Request, name: str) -> UUID:
    text = request.query_params.get(name)
    if text is None:
        raise Invalid(f"Say which: ?{name}=…", field=name)
    return _uuid(text)


def _uuid(text: str) -> UUID:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text, re.ASCII):
        raise NotFound
    return UUID(text)


capture_routes = [
    Route("/v1/payments", post_payment, methods=["POST"]),
    Route("/v1/payments", get_payments, methods=["GET"]),
    Route("/v1/payments/{id}:cancel", cancel_payment, methods=["POST"]),
    Route("/v1/payments/{id}", get_payment, methods=["GET"]),
    Route("/v1/refunds", post_refund, methods=["POST"]),
    Route("/v1/refunds/{id}", get_refund, methods=["GET"]),
]
