"""What Alipay's answers about trades mean, as the wallet's typed results; pure, no input or output.

``code=10000`` says that a call was handled, not that money moved. An answer about another number than the one that was asked for
says nothing.
"""

from collections.abc import Mapping
from typing import Any

from hutong.payments.alipay import codes
from hutong.payments.alipay.client import Answer, CallResult, NotExecuted
from hutong.payments.alipay.fields import fen, listed, moment
from hutong.payments.wallet import (
    Absent,
    Cancelled,
    CancelRefused,
    CancelResult,
    Closed,
    Declined,
    Paid,
    PayResult,
    QueryResult,
    RefundAccepted,
    Refunded,
    RefundQueryResult,
    RefundResult,
    Unknown,
    Waiting,
)

OTHER_NUMBER = Unknown("the answer is about another number")


def declined(refused: NotExecuted) -> Declined:
    """A request that the gateway turned away, as a refusal."""
    return Declined(refused.word, codes.PROTOCOL.get(refused.code, "merchant"), refused.message)


def paid(fields: Mapping[str, Any]) -> Paid | None:
    """The money of a trade, from a pay answer, a query's or a notification; None if an amount cannot be read.

    Where nothing is said of the receipt, the retailer's own discount (``mdiscount_amount``) is taken off the total.
    """
    total = fen(fields.get("total_amount"))
    discount = fen(fields.get("mdiscount_amount", "0"))
    if total is None or total <= 0 or discount is None:
        return None
    receipt = fen(fields.get("receipt_amount") or _yuan_text(total - discount))
    buyer = fen(fields.get("buyer_pay_amount") or _yuan_text(receipt if receipt is not None else total))
    returned = fen(fields.get("refund_fee") or "0")
    if receipt is None or buyer is None or returned is None or not 0 <= receipt <= total or buyer < 0 or not 0 <= returned <= total:
        return None
    at = moment(fields.get("gmt_payment")) or moment(fields.get("send_pay_date"))
    return Paid(str(fields.get("trade_no", "")), total, receipt, buyer, at, str(fields.get("buyer_logon_id", "")), returned)


def _yuan_text(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"


def trade_state(fields: Mapping[str, Any]) -> QueryResult:
    """A trade's status, from a query or a notification. Closed alone does not mean unpaid: a time of payment or a refund tells."""
    status = fields.get("trade_status")
    if status == "WAIT_BUYER_PAY":
        return Waiting(str(fields.get("trade_no", "")))
    if status in {"TRADE_SUCCESS", "TRADE_FINISHED"}:
        return paid(fields) or Unknown("the amounts cannot be read")
    if status == "TRADE_CLOSED":
        was_paid = any(fields.get(name) for name in ("send_pay_date", "gmt_payment", "gmt_refund")) or bool(fen(fields.get("refund_fee")))
        return Closed(was_paid, paid(fields) if was_paid else None)
    return Unknown(f"unexpected trade status {str(status)[:40]}")


def pay_result(result: CallResult, number: str) -> PayResult:
    """What trade.pay answered: paid only with 10000 about our number and readable amounts."""
    if isinstance(result, Unknown):
        return result
    if isinstance(result, NotExecuted):
        return declined(result)
    if result.code == codes.BUSINESS:
        return codes.refusal(result.sub_code, codes.PAY, result.message)
    if result.text("out_trade_no") not in {number, ""}:
        return OTHER_NUMBER
    # An agreement's charge may be accepted now and carried out later.
    if result.code == codes.WAITING or result.text("async_payment_mode").startswith("ASYNC"):
        return Waiting(result.text("trade_no"))
    if result.text("out_trade_no") != number or not result.text("trade_no"):
        return Unknown("the answer names no trade of ours")
    return paid(result.node) or Unknown("the amounts cannot be read")


def query_result(result: CallResult, number: str) -> QueryResult:
    """What trade.query answered."""
    if not isinstance(result, Answer):
        return result if isinstance(result, Unknown) else Unknown(f"{result.code} {result.word}")
    if result.code == codes.BUSINESS:
        return Absent() if result.sub_code == "TRADE_NOT_EXIST" else Unknown(result.sub_code or codes.BUSINESS)
    if result.code != codes.HANDLED:
        return Unknown(f"unexpected code {result.code}")
    return trade_state(result.node) if result.text("out_trade_no") == number else OTHER_NUMBER


def cancel_result(result: CallResult, number: str) -> CancelResult:
    """What trade.cancel answered. Without an action there was no trade; ``retry_flag`` Y asks to repeat it."""
    if not isinstance(result, Answer):
        return result if isinstance(result, Unknown) else Unknown(f"{result.code} {result.word}")
    if result.code == codes.BUSINESS:
        if result.sub_code == "TRADE_NOT_EXIST":
            return Cancelled(None)
        return CancelRefused(result.sub_code) if result.sub_code in codes.CANCEL_NEVER else Unknown(result.sub_code or codes.BUSINESS)
    if result.code != codes.HANDLED:
        return Unknown(f"unexpected code {result.code}")
    if result.text("out_trade_no") not in {number, ""}:
        return OTHER_NUMBER
    if result.text("retry_flag") == "Y":
        return Unknown("retry")
    match result.text("action"):
        case "close":
            return Cancelled("close")
        case "refund":
            return Cancelled("refund")
        case "":
            return Cancelled(None)
        case other:
            return Unknown(f"unexpected action {other[:40]}")


def from_receipt(fields: Mapping[str, Any], amount: int) -> int:
    """Of a refund of ``amount``: what leaves the retailer's receipts, which is all but the retailer's own discount that comes back.

    Alipay says it in one of three ways, some only when asked for them; where it says nothing, it is the whole amount.
    """
    discount, given = fen(fields.get("present_refund_mdiscount_amount")), fen(fields.get("send_back_fee"))
    if discount is None and given is not None:
        discount = amount - given
    if discount is None:
        parts = [fen(each.get("merchant_contribute")) for each in listed(fields.get("refund_voucher_detail_list"))]
        discount = sum(part for part in parts if part is not None)
    return amount - discount if 0 <= discount <= amount else amount


def refund_result(result: CallResult, number: str, amount: int) -> RefundResult:
    """What trade.refund answered. Only ``fund_change`` Y says that money moved.

    A protocol error stays Unknown: this request was not carried out, but an earlier one with the same refund number may have been.
    """
    if not isinstance(result, Answer):
        return result if isinstance(result, Unknown) else Unknown(f"{result.code} {result.word}")
    if result.code == codes.BUSINESS:
        return codes.refusal(result.sub_code, codes.REFUND, result.message)
    if result.code != codes.HANDLED:
        return Unknown(f"unexpected code {result.code}")
    if result.text("out_trade_no") not in {number, ""}:
        return OTHER_NUMBER
    so_far = fen(result.node.get("refund_fee", "0"))
    if result.text("fund_change") != "Y" or so_far is None or so_far < amount:
        return RefundAccepted()
    return Refunded(amount, from_receipt(result.node, amount), moment(result.node.get("gmt_refund_pay")))


def refund_query_result(result: CallResult, number: str, refund_number: str) -> RefundQueryResult:
    """What fastpay.refund.query answered: without ``REFUND_SUCCESS`` the refund was not received, or failed."""
    if not isinstance(result, Answer):
        return result if isinstance(result, Unknown) else Unknown(f"{result.code} {result.word}")
    if result.code == codes.BUSINESS:
        return Absent() if result.sub_code == "TRADE_NOT_EXIST" else Unknown(result.sub_code or codes.BUSINESS)
    if result.code != codes.HANDLED:
        return Unknown(f"unexpected code {result.code}")
    if result.text("out_trade_no") not in {number, ""} or result.text("out_request_no") not in {refund_number, ""}:
        return OTHER_NUMBER
    status = result.text("refund_status")
    if not status:
        return Absent()
    amount = fen(result.node.get("refund_amount"))
    if status != "REFUND_SUCCESS" or amount is None or amount <= 0:
        return Unknown(f"unexpected refund status {status[:40]}")
    return Refunded(amount, from_receipt(result.node, amount), moment(result.node.get("gmt_refund_pay")))
