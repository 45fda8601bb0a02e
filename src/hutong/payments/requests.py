"""Reading what tills send and answering it: shared by the plain routes of payments, as strict as sale capture's."""

import re
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hutong.kernel.errors import HutongError, Invalid, Malformed, NotFound
from hutong.payments.desk import Desk

LONGEST_WAIT = 15.0
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


def request_desk(request: Request) -> Desk:
    """The process's desk."""
    desk: Desk = request.app.state.payment_desk
    return desk


def respond(value: Any, status: int = 200) -> Response:
    """A document as JSON that nobody keeps."""
    return Response(_encode(value), status, media_type="application/json", headers={"Cache-Control": "no-store"})


async def read_document(request: Request, decoder: "msgspec.json.Decoder[T]") -> T:
    """The request's document. Raises Malformed (400) if it is not JSON in UTF-8, Invalid (422) if it is something else."""
    body = await _body(request)
    try:
        text = body.decode()
        value = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _reading_error(error) from None
    if ("\\u" in text or "\x7f" in text) and any(CONTROL.search(each) for each in texts_of(msgspec.to_builtins(value))):
        raise Invalid("A text has a control character in it.")
    return value


def texts_of(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts_of(part)]


def wait_seconds(request: Request) -> float:
    """How long to wait for the wallet's answer, in seconds: ``?wait=``, 12 unless said."""
    text = request.query_params.get("wait", "12")
    if not re.fullmatch(r"\d{1,2}(\.\d{1,3})?", text, re.ASCII):
        raise Invalid(f"wait is a number of seconds from 0 to {LONGEST_WAIT:g}.", field="wait")
    return min(float(text), LONGEST_WAIT)


def path_id(request: Request) -> UUID:
    """The id in the address. Raises NotFound for what cannot be one."""
    return as_uuid(request.path_params["id"])


def query_id(request: Request, name: str) -> UUID:
    """The id in the query. Raises Invalid if there is none."""
    text = request.query_params.get(name)
    if text is None:
        raise Invalid(f"Say which: ?{name}=…", field=name)
    return as_uuid(text)


def as_uuid(text: str) -> UUID:
    """A UUID in its usual spelling. Raises NotFound for anything else."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text, re.ASCII):
        raise NotFound
    return UUID(text)


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Malformed(f"Send application/json in UTF-8, not {kind[:60]}.")
    return await request.body()


def _reading_error(error: Exception) -> HutongError:
    if isinstance(error, msgspec.ValidationError):
        detail, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or None
        return Invalid(f"{field or 'The document'}: {detail}.", field=field)
    return Malformed(f"The body is not JSON in UTF-8: {error}.")
