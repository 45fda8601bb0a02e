"""A retailer's account at Alipay as a wallet: payments by code, face, agreement, authorisation and QR, queries, refunds, the bill."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import aiohttp

from hutong.kernel import clock
from hutong.payments.alipay import codes, notices, trades
from hutong.payments.alipay.account import AlipayAccount
from hutong.payments.alipay.client import SECONDS, AlipayClient, Answer, NotExecuted
from hutong.payments.alipay.fields import check_amount, check_number, minutes, subject, yuan
from hutong.payments.alipay.outcomes import refused
from hutong.payments.wallet import (
    Absent,
    CancelResult,
    Charge,
    Closed,
    Declined,
    Notice,
    PayResult,
    QrCode,
    QrResult,
    QueryResult,
    RefundQueryResult,
    RefundResult,
    Unknown,
    WalletUnreachable,
)

MOST_BILL = 256 * 1024 * 1024
"""Bytes of a bill as it is sent (zipped): several million lines."""
REFUND_OPTIONS = ["refund_detail_item_list", "refund_voucher_detail_list"]
"""What Alipay says of a refund only when asked: how much of it the retailer really gave back."""
PAY_WAITS = 2.0
"""Seconds that a payment waits for its turn within the app's rate; queries and cancels wait longer."""
GATEWAY_DOWN = Declined(
    "GATEWAY_DOWN", "till", "Alipay does not answer just now; nothing was sent. Take another means of payment or try again."
)


@dataclass(frozen=True, slots=True)
class Created:
    """A trade waits for the buyer who was named; the mini-program opens it by ``trade_no``."""

    trade_no: str


class AlipayWallet:
    """Implements ``payments.wallet.Wallet``. One for each account, used by many payments at a time."""

    def __init__(
        self, account: AlipayAccount, *, session: aiohttp.ClientSession | None = None, rate: float = 300.0, seconds: float = SECONDS
    ) -> None:
        """``rate`` calls a second at most; ``session`` may be shared by accounts. Raises UnusableKey or UnusableCertificate."""
        self.account = account
        self.client = AlipayClient(account, session=session, rate=rate, seconds=seconds)

    async def close(self) -> None:
        """Give its connections back."""
        await self.client.close()

    async def pay(self, charge: Charge) -> PayResult:
        """Ask for the money, once. While the gateway answers nobody, nothing is sent and the answer is a refusal."""
        if not self.client.breaker.allows():
            return GATEWAY_DOWN
        biz = {**self._order(charge), **_credential(charge, self.account)}
        result = await self.client.call("alipay.trade.pay", biz, notify_url=self.account.notify_url, longest_wait=PAY_WAITS)
        return trades.pay_result(result, charge.number)

    async def show_qr(self, charge: Charge) -> QrResult:
        """Make the code that the payer scans."""
        if not self.client.breaker.allows():
            return GATEWAY_DOWN
        asked = clock.now()
        biz = {**self._order(charge), "qr_code_timeout_express": minutes(charge.expires_after)}
        result = await self.client.call("alipay.trade.precreate", biz, notify_url=self.account.notify_url, longest_wait=PAY_WAITS)
        if (failure := refused(result, codes.PAY)) is not None:
            return failure
        assert isinstance(result, Answer)
        if result.text("out_trade_no") not in {charge.number, ""}:
            return trades.OTHER_NUMBER
        if not (content := result.text("qr_code")):
            return Unknown("the answer has no code")
        return QrCode(content, asked + timedelta(seconds=charge.expires_after))

    async def create(self, charge: Charge, buyer: str) -> Created | Declined | Unknown:
        """Make a trade that this buyer (Alipay's user or open id) then pays in a mini-program."""
        if not self.client.breaker.allows():
            return GATEWAY_DOWN
        who = {"buyer_id": buyer} if buyer.isdigit() else {"buyer_open_id": buyer}
        result = await self.client.call(
            "alipay.trade.create", {**self._order(charge), **who}, notify_url=self.account.notify_url, longest_wait=PAY_WAITS
        )
        if (failure := refused(result, codes.PAY)) is not None:
            return failure
        assert isinstance(result, Answer)
        if result.text("out_trade_no") != charge.number or not result.text("trade_no"):
            return trades.OTHER_NUMBER
        return Created(result.text("trade_no"))

    async def query(self, number: str) -> QueryResult:
        """What Alipay knows of one of our numbers."""
        return trades.query_result(await self.client.call("alipay.trade.query", {"out_trade_no": check_number(number)}), number)

    async def cancel(self, number: str) -> CancelResult:
        """Undo whatever there is under this number, within 24 hours; may be repeated."""
        return trades.cancel_result(await self.client.call("alipay.trade.cancel", {"out_trade_no": check_number(number)}), number)

    async def close_unpaid(self, number: str) -> Closed | Absent | Declined | Unknown:
        """Close a trade that waits for its payer; a paid one stays as it is and this is declined."""
        result = await self.client.call("alipay.trade.close", {"out_trade_no": check_number(number)})
        if isinstance(result, Answer) and result.sub_code == "TRADE_NOT_EXIST":
            return Absent()
        return refused(result, codes.CLOSE, believe_protocol=False) or Closed()

    async def refund(self, number: str, refund_number: str, amount: int, reason: str) -> RefundResult:
        """Give ``amount`` fen back; repeated with the same ``refund_number`` it happens once."""
        biz = {
            "out_trade_no": check_number(number),
            "out_request_no": check_number(refund_number),
            "refund_amount": yuan(check_amount(amount)),
            "refund_reason": subject(reason),
            "query_options": REFUND_OPTIONS,
        }
        return trades.refund_result(await self.client.call("alipay.trade.refund", biz), number, amount)

    async def refund_query(self, number: str, refund_number: str) -> RefundQueryResult:
        """Whether that refund happened."""
        biz = {
            "out_trade_no": check_number(number),
            "out_request_no": check_number(refund_number),
            "query_options": [*REFUND_OPTIONS, "gmt_refund_pay"],
        }
        result = await self.client.call("alipay.trade.fastpay.refund.query", biz)
        return trades.refund_query_result(result, number, refund_number)

    async def fetch_bill(self, day: date, kind: str = "trade") -> bytes | None:
        """The zipped bill of one day, Beijing time (``kind`` ``trade``: sales and refunds; ``signcustomer``: the account's movements).

        None while Alipay has none. Its address lives 30 seconds, so it is used at once. Raises WalletUnreachable.
        """
        biz = {"bill_type": kind, "bill_date": day.isoformat()}
        result = await self.client.call("alipay.data.dataservice.bill.downloadurl.query", biz)
        if not isinstance(result, Unknown) and _no_bill(result):
            return None
        if not isinstance(result, Answer) or result.code != codes.HANDLED:
            why = result.reason if isinstance(result, Unknown) else result.word if isinstance(result, NotExecuted) else result.sub_code
            raise WalletUnreachable(f"no address of the bill of {day}: {why}")
        content = await self.client.download(result.text("bill_download_url"), MOST_BILL)
        if isinstance(content, Unknown):
            raise WalletUnreachable(f"the bill of {day} could not be fetched: {content.reason}")
        if not content.startswith(b"PK"):
            raise WalletUnreachable(f"what came as the bill of {day} is not a zip file")
        return content

    async def read_notice(self, body: bytes) -> Notice:
        """A notification as it was posted, verified to be Alipay's and about this account. Raises NoticeRefused."""
        return await notices.read_notice(self.client, body)

    def _order(self, charge: Charge) -> dict[str, Any]:
        """What every way of asking for money says of it."""
        biz: dict[str, Any] = {
            "out_trade_no": check_number(charge.number),
            "total_amount": yuan(check_amount(charge.amount)),
            "subject": subject(charge.subject),
            "seller_id": self.account.seller_id,
            "timeout_express": minutes(charge.expires_after),
            "store_id": charge.store[:32],
            "terminal_id": charge.till[:32],
        }
        if charge.splits:
            biz["extend_params"] = {"royalty_freeze": "true"}
        return {name: value for name, value in biz.items() if value}


def _no_bill(result: Answer | NotExecuted) -> bool:
    return result.sub_code.lower() in {"isp.bill_not_exist", "bill_not_exist"}


def _credential(charge: Charge, account: AlipayAccount) -> dict[str, Any]:
    """Where the money comes from: the scanned code or face, a signed agreement, or an amount that was authorised before."""
    if sum(map(bool, (charge.code, charge.agreement, charge.authorisation))) != 1:
        raise ValueError("a charge names exactly one of code, agreement and authorisation")
    if charge.agreement:
        return {"product_code": "GENERAL_WITHHOLDING", "agreement_params": {"agreement_no": charge.agreement}}
    if charge.authorisation:
        rest = "COMPLETE" if charge.release_rest else "NOT_COMPLETE"
        return {"product_code": "PREAUTH_PAY", "auth_no": charge.authorisation, "auth_confirm_mode": rest}
    scene = "security_code" if charge.code.startswith("fp") else "bar_code"
    return {"product_code": "FACE_TO_FACE_PAYMENT", "scene": scene, "auth_code": charge.code}
