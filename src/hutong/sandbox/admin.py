"""``/admin``, the operator's JSON API (loopback only, unless opened): people and their codes, trades, agreements, notifications."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hutong.sandbox import authorisations, customers
from hutong.sandbox.calls import Refused
from hutong.sandbox.payers import current_code
from hutong.sandbox.records import Coupon, Person
from hutong.sandbox.state import World
from hutong.sandbox.trades import finish, refresh

Body = TypeVar("Body", bound=msgspec.Struct)
Endpoint = Callable[[Request], Awaitable[Response]]


class PersonFields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A person to be made, or what is to be otherwise; what is missing stays as it is."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    logon_id: str | msgspec.UnsetType = msgspec.UNSET
    balance: int | msgspec.UnsetType = msgspec.UNSET
    card: int | msgspec.UnsetType | None = msgspec.UNSET
    password: str | msgspec.UnsetType = msgspec.UNSET
    password_above: int | msgspec.UnsetType | None = msgspec.UNSET
    day_limit: int | msgspec.UnsetType | None = msgspec.UNSET
    red_packet: int | msgspec.UnsetType = msgspec.UNSET
    coupons: list[Coupon] | msgspec.UnsetType = msgspec.UNSET
    face_payment_off: bool | msgspec.UnsetType = msgspec.UNSET
    blocked: bool | msgspec.UnsetType = msgspec.UNSET
    reaction: str | msgspec.UnsetType = msgspec.UNSET
    reaction_seconds: float | msgspec.UnsetType = msgspec.UNSET


class Scan(msgspec.Struct, forbid_unknown_fields=True):
    """Which person scans which QR code."""

    qr_code: str


class CodeWanted(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a face camera's token is wanted in place of a payment code."""

    face: bool = False


class Signature(msgspec.Struct, forbid_unknown_fields=True):
    """Who signs or ends an agreement."""

    person: str
    password: str | None = None


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """The password that the payer types; without one it is taken as right."""

    password: str | None = None


def answered(value: Any, status: int = 200) -> Response:
    """``value`` as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def failed(status: int, why: str) -> Response:
    """What is wrong, as JSON."""
    return answered({"error": why}, status)


async def read(request: Request, kind: type[Body]) -> Body:
    """The request's body; an empty one is an object without fields. Raises msgspec.ValidationError."""
    return msgspec.json.decode(await request.body() or b"{}", type=kind)


def guarded(world: World, endpoint: Endpoint) -> Endpoint:
    """The endpoint with wrong input answered 400 and what it changed written before its answer."""

    async def guard(request: Request) -> Response:
        try:
            answer = await endpoint(request)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            return failed(400, str(error))
        except KeyError as error:
            return failed(404, f"there is no {error.args[0]}")
        except Refused as refusal:
            world.done()
            return answered({"error": refusal.sub_code, "message": refusal.sub_msg}, 409)
        world.done()
        return answer

    return guard


class Admin:
    """People, their codes and their trades."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """Where everything is."""
        table: list[tuple[str, str, Endpoint]] = [
            ("POST", "/people", self.add_person),
            ("GET", "/people", self.list_people),
            ("PATCH", "/people/{person}", self.change_person),
            ("POST", "/people/{person}/code", self.show_code),
            ("POST", "/people/{person}/scan", self.scan),
            ("GET", "/trades", self.list_trades),
            ("GET", "/trades/{trade}", self.one_trade),
            ("POST", "/trades/{trade}/approve", self.approve),
            ("POST", "/trades/{trade}/decline", self.decline),
            ("POST", "/trades/{trade}/finish", self.finish),
            ("GET", "/agreements", self.list_agreements),
            ("POST", "/agreements/{token}/sign", self.sign),
            ("POST", "/agreements/{token}/end", self.end_agreement),
            ("GET", "/authorisations", self.list_authorisations),
            ("POST", "/authorisations/{auth}/approve", self.approve_freeze),
            ("POST", "/authorisations/{auth}/decline", self.decline_freeze),
            ("GET", "/notifications", self.list_notifications),
        ]
        return [Route(f"/admin{path}", guarded(self.world, endpoint), methods=[method]) for method, path, endpoint in table]

    async def add_person(self, request: Request) -> Response:
        wanted = await read(request, PersonFields)
        person = customers.add_person(self.world, "顾客", 100_000)
        self._change(person, wanted)
        return answered(person, 201)

    async def list_people(self, request: Request) -> Response:
        return answered(list(self.world.people.values()))

    async def change_person(self, request: Request) -> Response:
        person = self.world.people[request.path_params["person"]]
        self._change(person, await read(request, PersonFields))
        return answered(person)

    def _change(self, person: Person, wanted: PersonFields) -> None:
        values = {name: value for name in wanted.__struct_fields__ if (value := getattr(wanted, name)) is not msgspec.UNSET}
        msgspec.convert(msgspec.to_builtins(person) | msgspec.to_builtins(values), Person)
        for name, value in values.items():
            setattr(person, name, value)
        self.world.save(person)

    async def show_code(self, request: Request) -> Response:
        person = self.world.people[request.path_params["person"]]
        code = current_code(self.world, person, (await read(request, CodeWanted)).face)
        return answered({"code": code.text, "expires_in": (code.expires_at - self.world.clock.now()).total_seconds()})

    async def scan(self, request: Request) -> Response:
        person = self.world.people[request.path_params["person"]]
        return answered(customers.scan(self.world, (await read(request, Scan)).qr_code, person))

    async def list_trades(self, request: Request) -> Response:
        query = request.query_params
        found = [
            refresh(self.world, trade)
            for trade in self.world.trades.values()
            if query.get("number", trade.number) == trade.number and query.get("seller", trade.seller_id) == trade.seller_id
        ]
        return answered([trade for trade in found if query.get("state", trade.state) == trade.state][-int(query.get("limit", "1000")) :])

    async def one_trade(self, request: Request) -> Response:
        return answered(refresh(self.world, self.world.trades[request.path_params["trade"]]))

    async def approve(self, request: Request) -> Response:
        return answered(customers.approve(self.world, request.path_params["trade"], (await read(request, Approval)).password))

    async def decline(self, request: Request) -> Response:
        return answered(customers.refuse(self.world, request.path_params["trade"]))

    async def finish(self, request: Request) -> Response:
        trade = refresh(self.world, self.world.trades[request.path_params["trade"]])
        if trade.state == "TRADE_SUCCESS":
            finish(self.world, trade)
        return answered(trade)

    async def list_agreements(self, request: Request) -> Response:
        return answered(list(self.world.agreements.values()))

    async def sign(self, request: Request) -> Response:
        wanted = await read(request, Signature)
        return answered(customers.sign(self.world, request.path_params["token"], self.world.people[wanted.person], wanted.password))

    async def end_agreement(self, request: Request) -> Response:
        person = self.world.people[(await read(request, Signature)).person]
        return answered(customers.end_agreement(self.world, request.path_params["token"], person))

    async def list_authorisations(self, request: Request) -> Response:
        return answered([authorisations.refresh(self.world, each) for each in self.world.authorisations.values()])

    async def approve_freeze(self, request: Request) -> Response:
        return answered(customers.approve_freeze(self.world, request.path_params["auth"], (await read(request, Approval)).password))

    async def decline_freeze(self, request: Request) -> Response:
        return answered(customers.refuse_freeze(self.world, request.path_params["auth"]))

    async def list_notifications(self, request: Request) -> Response:
        return answered(list(self.world.notifications.values())[-int(request.query_params.get("limit", "1000")) :])
