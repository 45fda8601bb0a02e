"""Notifications: a posted form becomes a Notice only if Alipay signed it and it is about this app and this seller.

What remains for the caller is what only its database knows: that the number is ours and the amount is the attempt's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl

from hutong.payments.alipay.fields import fen
from hutong.payments.alipay.sign import notice_texts
from hutong.payments.alipay.trades import trade_state
from hutong.payments.wallet import Notice, QueryResult, Unknown

if TYPE_CHECKING:
    from hutong.payments.alipay.account import AlipayAccount
    from hutong.payments.alipay.client import AlipayClient

MOST_BYTES, MOST_FIELDS = 64 * 1024, 200
LONGEST_NUMBER, LONGEST_ID = 64, 128
CHARSETS = {"": "utf-8", "utf-8": "utf-8", "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030"}
_CHARSET = re.compile(rb"(?:^|&)charset=([0-9A-Za-z-]{0,20})(?:&|$)")

Kind = Literal["trade", "agreement", "authorisation", "other"]
KINDS: Mapping[str, Kind] = {
    "trade_status_sync": "trade",
    "dut_user_sign": "agreement",
    "dut_user_unsign": "agreement",
    "fund_auth_freeze": "authorisation",
    "fund_auth_unfreeze": "authorisation",
    "fund_auth_operation_cancel": "authorisation",
}
NUMBERS: Mapping[Kind, str] = {"trade": "out_trade_no", "agreement": "external_agreement_no", "authorisation": "out_order_no"}


class NoticeRefused(Exception):
    """It is not believed: never answer ``success``. ``reason`` is for the log and the alarm."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claim:
    """What a notification says of itself, unproven: enough to find the account whose keys can prove it."""

    app_id: str
    seller_id: str
    number: str


def claim_of(body: bytes) -> Claim:
    """Whose notification this claims to be. Raises NoticeRefused if it cannot be read."""
    fields = parse_form(body)
    return Claim(fields.get("app_id", ""), fields.get("seller_id", ""), fields.get(NUMBERS.get(_kind(fields), "out_trade_no"), ""))


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a posted form, decoded in the charset that it names. Raises NoticeRefused."""
    return _parse(body)[0]


def _parse(body: bytes) -> tuple[dict[str, str], str]:
    if len(body) > MOST_BYTES:
        raise NoticeRefused("too long")
    named = _CHARSET.search(body)
    charset = CHARSETS.get(named.group(1).decode("ascii").lower() if named else "")
    if charset is None:
        raise NoticeRefused("unknown charset")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, encoding=charset, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise NoticeRefused("not a form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NoticeRefused("a field comes twice")
    return fields, charset


async def read_notice(client: "AlipayClient", body: bytes) -> Notice:
    """Verify and read a notification. Raises NoticeRefused where anything does not hold."""
    fields, charset = _parse(body)
    await _prove(client, fields, charset)
    _belongs(client.account, fields)
    kind = _kind(fields)
    number, notice_id = fields.get(NUMBERS.get(kind, "out_trade_no"), ""), fields.get("notify_id", "")
    if not notice_id or len(notice_id) > LONGEST_ID or len(number) > LONGEST_NUMBER or (kind == "trade" and not number):
        raise NoticeRefused("an id or number is missing or too long")
    refunded = fen(fields.get("refund_fee") or "0")
    if refunded is None or refunded < 0:
        raise NoticeRefused("the refunded amount cannot be read")
    kept = tuple((name, value) for name, value in fields.items() if name not in {"sign", "sign_type"})
    return Notice(
        id=notice_id,
        kind=kind,
        number=number,
        result=_result(fields) if kind == "trade" else None,
        refund_number=_refund_number(fields) if kind == "trade" else "",
        refunded=refunded,
        fields=kept,
    )


async def _prove(client: "AlipayClient", fields: Mapping[str, str], charset: str) -> None:
    if fields.get("sign_type") != "RSA2" or not fields.get("sign"):
        raise NoticeRefused("not signed with RSA2")
    if fields.get("app_id") != client.account.app_id:
        raise NoticeRefused("for another app")
    for text in notice_texts(fields):
        try:
            signed = text.encode(charset)
        except UnicodeEncodeError as error:
            raise NoticeRefused("not a form") from error
        if await client.verified(signed, fields["sign"], fields.get("alipay_cert_sn", "")):
            return
    raise NoticeRefused("the signature does not hold")


def _belongs(account: "AlipayAccount", fields: Mapping[str, str]) -> None:
    """A trade names its seller, always; an authorisation its payee where it does."""
    kind = _kind(fields)
    if kind == "trade" and fields.get("seller_id") != account.seller_id:
        raise NoticeRefused("for another seller")
    if kind == "authorisation" and fields.get("payee_user_id", account.seller_id) != account.seller_id:
        raise NoticeRefused("for another seller")


def _kind(fields: Mapping[str, str]) -> Kind:
    return KINDS.get(fields.get("notify_type", ""), "other")


def _result(fields: Mapping[str, str]) -> QueryResult:
    result = trade_state(fields)
    if isinstance(result, Unknown):
        raise NoticeRefused(result.reason)
    return result


def _refund_number(fields: Mapping[str, str]) -> str:
    """Of the refund that it tells of: a repeated success with a time of refund is a refund's news, not a payment's."""
    if not fields.get("gmt_refund") and not fen(fields.get("refund_fee") or "0"):
        return ""
    return fields.get("out_biz_no", "")
