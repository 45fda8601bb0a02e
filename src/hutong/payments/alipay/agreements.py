"""Agreements by which the retailer may charge a payer without asking each time: signed in the wallet, looked up, ended.

A charge under one is ``AlipayWallet.pay`` with ``Charge.agreement``. That an agreement ran out is told to nobody, so it is asked for.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from hutong.payments.alipay.client import AlipayClient, Answer
from hutong.payments.alipay.codes import UNSIGN
from hutong.payments.alipay.fields import check_amount, moment, yuan
from hutong.payments.alipay.outcomes import found, refused
from hutong.payments.wallet import Absent, Declined, Unknown

SIGN = "alipay.user.agreement.page.sign"
LONGEST_NUMBER = 32
ABSENT = frozenset({"USER_AGREEMENT_NOT_EXIST", "AGREEMENT_NOT_EXIST", "MERCHANT_AGREEMENT_NOT_EXIST"})
"""Sub-codes of a query for an agreement that Alipay does not know (partly recalled)."""
STATES: dict[str, Literal["waiting", "active", "stopped", "ended"]] = {
    "TEMP": "waiting",
    "NORMAL": "active",
    "STOP": "stopped",
    "UNSIGN": "ended",
}


@dataclass(frozen=True, slots=True)
class Period:
    """How often and how much a periodic agreement may charge: every ``every`` days (7 or more) or months (by the 28th), from ``first``."""

    unit: Literal["DAY", "MONTH"]
    every: int
    first: date
    most_once: int
    """Fen a charge."""
    most_in_all: int | None = None
    most_times: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what Alipay refuses."""
        if self.every < (7 if self.unit == "DAY" else 1):
            raise ValueError("a period has at least 7 days, or one month")
        if self.unit == "MONTH" and self.first.day > 28:
            raise ValueError("a monthly agreement charges by the 28th")


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement as Alipay has it. ``number`` is ours, ``agreement_no`` Alipay's: what a charge names (empty until it is signed)."""

    number: str
    agreement_no: str
    state: Literal["waiting", "active", "stopped", "ended"]
    signed_at: datetime | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    payer: str = ""
    """Masked: how the wallet shows the payer."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The agreement ends; a notification ``dut_user_unsign`` follows."""


def signing_url(
    client: AlipayClient, number: str, scene: str, *, payer_shown: str = "", channel: str = "QRCODE", period: Period | None = None
) -> str:
    """The address, signed for now, at which the payer signs: opened in the wallet or shown as a QR code.

    ``number`` is ours (up to 32 letters, digits and underscores); ``scene`` is the one agreed with Alipay, such as
    ``INDUSTRY|CARWASH``; ``payer_shown`` is the payer's name at the retailer. Raises ValueError for another number.
    """
    biz: dict[str, Any] = {
        "personal_product_code": "CYCLE_PAY_AUTH_P" if period else "GENERAL_WITHHOLDING_P",
        "product_code": "CYCLE_PAY_AUTH" if period else "GENERAL_WITHHOLDING",
        "sign_scene": scene,
        "external_agreement_no": _checked(number),
        "external_logon_id": payer_shown,
        "access_params": {"channel": channel},
    }
    if period:
        biz["period_rule_params"] = _period(period)
    fields = client.signed(SIGN, {name: value for name, value in biz.items() if value}, notify_url=client.account.notify_url)
    return f"{client.account.gateway}?{urlencode(fields)}"


async def query_agreement(client: AlipayClient, number: str, *, periodic: bool = False, scene: str = "") -> Agreement | Absent | Unknown:
    """How the agreement with our ``number`` stands."""
    biz = {
        "external_agreement_no": _checked(number),
        "personal_product_code": "CYCLE_PAY_AUTH_P" if periodic else "GENERAL_WITHHOLDING_P",
        "sign_scene": scene,
    }
    answer = found(await client.call("alipay.user.agreement.query", {name: value for name, value in biz.items() if value}), ABSENT)
    if not isinstance(answer, Answer):
        return answer
    if answer.text("external_agreement_no") not in {number, ""}:
        return Unknown("the answer is about another agreement")
    state = STATES.get(answer.text("status"))
    if state is None or (state != "waiting" and not answer.text("agreement_no")):
        return Unknown(f"unexpected status {answer.text('status')[:40]}")
    signed, begins, ends = (moment(answer.node.get(name)) for name in ("sign_time", "valid_time", "invalid_time"))
    return Agreement(number, answer.text("agreement_no"), state, signed, begins, ends, answer.text("alipay_logon_id"))


async def end_agreement(client: AlipayClient, agreement_no: str) -> Ended | Absent | Declined | Unknown:
    """End an agreement from the retailer's side; may be repeated."""
    result = await client.call("alipay.user.agreement.unsign", {"agreement_no": agreement_no}, notify_url=client.account.notify_url)
    if isinstance(found(result, ABSENT), Absent):
        return Absent()
    return refused(result, UNSIGN, believe_protocol=False) or Ended()


def _checked(number: str) -> str:
    if not (1 <= len(number) <= LONGEST_NUMBER and number.isascii() and number.replace("_", "").isalnum()):
        raise ValueError(f"not a number for an agreement: 1 to {LONGEST_NUMBER} letters, digits and underscores")
    return number


def _period(period: Period) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "period_type": period.unit,
        "period": period.every,
        "execute_time": period.first.isoformat(),
        "single_amount": yuan(check_amount(period.most_once)),
    }
    if period.most_in_all is not None:
        rule["total_amount"] = yuan(check_amount(period.most_in_all))
    if period.most_times is not None:
        rule["total_payments"] = period.most_times
    return rule
