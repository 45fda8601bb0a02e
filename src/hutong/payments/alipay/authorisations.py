"""Pre-authorisation: money frozen at the payer's, captured by ``AlipayWallet.pay`` later, released here; amounts in fen.

Several captures are allowed while the sum stays within what is frozen; nothing can be added to a frozen amount.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hutong.kernel import clock
from hutong.payments.alipay.client import AlipayClient, Answer
from hutong.payments.alipay.codes import FREEZE, WAITING
from hutong.payments.alipay.fields import check_amount, check_number, fen, minutes, moment, subject, yuan
from hutong.payments.alipay.outcomes import found, refused
from hutong.payments.wallet import Absent, Declined, QrCode, Unknown

PRODUCT = "PREAUTH_PAY"
ABSENT = frozenset({"AUTH_ORDER_NOT_EXIST", "AUTH_ORDER_NOT_FOUND", "ORDER_NOT_EXIST", "OPERATION_NOT_EXIST"})
"""Sub-codes of a query for what Alipay does not know (recalled: the documentation seen does not list them)."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """What is to be frozen. ``number`` is ours for the authorisation, ``request`` for this one operation on it."""

    number: str
    request: str
    amount: int
    title: str
    store: str = ""
    expires_after: int = 900
    """Seconds until it closes if the payer does not confirm."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """The payer's money is set aside: ``rest`` fen of it are neither captured nor released."""

    auth_no: str
    operation_id: str
    amount: int
    rest: int
    captured: int = 0
    payer: str = ""
    """Alipay's id of the payer, for captures."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FreezeWaiting:
    """The payer has still to confirm."""

    auth_no: str = ""
    operation_id: str = ""


@dataclass(frozen=True, slots=True)
class FreezeOver:
    """Nothing is frozen any more, or never was: ``closed`` (not confirmed, or given up) or ``finished`` (all captured or released)."""

    how: Literal["closed", "finished"]
    captured: int = 0


@dataclass(frozen=True, slots=True)
class Released:
    """``amount`` fen went back to the payer's disposal."""

    amount: int
    operation_id: str = ""


@dataclass(frozen=True, slots=True)
class FreezeUndone:
    """The operation was undone: ``close`` (it had not been confirmed), ``unfreeze`` (it had), or None: there was none yet."""

    action: Literal["close", "unfreeze"] | None


FreezeResult = Frozen | FreezeWaiting | FreezeOver | Declined | Unknown
FreezeQueryResult = Frozen | FreezeWaiting | FreezeOver | Absent | Unknown


async def freeze(client: AlipayClient, wish: Freeze, code: str) -> FreezeResult:
    """Freeze an amount by the scanned code, once. Never called twice for one ``request``."""
    biz = {**_order(client, wish), "auth_code": code, "auth_code_type": "security_code" if code.startswith("fp") else "bar_code"}
    result = await client.call("alipay.fund.auth.order.freeze", biz, notify_url=client.account.notify_url)
    waits = isinstance(result, Answer) and result.code == WAITING
    if not waits and (failure := refused(result, FREEZE)) is not None:
        return failure
    assert isinstance(result, Answer)
    if result.text("out_order_no") != wish.number:
        return Unknown("the answer is about another number")
    if waits:
        return FreezeWaiting(result.text("auth_no"), result.text("operation_id"))
    return _state(result, result.text("status"), amount="amount", rest="amount")


async def show_freeze_qr(client: AlipayClient, wish: Freeze) -> QrCode | Declined | Unknown:
    """A code that the payer scans to freeze the amount."""
    asked = clock.now()
    result = await client.call("alipay.fund.auth.order.voucher.create", _order(client, wish), notify_url=client.account.notify_url)
    if (failure := refused(result, FREEZE)) is not None:
        return failure
    assert isinstance(result, Answer)
    if result.text("out_order_no") not in {wish.number, ""}:
        return Unknown("the answer is about another number")
    content = result.text("code_value")
    return QrCode(content, asked + timedelta(seconds=wish.expires_after)) if content else Unknown("the answer has no code")


async def query_freeze(client: AlipayClient, number: str, request: str) -> FreezeQueryResult:
    """How an authorisation stands: what is frozen, captured and left."""
    biz = {"out_order_no": check_number(number), "out_request_no": check_number(request)}
    answer = found(await client.call("alipay.fund.auth.operation.detail.query", biz), ABSENT)
    if not isinstance(answer, Answer):
        return answer
    if answer.text("out_order_no") not in {number, ""}:
        return Unknown("the answer is about another number")
    return _state(answer, answer.text("order_status") or answer.text("status"), amount="total_freeze_amount", rest="rest_amount")


async def release(client: AlipayClient, auth_no: str, request: str, amount: int, remark: str) -> Released | Declined | Unknown:
    """Give ``amount`` fen of what is frozen back; repeated with the same ``request`` it happens once."""
    biz = {
        "auth_no": auth_no,
        "out_request_no": check_number(request),
        "amount": yuan(check_amount(amount)),
        "remark": subject(remark),
    }
    result = await client.call("alipay.fund.auth.order.unfreeze", biz, notify_url=client.account.notify_url)
    if (failure := refused(result, FREEZE, believe_protocol=False)) is not None:
        return failure
    assert isinstance(result, Answer)
    if result.text("out_request_no") not in {request, ""} or result.text("status") not in {"SUCCESS", ""}:
        return Unknown(f"the release is {result.text('status') or 'another'}")
    return Released(amount, result.text("operation_id")) if fen(result.node.get("amount")) == amount else Unknown("another amount")


async def undo_freeze(client: AlipayClient, number: str, request: str, remark: str) -> FreezeUndone | Declined | Unknown:
    """Undo a freeze whose outcome is not known, whatever it was; may be repeated."""
    biz = {"out_order_no": check_number(number), "out_request_no": check_number(request), "remark": subject(remark)}
    result = await client.call("alipay.fund.auth.operation.cancel", biz, notify_url=client.account.notify_url)
    if isinstance(found(result, ABSENT), Absent):
        return FreezeUndone(None)
    if (failure := refused(result, FREEZE, believe_protocol=False)) is not None:
        return failure
    assert isinstance(result, Answer)
    match result.text("action"):
        case "close":
            return FreezeUndone("close")
        case "unfreeze":
            return FreezeUndone("unfreeze")
        case "":
            return FreezeUndone(None)
        case other:
            return Unknown(f"unexpected action {other[:40]}")


def _order(client: AlipayClient, wish: Freeze) -> dict[str, Any]:
    biz: dict[str, Any] = {
        "out_order_no": check_number(wish.number),
        "out_request_no": check_number(wish.request),
        "order_title": subject(wish.title),
        "amount": yuan(check_amount(wish.amount)),
        "product_code": PRODUCT,
        "payee_user_id": client.account.seller_id,
        "pay_timeout": minutes(wish.expires_after),
    }
    if wish.store:
        biz["extra_param"] = json.dumps({"outStoreCode": wish.store[:32]})
    return biz


def _state(answer: Answer, status: str, *, amount: str, rest: str) -> Frozen | FreezeWaiting | FreezeOver | Unknown:
    captured = fen(answer.node.get("total_pay_amount") or "0")
    match status:
        case "INIT":
            return FreezeWaiting(answer.text("auth_no"), answer.text("operation_id"))
        case "CLOSED":
            return FreezeOver("closed", captured or 0)
        case "FINISH":
            return FreezeOver("finished", captured or 0)
        case "SUCCESS" | "AUTHORIZED":
            total = fen(answer.node.get(amount) or answer.node.get("amount"))
            if total is None or captured is None or not answer.text("auth_no"):
                return Unknown("the amounts cannot be read")
            left = fen(answer.node[rest]) if answer.node.get(rest) else total - captured
            if left is None or not 0 <= left <= total:
                return Unknown("the amounts cannot be read")
            payer = answer.text("payer_user_id") or answer.text("payer_open_id")
            at = moment(answer.node.get("gmt_trans"))
            return Frozen(answer.text("auth_no"), answer.text("operation_id"), total, left, captured, payer, at)
        case other:
            return Unknown(f"unexpected status {other[:40]}")
