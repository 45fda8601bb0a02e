"""Every error as a problem document (RFC 9457) for programs, or as a friendly page for people."""

import json
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from hutong.kernel.errors import HutongError, Invalid, Malformed, NotFound, Unauthenticated, Unavailable
from hutong.platform.database import is_outage
from hutong.platform.web.i18n import locale_of, mark, translate
from hutong.platform.web.templating import render

PROBLEM_TYPE = "application/problem+json"
log = structlog.get_logger("hutong.web")

TITLES = {
    "internal": mark("Something went wrong on our side"),
    "method_not_allowed": mark("This address does not answer to that method"),
    "csrf": mark("This form has expired"),
}


class InternalError(HutongError):
    """A defect of ours: the log has the reason under the request's id."""

    code, status, title = "internal", 500, TITLES["internal"]


class ProblemResponse(JSONResponse):
    """A problem document. It may quote what was sent, also half a letter (U+D800), which UTF-8 cannot carry and JSON escapes."""

    media_type = PROBLEM_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def problem_of(error: HutongError, request_id: str = "", locale: str = "en") -> dict[str, Any]:
    """The members of an error's problem document; ``extra`` adds members and never replaces the standard ones."""
    standard: dict[str, Any] = {
        "type": f"urn:hutong:problem:{error.code}",
        "title": translate(locale, error.title),
        "status": error.status,
        "detail": translate(locale, error.detail),
        "code": error.code,
    }
    if request_id:
        standard["request_id"] = request_id
    return error.extra | standard


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks for a page here, and not a program (or a script of ours) for data."""
    if request.url.path.startswith("/v1/") or "hx-request" in request.headers:
        return False
    return "text/html" in request.headers.get("accept", "")


def answer(request: Request, error: HutongError, headers: dict[str, str] | None = None) -> Response:
    """The response for an error: a page, a redirect to sign in, or a problem document."""
    request_id = getattr(request.state, "request_id", "")
    extra_headers = dict(headers or {})
    if retry_after := getattr(error, "retry_after", None):
        extra_headers["Retry-After"] = str(retry_after)
    if wants_page(request):
        if isinstance(error, Unauthenticated):
            return RedirectResponse(_sign_in_address(request), status_code=303)
        return render(
            request,
            "web/error.html",
            status_code=error.status,
            headers=extra_headers,
            error=error,
            request_id=request_id,
            retry_after=retry_after,
        )
    if isinstance(error, Unauthenticated):
        extra_headers["WWW-Authenticate"] = 'Bearer realm="hutong"'
        if "hx-request" in request.headers:
            extra_headers["HX-Redirect"] = "/sign-in"
    person = getattr(request.state, "principal", None)
    document = problem_of(error, request_id, locale_of(request, getattr(person, "locale", None), default="en"))
    return ProblemResponse(document, status_code=error.status, headers=extra_headers)


def _sign_in_address(request: Request) -> str:
    """Where to sign in, and where to go on afterwards; only a page that was read can be gone back to."""
    if request.method not in ("GET", "HEAD") or request.url.path == "/":
        return "/sign-in"
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?next={quote(here, safe='')}"


def error_from(error: Exception) -> HutongError | None:
    """An exception of a library as one of our own errors, or None if it is a defect."""
    if isinstance(error, HutongError):
        return error
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        return _of_status(error)
    if isinstance(error, DBAPIError) and is_outage(error.orig):
        return Unavailable("The database is not reachable just now; try again in a moment.")
    return None


async def handle(request: Request, error: Exception) -> Response:
    """The exception handler for every error that FastAPI and Starlette hand over."""
    known = error_from(error)
    if known is None:
        raise error
    headers = (
        {key: value for key, value in (error.headers or {}).items() if key.lower() != "content-length"}
        if isinstance(error, HTTPException)
        else None
    )
    await recognise(request)
    return answer(request, known, headers)


async def recognise(request: Request) -> None:
    """Find out who is signed in, for a page that everybody may see: it then has their header and their language."""
    if "cookie" in request.headers and wants_page(request) and getattr(request.state, "principal", None) is None:
        with suppress(Exception):  # whatever hinders it, the page must be shown
            await request.app.state.session_csrf(request)


def defect(request: Request, error: Exception) -> Response:
    """The answer to an error nobody expected: logged whole, shown without internals."""
    log.error(
        "request failed", method=request.method, path=request.url.path, request_id=getattr(request.state, "request_id", ""), exc_info=error
    )
    return answer(request, InternalError("It is logged under the request's id; tell the operator that id if it happens again."))


def _of_validation(error: RequestValidationError) -> HutongError:
    """What FastAPI found wrong, without the values sent (they may be secret)."""
    found = error.errors()
    if any(each.get("type") == "json_invalid" for each in found):
        return Malformed("The body is not valid JSON.")
    errors = [
        {"where": _where(each.get("loc", ())), "message": str(each.get("msg", "")), "kind": str(each.get("type", ""))}
        for each in found[:50]
    ]
    first = errors[0] if errors else {"where": "body", "message": "not acceptable"}
    return Invalid(f"{first['where']}: {first['message']}", errors=errors)


def _where(location: Any) -> str:
    return ".".join(str(part) for part in location)


def _of_status(error: HTTPException) -> HutongError:
    """An HTTP error of the framework (unknown path, wrong method) in our words."""
    if error.status_code == 404:
        return NotFound("There is nothing at this address, or it is not yours to see.")
    phrase = HTTPStatus(error.status_code).phrase if error.status_code in HTTPStatus._value2member_map_ else "Error"
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    made = type("FrameworkError", (HutongError,), {"code": code, "status": error.status_code, "title": TITLES.get(code, phrase)})
    found: HutongError = made(str(error.detail or ""))
    return found
