"""Whatever a merchant sends, each method answers or refuses; none breaks, and no money comes from nowhere."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.sandbox import create_sandbox
from hutong.sandbox.calls import METHODS, Call, Refused
from hutong.sandbox.customers import add_person
from hutong.sandbox.payers import current_code
from hutong.sandbox.records import App, Seller
from tests.support.sandbox import wallet_key

USUAL: dict[str, Any] = {
    "out_trade_no": "n1", "total_amount": "10.00", "subject": "S", "auth_code": "CODE", "scene": "bar_code", "product_code": "",
    "timeout_express": "2m", "time_expire": None, "buyer_id": None, "refund_amount": "1.00", "out_request_no": "r1", "refund_reason": "R",
    "agreement_params": None, "pay_params": None, "auth_no": None, "auth_confirm_mode": None, "out_order_no": "o1", "order_title": "T",
    "amount": "20.00", "pay_timeout": "5m", "remark": "R", "operation_id": None, "personal_product_code": "CYCLE_PAY_AUTH_P",
    "external_agreement_no": "e1", "access_params": {"channel": "QRCODE"}, "sign_scene": "A|B", "sign_validity_period": None,
    "period_rule_params": {"period_type": "DAY", "period": 7, "execute_time": "2026-12-01", "single_amount": "5"},
    "receiver_list": [{"type": "userId", "account": "a"}], "royalty_parameters": [{"trans_in": "a", "amount": "1.00"}],
    "royalty_mode": None, "extend_params": {"royalty_freeze": "true"}, "bill_type": "trade", "bill_date": "2020-01-02", "page_no": None,
    "start_time": "2026-11-01 00:00:00", "end_time": "2026-11-30 10:00:00", "ftoken": "FACE", "zimmetainfo": "{}", "trade_no": None,
    "alipay_cert_sn": "none", "query_options": ["trade_settle_info"], "goods_detail": None, "settle_no": None,
}  # fmt: skip
LIKELY = [
    None, "n1", "n2", "1.00", "100.00", "0.01", "9.99", "1c", "15d", "2026-11", "PREAUTH_PAY", "GENERAL_WITHHOLDING", "GENERAL_WITHHOLDING_P",
    "COMPLETE", "async", "CODE", "FACE", "PERSON", "TRADE", "AUTH", "security_code", {"agreement_no": "1"}, {"royalty_finish": "true"},
    {"period_type": "MONTH", "period": 1, "execute_time": "2026-12-01"},
    {"period_type": "DAY", "period": "7", "execute_time": "2026-12-01", "single_amount": "5", "total_payments": "x"},
]  # fmt: skip
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each, max_size=3), max_leaves=4)  # fmt: skip
VALUES = st.sampled_from(LIKELY) | JSON
CALLS = st.tuples(st.sampled_from(sorted(METHODS)), st.dictionaries(st.sampled_from(sorted(USUAL)), VALUES, max_size=4))


ODD: list[Any] = [
    None, "", "x", 0, -1, 1.5, True, [], ["a"], [None], {}, {"a": 1}, {"agreement_no": []}, {"channel": []}, "{", "[1]", '{"a":1}', "9" * 300, "🙂",
    "2026-13-45", "0m", "99999d", [{"type": [], "account": {}}], [{"trans_in": {}, "amount": [], "royalty_type": 1}],
    {"period_type": "DAY", "period": "7", "execute_time": "2026-12-01", "single_amount": "5", "total_payments": "x"},
    {"period_type": [], "period": {}, "execute_time": 5},
]  # fmt: skip


class Read(dict[str, Any]):
    """A business content that remembers what was asked of it."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_odd_value_of_a_field_breaks_its_method(method: str) -> None:
    world = create_sandbox(people=False, wallet_key=wallet_key()).world
    seller, app = Seller(id="2088", name="店", logon_id="s@example.cn", balance=10_000), App(id="2021", seller_id="2088")
    world.sellers[seller.id], world.apps[app.id] = seller, app
    person = add_person(world, "人", 5_000_000)
    for trade in ("alipay.trade.pay", "alipay.fund.auth.order.freeze", "alipay.user.agreement.page.sign"):
        filled = USUAL | {"auth_code": current_code(world, person).text}
        METHODS[trade](Call(world, app, seller, trade, filled, {}, world.clock.now()))
    world.clock.set(world.clock.now() + timedelta(seconds=31))
    usual, tried, waiting = USUAL | {"auth_code": current_code(world, person).text}, set(), {"out_trade_no"}
    while waiting:
        field = waiting.pop()
        tried.add(field)
        for odd in ODD:
            business = Read(usual | {field: odd})
            with contextlib.suppress(Refused):
                METHODS[method](Call(world, app, seller, method, business, {}, world.clock.now()))
            waiting |= business.asked - tried


@given(st.lists(CALLS, min_size=1, max_size=12))
def test_no_request_breaks_a_method(calls: list[tuple[str, dict[str, Any]]]) -> None:
    world = create_sandbox(people=False, wallet_key=wallet_key()).world
    seller, app = Seller(id="2088", name="店", logon_id="s@example.cn", balance=10_000), App(id="2021", seller_id="2088")
    world.sellers[seller.id], world.apps[app.id] = seller, app
    person = add_person(world, "人", 50_000)
    codes: set[str] = set()
    for method, business in calls:
        real: dict[Any, Any] = {
            "CODE": current_code(world, person).text, "FACE": current_code(world, person, face=True).text, "PERSON": person.id,
            "TRADE": next(reversed(world.trades), "none"), "AUTH": next(reversed(world.authorisations), "none"),
        }  # fmt: skip
        filled = {name: real.get(value, value) if isinstance(value, str) else value for name, value in (USUAL | business).items()}
        try:
            METHODS[method](Call(world, app, seller, method, filled, {}, world.clock.now()))
        except Refused as refusal:
            codes.add(refusal.sub_code)
    assert all(codes)
    held = sum(each.rest for each in world.authorisations.values())
    split = sum(part.amount - part.returned for trade in world.trades.values() for split in trade.splits for part in split.parts)
    fees = sum(trade.fee - sum(each.fee for each in trade.refunds) for trade in world.trades.values())
    assert person.balance + held + seller.balance + split + fees == 60_000
    assert all(trade.refunded <= trade.total for trade in world.trades.values())
