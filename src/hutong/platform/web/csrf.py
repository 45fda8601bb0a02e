"""Protects signed-in browsers from other sites' forms, centrally, so that no route can forget it."""

import hmac
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hutong.kernel.errors import Forbidden
from hutong.platform.config import Settings
from hutong.platform.web.i18n import mark
from hutong.platform.web.templating import SessionCsrf

SESSION_COOKIE = "hutong_session"
HEADER = "x-csrf-token"
FIELD = "csrf"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class CrossSite(Forbidden):
    """An unsafe request that did not come from a page of ours, or not from this session's."""

    code, title = "csrf", mark("This form has expired")


class CsrfProtection:
    """Lets an unsafe request without a key through only if it comes from our own origin and, signed in, carries the session's token.

    Requests with an Authorization header are left alone: no other site can make a browser send one.
    The token is looked for in the header X-CSRF-Token, else in the form's field ``csrf``.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.own_origin = origin_of(settings.base_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or any(key == b"authorization" for key, _ in scope["headers"]):
            return await self.app(scope, receive, send)
        request = Request(scope, receive)
        self._check_origin(request)
        if SESSION_COOKIE in request.cookies:
            receive = await self._check_token(request, receive)
        await self.app(scope, receive, send)

    def _check_origin(self, request: Request) -> None:
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site not in (None, "same-origin", "none"):
            raise CrossSite("This request came from another site.")
        if origin is not None and origin_of(origin) not in (
            self.own_origin,
            origin_of(f"{request.url.scheme}://{request.headers.get('host', '')}"),
        ):
            raise CrossSite("This request came from another site.")

    async def _check_token(self, request: Request, receive: Receive) -> Receive:
        session_csrf: SessionCsrf = request.app.state.session_csrf
        expected = await session_csrf(request)
        if expected is None:
            return receive  # no valid session: the route will see nobody signed in
        given = request.headers.get(HEADER)
        if given is None and request.headers.get("content-type", "").partition(";")[0].strip().lower() in FORMS:
            body, receive = await kept_body(receive)
            given = await form_token(request.scope, body)
        if not given or not hmac.compare_digest(given.encode(), expected.encode()):
            raise CrossSite("Load the page again and repeat what you did.")
        return receive


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address; two addresses are of one origin if these are equal."""
    parts = urlsplit(url.lower())
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname or "", port or {"http": 80, "https": 443}.get(parts.scheme)


async def kept_body(receive: Receive) -> tuple[bytes, Receive]:
    """The whole body (bounded by BodyLimit), and a ``receive`` that hands it out again and then goes on with the connection."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body, handed_out = b"".join(parts), False

    async def replay() -> Message:
        nonlocal handed_out
        if handed_out:
            return await receive()
        handed_out = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, replay


async def form_token(scope: Scope, body: bytes) -> str | None:
    """The form's CSRF field, if the body is a form that has one."""

    async def once() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    form = await Request({**scope}, once).form(max_files=20, max_fields=2000)
    try:
        value = form.get(FIELD)
        return value if isinstance(value, str) else None
    finally:
        await form.close()
