"""Payments as merchants ask for them: by a code, a face, an agreement or an authorisation; by a QR code; and for a known buyer."""

import secrets
from typing import Literal

from hutong.sandbox import agreements, authorisations
from hutong.sandbox.calls import Call, Node, Refused, invalid, method, yuan
from hutong.sandbox.charging import check_may_pay, parts_of
from hutong.sandbox.clock import beijing_text
from hutong.sandbox.notifications import tell_trade
from hutong.sandbox.payers import named, use_code
from hutong.sandbox.records import Person, QrOrder, Trade
from hutong.sandbox.state import World
from hutong.sandbox.trades import closing_time, complete, end_of, money_of, refresh, wait_for_payer

FORBIDDEN = set("/=&")
MOST_GOODS = 150
FACE_TO_FACE = ("", "FACE_TO_FACE_PAYMENT", "OFFLINE_PAYMENT")
AGREEMENT = ("GENERAL_WITHHOLDING", "CYCLE_PAY_AUTH")
AUTHORISATION = ("PREAUTH_PAY", "PRE_AUTH_ONLINE", "PRE_AUTH")
Source = Literal["code", "qr", "face", "created", "agreement", "authorisation"]


def ordered(call: Call, source: Source, usual: str) -> Trade:
    """The trade that a call describes, not known to the wallet yet. Raises Refused where the description is wrong."""
    number, total, subject = call.number(), call.amount("total_amount"), call.needed("subject")
    if FORBIDDEN & set(subject):
        raise invalid("subject不可使用特殊字符")
    if len(call.parts("goods_detail")) > MOST_GOODS:
        raise Refused("ACQ.SUB_GOODS_SIZE_MAX_COUNT")
    if call.text("seller_id") not in ("", call.seller.id):
        raise Refused("ACQ.ACCESS_FORBIDDEN")
    if call.seller.blocked:
        raise Refused("ACQ.SELLER_BEEN_BLOCKED")
    return Trade(
        trade_no=call.world.mint_dated("2200", 28), seller_id=call.seller.id, app_id=call.app.id, number=number, total=total,
        subject=subject, body=call.text("body", 400), created_at=call.now, closes_at=closing_time(call, usual), source=source,
        product_code=call.text("product_code") or "FACE_TO_FACE_PAYMENT", scene=call.text("scene"), notify_url=call.notify_url,
        store_id=call.text("store_id", 32), operator_id=call.text("operator_id", 28), terminal_id=call.text("terminal_id", 32),
        passback=call.text("passback_params", 512), frozen_for_split=str(call.part("extend_params").get("royalty_freeze", "")).lower() == "true",
    )  # fmt: skip


@method("alipay.trade.pay")
def pay(call: Call) -> Node:
    """Take a payment now, or ask the payer for the password and answer 10003."""
    world, product = call.world, call.text("product_code")
    source = source_of(call, product)
    usual = world.switches.face_to_face_timeout if product in FACE_TO_FACE else world.switches.other_timeout
    trade = ordered(call, source, usual)
    known = known_before(call, trade)
    if known is not None and known.buyer_id:
        return waiting_answer(call, known)
    match source:
        case "code" | "face":
            return pay_by_code(call, known or trade)
        case "agreement":
            agreement = agreements.agreement_of_charge(call, trade)
            if call.part("pay_params").get("async_type"):
                return charge_later(call, trade)
            person = agreements.take(world, agreement, trade)
        case _:
            person = authorisations.capture(call, trade)
    world.add_trade(trade)
    tell_trade(world, trade)
    return paid_answer(call, trade, person)


def charge_later(call: Call, trade: Trade) -> Node:
    """Take the charge on and carry it out after a while; until then it waits."""
    world = call.world
    world.add_trade(trade)
    wait_for_payer(world, trade)
    agreements.schedule(world, trade)
    return waiting_answer(call, trade) | {"async_payment_mode": "NORMAL_ASYNC_PAYMENT"}


def source_of(call: Call, product: str) -> Source:
    """Where the money comes from. Raises Refused where the call does not say it or contradicts itself."""
    if call.text("auth_no"):
        if product not in AUTHORISATION:
            raise Refused("ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT")
        return "authorisation"
    if product in AGREEMENT:
        return "agreement"
    if product not in FACE_TO_FACE:
        raise Refused("ACQ.ACCESS_FORBIDDEN", "不支持的product_code")
    if (scene := call.text("scene") or "bar_code") not in ("bar_code", "wave_code", "security_code"):
        raise invalid("scene不合法")
    return "face" if scene == "security_code" else "code"


def known_before(call: Call, wanted: Trade) -> Trade | None:
    """The trade of this number if it still waits for the payer. Raises Refused where it is over, or where another is meant."""
    world = call.world
    cancelled = (call.seller.id, wanted.number)
    if f"{cancelled[0]}/{cancelled[1]}" in world.unseen_cancels and world.switches.pay_after_unseen_cancel == "refused":
        raise Refused("ACQ.TRADE_HAS_CLOSE")
    trade = world.numbers.get(cancelled)
    if trade is None:
        return None
    refresh(world, trade)
    same = (trade.total, trade.subject) == (wanted.total, wanted.subject)
    if world.switches.context_before_state and not same:
        raise Refused("ACQ.CONTEXT_INCONSISTENT")
    if trade.state in ("TRADE_SUCCESS", "TRADE_FINISHED"):
        raise Refused("ACQ.TRADE_HAS_SUCCESS")
    if trade.state == "TRADE_CLOSED":
        raise Refused("ACQ.TRADE_HAS_CLOSE")
    if not same:
        raise Refused("ACQ.CONTEXT_INCONSISTENT")
    return trade


def pay_by_code(call: Call, trade: Trade) -> Node:
    """Use the code up, then take the money or wait for the password."""
    world = call.world
    code = call.needed("auth_code", 64)
    person = use_code(world, code)
    if trade.source == "face" and not code.startswith("fp"):
        raise Refused("ACQ.PAYMENT_AUTH_CODE_INVALID")
    if trade.source == "code" and person.face_payment_off:
        raise Refused("ACQ.USER_FACE_PAYMENT_SWITCH_OFF")
    check_may_pay(world, person, trade.total)
    if wants_password(call, trade, person):
        trade.buyer_id = person.id
        world.add_trade(trade)
        wait_for_payer(world, trade)
        return waiting_answer(call, trade)
    try:
        parts_of(person, trade.total)
    except Refused:
        if world.switches.failed_pay_leaves_trade and trade.trade_no not in world.trades:
            world.add_trade(trade)
            wait_for_payer(world, trade)
        raise
    trade.buyer_id = person.id
    world.add_trade(trade)
    complete(world, trade, person)
    return paid_answer(call, trade, person)


def wants_password(call: Call, trade: Trade, person: Person) -> bool:
    """Above a limit, by risk, or by a fault; a face needs none."""
    if trade.source == "face":
        return False
    switches = call.world.switches
    limit = switches.password_above if person.password_above is None else person.password_above
    return call.forced_password or trade.total > limit or call.world.chance("risk", trade.number) < switches.risk_share


def waiting_answer(call: Call, trade: Trade) -> Node:
    """10003."""
    call.code = "10003"
    node: Node = {"out_trade_no": trade.number, "trade_no": trade.trade_no, "total_amount": yuan(trade.total)}
    if person := call.world.people.get(trade.buyer_id):
        node |= named(call.world, person)
    return node


def paid_answer(call: Call, trade: Trade, person: Person) -> Node:
    """10000, with everything about the money."""
    assert trade.paid_at is not None
    node = {"out_trade_no": trade.number, "trade_no": trade.trade_no} | named(call.world, person) | money_of(call.world, trade)
    if trade.auth_no:
        node |= {"auth_trade_pay_mode": "PREAUTH_PAY"}
    return node | {"gmt_payment": beijing_text(trade.paid_at)}


@method("alipay.trade.precreate")
def precreate(call: Call) -> Node:
    """A QR code for the payer to scan; there is no trade before that."""
    world = call.world
    trade = ordered(call, "qr", world.switches.face_to_face_timeout)
    if (known := known_before(call, trade)) is not None:
        raise Refused("ACQ.CONTEXT_INCONSISTENT", f"交易{known.trade_no}等待付款")
    earlier = world.qr_numbers.get((call.seller.id, trade.number))
    if earlier is not None and not earlier.void and earlier.expires_at > call.now:
        if (earlier.trade.total, earlier.trade.subject) != (trade.total, trade.subject):
            raise Refused("ACQ.CONTEXT_INCONSISTENT")
        return {"out_trade_no": trade.number, "qr_code": earlier.code}
    expires_at = end_of(call.text("qr_code_timeout_express") or world.switches.qr_timeout, call.now, "qr_code_timeout_express")
    code = f"https://qr.alipay.com/bax{secrets.token_hex(12)}"
    order = QrOrder(code=code, trade=trade, expires_at=min(expires_at, trade.closes_at))
    world.qr_orders[code] = world.qr_numbers[call.seller.id, trade.number] = order
    world.save(order)
    return {"out_trade_no": trade.number, "qr_code": code}


@method("alipay.trade.create")
def create(call: Call) -> Node:
    """A trade for a known buyer, who pays in the wallet."""
    world = call.world
    buyer = call.text("buyer_id") or call.text("buyer_open_id")
    person = world.people.get(buyer) or next((each for each in world.people.values() if each.open_id == buyer), None)
    if person is None:
        raise invalid("buyer_id与buyer_open_id无效")
    trade = ordered(call, "created", world.switches.other_timeout)
    known = known_before(call, trade)
    if known is not None:
        if known.buyer_id != person.id:
            raise Refused("ACQ.TRADE_BUYER_NOT_MATCH")
        return {"out_trade_no": known.number, "trade_no": known.trade_no}
    trade.buyer_id = person.id
    world.add_trade(trade)
    wait_for_payer(world, trade)
    return {"out_trade_no": trade.number, "trade_no": trade.trade_no}


def scan(world: World, code: str, person: Person) -> Trade:
    """A person scans a QR code: the trade comes to be and waits for the approval. Raises Refused for a code that no longer works."""
    order = world.qr_orders.get(code)
    if order is None:
        raise Refused("ACQ.TRADE_NOT_EXIST")
    if order.trade_no:
        trade = refresh(world, world.trades[order.trade_no])
        if trade.buyer_id != person.id:
            raise Refused("ACQ.TRADE_BUYER_NOT_MATCH")
        return trade
    if order.void or order.expires_at <= world.clock.now():
        raise Refused("ACQ.TRADE_HAS_CLOSE")
    trade = order.trade
    if world.numbers.get((trade.seller_id, trade.number)) is not None:
        raise Refused("ACQ.TRADE_HAS_SUCCESS")
    trade.buyer_id = person.id
    order.trade_no = trade.trade_no
    trade.created_at = world.clock.now()
    world.save(order)
    world.add_trade(trade)
    wait_for_payer(world, trade)
    return trade
