"""What every wallet can be asked and what it may answer: the one door between payments and Alipay, WeChat Pay or UnionPay.

An answer says what is known, never more: whatever leaves the outcome open is ``Unknown``, and a ``Declined`` is surely not
executed. Amounts are integers in fen; times are UTC.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

WhoFixes = Literal["customer", "merchant", "till", "nobody"]
"""Who can do something about a refusal: the payer, the retailer's own settings, the cashier by trying again, or nobody."""


@dataclass(frozen=True, slots=True)
class Paid:
    """The payer's money was taken. ``amount`` is the trade's; the retailer receives ``receipt_amount``, the payer gave ``buyer_paid``.

    ``returned`` is what has gone back to the payer since, in fen (a query can tell; 0 where nothing did or nothing is said).
    """

    trade_no: str
    amount: int
    receipt_amount: int
    buyer_paid: int
    paid_at: datetime | None = None
    buyer: str = ""
    """Masked: how the wallet shows the payer to the retailer, for receipts; never the payer's own id."""
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The wallet has the trade and waits for the payer (a password, a confirmation)."""

    trade_no: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    """Surely not executed. ``code`` is the wallet's own word."""

    code: str
    who_fixes: WhoFixes = "merchant"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It cannot be said whether it was executed: no answer, an unverifiable one, or one that says so itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The wallet knows no such trade or refund, at this moment. After something was sent this is not a conclusion."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The trade is closed. ``was_paid``: it had been paid, and all of it went back (``paid`` says what, where the wallet tells)."""

    was_paid: bool = False
    paid: Paid | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A cancel was carried out. ``action``: ``close`` (not paid), ``refund`` (had been paid), or None: there was no such trade yet."""

    action: Literal["close", "refund"] | None = None


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The wallet will not cancel this trade, ever (too old, partly refunded, finished): money goes back by a refund instead."""

    code: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The refund was carried out: ``amount`` fen went to the payer, ``from_receipt`` fen of it out of the retailer's receipts."""

    amount: int
    from_receipt: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundAccepted:
    """The wallet took the request; whether money moved only a refund query tells."""


@dataclass(frozen=True, slots=True)
class QrCode:
    """What the payer scans; there is no trade before that. Valid until ``expires_at``."""

    content: str
    expires_at: datetime


PayResult = Paid | Waiting | Declined | Unknown
QueryResult = Paid | Waiting | Closed | Absent | Unknown
CancelResult = Cancelled | CancelRefused | Unknown
RefundResult = Refunded | RefundAccepted | Declined | Unknown
RefundQueryResult = Refunded | Absent | Unknown
QrResult = QrCode | Declined | Unknown


@dataclass(frozen=True, slots=True)
class Charge:
    """One payment attempt as a wallet needs it. ``number`` is ours, unique for ever, stored before anything is sent.

    Exactly one of ``code`` (what the till scanned), ``agreement`` and ``authorisation`` says where the money comes from; none of
    them for a QR code that the till shows.
    """

    number: str
    amount: int
    subject: str
    store: str
    """GLN."""
    till: str
    code: str = ""
    agreement: str = ""
    authorisation: str = ""
    release_rest: bool = False
    """Of an authorisation: give what is not captured back to the payer."""
    expires_after: int = 120
    """Seconds after which the wallet closes a trade that is not paid."""
    splits: bool = False
    """Parts of it will be passed on to brands: the wallet holds it for that."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified notification. ``number`` is ours; ``result`` is read exactly as a query's answer would be.

    ``refund_number`` and ``refunded`` (total so far, fen) are there when a refund is what it tells of.
    """

    id: str
    kind: Literal["trade", "agreement", "authorisation", "other"]
    number: str
    result: QueryResult | None
    refund_number: str = ""
    refunded: int = 0
    fields: tuple[tuple[str, str], ...] = ()


class Wallet(Protocol):
    """One retailer's account at one wallet. No method raises for what a gateway or a network can do: that is ``Unknown``."""

    async def pay(self, charge: Charge) -> PayResult:
        """Ask for the money, once. Never called twice for one number."""

    async def show_qr(self, charge: Charge) -> QrResult:
        """Make the code that the payer scans."""

    async def query(self, number: str) -> QueryResult:
        """What the wallet knows of one of our numbers."""

    async def cancel(self, number: str) -> CancelResult:
        """Undo whatever there is under this number; may be repeated."""

    async def refund(self, number: str, refund_number: str, amount: int, reason: str) -> RefundResult:
        """Give ``amount`` fen back; repeated with the same ``refund_number`` it happens once."""

    async def refund_query(self, number: str, refund_number: str) -> RefundQueryResult:
        """Whether that refund happened."""

    async def fetch_bill(self, day: date) -> bytes | None:
        """The account's bill of one day (the wallet's zone) as it was sent, or None while there is none. Raises WalletUnreachable."""

    async def close(self) -> None:
        """Give its connections back."""


class WalletUnreachable(Exception):
    """The wallet did not answer; try again later."""


RANGES = (
    ("alipay", re.compile(r"(?:2[5-9]|30)[0-9]{14,22}")),
    ("wechat", re.compile(r"1[0-5][0-9]{16}")),
    ("unionpay", re.compile(r"62[0-9]{17}")),
    ("alipay", re.compile(r"fp[0-9A-Za-z]{33}")),
)
"""Which wallet a scanned code belongs to: 16 to 24 digits from 25 to 30, 18 from 10 to 15, 19 from 62; a face token begins with fp."""


def wallet_of(code: str) -> str | None:
    """The wallet of a scanned code (``alipay``, ``wechat``, ``unionpay``), or None if it is no payment code that we know."""
    return next((wallet for wallet, pattern in RANGES if pattern.fullmatch(code)), None)
