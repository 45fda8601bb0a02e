"""Payments and refunds as tills send and see them: shapes and limits of the JSON; amounts are integers in fen."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

MOST_AMOUNT = 10_000_000_000
"""Fen: a hundred million yuan, the most that a wallet takes at once."""
Amount = Annotated[int, Meta(ge=1, le=MOST_AMOUNT, description="minor units (fen), more than 0")]


class ByCode(Struct, tag_field="type", tag="code", forbid_unknown_fields=True, frozen=True):
    """The till scanned the code on the customer's phone (or, at a certified camera, got a face token)."""

    code: Annotated[str, Meta(min_length=16, max_length=40)]


class ByQr(Struct, tag_field="type", tag="qr", forbid_unknown_fields=True, frozen=True):
    """The till shows a QR code that the customer scans; it is in the answer."""


class ByAgreement(Struct, tag_field="type", tag="agreement", forbid_unknown_fields=True, frozen=True):
    """The customer once signed an agreement: charged without their doing anything (walking out)."""

    agreement: UUID


class ByAuthorisation(Struct, tag_field="type", tag="authorisation", forbid_unknown_fields=True, frozen=True):
    """Money was held beforehand: this takes its part of it. ``release_rest`` gives what is left back to the customer."""

    authorisation: UUID
    release_rest: bool = True


class Share(Struct, forbid_unknown_fields=True, frozen=True):
    """A brand's share of a payment (of what was sold for it), passed on to it through the wallet half a minute later."""

    brand: Annotated[str, Meta(min_length=1, max_length=40, description="the brand's code")]
    amount: Amount


class Take(Struct, forbid_unknown_fields=True, frozen=True):
    """A wish to be paid. ``id`` and ``sale`` are UUIDv7 that the till stored before sending; a new try of the same sale has a new id.

    ``store`` and ``till`` are implied by a till's own key. ``parts``: the sale is paid in several payments.
    """

    id: UUID
    sale: UUID
    amount: Amount
    method: ByCode | ByQr | ByAgreement | ByAuthorisation
    store: Annotated[str, Meta(min_length=13, max_length=13, description="GLN")] | None = None
    till: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    subject: Annotated[str, Meta(max_length=100, description="what the customer reads in the wallet")] = ""
    parts: bool = False
    shares: Annotated[list[Share], Meta(max_length=5)] = []


class GiveBack(Struct, forbid_unknown_fields=True, frozen=True):
    """A wish to refund ``amount`` of a payment. ``id`` is a UUIDv7 that the till stored before sending."""

    id: UUID
    payment: UUID
    amount: Amount
    reason: Annotated[str, Meta(max_length=100)] = ""
    store: Annotated[str, Meta(min_length=13, max_length=13, description="GLN")] | None = None


PaymentState = Literal[
    "sending", "unknown", "waiting", "paid", "declined", "closed", "cancelling", "cancelled", "refunding", "refunded"
]  # fmt: skip
RefundStateName = Literal["sending", "unknown", "short", "done", "refused"]


class RefundView(Struct, frozen=True):
    """A refund as it stands. ``done`` alone means that the money went back."""

    id: UUID
    payment: UUID
    amount: int
    state: RefundStateName
    reason: str
    made_at: datetime
    message: str = ""
    code: str = ""
    done_at: datetime | None = None
    late: bool = False


class PaymentView(Struct, frozen=True):
    """A payment as it stands. ``paid`` alone means that goods may leave; ``message`` says what the cashier should do.

    ``decided``: this attempt will not become paid any more, or is. ``version`` grows with every change.
    """

    id: UUID
    sale: UUID
    store: str
    till: str
    state: PaymentState
    decided: bool
    amount: int
    currency: str
    method: str
    number: str
    version: int
    made_at: datetime
    message: str = ""
    code: str = ""
    who_fixes: str = ""
    trade_no: str = ""
    receipt_amount: int = 0
    buyer_paid: int = 0
    buyer: str = ""
    paid_at: datetime | None = None
    qr: str = ""
    qr_expires_at: datetime | None = None
    refunded: int = 0
    refund_pending: int = 0
    claimed_by: UUID | None = None
    refunds: list[RefundView] = []


class HoldMoney(Struct, forbid_unknown_fields=True, frozen=True):
    """A wish to hold money for a purchase to come. ``id`` is a UUIDv7 that the till or gate stored before sending."""

    id: UUID
    amount: Amount
    method: ByCode | ByQr
    store: Annotated[str, Meta(min_length=13, max_length=13, description="GLN")] | None = None
    till: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    subject: Annotated[str, Meta(max_length=100, description="what the customer reads in the wallet")] = ""


HoldStateName = Literal["sending", "unknown", "waiting", "held", "declined", "cancelling", "cancelled", "releasing", "finished"]


class HoldView(Struct, frozen=True):
    """An authorisation as it stands. ``held`` alone means that payments may take ``rest`` fen of it."""

    id: UUID
    state: HoldStateName
    amount: int
    captured: int
    released: int
    rest: int
    made_at: datetime
    code: str = ""
    qr: str = ""


class SignAgreement(Struct, forbid_unknown_fields=True, frozen=True):
    """A wish that a customer lets the retailer charge without asking each time. ``member`` is an opaque id."""

    id: UUID
    store: Annotated[str, Meta(min_length=13, max_length=13, description="GLN")] | None = None
    till: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    member: UUID | None = None
    scene: Annotated[str, Meta(max_length=64, description="of the contract with Alipay")] = ""


class AgreementView(Struct, frozen=True):
    """An agreement as it stands. Payments may charge one that is ``active``; ``sign_url`` is where the customer signs."""

    id: UUID
    state: Literal["signing", "active", "ended", "refused"]
    made_at: datetime
    member: UUID | None = None
    buyer: str = ""
    sign_url: str = ""
    valid_until: datetime | None = None
