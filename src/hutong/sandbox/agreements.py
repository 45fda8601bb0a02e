"""Agreements by which a merchant may charge a person without asking each time: asked for, signed, charged, ended."""

import calendar
import secrets
from datetime import UTC, date, datetime, timedelta

from hutong.sandbox.calls import PAGES, Call, Node, Refused, fen, invalid, method
from hutong.sandbox.charging import charge
from hutong.sandbox.clock import BEIJING, beijing_text
from hutong.sandbox.notifications import tell, tell_trade
from hutong.sandbox.records import Agreement, PeriodRule, Person, Trade
from hutong.sandbox.state import World
from hutong.sandbox.trades import close, refresh

PRODUCTS = {"GENERAL_WITHHOLDING_P": "GENERAL_WITHHOLDING", "CYCLE_PAY_AUTH_P": "CYCLE_PAY_AUTH"}
"""What an agreement is for, and the product that charges by it."""
CHANNELS = ("ALIPAYAPP", "QRCODE", "QRCODEORSMS")
FOR_EVER = datetime(2115, 1, 31, 16, 0, tzinfo=UTC)
"""2115-02-01 in Beijing: the end of what has no end."""
SHORTEST_DAYS, LAST_DAY = 7, 28
NO_AGREEMENT = "USER_AGREEMENT_NOT_EXIST"


@method("alipay.user.agreement.page.sign")
def page_sign(call: Call) -> Node:
    """Ask for an agreement: answers the address of the wallet's page where a person signs it."""
    world, product = call.world, call.needed("personal_product_code", 64)
    if product not in PRODUCTS:
        raise invalid("personal_product_code不合法")
    if call.part("access_params").get("channel") not in CHANNELS:
        raise invalid("access_params.channel不合法")
    number = call.text("external_agreement_no", 32)
    if number and any(each.external_no == number and each.state == "NORMAL" for each in _of_seller(call)):
        raise Refused("ACQ.AGREEMENT_ERROR", "external_agreement_no已签约")
    agreement = Agreement(
        token=secrets.token_hex(16), app_id=call.app.id, seller_id=call.seller.id, personal_product_code=product, external_no=number,
        sign_scene=call.text("sign_scene", 64), external_logon_id=call.text("external_logon_id", 100),
        product_code=call.text("product_code", 64), notify_url=call.notify_url or call.app.gateway_url,
        return_url=call.parameters.get("return_url", ""), asked_at=call.now, valid_until=_end(call), period=_period(call, product),
    )  # fmt: skip
    world.agreements[agreement.token] = agreement
    world.save(agreement)
    return {"pageRedirectionData": f"{world.base_url}/wallet/sign/{agreement.token}", "external_agreement_no": number, "status": "TEMP"}


PAGES.add("alipay.user.agreement.page.sign")


def _end(call: Call) -> datetime:
    """When the agreement ends by itself: ``sign_validity_period`` such as 2m (months) or 30d."""
    text = call.text("sign_validity_period", 8)
    if not text:
        return FOR_EVER
    if not text[:-1].isdigit() or text[-1] not in "dm":
        raise invalid("sign_validity_period格式错误")
    return call.now + timedelta(days=int(text[:-1]) * (30 if text[-1] == "m" else 1))


def _period(call: Call, product: str) -> PeriodRule | None:
    if product != "CYCLE_PAY_AUTH_P":
        return None
    rule = call.part("period_rule_params")
    try:
        kind, period, first = str(rule["period_type"]), int(rule["period"]), date.fromisoformat(str(rule["execute_time"])[:10])
        payments = int(rule.get("total_payments") or 0)
    except (KeyError, ValueError, TypeError):
        raise invalid("period_rule_params不完整") from None
    if kind not in ("DAY", "MONTH") or period < (SHORTEST_DAYS if kind == "DAY" else 1) or (kind == "MONTH" and first.day > LAST_DAY):
        raise invalid("period_rule_params不合法")
    amounts = {name: fen(rule[name], name) if rule.get(name) else 0 for name in ("single_amount", "total_amount")}
    if not amounts["single_amount"]:
        raise invalid("single_amount不能为空")
    return PeriodRule(
        period_type="DAY" if kind == "DAY" else "MONTH", period=period, execute_on=first.isoformat(),
        total_payments=payments, **amounts,
    )  # fmt: skip


def _of_seller(call: Call) -> list[Agreement]:
    return [each for each in call.world.agreements.values() if each.seller_id == call.seller.id]


def sign(world: World, token: str, person: Person) -> Agreement:
    """The person signs. Raises Refused for a page whose request is no longer open."""
    agreement = world.agreements.get(token)
    if agreement is None or agreement.state != "TEMP":
        raise Refused("ACQ.AGREEMENT_STATUS_NOT_NORMAL")
    now = world.clock.now()
    agreement.agreement_no, agreement.person_id = world.mint_dated("55", 20), person.id
    agreement.state, agreement.signed_at = "NORMAL", now
    world.save(agreement)
    tell(world, world.apps[agreement.app_id], agreement.notify_url, "dut_user_sign", _told(world, agreement))
    return agreement


def end(world: World, agreement: Agreement) -> None:
    """The person or the merchant ends it."""
    agreement.state, agreement.ended_at = "UNSIGN", world.clock.now()
    world.save(agreement)
    fields = _told(world, agreement) | {"status": "UNSIGN", "unsign_time": beijing_text(agreement.ended_at)}
    tell(world, world.apps[agreement.app_id], agreement.notify_url, "dut_user_unsign", fields)


def _told(world: World, agreement: Agreement) -> dict[str, str]:
    """What notifications and queries tell alike."""
    assert agreement.signed_at is not None
    fields = {
        "agreement_no": agreement.agreement_no, "external_agreement_no": agreement.external_no, "status": agreement.state,
        "sign_scene": agreement.sign_scene, "personal_product_code": agreement.personal_product_code,
        "sign_time": beijing_text(agreement.signed_at), "valid_time": beijing_text(agreement.signed_at),
        "invalid_time": beijing_text(agreement.valid_until), "external_logon_id": agreement.external_logon_id,
        "alipay_logon_id": world.people[agreement.person_id].masked(),
    }  # fmt: skip
    if world.switches.payer_named_by != "open_id":
        fields["alipay_user_id"] = agreement.person_id
    if world.switches.payer_named_by != "user_id":
        fields["alipay_open_id"] = world.people[agreement.person_id].open_id
    return fields


def _named(call: Call) -> Agreement:
    """The agreement that a call names: by its number, the merchant's own, or the person and the product. Raises Refused."""
    agreement_no, external_no, person = call.text("agreement_no"), call.text("external_agreement_no"), call.text("alipay_user_id")
    if not (agreement_no or external_no or person):
        raise invalid("agreement_no、external_agreement_no和alipay_user_id不能同时为空")
    found = [
        each
        for each in _of_seller(call)
        if (not agreement_no or each.agreement_no == agreement_no)
        and (not external_no or each.external_no == external_no)
        and (not person or each.person_id == person)
        and call.text("personal_product_code") in ("", each.personal_product_code)
        and call.text("sign_scene") in ("", each.sign_scene)
    ]
    if not found:
        raise Refused(NO_AGREEMENT, "用户协议不存在")
    return max(found, key=lambda each: (each.state == "NORMAL", each.asked_at))


@method("alipay.user.agreement.query")
def query(call: Call) -> Node:
    """What the wallet knows of an agreement."""
    agreement = _named(call)
    if agreement.state == "UNSIGN" and call.world.switches.ended_agreement == "absent":
        raise Refused(NO_AGREEMENT, "用户协议不存在")
    if agreement.state == "TEMP":
        return {"external_agreement_no": agreement.external_no, "status": "TEMP", "sign_scene": agreement.sign_scene}
    node: Node = _told(call.world, agreement) | {"status": "STOP" if agreement.state == "UNSIGN" else agreement.state}
    node |= {"principal_id": agreement.person_id, "pricipal_type": "CARD"}
    if agreement.period is not None:
        node |= {"next_deduct_time": agreement.period.execute_on, "last_deduct_time": agreement.last_charge}
    return node


@method("alipay.user.agreement.unsign")
def unsign(call: Call) -> Node:
    """The merchant ends an agreement."""
    agreement = _named(call)
    if agreement.state != "NORMAL":
        raise Refused(NO_AGREEMENT, "用户协议不存在")
    end(call.world, agreement)
    return {}


def agreement_of_charge(call: Call, trade: Trade) -> Agreement:
    """The agreement that a charge names, if it allows that charge now; the trade names it and its person. Raises Refused."""
    world, agreement_no = call.world, str(call.part("agreement_params").get("agreement_no", ""))
    agreement = next((each for each in _of_seller(call) if agreement_no and each.agreement_no == agreement_no), None)
    if agreement is None:
        raise Refused("ACQ.AGREEMENT_NOT_EXIST")
    if agreement.valid_until <= call.now:
        raise Refused("ACQ.AGREEMENT_INVALID")
    if agreement.state != "NORMAL":
        raise Refused("ACQ.AGREEMENT_STATUS_NOT_NORMAL")
    if PRODUCTS[agreement.personal_product_code] != trade.product_code:
        raise Refused("ACQ.AGREEMENT_ERROR")
    if agreement.period is not None:
        _check_period(world, agreement, agreement.period, trade.total)
    trade.agreement_no, trade.buyer_id = agreement_no, agreement.person_id
    return agreement


def take(world: World, agreement: Agreement, trade: Trade) -> Person:
    """Charge the trade's money; answers whose it was. Raises Refused where it is short."""
    person = world.people[agreement.person_id]
    charge(world, trade, person)
    agreement.charges += 1
    agreement.charged += trade.total
    agreement.last_charge = world.clock.now().astimezone(BEIJING).date().isoformat()
    if agreement.period is not None:
        agreement.period.execute_on = following(agreement.period).isoformat()
    world.save(agreement)
    return person


def schedule(world: World, trade: Trade) -> None:
    """Carry out in a while a charge that was taken on."""
    moment = trade.created_at + timedelta(seconds=world.switches.asynchronous_charge_seconds)
    world.later(moment, lambda: take_later(world, trade))


def take_later(world: World, trade: Trade) -> None:
    """A charge that was taken on and is carried out now, if the trade is still open and the agreement still there."""
    agreement = next((each for each in world.agreements.values() if each.agreement_no == trade.agreement_no), None)
    if agreement is None or refresh(world, trade).state != "WAIT_BUYER_PAY":
        return
    try:
        if agreement.state != "NORMAL":
            raise Refused("ACQ.AGREEMENT_STATUS_NOT_NORMAL")
        take(world, agreement, trade)
        tell_trade(world, trade)
    except Refused as refusal:
        trade.unpaid_reason = refusal.sub_code
        close(world, trade)


def _check_period(world: World, agreement: Agreement, rule: PeriodRule, amount: int) -> None:
    if rule.single_amount and amount > rule.single_amount:
        raise Refused("ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED")
    if rule.total_amount and agreement.charged + amount > rule.total_amount:
        raise Refused("ACQ.CYCLE_PAY_TOTAL_FEE_EXCEED")
    if rule.total_payments and agreement.charges >= rule.total_payments:
        raise Refused("ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED")
    earliest = date.fromisoformat(rule.execute_on) - timedelta(days=world.switches.charge_days_early)
    if world.clock.now().astimezone(BEIJING).date() < earliest:
        raise Refused("ACQ.CYCLE_PAY_DATE_NOT_MATCH")


def following(rule: PeriodRule) -> date:
    """The charge day after ``execute_on``."""
    day = date.fromisoformat(rule.execute_on)
    if rule.period_type == "DAY":
        return day + timedelta(days=rule.period)
    months = day.month - 1 + rule.period
    year, month = day.year + months // 12, months % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
