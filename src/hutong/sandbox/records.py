"""What the sandbox remembers: apps, sellers, people, codes, trades and refunds. Amounts are fen, times are UTC on the virtual clock."""

from datetime import date, datetime
from typing import ClassVar, Literal

import msgspec


class Record(msgspec.Struct, kw_only=True):
    """Something kept on disk under its table's name and its own key."""

    table: ClassVar[str] = ""

    def key(self) -> str:
        """What tells it from the others of its table."""
        raise NotImplementedError


class App(Record):
    """A merchant's application: whose requests these are, and how they are signed."""

    table: ClassVar[str] = "app"
    id: str
    seller_id: str
    mode: Literal["key", "certificate"] = "key"
    public_keys: list[str] = []
    """In key mode: all of them are accepted, so that an app's key can be changed without a gap."""
    certificates: dict[str, str] = {}
    """In certificate mode: the public key by its certificate's serial number text."""
    gateway_url: str = ""
    """Where notifications go that no request gave an address for."""
    tokens: list[str] = []
    """app_auth_token values that this app may send."""

    def key(self) -> str:
        return self.id


class Seller(Record):
    """A merchant's account at the wallet."""

    table: ClassVar[str] = "seller"
    id: str
    name: str
    logon_id: str
    balance: int = 0
    blocked: bool = False
    receivers: list[str] = []
    """Accounts that splits may go to, as ``type:account``."""

    def key(self) -> str:
        return self.id


class Coupon(msgspec.Struct, kw_only=True):
    """Takes ``amount`` off one payment of at least ``minimum``."""

    name: str
    amount: int
    minimum: int = 1
    borne_by: Literal["merchant", "alipay"] = "merchant"


class Person(Record):
    """A customer of the wallet."""

    table: ClassVar[str] = "person"
    id: str
    open_id: str
    name: str
    logon_id: str
    balance: int
    card: int | None = None
    """What a bank card holds that pays where the balance is short; None: there is no card."""
    password: str = "246810"  # noqa: S105 - of invented people, shown on the wallet page
    password_above: int | None = None
    day_limit: int | None = None
    red_packet: int = 0
    """Money that the wallet pays for this person."""
    coupons: list[Coupon] = []
    face_payment_off: bool = False
    blocked: bool = False
    reaction: Literal["ask", "approve", "decline"] = "ask"
    """What happens when a password is wanted: somebody acts on the wallet page, or it happens by itself."""
    reaction_seconds: float = 5.0

    def key(self) -> str:
        return self.id

    def masked(self) -> str:
        """The logon id as merchants see it."""
        name, at, host = self.logon_id.partition("@")
        return f"{name[:3]}***{at}{host}" if at else f"{name[:3]}****{name[-4:]}"


class Code(Record):
    """A payment code that a person's wallet showed, or a token that a face camera was given."""

    table: ClassVar[str] = "code"
    text: str
    person_id: str
    expires_at: datetime
    used: bool = False

    def key(self) -> str:
        return self.text


class Fund(msgspec.Struct, kw_only=True):
    """One part of a payment and the channel it came from."""

    channel: str
    amount: int


class Refund(msgspec.Struct, kw_only=True):
    """Money that went back. ``from_receipt`` came out of the seller's receipts, ``fee`` is what the wallet gave back of its own."""

    number: str
    amount: int
    to_buyer: int
    from_receipt: int
    fee: int
    reason: str
    at: datetime
    done: bool = True
    by_cancel: bool = False
    operator_id: str = ""
    store_id: str = ""
    terminal_id: str = ""
    returned_splits: int = 0


class SplitPart(msgspec.Struct, kw_only=True):
    """What one receiver gets of a trade."""

    account: str
    kind: str
    amount: int
    note: str = ""
    state: Literal["SUCCESS", "FAIL", "PROCESSING"] = "SUCCESS"
    error: str = ""
    returned: int = 0


class Split(msgspec.Struct, kw_only=True):
    """One request to split a trade."""

    number: str
    settle_no: str
    digest: str
    at: datetime
    parts: list[SplitPart]
    asynchronous: bool = False


TradeState = Literal["WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"]


class Trade(Record):
    """A payment, from the moment the wallet knows of it."""

    table: ClassVar[str] = "trade"
    trade_no: str
    seller_id: str
    app_id: str
    number: str
    """The merchant's out_trade_no."""
    subject: str
    total: int
    created_at: datetime
    closes_at: datetime
    state: TradeState = "WAIT_BUYER_PAY"
    body: str = ""
    product_code: str = "FACE_TO_FACE_PAYMENT"
    scene: str = ""
    source: Literal["code", "qr", "face", "created", "agreement", "authorisation"] = "code"
    buyer_id: str = ""
    store_id: str = ""
    operator_id: str = ""
    terminal_id: str = ""
    passback: str = ""
    notify_url: str = ""
    agreement_no: str = ""
    auth_no: str = ""
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    receipt: int = 0
    buyer_paid: int = 0
    merchant_discount: int = 0
    platform_discount: int = 0
    red_packet: int = 0
    coupon: str = ""
    fee: int = 0
    funds: list[Fund] = []
    refunds: list[Refund] = []
    splits: list[Split] = []
    frozen_for_split: bool = False
    split_ended: bool = False
    unpaid_reason: str = ""

    def key(self) -> str:
        return self.trade_no

    @property
    def refunded(self) -> int:
        """Fen that have gone back, refunds under way included."""
        return sum(each.amount for each in self.refunds)


class QrOrder(Record):
    """A QR code that a merchant showed; its trade is made when somebody scans it. ``trade`` is that trade in the making."""

    table: ClassVar[str] = "qr"
    code: str
    trade: Trade
    expires_at: datetime
    timeout: str = ""
    trade_no: str = ""
    void: bool = False

    def key(self) -> str:
        return self.code


class UnseenCancel(Record):
    """A number that was cancelled before the wallet had seen it."""

    table: ClassVar[str] = "unseen_cancel"
    seller_id: str
    number: str
    at: datetime

    def key(self) -> str:
        return f"{self.seller_id}/{self.number}"


class Notification(Record):
    """One notification and how its sending went."""

    table: ClassVar[str] = "notification"
    id: str
    app_id: str
    url: str
    fields: dict[str, str]
    made_at: datetime
    next_at: datetime
    sends: int = 0
    state: Literal["open", "delivered", "given_up"] = "open"
    answers: list[str] = []

    def key(self) -> str:
        return self.id


class Movement(Record):
    """A line of a seller's account: what came in or went out, and what was there afterwards."""

    table: ClassVar[str] = "movement"
    id: str
    seller_id: str
    at: datetime
    amount: int
    balance: int
    kind: str
    trade_no: str = ""
    number: str = ""
    other: str = ""
    subject: str = ""
    note: str = ""
    refund_number: str = ""

    def key(self) -> str:
        return self.id


class Setting(Record):
    """What the operator set: the clock's anchors, switches, faults, the plug, keys; a JSON text by name."""

    table: ClassVar[str] = "setting"
    name: str
    value: str

    def key(self) -> str:
        return self.name


class PeriodRule(msgspec.Struct, kw_only=True):
    """What a periodic agreement allows. Amounts are fen; 0 is no limit."""

    period_type: Literal["DAY", "MONTH"]
    period: int
    execute_on: str
    """The next day of a charge, ``yyyy-MM-dd``."""
    single_amount: int = 0
    total_amount: int = 0
    total_payments: int = 0


class Agreement(Record, kw_only=True):
    """A person's consent that a merchant may charge, or the request for it (``TEMP``)."""

    table: ClassVar[str] = "agreement"
    token: str
    """What its page's address ends with."""
    app_id: str
    seller_id: str
    personal_product_code: str
    sign_scene: str
    external_no: str
    external_logon_id: str = ""
    product_code: str = ""
    notify_url: str = ""
    return_url: str = ""
    agreement_no: str = ""
    person_id: str = ""
    state: Literal["TEMP", "NORMAL", "STOP", "UNSIGN"] = "TEMP"
    asked_at: datetime
    signed_at: datetime | None = None
    ended_at: datetime | None = None
    valid_until: datetime
    period: PeriodRule | None = None
    charges: int = 0
    charged: int = 0
    last_charge: str = ""

    def key(self) -> str:
        return self.token


class Operation(msgspec.Struct, kw_only=True):
    """One thing done to an authorisation."""

    id: str
    number: str
    """The merchant's out_request_no."""
    kind: Literal["FREEZE", "UNFREEZE", "PAY"]
    amount: int
    state: Literal["INIT", "SUCCESS", "CLOSED"]
    at: datetime
    remark: str = ""


class Authorisation(Record, kw_only=True):
    """Money that a person set aside for a merchant. ``rest`` is what is still frozen."""

    table: ClassVar[str] = "authorisation"
    auth_no: str
    app_id: str
    seller_id: str
    number: str
    """The merchant's out_order_no."""
    title: str
    amount: int
    product_code: str
    asked_at: datetime
    closes_at: datetime
    person_id: str = ""
    code: str = ""
    """The QR code or order text that leads to it, if it was not frozen by a payment code."""
    state: Literal["INIT", "AUTHORIZED", "FINISH", "CLOSED"] = "INIT"
    ends_at: datetime | None = None
    rest: int = 0
    paid: int = 0
    operations: list[Operation] = []
    notify_url: str = ""

    def key(self) -> str:
        return self.auth_no


class BillLink(msgspec.Struct, kw_only=True):
    """What a bill's address leads to, and until when; forgotten at the sandbox's end."""

    app_id: str
    bill_type: str
    first: date
    last: date
    expires_at: datetime
    real_end: float
