"""The wallet's side as it may behave at its worst within what its documentation allows, and its own books: the truth of a story."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hutong.payments.wallet import (
    Absent,
    Cancelled,
    CancelRefused,
    CancelResult,
    Charge,
    Closed,
    Declined,
    Paid,
    PayResult,
    QrCode,
    QrResult,
    QueryResult,
    RefundAccepted,
    Refunded,
    RefundQueryResult,
    RefundResult,
    Unknown,
    Waiting,
)
from tests.simulation.payments.clock import Clock

BEGINNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
DAY = 86_400
RESENT_AFTER = (240, 600, 600, 3_600, 7_200, 21_600, 54_000)
"""Seconds between the eight sends of a notification that nobody answered ``success``."""


def moment(seconds: float) -> datetime:
    """A moment of the story as the program sees it."""
    return BEGINNING + timedelta(seconds=seconds)


@dataclass(slots=True)
class Trade:
    """One trade in the wallet's books. ``refunds`` are those that were carried out, by number, with their part of the receipt."""

    number: str
    amount: int
    receipt: int
    made: float
    closes: float
    state: str = "wait"
    paid_at: float | None = None
    refunds: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def returned(self) -> int:
        return sum(amount for amount, _ in self.refunds.values())

    @property
    def kept(self) -> int:
        """What the payer is without: paid and not given back."""
        return 0 if self.paid_at is None else self.amount - self.returned


@dataclass(slots=True)
class Payer:
    """The person (or the standing permission) behind one attempt, decided before it begins."""

    password: bool = False
    declines: bool = False
    """Never types it, or presses cancel."""
    closes_by_declining: bool = False
    types_after: float = 0.0
    scans_after: float | None = None
    refused: float = 0.0
    """Chance that an arriving request is refused for want of money."""
    code_lives: float = 60.0
    discount: int = 0
    consumed_by: str = ""
    """The request that used the code up."""


class Gateway:
    """Every trade of a story, and what the gateway answers. It answers truly; what becomes of the answer is the network's doing."""

    def __init__(self, clock: Clock, notify: "Notify") -> None:
        self.clock = clock
        self.trades: dict[str, Trade] = {}
        self.payers: dict[str, Payer] = {}
        self.codes_shown: dict[str, tuple[float, int]] = {}
        self.refused_numbers: dict[str, int] = {}
        self.balance_short = (0.0, 0.0)
        self.frozen = (0.0, 0.0)
        self.refusing_refunds = 0.0
        """Chance that a refund is refused for no reason that lasts."""
        self.accepting_refunds = 0.0
        """Chance that a refund is taken now and carried out a little later."""
        self.rate_limited = 0.003
        self._notify = notify

    # paying --------------------------------------------------------------------------------------------------------------

    def pay(self, charge: Charge) -> PayResult:
        clock, number = self.clock, charge.number
        trade = self._trade(number)
        if trade is not None:
            if charge.code and clock.random.random() < 0.5:
                return Declined("PAYMENT_AUTH_CODE_INVALID", "customer")  # true of this copy of the request: the first used the code up
            return Waiting(number[-8:]) if trade.state == "wait" else Unknown(f"there is such a trade: {trade.state}")
        chance = clock.random.random()
        if chance < self.rate_limited:
            return Declined("40005", "till")
        payer = self.payers[number]
        if charge.code:
            shown = float(charge.code)
            if payer.consumed_by or clock.now > shown + payer.code_lives:
                return Declined("PAYMENT_AUTH_CODE_INVALID", "customer")
            payer.consumed_by = number
        if chance > 1 - payer.refused:
            return Declined("BUYER_BALANCE_NOT_ENOUGH", "customer")
        trade = self._open(charge.number, charge.amount, payer, charge.expires_after)
        if not payer.password:
            self._succeed(trade)
            return self._paid(trade)
        self._ask(trade, payer)
        return Waiting(number[-8:])

    def show_qr(self, charge: Charge) -> QrResult:
        self.codes_shown[charge.number] = (self.clock.now + charge.expires_after, charge.amount)
        return QrCode("https://qr.example/" + charge.number, moment(self.clock.now + charge.expires_after))

    def scan(self, number: str) -> None:
        """A person scans the code on the till. A cancel that came before saw no trade, and hinders nothing."""
        until, amount = self.codes_shown.get(number, (0.0, 0))
        if self.clock.now < until and number not in self.trades:
            payer = self.payers[number]
            self.clock.say(f"somebody scans {number[-6:]}")
            self._ask(self._open(number, amount, payer, 120), payer)

    def _open(self, number: str, amount: int, payer: Payer, closes_after: float) -> Trade:
        trade = Trade(number, amount, amount - min(payer.discount, amount), self.clock.now, self.clock.now + closes_after)
        self.trades[number] = trade
        return trade

    def _ask(self, trade: Trade, payer: Payer) -> None:
        """The payer's telephone asks for the password."""
        if not payer.declines:
            self.clock.at(self.clock.now + payer.types_after, lambda: self._typed(trade))
        elif payer.closes_by_declining:
            self.clock.at(self.clock.now + payer.types_after, lambda: self._declined(trade))

    def _typed(self, trade: Trade) -> None:
        if self._trade(trade.number) is trade and trade.state == "wait":
            self._succeed(trade)

    def _declined(self, trade: Trade) -> None:
        if trade.state == "wait":
            trade.state = "closed"

    def _succeed(self, trade: Trade) -> None:
        trade.state, trade.paid_at = "success", self.clock.now
        if self.clock.trace is not None:
            self.clock.say(f"the gateway takes {trade.amount} fen for {trade.number[-6:]}")
        self._notify.told(trade.number, self._paid(trade))

    def _trade(self, number: str) -> Trade | None:
        trade = self.trades.get(number)
        if trade is not None and trade.state == "wait" and self.clock.now >= trade.closes:
            trade.state = "closed"
        return trade

    def _paid(self, trade: Trade) -> Paid:
        paid_at = None if trade.paid_at is None else moment(trade.paid_at)
        return Paid(trade.number[-8:], trade.amount, trade.receipt, trade.receipt, paid_at, "", trade.returned)

    # asking and undoing --------------------------------------------------------------------------------------------------

    def query(self, number: str) -> QueryResult:
        trade = self._trade(number)
        if trade is None:
            return Absent()
        if trade.state == "wait":
            return Waiting(number[-8:])
        if trade.state == "success":
            return self._paid(trade)
        was_paid = trade.paid_at is not None
        return Closed(was_paid, self._paid(trade) if was_paid else None)

    def cancel(self, number: str) -> CancelResult:
        trade = self._trade(number)
        if trade is None:
            return Cancelled(None)
        if trade.state == "closed":
            return Cancelled("close")  # also when an earlier cancel gave money back
        if trade.state == "wait":
            trade.state = "closed"
            return Cancelled("close")
        if self.clock.now - trade.made > DAY:
            return CancelRefused("TRADE_CANCEL_TIME_OUT")
        if trade.refunds:
            return CancelRefused("REASON_TRADE_REFUND_FEE_ERR")
        if self._is_short():
            return CancelRefused("SELLER_BALANCE_NOT_ENOUGH")
        self._give_back(trade, "cancel", trade.amount)
        return Cancelled("refund")

    # refunds -------------------------------------------------------------------------------------------------------------

    def refund(self, number: str, refund_number: str, amount: int) -> RefundResult:
        trade = self._trade(number)
        if trade is None:
            return Declined("TRADE_NOT_EXIST", "nobody")
        done = trade.refunds.get(refund_number)
        if done is not None:
            return RefundAccepted() if done[0] == amount else Unknown("DISCORDANT_REPEAT_REQUEST")
        if trade.state != "success":
            return Declined("TRADE_STATUS_ERROR", "nobody")
        chance = self.clock.random.random()
        if chance < self.rate_limited:
            return Unknown("40005")
        if self._is_short():
            return Declined("SELLER_BALANCE_NOT_ENOUGH", "merchant")
        if chance > 1 - self.refusing_refunds or self.frozen[0] <= self.clock.now < self.frozen[1]:
            self.refused_numbers[refund_number] = self.refused_numbers.get(refund_number, 0) + 1
            return Declined("REASON_TRADE_BEEN_FREEZEN", "nobody")
        if trade.returned + amount > trade.amount:
            return Declined("REFUND_AMT_NOT_EQUAL_TOTAL", "merchant")
        if self.clock.random.random() < self.accepting_refunds:
            if self.clock.random.random() < 0.7:  # else it fails, and nobody says so
                self.clock.at(self.clock.now + self.clock.random.uniform(0.1, 60), lambda: self._carry_out(trade, refund_number, amount))
            return RefundAccepted()
        return self._give_back(trade, refund_number, amount)

    def refund_query(self, number: str, refund_number: str) -> RefundQueryResult:
        trade = self.trades.get(number)
        done = None if trade is None else trade.refunds.get(refund_number)
        return Absent() if done is None else Refunded(done[0], done[1], None)

    def _is_short(self) -> bool:
        return self.balance_short[0] <= self.clock.now < self.balance_short[1]

    def _carry_out(self, trade: Trade, refund_number: str, amount: int) -> None:
        if refund_number not in trade.refunds and trade.state == "success" and trade.returned + amount <= trade.amount:
            self._give_back(trade, refund_number, amount)

    def _give_back(self, trade: Trade, refund_number: str, amount: int) -> Refunded:
        before = trade.returned
        # The receipt's part is what is left of it in proportion: the last fen go with the last refund.
        part = trade.receipt * (before + amount) // trade.amount - trade.receipt * before // trade.amount
        trade.refunds[refund_number] = (amount, part)
        if self.clock.trace is not None:
            self.clock.say(f"the gateway gives {amount} fen of {trade.number[-6:]} back ({refund_number[-6:]})")
        if trade.returned >= trade.amount:
            trade.state = "closed"
        else:
            self._notify.told(trade.number, self._paid(trade))
        return Refunded(amount, part, moment(self.clock.now))


class Notify:
    """Sends notifications: late, twice, out of order or not at all; again and again until somebody answers ``success``."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lost = 0.05
        self.silent = False
        """Some contracts send none."""
        self.faults = 0
        self._ids = 0
        self.deliver: Callable[[Letter], None] = lambda letter: None

    def told(self, number: str, result: Paid) -> None:
        if not self.silent:
            self._ids += 1
            self._send(self._ids, number, result, 0)

    def _send(self, notify_id: int, number: str, result: Paid, sent: int) -> None:
        random = self.clock.random
        chance = random.random()
        delay = random.expovariate(2.0) if chance < 0.9 else random.uniform(1, 90)
        if random.random() < self.lost:
            self.faults += 1
            self._again(notify_id, number, result, sent, delay)
            return
        self.clock.at(self.clock.now + delay, Letter(self, notify_id, number, result, sent).arrive)
        if chance < 0.03:
            self.faults += 1
            self.clock.at(self.clock.now + random.uniform(0, 30), Letter(self, notify_id, number, result, 99).arrive)

    def _again(self, notify_id: int, number: str, result: Paid, sent: int, delay: float) -> None:
        if sent < len(RESENT_AFTER):
            self.clock.at(self.clock.now + delay + RESENT_AFTER[sent], lambda: self._send(notify_id, number, result, sent + 1))


@dataclass(slots=True)
class Letter:
    """One sending of a notification."""

    notify: Notify
    id: int
    number: str
    result: Paid
    sent: int
    answered: bool = False

    def arrive(self) -> None:
        self.notify.deliver(self)
        if self.sent < 7:
            self.notify.clock.at(self.notify.clock.now + 12, self._waited)

    def _waited(self) -> None:
        if not self.answered:
            self.notify._again(self.id, self.number, self.result, self.sent, 0.0)
