"""The sale as tills send it: the JSON document's shape and limits; amounts are integers in minor units (fen)."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from hutong.kernel.money import MAX_AMOUNT

# gc=False below: none of these can be part of a cycle, and a thousand sales are tens of thousands of objects that the collector
# would walk again and again while they wait for their commit (two fifths of the process's time, measured).

MAX_LINES = 2_000
MAX_TENDERS = 20
MAX_BATCH = 1_000

Amount = Annotated[int, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT, description="minor units (fen)")]
Positive = Annotated[int, Meta(ge=0, le=MAX_AMOUNT, description="minor units (fen), not negative")]
Code = Annotated[str, Meta(min_length=1, max_length=48)]
Quantity = Annotated[Decimal, Meta(description="more than 0, at most 3 decimal places; send it as text")]
TenderType = Literal["cash", "alipay", "wechat", "unionpay", "card", "voucher", "points", "rounding", "other"]
Kind = Literal["sale", "return", "void"]


class Line(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One line of a receipt: what was rung up, how much of it, at what price.

    ``amount`` is ``unit_price`` times ``quantity``, rounded half up to the minor unit, less ``discount``. ``vat`` is the tax
    inside ``amount`` at ``vat_rate`` percent. ``unit`` is a UN/ECE Recommendation 20 code; goods sold in anything but EA count
    as one item a line. On a return, ``original_line`` is the number of the line that comes back.
    """

    code: Code
    quantity: Quantity
    unit_price: Positive
    amount: Positive
    discount: Positive = 0
    vat_rate: Annotated[Decimal, Meta(description="percent, at most 2 decimal places")] = Decimal(0)
    vat: Positive = 0
    unit: Annotated[str, Meta(min_length=2, max_length=3)] = "EA"
    original_line: Annotated[int, Meta(ge=1, le=MAX_LINES)] | None = None


class Tender(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One way in which the sale was paid. ``rounding`` may be negative (the till rounds cash up) but not beyond 99.

    ``payment`` names a payment that was taken through the network (``POST /v1/payments``), on a return a refund: it must be paid, of
    this store and this amount, and no other sale's. It takes the place of ``reference``.
    """

    type: TenderType
    amount: Amount
    reference: Annotated[str, Meta(max_length=64)] | None = None
    payment: UUID | None = None


class Sale(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """A completed sale, a return, or a sale voided before completion.

    ``id`` is a UUIDv7 that the till stored before sending. ``store`` and ``till`` are implied by a till's own key. A return names
    its ``original`` sale, or says ``without_receipt``; its figures are positive. A void carries no tenders.
    """

    id: UUID
    receipt: Annotated[str, Meta(min_length=1, max_length=32)]
    business_date: date
    completed_at: Annotated[datetime, Meta(tz=True)]
    lines: Annotated[list[Line], Meta(min_length=1, max_length=MAX_LINES)]
    total: Positive
    kind: Kind = "sale"
    store: Annotated[str, Meta(min_length=13, max_length=13, description="GLN")] | None = None
    till: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    cashier: Annotated[str, Meta(max_length=32)] | None = None
    original: UUID | None = None
    without_receipt: bool = False
    discount: Positive = 0
    vat: Positive = 0
    tenders: Annotated[list[Tender], Meta(max_length=MAX_TENDERS)] = []
    change: Positive = 0


class Captured(Struct, frozen=True):
    """The answer to a captured sale; the same each time the same sale is sent."""

    id: UUID
    kind: Kind
    business_date: date
    receipt: str
    total: int
    captured_at: datetime


class Batch(Struct, forbid_unknown_fields=True, frozen=True):
    """Up to 1,000 sales, each with an outcome of its own. They are read one by one, so a bad one does not harm the others."""

    sales: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_BATCH)]


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What became of one sale of a batch; ``problem`` is a problem document (RFC 9457)."""

    status: int
    outcome: str
    id: str | None = None
    captured_at: datetime | None = None
    problem: dict[str, Any] | None = None


class Outcomes(Struct, frozen=True):
    """The outcomes of a batch, in the order in which its sales were sent."""

    outcomes: list[Outcome]
