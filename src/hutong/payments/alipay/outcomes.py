"""How a call that is not a payment's own failed: the common reading of answers for authorisations, agreements and splits."""

from collections.abc import Mapping

from hutong.payments.alipay import codes
from hutong.payments.alipay.client import Answer, CallResult, NotExecuted
from hutong.payments.wallet import Absent, Declined, Unknown, WhoFixes


def refused(result: CallResult, listed: Mapping[str, WhoFixes], *, believe_protocol: bool = True) -> Declined | Unknown | None:
    """Why a call was not carried out, or None if it was handled (10000).

    A request that is repeated with the same number must not believe a protocol error (``believe_protocol``): the repetition was
    turned away, but the first may have been carried out.
    """
    if isinstance(result, Unknown):
        return result
    if isinstance(result, NotExecuted):
        if not believe_protocol:
            return Unknown(f"{result.code} {result.word}")
        return Declined(result.word, codes.PROTOCOL.get(result.code, "merchant"), result.message)
    if result.code == codes.BUSINESS:
        return codes.refusal(result.sub_code, listed, result.message)
    return None if result.code == codes.HANDLED else Unknown(f"unexpected code {result.code}")


def found(result: CallResult, absent: frozenset[str]) -> Answer | Absent | Unknown:
    """What a query found. Only the sub-codes in ``absent`` say that there is nothing."""
    if isinstance(result, Answer) and result.code == codes.HANDLED:
        return result
    if isinstance(result, Answer) and result.sub_code in absent:
        return Absent()
    if isinstance(result, Unknown):
        return result
    return Unknown(f"{result.code} {result.word if isinstance(result, NotExecuted) else result.sub_code}".strip())
