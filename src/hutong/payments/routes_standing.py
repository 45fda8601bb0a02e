"""The routes of what stands longer than a payment: agreements to charge, and money held for a purchase to come."""

from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hutong.directory import Permission, Principal, authenticate
from hutong.kernel import clock
from hutong.kernel.errors import Conflict, NotFound
from hutong.payments.agreements import ask_agreement, begin_agreement, end_agreement, read_agreement
from hutong.payments.desk import check_id, subject_of
from hutong.payments.driver import Origin
from hutong.payments.errors import CodeUnknown
from hutong.payments.holding import Holder
from hutong.payments.holds import Hold, HoldEndAsked
from hutong.payments.requests import path_id, read_document, request_desk, respond, wait_seconds
from hutong.payments.store import digest_of
from hutong.payments.wallet import wallet_of
from hutong.payments.wire import AgreementView, ByCode, HoldMoney, HoldStateName, HoldView, SignAgreement
from hutong.platform.database import Database
from hutong.platform.scope import Scope

_sign = msgspec.json.Decoder(SignAgreement)
_hold = msgspec.json.Decoder(HoldMoney)


async def post_agreement(request: Request) -> Response:
    """Ask for an agreement: 201 with where the customer signs, 200 with how it stands when an earlier call had."""
    by = await authenticate(request)
    wish = await read_document(request, _sign)
    outlet, _, _ = await request_desk(request).place(wish.store, wish.till, by, Permission.TAKE_PAYMENTS)
    check_id(wish.id, "id")
    row, new = await begin_agreement(_db(request), request_desk(request).wallets, by, outlet, wish.id, wish.member, wish.scene)
    return respond(agreement_view(row), 201 if new else 200)


async def get_agreement(request: Request) -> Response:
    """An agreement as it is recorded."""
    by = await authenticate(request)
    agreement_id = path_id(request)
    retailer_id = await _retailer_of(_db(request), "agreement", agreement_id, by, Permission.READ_PAYMENTS)
    return respond(agreement_view(await read_agreement(_db(request), retailer_id, agreement_id)))


async def ask_about_agreement(request: Request) -> Response:
    """Ask the wallet how it stands now."""
    by = await authenticate(request)
    agreement_id = path_id(request)
    retailer_id = await _retailer_of(_db(request), "agreement", agreement_id, by, Permission.TAKE_PAYMENTS)
    return respond(agreement_view(await ask_agreement(_db(request), request_desk(request).wallets, retailer_id, agreement_id)))


async def stop_agreement(request: Request) -> Response:
    """End an agreement from the retailer's side."""
    by = await authenticate(request)
    agreement_id = path_id(request)
    retailer_id = await _retailer_of(_db(request), "agreement", agreement_id, by, Permission.TAKE_PAYMENTS)
    return respond(agreement_view(await end_agreement(_db(request), request_desk(request).wallets, by, retailer_id, agreement_id)))


async def post_authorisation(request: Request) -> Response:
    """Hold money: 201 when this call began it, 200 with how it stands when an earlier one had."""
    by = await authenticate(request)
    wish, wait = await read_document(request, _hold), wait_seconds(request)
    desk, holder = request_desk(request), _holder(request)
    outlet, till_id, _ = await desk.place(wish.store, wish.till, by, Permission.TAKE_PAYMENTS)
    check_id(wish.id, "id")
    code = wish.method.code if isinstance(wish.method, ByCode) else ""
    if code and wallet_of(code) != "alipay":
        raise CodeUnknown("Money can be held through Alipay alone; scan an Alipay code.", field="method.code")
    account_id = await desk.wallets.active(outlet.retailer_id, "alipay")
    hold = Hold(
        wish.id, outlet.retailer_id, outlet.id, till_id, account_id, "code" if code else "qr", wish.amount,
        f"H{outlet.id}T{till_id}_{wish.id.hex}", clock.now(),
    )  # fmt: skip
    outcome = await holder.begin(hold, digest_of(outlet.id, till_id, wish.amount, code), by.actor)
    if outcome == "differs":
        raise Conflict("An authorisation with this id is recorded with other content; a new try needs a new id.")
    if outcome == "same":
        return respond(hold_view(await holder.load(hold.retailer_id, hold.id)))
    work = holder.freeze(hold, subject_of(wish.subject, outlet), outlet.gln, code)
    done = await desk.within(work, wait, f"hold-{hold.id}")
    return respond(hold_view(done or await holder.load(hold.retailer_id, hold.id)), 201)


async def get_authorisation(request: Request) -> Response:
    """An authorisation as it stands."""
    by = await authenticate(request)
    return respond(hold_view(await _own_hold(request, by, Permission.READ_PAYMENTS)))


async def end_authorisation(request: Request) -> Response:
    """Give back what is still held, or undo it if it is not held yet; repeated, it answers how it stands."""
    by = await authenticate(request)
    hold = await _own_hold(request, by, Permission.TAKE_PAYMENTS)
    return respond(hold_view(await _holder(request).learn(hold, HoldEndAsked(by.actor), Origin("operator", by.actor))))


def hold_view(hold: Hold) -> HoldView:
    """An authorisation as the API answers it."""
    state: HoldStateName = hold.state.value
    rest = hold.rest if state in ("held", "releasing") else 0
    return HoldView(hold.id, state, hold.amount, hold.captured, hold.released, rest, hold.made_at, hold.code, hold.qr)


def agreement_view(row: dict[str, Any]) -> AgreementView:
    """An agreement as the API answers it; where to sign only while it is to be signed."""
    url = row["sign_url"] if row["state"] == "signing" else ""
    return AgreementView(row["id"], row["state"], row["made_at"], row["member_id"], row["buyer"], url, row["valid_until"])


async def _own_hold(request: Request, by: Principal, permission: Permission) -> Hold:
    hold_id = path_id(request)
    async with _db(request).read(by.scope_for(permission)) as reader:
        row = await reader.row("select retailer_id, store_id from authorisation where id = :id", id=hold_id)
    if row is None:
        raise NotFound
    by.must(permission, retailer_id=row.retailer_id, store_id=row.store_id)
    return await _holder(request).load(row.retailer_id, hold_id)


async def _retailer_of(db: Database, table: str, row_id: UUID, by: Principal, permission: Permission) -> int:
    """Whose it is, if the caller holds the permission at that retailer or at one of its stores. Raises NotFound."""
    async with db.read(Scope.of_network()) as reader:
        retailer_id: int | None = await reader.value("select retailer_id from agreement where id = :id", id=row_id)
    allowed = any(permission in grant.permissions and (grant.place == "network" or grant.retailer_id == retailer_id) for grant in by.grants)
    if retailer_id is None or not allowed:
        raise NotFound
    return retailer_id


def _holder(request: Request) -> Holder:
    holder: Holder = request.app.state.payment_holder
    return holder


def _db(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


standing_routes = [
    Route("/v1/agreements", post_agreement, methods=["POST"]),
    Route("/v1/agreements/{id}:ask", ask_about_agreement, methods=["POST"]),
    Route("/v1/agreements/{id}:end", stop_agreement, methods=["POST"]),
    Route("/v1/agreements/{id}", get_agreement, methods=["GET"]),
    Route("/v1/authorisations", post_authorisation, methods=["POST"]),
    Route("/v1/authorisations/{id}:end", end_authorisation, methods=["POST"]),
    Route("/v1/authorisations/{id}", get_authorisation, methods=["GET"]),
]
