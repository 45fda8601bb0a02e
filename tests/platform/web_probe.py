"""A small application inside the real shell, with routes that fail, stream and read in every way there is."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from hutong.kernel.errors import Conflict, TooManyRequests, Unauthenticated
from hutong.platform.config import Settings
from hutong.platform.web import NavigationItem, install, render


class Person:
    name = "Li Na <b>"
    locale = "zh"
    actor = "person:1"


class Order(BaseModel):
    lines: list[int]


def probe_app(base_url: str = "http://test", operator: bool = False) -> FastAPI:
    """The shell around routes that misbehave; the session with the cookie ``valid`` has the CSRF token ``right``."""
    app = FastAPI(docs_url=None, redoc_url=None)

    async def session_csrf(request: Request) -> str | None:
        return "right" if request.cookies.get("hutong_session") == "valid" else None

    async def is_operator(_request: Request) -> bool:
        if not operator:
            raise Unauthenticated
        return True

    install(
        app, Settings(base_url=base_url), session_csrf=session_csrf, is_operator=is_operator,
        navigation=lambda _request, _person: [NavigationItem("Monitor", "/monitor"), NavigationItem("Products", "/page")],
    )  # fmt: skip
    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:
    @app.get("/page")
    async def page(request: Request) -> Response:
        return render(request, "web/places.html", Person(), places=[])

    @app.get("/fails/{how}")
    async def fails(how: str) -> Any:
        raise {
            "known": Conflict("The receipt is taken.", receipt="000123", status="never"),
            "busy": TooManyRequests("Slowly.", retry_after=7),
            "stranger": Unauthenticated(),
            "outage": OperationalError("select 1", {}, psycopg.OperationalError("server closed the connection")),
            "defect": RuntimeError("the password is hunter2"),
        }[how]

    @app.post("/orders")
    async def order(body: Order) -> dict[str, int]:
        return {"lines": len(body.lines)}

    @app.post("/read")
    async def read(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    @app.post("/v1/sales:batch")
    async def batch(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    @app.post("/form")
    async def form(request: Request) -> Response:
        fields = await request.form()
        return PlainTextResponse(str(fields["note"]))

    @app.get("/stream")
    async def stream() -> Response:
        async def parts() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            yield "data: 2\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")

    @app.get("/breaks")
    async def breaks() -> Response:
        async def parts() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            raise RuntimeError("in the middle")

        return StreamingResponse(parts(), media_type="text/event-stream")

    @app.get("/by/{token}/{name}")
    async def by(token: str, name: str) -> dict[str, str]:
        return {"name": name, "length": str(len(token))}


def client_of(app: FastAPI, peer: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
    """A client in this process that seems to come from ``peer``."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 4000))
    return httpx.AsyncClient(transport=transport, base_url="http://test", **options)
