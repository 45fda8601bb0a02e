"""Money that goes back: refunds, refund queries, and cancels, which refund or close whatever they find."""

from datetime import timedelta

from hutong.kernel.money import divide_half_up
from hutong.sandbox.calls import Call, Node, Refused, invalid, method, yuan
from hutong.sandbox.clock import beijing_text
from hutong.sandbox.notifications import tell_trade
from hutong.sandbox.payers import named
from hutong.sandbox.records import Refund, Trade, UnseenCancel
from hutong.sandbox.state import World
from hutong.sandbox.trades import close, existing_trade, named_trade


def share(part: int, before: int, after: int, total: int) -> int:
    """How much of ``part`` goes back when refunds rise from ``before`` to ``after`` of ``total``: the shares of all refunds sum to it."""
    return divide_half_up(part * after, total) - divide_half_up(part * before, total)


def give_back(world: World, trade: Trade, number: str, amount: int, reason: str, *, by_cancel: bool = False) -> Refund:
    """Refund ``amount`` of the trade. Raises Refused, and changes nothing, where the seller's balance is short."""
    before = trade.refunded
    after = before + amount
    seller = world.sellers[trade.seller_id]
    from_receipt = amount - share(trade.merchant_discount, before, after, trade.total)
    fee = share(trade.fee, before, after, trade.total) if world.switches.refund_returns_fee else 0
    splits = splits_returned(world, trade, before, after)
    if seller.balance + fee + splits < from_receipt and not world.switches.seller_may_overdraw:
        raise Refused("ACQ.SELLER_BALANCE_NOT_ENOUGH")
    refund = Refund(
        number=number, amount=amount, to_buyer=share(trade.buyer_paid, before, after, trade.total), from_receipt=from_receipt, fee=fee,
        reason=reason, at=world.clock.now(), by_cancel=by_cancel, returned_splits=splits,
    )  # fmt: skip
    take_splits_back(trade, before, after)
    trade.refunds.append(refund)
    if splits:
        world.move_money(seller, splits, "分账退回", trade, refund_number=number)
    world.move_money(seller, -from_receipt, "交易退款", trade, reason, number)
    if fee:
        world.move_money(seller, fee, "退费", trade, refund_number=number)
    if world.switches.refund_takes and not by_cancel:
        refund.done = False
        world.later(refund.at + timedelta(seconds=world.switches.refund_takes), lambda: arrived(world, trade, refund))
        world.save(trade)
    else:
        arrived(world, trade, refund)
    return refund


def arrived(world: World, trade: Trade, refund: Refund) -> None:
    """The payer has the money."""
    refund.done, refund.at = True, world.clock.now()
    person = world.people.get(trade.buyer_id)
    if person is not None:
        if trade.funds and trade.funds[-1].channel == "BANKCARD":
            person.card = (person.card or 0) + refund.to_buyer
        else:
            person.balance += refund.to_buyer
        world.save(person)
    whole = trade.refunded == trade.total
    if whole:
        trade.state, trade.closed_at = "TRADE_CLOSED", world.clock.now()
    world.save(trade)
    if not whole or world.switches.full_refund_notifies:
        tell_trade(world, trade, refund)


def splits_returned(world: World, trade: Trade, before: int, after: int) -> int:
    """What the receivers of splits give back for a refund: their part of it, which face-to-face payments return by themselves."""
    return sum(share(part.amount, before, after, trade.total) for split in trade.splits for part in split.parts if part.state == "SUCCESS")


def take_splits_back(trade: Trade, before: int, after: int) -> None:
    """Note at each receiver's part what it gave back."""
    for split in trade.splits:
        for part in split.parts:
            if part.state == "SUCCESS":
                part.returned += share(part.amount, before, after, trade.total)


@method("alipay.trade.refund")
def refund(call: Call) -> Node:
    """Refund in part or whole; the same request again moves nothing and says fund_change N."""
    trade, amount = existing_trade(call), call.amount("refund_amount")
    number = call.text("out_request_no", 64)
    if not number:
        if amount != trade.total:
            raise invalid("部分退款必须传入out_request_no")
        number = trade.number
    earlier = next((each for each in trade.refunds if each.number == number and not each.by_cancel), None)
    if earlier is not None:
        if earlier.amount != amount:
            raise Refused("ACQ.DISCORDANT_REPEAT_REQUEST")
        return refund_answer(call, trade, earlier, changed=False)
    if trade.state == "TRADE_FINISHED":
        raise Refused("ACQ.TRADE_HAS_FINISHED")
    if trade.paid_at is None:
        raise Refused("ACQ.TRADE_STATUS_ERROR")
    if trade.refunded + amount > trade.total:
        raise Refused("ACQ.REASON_TRADE_REFUND_FEE_ERR" if trade.refunded else "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
    made = give_back(call.world, trade, number, amount, call.text("refund_reason"))
    made.operator_id, made.store_id = call.text("operator_id"), call.text("store_id") or trade.store_id
    made.terminal_id = call.text("terminal_id")
    return refund_answer(call, trade, made, changed=made.done)


def refund_answer(call: Call, trade: Trade, made: Refund, *, changed: bool) -> Node:
    """What a refund's answer says; ``refund_fee`` is the sum of all refunds so far."""
    node: Node = {
        "out_trade_no": trade.number, "trade_no": trade.trade_no, "fund_change": "Y" if changed else "N",
        "refund_fee": yuan(sum(each.amount for each in trade.refunds if each.done)), "send_back_fee": yuan(made.from_receipt),
        "gmt_refund_pay": beijing_text(made.at), "store_name": call.world.sellers[trade.seller_id].name,
    }  # fmt: skip
    if person := call.world.people.get(trade.buyer_id):
        node |= named(call.world, person)
    if "refund_detail_item_list" in call.parts("query_options"):
        node["refund_detail_item_list"] = details(trade, made)
    return node | presents(trade, made)


def presents(trade: Trade, made: Refund) -> Node:
    """Which part of a refund the buyer, the wallet and the merchant's discount had paid."""
    of_merchant = made.amount - made.from_receipt
    return {
        "present_refund_buyer_amount": yuan(made.to_buyer),
        "present_refund_discount_amount": yuan(made.from_receipt - made.to_buyer),
        "present_refund_mdiscount_amount": yuan(of_merchant),
    }


def details(trade: Trade, made: Refund) -> list[Node]:
    """``refund_detail_item_list``."""
    channel = trade.funds[-1].channel if trade.funds else "ALIPAYACCOUNT"
    return [{"fund_channel": channel, "amount": yuan(made.to_buyer)}]


@method("alipay.trade.fastpay.refund.query")
def refund_query(call: Call) -> Node:
    """What became of a refund; without ``refund_status`` it was not received or did not work."""
    trade = existing_trade(call)
    number = call.needed("out_request_no", 64)
    node: Node = {"out_trade_no": trade.number, "trade_no": trade.trade_no, "out_request_no": number}
    made = next((each for each in trade.refunds if each.number == number), None)
    if made is None:
        return node
    node |= {"total_amount": yuan(trade.total), "refund_amount": yuan(made.amount), "refund_reason": made.reason}
    if made.done:
        node |= {"refund_status": "REFUND_SUCCESS", "send_back_fee": yuan(made.from_receipt)} | presents(trade, made)
        if "gmt_refund_pay" in call.parts("query_options"):
            node["gmt_refund_pay"] = beijing_text(made.at)
        if "refund_detail_item_list" in call.parts("query_options"):
            node["refund_detail_item_list"] = details(trade, made)
    return node


@method("alipay.trade.cancel")
def cancel(call: Call) -> Node:
    """Close what is not paid, give back what is; a number that the wallet has not seen is answered 10000 without an action."""
    world = call.world
    trade = named_trade(call)
    if trade is None:
        if call.text("trade_no"):
            raise Refused("ACQ.TRADE_NOT_EXIST")
        return cancel_unseen(call)
    node: Node = {"out_trade_no": trade.number, "trade_no": trade.trade_no, "retry_flag": "N", "action": "close"}
    if trade.state == "TRADE_CLOSED":
        if any(each.by_cancel for each in trade.refunds):
            node["action"] = world.switches.repeated_cancel_action
        return node
    if trade.created_at + timedelta(hours=world.switches.cancel_hours) <= call.now:
        raise Refused("ACQ.TRADE_CANCEL_TIME_OUT")
    if trade.state == "TRADE_FINISHED":
        raise Refused("ACQ.TRADE_HAS_FINISHED")
    if trade.state == "WAIT_BUYER_PAY":
        close(world, trade)
        return node
    if trade.refunds:
        raise Refused("ACQ.REASON_TRADE_REFUND_FEE_ERR")
    made = give_back(world, trade, cancel_number(world, trade), trade.total, "撤销", by_cancel=True)
    return node | {"action": "refund", "gmt_refund_pay": beijing_text(made.at)}


def cancel_number(world: World, trade: Trade) -> str:
    """What a refund by cancel is called."""
    return {"out_trade_no": trade.number, "trade_no": trade.trade_no, "empty": ""}[world.switches.cancel_refund_number]


def cancel_unseen(call: Call) -> Node:
    """There is no such trade (yet)."""
    world, number = call.world, call.text("out_trade_no", 64)
    record = UnseenCancel(seller_id=call.seller.id, number=number, at=call.now)
    world.unseen_cancels[record.key()] = record
    world.save(record)
    order = world.qr_numbers.get((call.seller.id, number))
    if order is not None and not order.trade_no and world.switches.cancel_voids_unscanned_qr:
        order.void = True
        world.save(order)
    return {"out_trade_no": number, "retry_flag": "N"}
