"""Puts the sandbox together: one ASGI application with the gateway, the operator's API and the wallet's pages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from hutong.sandbox import methods as methods
from hutong.sandbox import switches as switching
from hutong.sandbox.admin import Admin
from hutong.sandbox.answers import Answers
from hutong.sandbox.apps import Apps
from hutong.sandbox.bills import Bills
from hutong.sandbox.checks import Checks
from hutong.sandbox.clock import Clock
from hutong.sandbox.controls import Controls
from hutong.sandbox.customers import invent_people
from hutong.sandbox.faults import Faults
from hutong.sandbox.gateway import Gateway
from hutong.sandbox.keys import Keys
from hutong.sandbox.notifications import Notifier
from hutong.sandbox.pages import Wallet
from hutong.sandbox.resuming import resume
from hutong.sandbox.state import World
from hutong.sandbox.storage import Storage
from hutong.sandbox.transport import Plug, plain

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a sandbox starts. ``speed`` None goes on as the data file says, or once as fast as the machine's clock."""

    data: Path | None = None
    seed: int = 1
    speed: float | None = None
    start: datetime | None = None
    switches: Mapping[str, Any] = field(default_factory=dict)
    notify_hosts: tuple[str, ...] = ()
    admin_open: bool = False
    people: bool = True
    base_url: str = ""
    """Where clients and browsers reach the sandbox; without it, where its first caller found it."""
    wallet_key: str = ""
    """The wallet's private key, for whoever does not want to wait for a new one."""


class Sandbox:
    """The ASGI application. Its lifespan, or ``running``, makes time pass and notifications go out."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.world = world = World(Storage(options.data), Clock(options.speed or 1.0, options.start), switching.Switches(), options.seed)
        self._restore()
        self.faults, self.keys, self.plug = Faults(world), Keys(world, options.wallet_key), Plug(world)
        self.notifier = Notifier(world, self.faults, self.keys.sign_notice, options.notify_hosts)
        self.notifier.plugged = lambda: self.plug.plugged
        world.certificate = self.keys.authority.wallet_certificate
        world.release = self.notifier.release
        world.agenda.on_error = lambda error: log.error("something on the agenda failed", exc_info=error)
        self.gateway = Gateway(world, self.faults, Checks(world, self.keys.authority), Answers(world, self.keys), self.notifier, self.plug)
        self.bills = Bills(world, self.faults, self.plug)
        world.base_url = options.base_url
        if options.people and not world.people:
            invent_people(world)
        world.done()
        parts = (
            Apps(world, self.keys),
            Admin(world),
            Controls(world, self.keys, self.faults, self.plug),
            Wallet(world, self.plug, from_here),
        )
        self.site = Starlette(routes=[route for part in parts for route in part.routes()])

    def _restore(self) -> None:
        """Go on with the clock and the switches that an earlier process kept; what the options say is newer."""
        world = self.world
        if (anchors := world.kept("clock")) is not None and self.options.start is None:
            world.clock.restore(*msgspec.convert(anchors, tuple[float, float, float]))
            if self.options.speed is not None:
                world.clock.run_at(self.options.speed)
        elif self.options.speed == 0:
            world.clock.run_at(0)
        switching.change(world.switches, msgspec.convert(world.kept("switches") or {}, dict[str, Any]))
        switching.change(world.switches, self.options.switches)
        world.keep("clock", world.clock.anchors())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Sandbox"]:
        """Time passes and notifications go out for as long as this is open."""
        world = self.world
        resume(world)
        self.notifier.start()
        follow = asyncio.create_task(world.agenda.run())
        try:
            yield self
        finally:
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)
            await world.agenda.close()
            await self.notifier.close()
            world.done()
            world.storage.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Requests, and the server's start and end."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http":
            raise RuntimeError(f"the sandbox speaks HTTP alone, not {scope['type']}")
        elif scope["path"] == "/gateway.do":
            self._learn_address(scope)
            await self.gateway(scope, receive, send)
        elif scope["path"].startswith("/bill/"):
            await self.bills(scope, receive, send)
        elif scope["path"].startswith("/admin") and not (self.options.admin_open or from_here(scope)):
            await plain(send, 403, "The sandbox's operator works on the machine itself.")
        else:
            await self.site(scope, receive, send)

    def _learn_address(self, scope: Scope) -> None:
        """Where this sandbox is, for the addresses in its answers, unless the options said it."""
        if not self.world.base_url:
            host = dict(scope["headers"]).get(b"host", b"127.0.0.1:8100").decode("latin-1")
            self.world.base_url = f"{scope.get('scheme', 'http')}://{host}"

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def from_here(scope: Scope) -> bool:
    """Whether a request comes from this machine and names it so, and not from a page of elsewhere that a browser here shows."""
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]")
    client = scope.get("client")
    return (
        _is_loopback(host)
        and client is not None
        and _is_loopback(client[0])
        and headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin")
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def create_sandbox(**options: Any) -> Sandbox:
    """A sandbox with these ``Options``."""
    return Sandbox(Options(**options))
