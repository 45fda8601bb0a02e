"""The lines of a day's bills: payments and refunds, or the movements of the account, and what becomes of them by a fault."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from hutong.sandbox.clock import BEIJING
from hutong.sandbox.faults import Faults
from hutong.sandbox.records import App, Movement, Refund, Trade
from hutong.sandbox.refunds import share
from hutong.sandbox.state import World


@dataclass(slots=True)
class Line:
    """A payment, or with ``refund`` its giving back. Amounts are fen and negative where money went back; so is a payment's fee."""

    trade_no: str
    number: str
    refund: bool
    subject: str
    created_at: datetime
    at: datetime
    store: str
    store_name: str
    operator: str
    terminal: str
    buyer: str
    amount: int
    receipt: int
    red_packet: int
    platform: int
    merchant: int
    coupon: str
    refund_number: str
    fee: int
    note: str = ""


@dataclass
class Totals:
    """What a bill's end says."""

    payments: int = 0
    paid: int = 0
    discounts: int = 0
    refunds: int = 0
    refunded: int = 0
    discounts_back: int = 0
    stores: dict[str, list[int]] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Count a line."""
        if line.refund:
            self.refunds += 1
            self.refunded += line.receipt
            self.discounts_back += line.merchant
        else:
            self.payments += 1
            self.paid += line.receipt
            self.discounts += line.merchant
        sums = self.stores.setdefault(line.store, [0] * 7)
        for index, value in enumerate((not line.refund, line.refund, line.amount, line.receipt, line.platform, line.merchant, line.fee)):
            sums[index] += value


def on(moment: datetime | None, first: date, last: date) -> bool:
    """Whether a moment is on one of these days, Beijing time."""
    return moment is not None and first <= moment.astimezone(BEIJING).date() <= last


def lines_of(world: World, seller_id: str, first: date, last: date) -> Iterator[Line]:
    """A seller's payments and refunds of these days, in the order of their trades."""
    for trade in world.trades_of(seller_id):
        if on(trade.paid_at, first, last):
            yield payment_line(world, trade)
        before = 0
        for refund in trade.refunds:
            if refund.done and on(refund.at, first, last):
                yield refund_line(world, trade, refund, before)
            before += refund.amount


def payment_line(world: World, trade: Trade) -> Line:
    """The line of a payment."""
    assert trade.paid_at is not None
    person = world.people.get(trade.buyer_id)
    return Line(
        trade_no=trade.trade_no, number=trade.number, refund=False, subject=trade.subject, created_at=trade.created_at, at=trade.paid_at,
        store=trade.store_id, store_name=world.sellers[trade.seller_id].name if trade.store_id else "", operator=trade.operator_id,
        terminal=trade.terminal_id, buyer=person.masked() if person else "", amount=trade.total, receipt=trade.receipt,
        red_packet=trade.red_packet, platform=trade.platform_discount, merchant=trade.merchant_discount, coupon=trade.coupon,
        refund_number="", fee=-trade.fee,
    )  # fmt: skip


def refund_line(world: World, trade: Trade, refund: Refund, before: int) -> Line:
    """The line of a refund; ``before`` fen had gone back earlier."""
    red_packet = share(trade.red_packet, before, before + refund.amount, trade.total)
    return replace(
        payment_line(world, trade), refund=True, at=refund.at, amount=-refund.amount, receipt=-refund.from_receipt, fee=refund.fee,
        red_packet=-red_packet, platform=-(refund.from_receipt - refund.to_buyer - red_packet),
        merchant=-(refund.amount - refund.from_receipt), coupon="", refund_number=refund.number, note=refund.reason,
        operator=refund.operator_id or trade.operator_id,
    )  # fmt: skip


def with_faults(faults: Faults, app: App, day: str, lines: Iterator[Line]) -> Iterator[Line]:
    """The lines as the faults leave them: some are missing, some have another amount, some belong to no trade."""
    last: Line | None = None
    for line in lines:
        last = line
        key = line.refund_number or line.number
        if faults.of_bill("bill_missing_line", app.id, line.store, key):
            continue
        if faults.of_bill("bill_changed_amount", app.id, line.store, key):
            line = replace(line, amount=line.amount + 1, receipt=line.receipt + 1)
        yield line
        if faults.of_bill("bill_extra_line", app.id, line.store, key):
            yield stranger(line)
    if last is not None and faults.of_bill("bill_extra_line", app.id, "", day):
        yield stranger(last)


def stranger(line: Line) -> Line:
    """A payment that nobody made."""
    return replace(line, trade_no=line.trade_no[:12] + line.trade_no[:11:-1], number=f"X{line.number[:62]}", refund=False, refund_number="")


def movements_of(world: World, seller_id: str, first: date, last: date) -> list[Movement]:
    """A seller's account lines of these days, oldest first."""
    return [each for each in world.movements.values() if each.seller_id == seller_id and on(each.at, first, last)]
