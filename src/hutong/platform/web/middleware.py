"""What surrounds every request, as plain ASGI that never holds a stream back: safe headers, id, log, metrics, size limit."""

import logging
import re
import secrets
import time
from functools import lru_cache
from inspect import isfunction
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hutong.kernel.errors import TooLarge
from hutong.platform.config import Settings
from hutong.platform.telemetry import REQUEST_SECONDS, REQUESTS, REQUESTS_OPEN
from hutong.platform.web.problems import answer, defect, error_from, recognise

log = structlog.get_logger("hutong.access")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
SAFE_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
MEBIBYTE = 1024 * 1024
BODY_LIMIT = MEBIBYTE
LARGE_BODY_LIMIT = 16 * MEBIBYTE
LARGE_BODIES = re.compile(r"/v1/sales:batch|.*[/:](?:import|imports|upload|uploads)(?:/[\w-]+)?")
"""Addresses that may send up to LARGE_BODY_LIMIT: batches of sales, and files (``…/import``, ``…:import``, ``…/imports``, ``…/uploads``)."""

QUIET = re.compile(r"/static/|/healthz$|/readyz$|/metrics$|/v1/sales(?::batch)?$")
"""Addresses whose successes are counted in the metrics and logged only at DEBUG: they come by the hundred a second."""
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
SECRET_PARAMETERS = ("token", "secret", "enrolment")


class SafeHeaders:
    """Puts the security headers on every answer, and ``no-store`` on those that do not say how long they may be kept."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        wanted = dict(SAFE_HEADERS)
        if settings.base_url.startswith("https://"):
            wanted["strict-transport-security"] = "max-age=31536000; includeSubDomains"
        self.headers = [(key.encode(), value.encode()) for key, value in wanted.items()]
        self.names = {key for key, _ in self.headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [pair for pair in message.get("headers", ()) if pair[0].lower() not in self.names]
                if not any(key.lower() == b"cache-control" for key, _ in given):
                    given.append((b"cache-control", b"no-store"))
                message = {**message, "headers": given + self.headers}
            await send(message)

        await self.app(scope, receive, send_safe)


class Exchange:
    """One request and what became of it, as seen from outside the application."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.send_on = send
        self.request_id = request_id.encode()
        self.began = time.perf_counter()
        self.status = 0
        self.seconds: float | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            if any(key == b"content-type" and value.startswith(b"text/event-stream") for key, value in headers):
                self.seconds = time.perf_counter() - self.began
            message = {**message, "headers": [*headers, (b"x-request-id", self.request_id)]}
        await self.send_on(message)


class Observe:
    """Gives each request an id, answers for what nobody caught, and writes one line of log and the metrics for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"x-request-id"), "")
        request_id = given if GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = Exchange(send, request_id)
        REQUESTS_OPEN.inc()
        try:
            await self.app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = exchange.status or 499
        except Exception as error:
            request = Request(scope)
            if exchange.status:  # the answer has begun: nothing can be said any more, the connection breaks
                defect(request, error)
                raise
            known = error_from(error)
            await recognise(request)
            response = answer(request, known) if known else defect(request, error)
            await response(scope, receive, exchange.send)
        finally:
            REQUESTS_OPEN.dec()
            self._conclude(scope, exchange, request_id)

    def _conclude(self, scope: Scope, exchange: Exchange, request_id: str) -> None:
        seconds = exchange.seconds if exchange.seconds is not None else time.perf_counter() - exchange.began
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "OTHER"
        status = exchange.status or 499
        requests, request_seconds = meters(method, route_template(scope), status)
        requests.inc()
        request_seconds.observe(seconds)
        if status < 400 and QUIET.match(scope["path"]):
            if not logging.getLogger("hutong.access").isEnabledFor(logging.DEBUG):
                return
            write = log.debug
        else:
            write = log.error if status >= 500 else log.info
        write(
            "request", method=method, path=shown_path(scope), status=status, milliseconds=round(seconds * 1000, 1), request_id=request_id,
            peer=scope["client"][0] if scope.get("client") else None, actor=getattr(scope["state"].get("principal"), "actor", None),
        )  # fmt: skip


@lru_cache(maxsize=4096)
def meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The counter and the histogram of these labels: looking them up by label costs more than counting."""
    return REQUESTS.labels(method, route, status), REQUEST_SECONDS.labels(method, route)


KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def route_template(scope: Scope) -> str:
    """The pattern that the address matched (``/v1/sales/{id}``): what metrics may count by without end."""
    route: Any = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    if path is None and isfunction(scope.get("endpoint")) and not scope.get("path_params"):
        path = scope["path"]  # a plain Starlette route, such as capture's, tells no pattern; without parameters its path is one
    return str(path) if path else "unmatched"


def shown_path(scope: Scope) -> str:
    """The address without its query, and without path parameters that are secrets."""
    path = str(scope["path"])
    for key, value in scope.get("path_params", {}).items():
        if any(word in key for word in SECRET_PARAMETERS):
            path = path.replace(str(value), "•••")
    return path


class BodyLimit:
    """Refuses bodies beyond the address's limit with 413, whether their length is declared or they arrive in chunks."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return await self.app(scope, receive, send)
        limit = LARGE_BODY_LIMIT if LARGE_BODIES.fullmatch(scope["path"]) else BODY_LIMIT
        declared = next((value for key, value in scope["headers"] if key == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > limit:
            raise too_large(limit)
        received, started, exceeded = 0, False, False

        async def receive_some() -> Message:
            nonlocal received, exceeded
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    exceeded = True
                    raise too_large(limit)
            return message

        async def send_unless_exceeded(message: Message) -> None:
            # Frameworks turn any error while reading into a 400 of their own: what they say then is not sent.
            nonlocal started
            if exceeded and not started:
                return
            started = True
            await send(message)

        try:
            await self.app(scope, receive_some, send_unless_exceeded)
        except TooLarge:
            if started:
                raise
        if exceeded and not started:
            raise too_large(limit)


def too_large(limit: int) -> TooLarge:
    """The error that names the limit, in bytes."""
    return TooLarge(f"The body may be at most {limit // MEBIBYTE} MiB; send it in smaller parts.", limit_bytes=limit)
