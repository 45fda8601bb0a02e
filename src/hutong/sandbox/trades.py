"""A trade's life: found, looked at again, waiting, paid, closed; and what a query tells of it."""

import re
from datetime import datetime, timedelta

from hutong.sandbox.calls import Call, Node, Refused, invalid, method, yuan
from hutong.sandbox.charging import charge
from hutong.sandbox.clock import BEIJING, beijing_text, of_beijing_text
from hutong.sandbox.notifications import tell_trade
from hutong.sandbox.payers import named
from hutong.sandbox.records import Person, Trade
from hutong.sandbox.state import World

SPAN = re.compile(r"(\d{1,5})([mhdc])")
MINUTES = {"m": 1, "h": 60, "d": 1440}
LONGEST = timedelta(days=15)


def end_of(text: str, start: datetime, name: str = "timeout_express") -> datetime:
    """When a span such as ``90m``, ``2h``, ``15d`` or ``1c`` (the end of the day in Beijing) is over. Raises Refused."""
    found = SPAN.fullmatch(text)
    if found is None:
        raise invalid(f"{name}格式错误")
    if found[2] == "c":
        day = start.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
        return (day + timedelta(days=int(found[1]))).astimezone(start.tzinfo)
    span = timedelta(minutes=int(found[1]) * MINUTES[found[2]])
    if not timedelta(minutes=1) <= span <= LONGEST:
        raise invalid(f"{name}取值范围1m～15d")
    return start + span


def closing_time(call: Call, usual: str) -> datetime:
    """When the call's trade closes if nobody pays. Raises Refused."""
    if text := call.text("time_expire"):
        try:
            closes_at = of_beijing_text(text)
        except ValueError:
            raise invalid("time_expire格式错误") from None
        if closes_at <= call.now:
            raise Refused("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
        return closes_at
    return end_of(call.text("timeout_express") or usual, call.now)


def refresh(world: World, trade: Trade) -> Trade:
    """The trade as it is at this moment: closed if its time is over, finished if it takes no more refunds."""
    now, days = world.clock.now(), world.switches.finish_after_days
    if trade.state == "WAIT_BUYER_PAY" and trade.closes_at <= now:
        close(world, trade)
    elif trade.state == "TRADE_SUCCESS" and days and trade.paid_at is not None and trade.paid_at + timedelta(days=days) <= now:
        finish(world, trade)
    return trade


def close(world: World, trade: Trade) -> None:
    """Nobody pays this any more."""
    trade.state, trade.closed_at = "TRADE_CLOSED", world.clock.now()
    world.save(trade)
    if world.switches.closed_notifies:
        tell_trade(world, trade)


def finish(world: World, trade: Trade) -> None:
    """No more refunds."""
    trade.state = "TRADE_FINISHED"
    world.save(trade)
    if world.switches.finished_notifies:
        tell_trade(world, trade)


def complete(world: World, trade: Trade, person: Person) -> None:
    """Take the money and tell the merchant. Raises Refused."""
    charge(world, trade, person)
    tell_trade(world, trade)


def wait_for_payer(world: World, trade: Trade) -> None:
    """The payer has to do something: close the trade when its time is over, and let the person react who reacts without being asked."""
    world.save(trade)
    world.later(trade.closes_at, lambda: void(refresh(world, trade)))
    person = world.people.get(trade.buyer_id)
    if trade.source != "agreement" and person is not None and person.reaction != "ask":
        world.later(world.clock.now() + timedelta(seconds=person.reaction_seconds), lambda: react(world, trade, person))


def void(_: object) -> None:
    """Nothing: for actions whose result nobody wants."""


def react(world: World, trade: Trade, person: Person) -> None:
    """What this person does by itself about a waiting trade."""
    if refresh(world, trade).state != "WAIT_BUYER_PAY":
        return
    if person.reaction == "decline":
        decline(world, trade)
        return
    try:
        complete(world, trade, person)
    except Refused as refusal:
        trade.unpaid_reason = refusal.sub_code
        world.save(trade)


def decline(world: World, trade: Trade) -> None:
    """The payer does not want to."""
    trade.unpaid_reason = "USER_DECLINED"
    world.save(trade)
    if world.switches.decline_closes:
        close(world, trade)


def named_trade(call: Call) -> Trade | None:
    """The trade that a call names, by trade_no before out_trade_no; None if there is none. Raises Refused if it names nothing."""
    trade_no, number = call.text("trade_no", 64), call.text("out_trade_no", 64)
    if not trade_no and not number:
        raise invalid("out_trade_no和trade_no不能同时为空")
    trade = call.world.trades.get(trade_no) if trade_no else call.world.numbers.get((call.seller.id, number))
    if trade is None or trade.seller_id != call.seller.id:
        return None
    return refresh(call.world, trade)


def existing_trade(call: Call) -> Trade:
    """The trade that a call names. Raises Refused."""
    if (trade := named_trade(call)) is None:
        raise Refused("ACQ.TRADE_NOT_EXIST")
    return trade


def money_of(world: World, trade: Trade) -> Node:
    """What an answer tells of a paid trade's money."""
    node: Node = {
        "total_amount": yuan(trade.total),
        "receipt_amount": yuan(trade.receipt),
        "buyer_pay_amount": yuan(trade.buyer_paid),
        "point_amount": "0.00",
        "invoice_amount": yuan(trade.buyer_paid),
        "fund_bill_list": funds_of(trade),
        "store_name": f"{world.sellers[trade.seller_id].name} {trade.store_id}".strip(),
    }
    if trade.merchant_discount or trade.platform_discount:
        node |= {
            "mdiscount_amount": yuan(trade.merchant_discount),
            "discount_amount": yuan(trade.platform_discount),
            "voucher_detail_list": vouchers_of(trade),
        }
    return node


def funds_of(trade: Trade) -> list[Node]:
    """``fund_bill_list``."""
    return [{"fund_channel": each.channel, "amount": yuan(each.amount)} for each in trade.funds]


def vouchers_of(trade: Trade) -> list[Node]:
    """``voucher_detail_list``: who bears which discount."""
    return [
        {
            "id": f"{trade.trade_no[-16:]}{kind[0]}", "name": trade.coupon, "type": "ALIPAY_FIX_VOUCHER", "amount": yuan(amount),
            "merchant_contribute": yuan(amount if kind == "merchant" else 0), "other_contribute": yuan(amount if kind == "alipay" else 0),
        }
        for kind, amount in (("merchant", trade.merchant_discount), ("alipay", trade.platform_discount))
        if amount
    ]  # fmt: skip


@method("alipay.trade.query")
def query(call: Call) -> Node:
    """What the wallet knows of a trade."""
    trade = existing_trade(call)
    node: Node = {
        "out_trade_no": trade.number, "trade_no": trade.trade_no, "trade_status": trade.state, "total_amount": yuan(trade.total),
        "subject": trade.subject,
    }  # fmt: skip
    if person := call.world.people.get(trade.buyer_id):
        node |= named(call.world, person)
    if trade.paid_at is not None:
        node |= money_of(call.world, trade) | {"send_pay_date": beijing_text(trade.paid_at)}
        if "fund_bill_list" not in (call.parts("query_options") or ["fund_bill_list"]):
            del node["fund_bill_list"]
    else:
        node |= {"receipt_amount": "0.00", "buyer_pay_amount": "0.00", "point_amount": "0.00", "invoice_amount": "0.00"}
    if "trade_settle_info" in call.parts("query_options"):
        node["trade_settle_info"] = settle_info(trade)
    for name, value in (("store_id", trade.store_id), ("terminal_id", trade.terminal_id), ("passback_params", trade.passback)):
        if value:
            node[name] = value
    if trade.unpaid_reason and trade.paid_at is None:
        node["unpaid_reason"] = trade.unpaid_reason
    return node


def settle_info(trade: Trade) -> Node:
    """``trade_settle_info``: what was split off, and what is still held."""
    details = [
        {
            "operation_type": "transfer", "operation_serial_no": split.settle_no, "operation_dt": beijing_text(split.at),
            "trans_out": trade.seller_id, "trans_in": part.account, "amount": yuan(part.amount),
        }
        for split in trade.splits
        for part in split.parts
        if part.state == "SUCCESS"
    ]  # fmt: skip
    held = 0
    if trade.frozen_for_split and not trade.split_ended:
        held = trade.receipt - sum(part.amount for split in trade.splits for part in split.parts if part.state == "SUCCESS")
    return {"trade_settle_detail_list": details, "trade_unsettled_amount": yuan(held)}


@method("alipay.trade.close")
def close_trade(call: Call) -> Node:
    """Close a trade that is not paid."""
    trade = existing_trade(call)
    if trade.state != "WAIT_BUYER_PAY":
        raise Refused("ACQ.TRADE_STATUS_ERROR")
    close(call.world, trade)
    return {"out_trade_no": trade.number, "trade_no": trade.trade_no}
