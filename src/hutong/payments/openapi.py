"""The till routes' part of the OpenAPI document, made from the msgspec types that read and answer them, with examples to copy."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hutong.payments.requests import LONGEST_WAIT
from hutong.payments.wire import AgreementView, GiveBack, HoldMoney, HoldView, PaymentView, RefundView, SignAgreement, Take

_REF = "#/components/schemas/{name}"
_PAYMENT, _SALE, _REFUND, _AGREEMENT, _HOLD = (
    "01a2049d-d249-7f38-b628-cabdfd79484d", "01a2049d-c8e0-7b1a-9d22-0f5a6c1d7e03", "01a204a1-07f2-7c55-8a10-5b1e90d7c2aa",
    "01a204b0-3f10-7d02-8c44-2d9b7a61f00e", "01a204b8-91c4-7a6b-b3f7-6e02c5d81b39",
)  # fmt: skip
_NUMBER = "S12T34_01a2049dd2497f38b628cabdfd79484d"
_MADE = "2026-11-22T10:20:30.123Z"

TAKE_EXAMPLES = {
    "code": {
        "summary": "The customer's code was scanned",
        "value": {"id": _PAYMENT, "sale": _SALE, "amount": 1990, "method": {"type": "code", "code": "281234567890123456"}},
    },
    "qr": {"summary": "The till shows a QR code", "value": {"id": _PAYMENT, "sale": _SALE, "amount": 1990, "method": {"type": "qr"}}},
    "agreement": {
        "summary": "A signed agreement is charged; an integrator's key names store and till",
        "value": {
            "id": _PAYMENT, "sale": _SALE, "amount": 1990, "store": "6909900000117", "till": "01",
            "method": {"type": "agreement", "agreement": _AGREEMENT},
        },
    },
    "authorisation": {
        "summary": "Part of the money that is held is taken, the rest goes back",
        "value": {"id": _PAYMENT, "sale": _SALE, "amount": 1990, "method": {"type": "authorisation", "authorisation": _HOLD, "release_rest": True}},
    },
}  # fmt: skip
_SEEN = {
    "id": _PAYMENT, "sale": _SALE, "store": "6909900000117", "till": "01", "state": "paid", "decided": True, "amount": 1990, "currency": "CNY",
    "method": "code", "number": _NUMBER, "version": 1, "made_at": _MADE, "message": "Paid.", "code": "", "who_fixes": "",
    "trade_no": "2026112222001400001", "receipt_amount": 1990, "buyer_paid": 1790, "buyer": "138****0001", "paid_at": "2026-11-22T10:20:31Z",
    "qr": "", "qr_expires_at": None, "refunded": 0, "refund_pending": 0, "claimed_by": None, "refunds": [],
}  # fmt: skip
PAYMENT_EXAMPLES = {
    "paid": {"summary": "Paid: goods may leave", "value": _SEEN},
    "waiting": {
        "summary": "Not decided: keep the goods, ask again or watch its events",
        "value": _SEEN | {
            "state": "waiting", "decided": False, "message": "Waiting for the customer. Keep the goods until it is paid.", "receipt_amount": 0,
            "buyer_paid": 0, "buyer": "", "paid_at": None,
        },
    },
    "declined": {
        "summary": "Not paid, and who can do something about it",
        "value": _SEEN | {
            "state": "declined", "code": "BUYER_BALANCE_NOT_ENOUGH", "who_fixes": "customer", "trade_no": "", "receipt_amount": 0, "buyer_paid": 0,
            "buyer": "", "paid_at": None,
            "message": "Not paid. The customer can fix it: show a fresh code, choose another card, or pay in another way.",
        },
    },
}  # fmt: skip
GIVE_BACK_EXAMPLES = {
    "part": {"summary": "Part of it goes back", "value": {"id": _REFUND, "payment": _PAYMENT, "amount": 990, "reason": "came back"}}
}
_REFUNDED = {
    "id": _REFUND, "payment": _PAYMENT, "amount": 990, "state": "done", "reason": "came back", "made_at": _MADE, "message": "Refunded.",
    "code": "", "done_at": "2026-11-22T10:25:02Z", "late": False,
}  # fmt: skip
REFUND_EXAMPLES = {
    "done": {"summary": "The money went back", "value": _REFUNDED},
    "short": {
        "summary": "It waits for the retailer's balance at the wallet; it is tried again by itself",
        "value": _REFUNDED | {"state": "short", "done_at": None, "message": "The refund waits: the retailer's balance at the wallet is too small just now."},
    },
}  # fmt: skip

UNAUTHENTICATED = {"unauthenticated": "no key, or one that is not valid"}
UNREADABLE = {"malformed": "not JSON in UTF-8"}
FORBIDDEN = {"forbidden": "this key may do this nowhere"}
UNKNOWN = {"not_found": "absent, or another's"}
AWAY = {"unavailable": "not done, or not known whether it was: send it again with the same id after Retry-After"}
LARGE = {"too_large": "more than 1 MiB"}
MANY = {"too_many_requests": "go on after Retry-After"}
INVALID = {"invalid": "a field is missing, unknown or out of range; `field` says which"}
PLACE = UNKNOWN | {"unknown_store": "no such store or till that this key may use"}
NO_WALLET = {"no_wallet": "the retailer's account at this wallet is missing or cannot be used"}
TAKING = {
    **NO_WALLET, "payment_differs": "this id is recorded with other content: a new try needs a new id",
    "sale_busy": "another payment of the sale is not decided: `payment` names it", "sale_paid": "the sale is paid: `payment` names by what",
    "agreement_unusable": "the agreement or authorisation is not in force: `state` says what it is",
}  # fmt: skip

WAIT = {
    "name": "wait", "in": "query", "required": False, "description": "seconds to wait for the wallet's answer; 0 answers at once",
    "schema": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT, "default": 12},
}  # fmt: skip
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
SALE = {"name": "sale", "in": "query", "required": True, "description": "the sale's id", "schema": {"type": "string", "format": "uuid"}}


def capture_openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """Paths and component schemas of the routes of payments, refunds, agreements and authorisations, to merge into the document."""
    types = [Take, PaymentView, GiveBack, RefundView, SignAgreement, AgreementView, HoldMoney, HoldView]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    return _payments() | _refunds() | _agreements() | _authorisations(), components


def _payments() -> dict[str, Any]:
    listed = {"type": "object", "required": ["payments"], "properties": {"payments": {"type": "array", "items": _ref(PaymentView)}}}
    return {
        "/v1/payments": {
            "post": _operation(
                "take_payment", "Take a payment for a sale, exactly once",
                "The intent is stored before the wallet is asked. 201 when this call began it, 200 with how it stands when an earlier call "
                "with the same id had: send it again whenever no answer came. Only `state` `paid` lets goods leave. Whatever is not `decided` "
                "is looked after by the server, also if the till is gone.",
                parameters=[WAIT], body=(Take, TAKE_EXAMPLES), answer=(_ref(PaymentView), PAYMENT_EXAMPLES), begins=True,
                problems={403: FORBIDDEN, 404: PLACE, 409: TAKING, 422: INVALID | {"code_unknown": "what was scanned is no payment code"}},
            ),
            "get": _operation(
                "payments_of_sale", "The payments of a sale, the newest first", "What a till that lost its memory asks before it begins anew.",
                parameters=[SALE], answer=(listed, {"one": {"value": {"payments": [_SEEN]}}}), problems={403: FORBIDDEN, 404: UNKNOWN, 422: INVALID},
            ),
        },
        "/v1/payments/{id}": {
            "get": _operation(
                "payment", "A payment as it stands, with its refunds", "", parameters=[ID], answer=(_ref(PaymentView), PAYMENT_EXAMPLES),
                problems={403: FORBIDDEN, 404: UNKNOWN},
            )
        },
        "/v1/payments/{id}:cancel": {
            "post": _operation(
                "cancel_payment", "Stop a payment that is not decided",
                "From `cancelling` on nothing leads to `paid`: what the customer pays meanwhile goes back. Repeated, it answers how that stands.",
                parameters=[ID], answer=(_ref(PaymentView), {"cancelled": {"value": _SEEN | {"state": "cancelled", "message": "Cancelled: nothing is paid."}}}),
                problems={403: FORBIDDEN, 404: UNKNOWN, 409: {"payment_decided": "it is paid: refund it instead"}},
            )
        },
    }  # fmt: skip


def _refunds() -> dict[str, Any]:
    return {
        "/v1/refunds": {
            "post": _operation(
                "refund_payment", "Refund a payment in part or whole, exactly once",
                "Reserved before the wallet is asked, so refunds never exceed what was paid. Only `state` `done` means that the money went back; "
                "everything but `done` and `refused` is tried again by itself.",
                parameters=[WAIT], body=(GiveBack, GIVE_BACK_EXAMPLES), answer=(_ref(RefundView), REFUND_EXAMPLES), begins=True,
                problems={
                    403: FORBIDDEN, 404: UNKNOWN,
                    409: {"not_paid": "only what is paid can be refunded", "refund_differs": "this id is recorded with other content"},
                    422: INVALID | {"refund_exceeds": "more than was paid would go back: `left` is what still can"},
                },
            )
        },
        "/v1/refunds/{id}": {
            "get": _operation(
                "refund", "A refund as it stands", "", parameters=[ID], answer=(_ref(RefundView), REFUND_EXAMPLES), problems={403: FORBIDDEN, 404: UNKNOWN}
            )
        },
    }  # fmt: skip


def _agreements() -> dict[str, Any]:
    seen = {
        "id": _AGREEMENT,
        "state": "signing",
        "made_at": _MADE,
        "member": None,
        "buyer": "",
        "sign_url": "https://openapi.alipay.com/gateway.do?…",
        "valid_until": None,
    }
    examples = {"signing": {"summary": "The customer signs at sign_url", "value": seen}}
    answer = _ref(AgreementView), examples
    known = {403: FORBIDDEN, 404: UNKNOWN, 409: NO_WALLET}
    return {
        "/v1/agreements": {
            "post": _operation(
                "begin_agreement", "Ask a customer for an agreement to be charged without a code", "201 with where to sign; 200 when an earlier call had.",
                body=(SignAgreement, {"one": {"value": {"id": _AGREEMENT}}}), answer=answer, begins=True,
                problems={403: FORBIDDEN, 404: PLACE, 409: NO_WALLET | {"conflict": "this id is recorded with other content"}, 422: INVALID},
            )
        },
        "/v1/agreements/{id}": {"get": _operation("agreement", "An agreement as it is recorded", "", parameters=[ID], answer=answer, problems=known)},
        "/v1/agreements/{id}:ask": {
            "post": _operation("ask_about_agreement", "Ask the wallet how an agreement stands", "", parameters=[ID], answer=answer, problems=known)
        },
        "/v1/agreements/{id}:end": {
            "post": _operation("end_agreement", "End an agreement from the retailer's side", "", parameters=[ID], answer=answer, problems=known)
        },
    }  # fmt: skip


def _authorisations() -> dict[str, Any]:
    seen = {
        "id": _HOLD,
        "state": "held",
        "amount": 20000,
        "captured": 0,
        "released": 0,
        "rest": 20000,
        "made_at": _MADE,
        "code": "",
        "qr": "",
    }
    answer = _ref(HoldView), {"held": {"value": seen}}
    wish = {"code": {"value": {"id": _HOLD, "amount": 20000, "method": {"type": "code", "code": "281234567890123456"}}}}
    return {
        "/v1/authorisations": {
            "post": _operation(
                "hold_money", "Hold money for a purchase to come", "201 when this call began it, 200 with how it stands when an earlier one had.",
                parameters=[WAIT], body=(HoldMoney, wish), answer=answer, begins=True,
                problems={
                    403: FORBIDDEN, 404: PLACE, 409: NO_WALLET | {"conflict": "this id is recorded with other content"},
                    422: INVALID | {"code_unknown": "what was scanned is no code that money can be held by"},
                },
            )
        },
        "/v1/authorisations/{id}": {
            "get": _operation("authorisation", "An authorisation as it stands", "", parameters=[ID], answer=answer, problems={403: FORBIDDEN, 404: UNKNOWN})
        },
        "/v1/authorisations/{id}:end": {
            "post": _operation(
                "end_authorisation", "Give back what is still held", "Repeated, it answers how it stands.", parameters=[ID], answer=answer,
                problems={403: FORBIDDEN, 404: UNKNOWN, 409: NO_WALLET},
            )
        },
    }  # fmt: skip


def _ref(kind: type) -> dict[str, Any]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _operation(
    name: str,
    summary: str,
    description: str,
    *,
    answer: tuple[dict[str, Any], dict[str, Any]],
    problems: Mapping[int, Mapping[str, str]],
    parameters: list[dict[str, Any]] | None = None,
    body: tuple[type, dict[str, Any]] | None = None,
    begins: bool = False,
) -> dict[str, Any]:
    schema, examples = answer
    content = {"application/json": {"schema": schema, "examples": examples}}
    every = {401: UNAUTHENTICATED, 429: MANY, 503: AWAY} | dict(problems) | ({400: UNREADABLE, 413: LARGE} if body else {})
    operation: dict[str, Any] = {
        "tags": ["payments"],
        "summary": summary,
        "operationId": name,
        "parameters": parameters or [],
        "responses": {
            **({"201": {"description": "Begun by this call", "content": content}} if begins else {}),
            "200": {"description": "As it stands, begun by an earlier call" if begins else "As it stands", "content": content},
            **{str(status): _problem(codes) for status, codes in sorted(every.items())},
        },
    }
    if description:
        operation["description"] = description
    if body is not None:
        operation["requestBody"] = {
            "required": True, "content": {"application/json": {"schema": _ref(body[0]), "examples": body[1]}},
        }  # fmt: skip
    return operation


def _problem(codes: Mapping[str, str]) -> dict[str, Any]:
    """A problem document, with what its ``code`` may be."""
    return {
        "description": "; ".join(f"`{code}`: {meaning}" for code, meaning in codes.items()),
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
