"""Taking a payer's money: coupons, red packets, balance or card, limits, the seller's account and the wallet's fee."""

from dataclasses import dataclass

from hutong.kernel.money import divide_half_up
from hutong.sandbox.calls import Refused
from hutong.sandbox.clock import BEIJING
from hutong.sandbox.records import Coupon, Fund, Person, Trade
from hutong.sandbox.state import World


@dataclass
class Parts:
    """What a payment is made of. ``funds`` sum to the total."""

    funds: list[Fund]
    merchant: Coupon | None
    platform: Coupon | None
    red_packet: int
    rest: int


def check_may_pay(world: World, person: Person, total: int) -> None:
    """Raises Refused if this person may not pay so much at all."""
    if person.blocked:
        raise Refused("ACQ.BUYER_ENABLE_STATUS_FORBID")
    if person.day_limit is not None and paid_today(world, person) + total > person.day_limit:
        raise Refused("ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR")


def paid_today(world: World, person: Person) -> int:
    """Fen that this person has paid on the present day, Beijing time."""
    today = world.clock.now().astimezone(BEIJING).date()
    return sum(
        trade.total
        for trade in world.trades_of_buyer.get(person.id, [])
        if trade.paid_at is not None and trade.paid_at.astimezone(BEIJING).date() == today
    )


def parts_of(person: Person, total: int) -> Parts:
    """How this person would pay ``total``. Raises Refused where the money is short."""
    rest, funds = total, []
    chosen: dict[str, Coupon | None] = {"merchant": None, "alipay": None}
    for borne_by, channel in (("merchant", "MDISCOUNT"), ("alipay", "DISCOUNT")):
        coupon = next((each for each in person.coupons if each.borne_by == borne_by and each.minimum <= total and each.amount < rest), None)
        if coupon is not None:
            chosen[borne_by] = coupon
            rest -= coupon.amount
            funds.append(Fund(channel=channel, amount=coupon.amount))
    red_packet = min(person.red_packet, rest)
    if red_packet:
        rest -= red_packet
        funds.append(Fund(channel="COUPON", amount=red_packet))
    if rest:
        if person.balance >= rest:
            funds.append(Fund(channel="ALIPAYACCOUNT", amount=rest))
        elif person.card is None:
            raise Refused("ACQ.BUYER_BALANCE_NOT_ENOUGH")
        elif person.card >= rest:
            funds.append(Fund(channel="BANKCARD", amount=rest))
        else:
            raise Refused("ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH")
    return Parts(funds, chosen["merchant"], chosen["alipay"], red_packet, rest)


def charge(world: World, trade: Trade, person: Person) -> None:
    """Take the money and make the trade paid. Raises Refused, and changes nothing, where it cannot be."""
    check_may_pay(world, person, trade.total)
    parts = parts_of(person, trade.total)
    for coupon in (parts.merchant, parts.platform):
        if coupon is not None:
            person.coupons.remove(coupon)
            trade.coupon = coupon.name
    person.red_packet -= parts.red_packet
    if parts.funds[-1].channel == "BANKCARD":
        person.card = (person.card or 0) - parts.rest
    else:
        person.balance -= parts.rest
    world.save(person)
    trade.merchant_discount = parts.merchant.amount if parts.merchant else 0
    trade.platform_discount = parts.platform.amount if parts.platform else 0
    trade.red_packet = parts.red_packet
    trade.funds = parts.funds
    settle_paid(world, trade, trade.total - trade.merchant_discount, parts.rest)


def settle_paid(world: World, trade: Trade, receipt: int, buyer_paid: int) -> None:
    """The trade is paid: the seller has ``receipt`` less the fee on the account."""
    seller = world.sellers[trade.seller_id]
    trade.state, trade.paid_at = "TRADE_SUCCESS", world.clock.now()
    trade.receipt, trade.buyer_paid = receipt, buyer_paid
    trade.fee = divide_half_up(receipt * world.switches.fee_rate, 10_000)
    trade.unpaid_reason = ""
    world.move_money(seller, receipt, "在线支付", trade)
    if trade.fee:
        world.move_money(seller, -trade.fee, "收费", trade)
    world.save(trade)
