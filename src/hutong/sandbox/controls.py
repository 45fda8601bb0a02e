"""``/admin``'s other half: how the sandbox behaves: faults, switches, the clock, the plug, and the change of the wallet's keys."""

from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hutong.sandbox import switches as switching
from hutong.sandbox.admin import Endpoint, answered, guarded, read
from hutong.sandbox.faults import KINDS, Faults, Rule
from hutong.sandbox.keys import Keys
from hutong.sandbox.state import World
from hutong.sandbox.transport import Plug, PluggedHow


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """Another speed, and virtual seconds to move ahead by."""

    speed: float | None = None
    advance: float = 0.0


class PlugChange(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the line is there; if not, whether requests are cut or get no answer."""

    plugged: bool
    how: PluggedHow = "cut"


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """Which key of the wallet's is changed: the certificate (clients download the new one) or the plain key (apps must be told)."""

    mode: Literal["certificate", "key"] = "certificate"


class Controls:
    """What changes the sandbox's behaviour."""

    def __init__(self, world: World, keys: Keys, faults: Faults, plug: Plug) -> None:
        self.world, self.keys, self.faults, self.plug = world, keys, faults, plug

    def routes(self) -> list[BaseRoute]:
        """Where everything is."""
        table: list[tuple[str, str, Endpoint]] = [
            ("GET", "/faults", self.list_faults),
            ("PUT", "/faults", self.set_faults),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.end_faults),
            ("GET", "/decisions", self.list_decisions),
            ("GET", "/switches", self.list_switches),
            ("PATCH", "/switches", self.set_switches),
            ("GET", "/clock", self.show_clock),
            ("POST", "/clock", self.change_clock),
            ("GET", "/plug", self.show_plug),
            ("POST", "/plug", self.change_plug),
            ("GET", "/keys", self.show_keys),
            ("POST", "/rotate", self.rotate),
        ]
        return [Route(f"/admin{path}", guarded(self.world, endpoint), methods=[method]) for method, path, endpoint in table]

    async def list_faults(self, request: Request) -> Response:
        return answered({"seed": self.world.seed, "faults": self.faults.rules, "kinds": KINDS})

    async def set_faults(self, request: Request) -> Response:
        self.faults.set(msgspec.json.decode(await request.body(), type=list[Rule]))
        return answered(self.faults.rules)

    async def add_fault(self, request: Request) -> Response:
        self.faults.set([*self.faults.rules, await read(request, Rule)])
        return answered(self.faults.rules, 201)

    async def end_faults(self, request: Request) -> Response:
        self.faults.set([])
        return answered([])

    async def list_decisions(self, request: Request) -> Response:
        return answered(list(self.faults.decisions))

    async def list_switches(self, request: Request) -> Response:
        return answered(self.world.switches)

    async def set_switches(self, request: Request) -> Response:
        wanted: dict[str, Any] = msgspec.json.decode(await request.body(), type=dict[str, Any])
        switching.change(self.world.switches, wanted)
        self.world.keep("switches", msgspec.to_builtins(self.world.switches))
        return answered(self.world.switches)

    async def show_clock(self, request: Request) -> Response:
        return answered({"now": self.world.clock.now(), "speed": self.world.clock.speed})

    async def change_clock(self, request: Request) -> Response:
        change = await read(request, ClockChange)
        if not 0 <= change.advance <= 400 * 86_400:
            raise ValueError("the clock moves ahead by 0 to 400 days at once")
        if change.speed is not None:
            self.world.clock.run_at(change.speed)
            self.world.agenda.clock_changed()
        await self.world.agenda.advance(change.advance)
        self.world.keep("clock", self.world.clock.anchors())
        return await self.show_clock(request)

    async def show_plug(self, request: Request) -> Response:
        return answered({"plugged": self.plug.plugged, "how": self.plug.how})

    async def change_plug(self, request: Request) -> Response:
        change = await read(request, PlugChange)
        if change.plugged:
            self.plug.put_back()
        else:
            self.plug.pull(change.how)
        return await self.show_plug(request)

    async def show_keys(self, request: Request) -> Response:
        return answered({"alipay_public_key": self.keys.public_text})

    async def rotate(self, request: Request) -> Response:
        if (await read(request, Rotation)).mode == "certificate":
            return answered({"alipay_cert_sn": self.keys.authority.rotate()})
        self.keys.rotate()
        return answered({"alipay_public_key": self.keys.public_text})
