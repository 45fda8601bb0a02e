"""Money frozen in a person's wallet: asked for, set aside, captured by payments, released."""

import secrets
from datetime import timedelta

from hutong.sandbox.calls import Call, Node, Refused, invalid, method, yuan
from hutong.sandbox.charging import check_may_pay, settle_paid
from hutong.sandbox.clock import beijing_text
from hutong.sandbox.notifications import tell
from hutong.sandbox.payers import use_code
from hutong.sandbox.records import Authorisation, Fund, Operation, Person, Trade
from hutong.sandbox.state import World
from hutong.sandbox.trades import end_of

PRODUCTS = ("PREAUTH_PAY", "PRE_AUTH_ONLINE", "PRE_AUTH")
NOT_THERE = "AUTH_ORDER_NOT_EXIST"
USUAL_WAIT = "15m"


def _asked(call: Call) -> tuple[Authorisation, bool]:
    """The authorisation that a call asks for, and whether it is new. Raises Refused where the number was used for something else."""
    number, request, amount = call.number("out_order_no"), call.number("out_request_no"), call.amount("amount")
    title, product = call.needed("order_title", 100), call.text("product_code") or "PREAUTH_PAY"
    if product not in PRODUCTS:
        raise invalid("product_code不合法")
    if call.text("payee_user_id") not in ("", call.seller.id):
        raise Refused("ACQ.ACCESS_FORBIDDEN")
    earlier = next((each for each in call.world.authorisations.values() if (each.seller_id, each.number) == (call.seller.id, number)), None)
    if earlier is not None:
        first = earlier.operations[0]
        if (first.number, earlier.amount) != (request, amount):
            raise Refused("CONTEXT_INCONSISTENT", "授权订单信息不一致")
        return refresh(call.world, earlier), False
    authorisation = Authorisation(
        auth_no=call.world.mint_dated("1002", 28), app_id=call.app.id, seller_id=call.seller.id, number=number, title=title, amount=amount,
        product_code=product, asked_at=call.now, notify_url=call.notify_url,
        closes_at=end_of(call.text("pay_timeout") or call.text("timeout_express") or USUAL_WAIT, call.now, "pay_timeout"),
    )  # fmt: skip
    _note(call.world, authorisation, request, "FREEZE", amount, "INIT")
    return authorisation, True


def _note(world: World, authorisation: Authorisation, number: str, kind: str, amount: int, state: str, remark: str = "") -> Operation:
    operation = Operation(
        id=world.mint_dated("1003", 20), number=number, kind=kind, amount=amount, state=state, at=world.clock.now(), remark=remark  # type: ignore[arg-type]
    )  # fmt: skip
    authorisation.operations.append(operation)
    return operation


def _keep(world: World, authorisation: Authorisation) -> None:
    world.authorisations[authorisation.auth_no] = authorisation
    world.save(authorisation)


def refresh(world: World, authorisation: Authorisation) -> Authorisation:
    """The authorisation as it is at this moment."""
    now = world.clock.now()
    if authorisation.state == "INIT" and authorisation.closes_at <= now:
        close(world, authorisation)
    elif authorisation.state == "AUTHORIZED" and authorisation.ends_at is not None and authorisation.ends_at <= now:
        release(world, authorisation, authorisation.rest, authorisation.number, "到期解冻")
        authorisation.state = "CLOSED"
        world.save(authorisation)
    return authorisation


def close(world: World, authorisation: Authorisation) -> None:
    """Nothing was frozen, and nothing will be."""
    authorisation.state = authorisation.operations[0].state = "CLOSED"
    world.save(authorisation)


def freeze(world: World, authorisation: Authorisation, person: Person) -> None:
    """Set the money aside and tell the merchant. Raises Refused where it is short."""
    check_may_pay(world, person, authorisation.amount)
    if person.balance < authorisation.amount:
        raise Refused("ACQ.BUYER_BALANCE_NOT_ENOUGH")
    person.balance -= authorisation.amount
    authorisation.person_id, authorisation.rest, authorisation.state = person.id, authorisation.amount, "AUTHORIZED"
    authorisation.ends_at = world.clock.now() + timedelta(days=world.switches.pre_authorisation_days)
    operation = authorisation.operations[0]
    operation.state, operation.at = "SUCCESS", world.clock.now()
    world.save(person, authorisation)
    world.later(authorisation.ends_at, lambda: world.save(refresh(world, authorisation)))
    _tell(world, authorisation, operation, "fund_auth_freeze")


def _wait_for_payer(world: World, authorisation: Authorisation, person: Person) -> None:
    """Whoever reacts without being asked does so in a moment."""
    if person.reaction != "ask":
        world.later(world.clock.now() + timedelta(seconds=person.reaction_seconds), lambda: react(world, authorisation, person))


def react(world: World, authorisation: Authorisation, person: Person) -> None:
    """What this person does by itself about a freeze that waits."""
    if refresh(world, authorisation).state != "INIT":
        return
    try:
        if person.reaction == "decline":
            raise Refused("USER_DECLINED")
        freeze(world, authorisation, person)
    except Refused:
        close(world, authorisation)


def release(world: World, authorisation: Authorisation, amount: int, number: str, remark: str) -> Operation:
    """Give frozen money back to its person and tell the merchant."""
    person = world.people[authorisation.person_id]
    person.balance += amount
    authorisation.rest -= amount
    if not authorisation.rest:
        authorisation.state = "FINISH"
    operation = _note(world, authorisation, number, "UNFREEZE", amount, "SUCCESS", remark)
    world.save(person, authorisation)
    _tell(world, authorisation, operation, "fund_auth_unfreeze")
    return operation


def _tell(world: World, authorisation: Authorisation, operation: Operation, kind: str) -> None:
    fields = {name: str(value) for name, value in _described(world, authorisation, operation).items()}
    fields |= {
        "gmt_create": beijing_text(authorisation.asked_at), "operation_type": operation.kind, "payee_user_id": authorisation.seller_id,
        "total_freeze_amount": yuan(authorisation.amount), "rest_amount": yuan(authorisation.rest),
        "total_pay_amount": yuan(authorisation.paid),
        "total_unfreeze_amount": yuan(authorisation.amount - authorisation.rest - authorisation.paid),
    }  # fmt: skip
    tell(world, world.apps[authorisation.app_id], authorisation.notify_url, kind, fields)


def _described(world: World, authorisation: Authorisation, operation: Operation) -> Node:
    node: Node = {
        "auth_no": authorisation.auth_no, "out_order_no": authorisation.number, "operation_id": operation.id,
        "out_request_no": operation.number, "amount": yuan(operation.amount), "status": operation.state,
        "gmt_trans": beijing_text(operation.at), "fund_amount": yuan(operation.amount), "credit_amount": "0.00",
    }  # fmt: skip
    if person := world.people.get(authorisation.person_id):
        node["payer_logon_id"] = person.masked()
        if world.switches.payer_named_by != "open_id":
            node["payer_user_id"] = person.id
        if world.switches.payer_named_by != "user_id":
            node["payer_open_id"] = person.open_id
    return node


@method("alipay.fund.auth.order.freeze")
def freeze_by_code(call: Call) -> Node:
    """Freeze by the code that the till scanned."""
    world = call.world
    authorisation, new = _asked(call)
    if new:
        if call.text("auth_code_type") not in ("", "bar_code", "security_code"):
            raise invalid("auth_code_type不合法")
        person = use_code(world, call.needed("auth_code", 64))
        limit = world.switches.password_above if person.password_above is None else person.password_above
        if authorisation.amount > limit or call.forced_password:
            authorisation.person_id = person.id
            _wait_for_payer(world, authorisation, person)
        else:
            freeze(world, authorisation, person)
        _keep(world, authorisation)
    if authorisation.state == "INIT":
        call.code = "10003"
    return _described(world, authorisation, authorisation.operations[0])


@method("alipay.fund.auth.order.voucher.create")
def voucher(call: Call) -> Node:
    """A QR code for the payer to scan."""
    authorisation, new = _asked(call)
    if new:
        authorisation.code = f"https://qr.alipay.com/fpx{secrets.token_hex(12)}"
        _keep(call.world, authorisation)
    return {
        "out_order_no": authorisation.number, "out_request_no": authorisation.operations[0].number, "code_type": "QRCODE",
        "code_value": authorisation.code, "code_url": f"{call.world.base_url}/wallet/code.svg?text={authorisation.code}",
    }  # fmt: skip


@method("alipay.fund.auth.order.app.freeze")
def app_freeze(call: Call) -> Node:
    """An order text for the merchant's own app; in the sandbox, a link that the wallet takes as if scanned."""
    authorisation, new = _asked(call)
    if new:
        authorisation.code = f"https://qr.alipay.com/fpx{secrets.token_hex(12)}"
        _keep(call.world, authorisation)
    return _described(call.world, authorisation, authorisation.operations[0]) | {"orderStr": authorisation.code}


def _named(call: Call) -> Authorisation:
    """The authorisation that a call names. Raises Refused."""
    auth_no, number = call.text("auth_no", 64), call.text("out_order_no", 64)
    if not auth_no and not number:
        raise invalid("auth_no和out_order_no不能同时为空")
    for each in call.world.authorisations.values():
        if each.seller_id == call.seller.id and (each.auth_no == auth_no if auth_no else each.number == number):
            return refresh(call.world, each)
    raise Refused(NOT_THERE, "支付宝资金授权订单不存在")


def _operation(call: Call, authorisation: Authorisation) -> Operation:
    identity, number = call.text("operation_id", 64), call.text("out_request_no", 64)
    if not identity and not number:
        raise invalid("operation_id和out_request_no不能同时为空")
    for each in authorisation.operations:
        if each.id == identity if identity else each.number == number:
            return each
    raise Refused("OPERATION_NOT_EXIST", "资金操作流水不存在")


@method("alipay.fund.auth.operation.detail.query")
def detail(call: Call) -> Node:
    """What the wallet knows of an authorisation and one operation on it."""
    authorisation = _named(call)
    operation = _operation(call, authorisation)
    return _described(call.world, authorisation, operation) | {
        "operation_type": operation.kind, "order_status": authorisation.state, "order_title": authorisation.title,
        "gmt_create": beijing_text(authorisation.asked_at), "remark": operation.remark, "total_pay_amount": yuan(authorisation.paid),
        "rest_amount": yuan(authorisation.rest), "rest_fund_amount": yuan(authorisation.rest),
        "total_freeze_amount": yuan(authorisation.amount if authorisation.operations[0].state == "SUCCESS" else 0),
    }  # fmt: skip


@method("alipay.fund.auth.order.unfreeze")
def unfreeze(call: Call) -> Node:
    """Release a part; the same request again releases nothing more."""
    authorisation, number, amount = _named(call), call.number("out_request_no"), call.amount("amount")
    earlier = next((each for each in authorisation.operations if each.number == number and each.kind == "UNFREEZE"), None)
    if earlier is not None:
        if earlier.amount != amount:
            raise Refused("CONTEXT_INCONSISTENT", "请求不一致")
        return _described(call.world, authorisation, earlier)
    if authorisation.state != "AUTHORIZED":
        raise Refused("AUTH_ORDER_STATUS_ERROR", "授权订单状态不合法")
    if amount > authorisation.rest:
        raise Refused("UNFREEZE_AMOUNT_EXCEED", "解冻金额超出剩余冻结金额")
    return _described(call.world, authorisation, release(call.world, authorisation, amount, number, call.needed("remark", 100)))


@method("alipay.fund.auth.operation.cancel")
def cancel(call: Call) -> Node:
    """Undo a freeze: close what nobody approved, release what is frozen if nothing was captured."""
    authorisation = _named(call)
    operation = _operation(call, authorisation)
    action = "close"
    if authorisation.state == "INIT":
        close(call.world, authorisation)
    elif authorisation.paid:
        raise Refused("AUTH_ORDER_STATUS_ERROR", "授权已转支付，不允许撤销")
    elif authorisation.state == "AUTHORIZED":
        release(call.world, authorisation, authorisation.rest, operation.number, call.text("remark"))
        authorisation.state, action = "CLOSED", "unfreeze"
        call.world.save(authorisation)
    elif any(each.kind == "UNFREEZE" for each in authorisation.operations):
        action = "unfreeze"
    return {
        "auth_no": authorisation.auth_no, "out_order_no": authorisation.number, "operation_id": operation.id,
        "out_request_no": operation.number, "action": action,
    }  # fmt: skip


def capture(call: Call, trade: Trade) -> Person:
    """Pay the trade out of the call's authorisation; answers whose money it was. Raises Refused."""
    world = call.world
    authorisation = world.authorisations.get(call.text("auth_no"))
    if authorisation is None or authorisation.seller_id != call.seller.id:
        raise Refused("ACQ.AUTH_NO_ERROR")
    state = refresh(world, authorisation).state
    if state != "AUTHORIZED":
        raise Refused({"INIT": "ACQ.AUTH_ORDER_NOT_PAID", "CLOSED": "ACQ.AUTH_ORDER_HAS_CLOSED"}.get(state, "ACQ.AUTH_ORDER_HAS_FINISHED"))
    if authorisation.product_code != trade.product_code:
        raise Refused("ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT")
    if call.text("buyer_id") not in ("", authorisation.person_id):
        raise Refused("ACQ.TRADE_BUYER_NOT_MATCH")
    if trade.total > authorisation.rest:
        raise Refused("ACQ.AUTH_AMOUNT_NOT_ENOUGH")
    mode = call.text("auth_confirm_mode") or "NOT_COMPLETE"
    if mode not in ("COMPLETE", "NOT_COMPLETE"):
        raise invalid("auth_confirm_mode不合法")
    trade.auth_no, trade.buyer_id = authorisation.auth_no, authorisation.person_id
    trade.funds = [Fund(channel="ALIPAYACCOUNT", amount=trade.total)]
    settle_paid(world, trade, trade.total, trade.total)
    authorisation.rest -= trade.total
    authorisation.paid += trade.total
    _note(world, authorisation, trade.number, "PAY", trade.total, "SUCCESS", trade.subject)
    if mode == "COMPLETE" and authorisation.rest:
        release(world, authorisation, authorisation.rest, trade.number, "转支付完成，解冻剩余")
    if not authorisation.rest:
        authorisation.state = "FINISH"
    world.save(authorisation)
    return world.people[authorisation.person_id]


def scan(world: World, code: str, person: Person) -> Authorisation:
    """A person scans the code of a freeze, which then waits for the approval. Raises Refused."""
    found = next((each for each in world.authorisations.values() if each.code == code), None)
    if found is None:
        raise Refused("ACQ.TRADE_NOT_EXIST")
    if refresh(world, found).state != "INIT":
        raise Refused("ACQ.AUTH_ORDER_HAS_CLOSED")
    if found.person_id not in ("", person.id):
        raise Refused("ACQ.TRADE_BUYER_NOT_MATCH")
    if not found.person_id:
        found.person_id = person.id
        world.save(found)
        _wait_for_payer(world, found, person)
    return found


def waiting(world: World, auth_no: str) -> Authorisation:
    """A freeze that waits for its payer. Raises Refused."""
    found = world.authorisations.get(auth_no)
    if found is None or refresh(world, found).state != "INIT" or not found.person_id:
        raise Refused("ACQ.TRADE_STATUS_ERROR")
    return found
