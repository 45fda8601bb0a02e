"""Parts of a payment passed on to brands: receivers bound, a paid trade split, the rest set free; amounts in fen.

A trade that is to be split was asked for with ``Charge.splits``. Alipay wants 30 seconds between payment and split, at most 30 % of
the trade unless it has agreed to more, and one mode a trade: at once (5 receivers, all or nothing) or later (50, each on its own).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from hutong.payments.alipay.client import AlipayClient, Answer
from hutong.payments.alipay.codes import SPLIT
from hutong.payments.alipay.fields import check_amount, check_number, fen, listed, moment, subject, yuan
from hutong.payments.alipay.outcomes import found, refused
from hutong.payments.wallet import Absent, Declined, Unknown

MOST_AT_ONCE, MOST_LATER, MOST_BOUND_AT_ONCE = 5, 50, 20
ABSENT = frozenset({"TRADE_NOT_EXIST", "SETTLE_NOT_EXIST", "ORDER_NOT_EXIST"})
AccountKind = Literal["userId", "loginName"]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who may receive parts: Alipay's id of the account (``userId``) or its login name, then with the ``name`` it is registered under."""

    kind: AccountKind
    account: str
    name: str = ""
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One receiver's part, in fen."""

    kind: AccountKind
    account: str
    amount: int
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """These receivers can be given parts."""


@dataclass(frozen=True, slots=True)
class Split:
    """Alipay carried the split out, or (``later``) took it on: then ``query_split`` tells of each part."""

    settle_no: str
    later: bool = False


@dataclass(frozen=True, slots=True)
class PartState:
    """What became of one part: ``done``, ``failed`` (with Alipay's ``code``) or still ``waiting``."""

    account: str
    amount: int
    state: Literal["done", "failed", "waiting"]
    code: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SplitState:
    """A split as Alipay has it."""

    parts: tuple[PartState, ...]


async def bind_receivers(client: AlipayClient, request: str, receivers: Sequence[Receiver]) -> Bound | Declined | Unknown:
    """Register who may receive parts of the retailer's payments; may be repeated. Raises ValueError for none or more than 20."""
    if not 1 <= len(receivers) <= MOST_BOUND_AT_ONCE:
        raise ValueError(f"1 to {MOST_BOUND_AT_ONCE} receivers can be bound at once")
    entities = [_without_empty({"type": r.kind, "account": r.account, "name": r.name, "memo": r.memo}) for r in receivers]
    biz = {"out_request_no": check_number(request), "receiver_list": entities}
    result = await client.call("alipay.trade.royalty.relation.bind", biz)
    if (failure := refused(result, SPLIT, believe_protocol=False)) is not None:
        return failure
    assert isinstance(result, Answer)
    return Bound() if result.text("result_code") == "SUCCESS" else Unknown(f"result {result.text('result_code')[:40]}")


async def split(
    client: AlipayClient, trade_no: str, request: str, parts: Sequence[Part], *, last: bool = True, later: bool = False
) -> Split | Declined | Unknown:
    """Pass parts of a paid trade on; repeated with the same ``request`` and the same parts it happens once.

    ``last`` sets what remains free for the retailer; without parts it does only that. ``later`` lets Alipay carry it out in its own
    time. Raises ValueError for too many parts.
    """
    most = MOST_LATER if later else MOST_AT_ONCE
    if len(parts) > most or not (parts or last):
        raise ValueError(f"1 to {most} parts can be split at once")
    biz: dict[str, Any] = {
        "trade_no": trade_no,
        "out_request_no": check_number(request),
        "royalty_parameters": [_part(each) for each in parts],
        "royalty_mode": "async" if later else "sync",
    }
    if last:
        biz["extend_params"] = {"royalty_finish": "true"}
    result = await client.call("alipay.trade.order.settle", _without_empty(biz))
    if (failure := refused(result, SPLIT, believe_protocol=False)) is not None:
        return failure
    assert isinstance(result, Answer)
    return Split(result.text("settle_no"), later) if result.text("trade_no") in {trade_no, ""} else Unknown("another trade")


async def query_split(client: AlipayClient, trade_no: str, request: str) -> SplitState | Absent | Unknown:
    """What became of each part of a split."""
    biz = {"trade_no": trade_no, "out_request_no": check_number(request)}
    answer = found(await client.call("alipay.trade.order.settle.query", biz), ABSENT)
    if not isinstance(answer, Answer):
        return answer
    if answer.text("out_request_no") not in {request, ""}:
        return Unknown("the answer is about another split")
    # What sets the rest free stands in the same list and is nobody's part.
    details = [each for each in listed(answer.node.get("royalty_detail_list")) if each.get("operation_type", "transfer") == "transfer"]
    parts = [_state(each) for each in details]
    if any(part is None for part in parts):
        return Unknown("a part cannot be read")
    return SplitState(tuple(part for part in parts if part is not None))


async def unsettled(client: AlipayClient, trade_no: str) -> int | Absent | Unknown:
    """How much of a trade is held and neither split nor set free, in fen."""
    answer = found(await client.call("alipay.trade.order.onsettle.query", {"trade_no": trade_no}), ABSENT)
    if not isinstance(answer, Answer):
        return answer
    amount = fen(answer.node.get("unsettled_amount"))
    return Unknown("the amount cannot be read") if amount is None else amount


async def most_ratio(client: AlipayClient, request: str) -> int | Unknown:
    """The largest part of a trade that may be split, in hundredths of a percent (3000 is 30 %)."""
    answer = found(await client.call("alipay.trade.royalty.rate.query", {"out_request_no": check_number(request)}), frozenset())
    if not isinstance(answer, Answer):
        return answer if isinstance(answer, Unknown) else Unknown("nothing")
    try:
        ratio = Decimal(answer.text("max_ratio")) * 100
    except InvalidOperation:
        return Unknown("the ratio cannot be read")
    return int(ratio) if ratio == ratio.to_integral_value() and 0 <= ratio <= 10_000 else Unknown("the ratio cannot be read")


def _part(part: Part) -> dict[str, Any]:
    return _without_empty(
        {
            "royalty_type": "transfer",
            "trans_in_type": part.kind,
            "trans_in": part.account,
            "amount": yuan(check_amount(part.amount)),
            "desc": subject(part.memo) if part.memo else "",
        }
    )


def _state(detail: Mapping[str, Any]) -> PartState | None:
    states: dict[str, Literal["done", "failed", "waiting"]] = {"SUCCESS": "done", "FAIL": "failed", "PROCESSING": "waiting"}
    amount, state = fen(detail.get("amount")), states.get(str(detail.get("state", "PROCESSING")))
    if amount is None or state is None:
        return None
    return PartState(str(detail.get("trans_in", "")), amount, state, str(detail.get("error_code", "")), moment(detail.get("execute_dt")))


def _without_empty(biz: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in biz.items() if value}
