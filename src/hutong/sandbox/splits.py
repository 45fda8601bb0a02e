"""Splits of a trade to others: receivers bound, parts passed on, the rest released; at most a share of the trade."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec

from hutong.sandbox.calls import Call, Node, Refused, fen, invalid, method, yuan
from hutong.sandbox.clock import beijing_text
from hutong.sandbox.notifications import tell
from hutong.sandbox.records import Split, SplitPart, Trade
from hutong.sandbox.state import World
from hutong.sandbox.trades import existing_trade

MOST_BOUND = 20_000
MOST_RECEIVERS = {False: 5, True: 50}
MOST_CALLS = {False: 50, True: 300}
"""By whether the split is asynchronous."""


@method("alipay.trade.royalty.relation.bind")
def bind(call: Call) -> Node:
    """Say to whom this seller's trades may be split."""
    call.number("out_request_no")
    receivers = [f"{each.get('type')}:{each.get('account')}" for each in call.objects("receiver_list") if each.get("account")]
    if not receivers or any(each.partition(":")[0] not in ("userId", "loginName", "openId") for each in receivers):
        raise invalid("receiver_list不合法")
    if len(set(call.seller.receivers) | set(receivers)) > MOST_BOUND:
        raise invalid("分账关系数量超限")
    call.seller.receivers = list(dict.fromkeys([*call.seller.receivers, *receivers]))
    call.world.save(call.seller)
    return {"result_code": "SUCCESS"}


@method("alipay.trade.royalty.rate.query")
def rate(call: Call) -> Node:
    """Which share of a trade may be split."""
    return {"user_id": call.seller.id, "max_ratio": call.world.switches.split_share}


@method("alipay.trade.order.settle")
def settle(call: Call) -> Node:
    """Pass parts of a trade on; the same request again passes nothing more."""
    world, trade, number = call.world, existing_trade(call), call.number("out_request_no")
    asynchronous = call.text("royalty_mode") == "async"
    finish = str(call.part("extend_params").get("royalty_finish", "")).lower() == "true"
    parts = [_part(each) for each in call.objects("royalty_parameters")]
    digest = sha256(msgspec.json.encode([parts, finish, asynchronous])).hexdigest()
    earlier = next((each for each in trade.splits if each.number == number), None)
    if earlier is not None:
        if earlier.digest != digest:
            raise Refused("ACQ.DISCORDANT_REPEAT_REQUEST")
        return {"trade_no": trade.trade_no, "settle_no": earlier.settle_no}
    _check(call, trade, parts, asynchronous, finish)
    for part in parts:
        if f"{part.kind}:{part.account}" not in call.seller.receivers:
            if not asynchronous:
                raise Refused("ACQ.ROYALTY_RECEIVER_INVALID", f"分账接收方{part.account}未绑定")
            part.error = "ROYALTY_RECEIVER_INVALID"
    split = Split(
        number=number, settle_no=world.mint_dated("0021", 28), digest=digest, at=call.now, parts=parts, asynchronous=asynchronous
    )  # fmt: skip
    trade.splits.append(split)
    trade.split_ended = trade.split_ended or finish
    if asynchronous:
        for part in parts:
            part.state = "PROCESSING"
        world.later(call.now + timedelta(seconds=world.switches.asynchronous_split_seconds), lambda: complete(world, trade, split))
        world.save(trade)
    else:
        complete(world, trade, split)
    return {"trade_no": trade.trade_no, "settle_no": split.settle_no}


def _part(fields: Mapping[str, Any]) -> SplitPart:
    if fields.get("royalty_type", "transfer") != "transfer" or not fields.get("trans_in"):
        raise invalid("royalty_parameters不合法")
    return SplitPart(
        account=str(fields["trans_in"]), kind=str(fields.get("trans_in_type") or "userId"), amount=fen(fields.get("amount", ""), "amount"),
        note=str(fields.get("desc", "")),
    )  # fmt: skip


def _check(call: Call, trade: Trade, parts: list[SplitPart], asynchronous: bool, finish: bool) -> None:
    """Raises Refused where this split may not be."""
    switches = call.world.switches
    if trade.state != "TRADE_SUCCESS" or trade.paid_at is None:
        raise Refused("ACQ.TRADE_STATUS_ERROR")
    if trade.split_ended or (switches.split_needs_freeze and not trade.frozen_for_split) or _released(call.world, trade):
        raise Refused("ACQ.ILLEGAL_SETTLE_STATE", "交易没有待分账的资金")
    if trade.paid_at + timedelta(seconds=switches.split_after_seconds) > call.now:
        raise Refused("ACQ.TRADE_SETTLE_ERROR")
    if not parts and not finish:
        raise invalid("royalty_parameters不能为空")
    if len(parts) > MOST_RECEIVERS[asynchronous] or len(trade.splits) >= MOST_CALLS[asynchronous]:
        raise invalid("分账接收方或分账次数超限")
    if any(each.asynchronous != asynchronous for each in trade.splits):
        raise invalid("同一笔交易不能混用同步和异步分账")
    taken = sum(part.amount - part.returned for split in trade.splits for part in split.parts if part.state != "FAIL")
    wanted = sum(part.amount for part in parts)
    if (taken + wanted) * 100 > trade.total * switches.split_share or taken + wanted > trade.receipt - trade.refunded:
        raise Refused("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")


def _released(world: World, trade: Trade) -> bool:
    """Whether what was held for splits has gone to the seller meanwhile."""
    return trade.paid_at is not None and trade.paid_at + timedelta(days=world.switches.split_days) <= world.clock.now()


def complete(world: World, trade: Trade, split: Split) -> None:
    """Move the money of each part that can be moved."""
    seller = world.sellers[trade.seller_id]
    for part in split.parts:
        part.state = "FAIL" if part.error else "SUCCESS"
        if not part.error:
            world.move_money(seller, -part.amount, "分账", trade, part.note)
    world.save(trade)
    if split.asynchronous:
        content = {
            "out_request_no": split.number, "settle_no": split.settle_no, "trade_no": trade.trade_no,
            "operation_dt": beijing_text(world.clock.now()), "royalty_detail_list": _details(trade, split),
        }  # fmt: skip
        app = world.apps[trade.app_id]
        fields = {
            "msg_method": "alipay.trade.order.settle.notify", "msg_type": "ASYNC_SETTLE_RESULT",
            "biz_content": msgspec.json.encode(content).decode(),
        }  # fmt: skip
        tell(world, app, app.gateway_url, "alipay.trade.order.settle.notify", fields)


def _details(trade: Trade, split: Split) -> list[Node]:
    return [
        {
            "operation_type": "transfer", "execute_dt": beijing_text(split.at), "trans_out": trade.seller_id, "trans_out_type": "userId",
            "trans_in": part.account, "trans_in_type": part.kind, "amount": yuan(part.amount), "state": part.state,
            **({"error_code": part.error, "error_desc": "分账接收方未绑定"} if part.error else {}),
        }
        for part in split.parts
    ]  # fmt: skip


@method("alipay.trade.order.settle.query")
def settle_query(call: Call) -> Node:
    """What became of a split."""
    settle_no = call.text("settle_no", 64)
    if settle_no:
        found = [(trade, split) for trade in call.world.trades_of(call.seller.id) for split in trade.splits if split.settle_no == settle_no]
    else:
        trade, number = existing_trade(call), call.needed("out_request_no", 64)
        found = [(trade, split) for split in trade.splits if split.number == number]
    if not found:
        raise Refused("ACQ.SETTLE_NOT_EXIST", "分账请求不存在")
    trade, split = found[0]
    return {"out_request_no": split.number, "operation_dt": beijing_text(split.at), "royalty_detail_list": _details(trade, split)}


@method("alipay.trade.order.onsettle.query")
def unsettled(call: Call) -> Node:
    """What a trade still holds for splits."""
    trade = existing_trade(call)
    held = 0
    if trade.frozen_for_split and not trade.split_ended and not _released(call.world, trade):
        held = trade.receipt - trade.refunded - sum(p.amount - p.returned for s in trade.splits for p in s.parts if p.state != "FAIL")
    return {"unsettled_amount": yuan(held)}
