"""What an operator's tools ask: does the process live, does the database answer, what do the metrics say."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hutong import __version__
from hutong.kernel.errors import HutongError, NotFound
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.platform.telemetry import METRICS_TYPE, metrics_text

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
Operator = Callable[[Request], Awaitable[bool]]
"""Tells whether the request's key or session may operate the network."""


def operations_router(is_operator: Operator) -> APIRouter:
    """/healthz and /readyz for everybody, /metrics for this machine itself and for operators."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> Response:
        """The process lives."""
        return JSONResponse({"status": "alive", "version": __version__})

    @router.get("/readyz")
    async def readyz(request: Request) -> Response:
        """The database answers: send requests here."""
        database: Database = request.app.state.database
        async with database.read(Scope()) as reader:
            await reader.value("select 1")
        return JSONResponse({"status": "ready"})

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Prometheus' text format. Others than an operator and this machine see nothing here."""
        if not from_this_machine(request) and not await _may_operate(request, is_operator):
            raise NotFound
        return Response(metrics_text(), headers={"Content-Type": METRICS_TYPE})

    return router


async def _may_operate(request: Request, is_operator: Operator) -> bool:
    try:
        return await is_operator(request)
    except HutongError:
        return False


def from_this_machine(request: Request) -> bool:
    """Whether the peer is a loopback address and no proxy stands between: behind one, everybody looks local."""
    if request.client is None or any(header in request.headers for header in FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
