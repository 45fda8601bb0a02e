"""What each of Alipay's codes says about whether the request was carried out, and who can do something about it.

A code that stands in no table is never a refusal: money may have moved, and a query costs seconds where a wrong "declined" costs a
customer a second payment. So an unlisted sub_code of a business failure (40004) is ``Unknown``.
"""

from collections.abc import Mapping
from types import MappingProxyType

from hutong.payments.wallet import Declined, Unknown, WhoFixes

HANDLED, WAITING, UNAVAILABLE, BUSINESS = "10000", "10003", "20000", "40004"

PROTOCOL: Mapping[str, WhoFixes] = MappingProxyType(
    {"20001": "merchant", "40001": "merchant", "40002": "merchant", "40003": "merchant", "40005": "till", "40006": "merchant"}
)
"""Codes of a request that was turned away before it was carried out: tokens, parameters, conditions, rate, permission."""

AMBIGUOUS = frozenset({"isp.unknow-error", "aop.unknow-error", "isp.unknown-error", "aop.unknown-error"})
"""Sub-codes of the gateway's own failures: nothing follows from them, whatever code they come with."""


def _listed(**words: str) -> dict[str, WhoFixes]:
    who: dict[str, WhoFixes] = {"customer": "customer", "merchant": "merchant", "till": "till", "nobody": "nobody"}
    return {word: who[name] for name, text in words.items() for word in text.split()}


PAY = MappingProxyType(
    _listed(
        customer="""
            PAYMENT_AUTH_CODE_INVALID BUYER_BALANCE_NOT_ENOUGH BUYER_BANKCARD_BALANCE_NOT_ENOUGH ERROR_BALANCE_PAYMENT_DISABLE
            PULL_MOBILE_CASHIER_FAIL MOBILE_PAYMENT_SWITCH_OFF USER_FACE_PAYMENT_SWITCH_OFF PAYMENT_FAIL
            BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR NO_PAYMENT_INSTRUMENTS_AVAILABLE
            ERROR_BUYER_CERTIFY_LEVEL_LIMIT BUYER_ENABLE_STATUS_FORBID BUYER_SELLER_EQUAL PAYMENT_REQUEST_HAS_RISK NOT_CERTIFIED_USER
            AGREEMENT_NOT_EXIST AGREEMENT_INVALID AGREEMENT_STATUS_NOT_NORMAL AGREEMENT_ERROR
            MERCHANT_AGREEMENT_NOT_EXIST MERCHANT_AGREEMENT_INVALID
            AUTH_ORDER_NOT_PAID AUTH_ORDER_HAS_CLOSED AUTH_ORDER_HAS_FINISHED AUTH_AMOUNT_NOT_ENOUGH REQUEST_AMOUNT_EXCEED""",
        merchant="""
            INVALID_PARAMETER ACCESS_FORBIDDEN PARTNER_ERROR EXIST_FORBIDDEN_WORD TOTAL_FEE_EXCEED SELLER_BEEN_BLOCKED
            BEYOND_PAY_RESTRICTION BEYOND_PER_RECEIPT_RESTRICTION BEYOND_PER_RECEIPT_SINGLE_RESTRICTION BEYOND_PER_RECEIPT_DAY_RESTRICTION
            INVALID_STORE_ID MERCHANT_STATUS_NOT_NORMAL SUB_GOODS_SIZE_MAX_COUNT NOW_TIME_AFTER_EXPIRE_TIME_ERROR UN_SUPPORT_TRADE_SCENE
            CYCLE_PAY_DATE_NOT_MATCH CYCLE_PAY_SINGLE_FEE_EXCEED CYCLE_PAY_TOTAL_FEE_EXCEED CYCLE_PAY_TOTAL_TIMES_EXCEED
            AUTH_NO_ERROR PRE_AUTH_PROD_CODE_INCONSISTENT SMILE_PAY_MERCHANT_NOT_MATCH""",
    )
)
"""Refusals of trade.pay, precreate and create. What is deliberately not here: TRADE_HAS_SUCCESS, TRADE_HAS_CLOSE,
CONTEXT_INCONSISTENT and TRADE_BUYER_NOT_MATCH speak of a trade that exists under our number, so only a query can tell."""

REFUND = MappingProxyType(
    _listed(
        merchant="""
            SELLER_BALANCE_NOT_ENOUGH REFUND_AMT_NOT_EQUAL_TOTAL REASON_TRADE_REFUND_FEE_ERR INVALID_PARAMETER
            ALLOC_AMOUNT_VALIDATE_ERROR""",
        nobody="REASON_TRADE_BEEN_FREEZEN TRADE_NOT_EXIST TRADE_HAS_FINISHED TRADE_STATUS_ERROR",
    )
)
"""Refusals of trade.refund. Not here: SYSTEM_ERROR and TRADE_SETTLE_ERROR (repeat with the same parameters) and
DISCORDANT_REPEAT_REQUEST (this refund number was used for another amount: a refund query tells)."""

CANCEL_NEVER = frozenset(
    {"REASON_TRADE_REFUND_FEE_ERR", "CANCEL_NOT_ALLOWED", "TRADE_CANCEL_TIME_OUT", "TRADE_HAS_FINISHED", "SELLER_BALANCE_NOT_ENOUGH"}
)
"""Answers of trade.cancel after which repeating it is pointless and money goes back by a refund: partly refunded, not allowed, older
than 24 hours, finished, or paid while the retailer's balance is too small (the refund then waits for the balance)."""

CLOSE = MappingProxyType(_listed(merchant="INVALID_PARAMETER", nobody="TRADE_STATUS_ERROR TRADE_HAS_FINISHED REASON_TRADE_STATUS_INVALID"))
"""Refusals of trade.close: the trade is paid or over."""

SPLIT = MappingProxyType(
    _listed(
        merchant="""
            INVALID_PARAMETER ALLOC_AMOUNT_VALIDATE_ERROR SELLER_BALANCE_NOT_ENOUGH ROYALTY_RECEIVER_INVALID USER_NOT_MATCH_ERR
            ROYALTY_NOT_BIND RELATION_NOT_EXIST EXCEED_RATIO PRODUCT_AMOUNT_LIMIT_ERROR MERCHANT_NOT_MATCH""",
        nobody="TRADE_NOT_EXIST TRADE_STATUS_ERROR TRADE_HAS_FINISHED REASON_TRADE_BEEN_FREEZEN ILLEGAL_SETTLE_STATE",
    )
)
"""Refusals of trade.order.settle and royalty.relation.bind; several names are recalled, an unlisted one is Unknown and repeated."""

FREEZE = MappingProxyType(
    {
        **PAY,
        **_listed(
            customer="ORDER_ALREADY_CLOSED",
            merchant="ORDER_ALREADY_FINISH AUTH_ORDER_NOT_EXIST UNFREEZE_AMOUNT_EXCEED REST_AMOUNT_NOT_ENOUGH",
            nobody="AUTH_ORDER_STATUS_ERROR",
        ),
    }
)
"""Refusals of the pre-authorisation methods; those beyond trade.pay's are recalled."""

UNSIGN = MappingProxyType(_listed(merchant="INVALID_PARAMETER", nobody="UNSIGN_NOT_ALLOWED AGREEMENT_CANNOT_UNSIGN"))
"""Refusals of agreement.unsign (recalled)."""


def plain(sub_code: str) -> str:
    """A sub-code without the ``ACQ.`` that most of them carry."""
    return sub_code.removeprefix("ACQ.")


def refusal(sub_code: str, listed: Mapping[str, WhoFixes], message: str = "") -> Declined | Unknown:
    """What a business failure (40004) says: ``Declined`` only for the codes that are listed as surely not carried out."""
    word = plain(sub_code)
    if word in listed:
        return Declined(word, listed[word], message)
    return Unknown(word or "40004 without a sub-code")
