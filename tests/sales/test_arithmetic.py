"""The sale's arithmetic: what adds up passes, and one fen more or less anywhere does not."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.kernel.ids import uuid7
from hutong.kernel.money import included_vat, line_value, split
from hutong.sales.arithmetic import check_references, check_totals, checked_line, minute_of_day
from hutong.sales.errors import SaleDoesNotAddUp, SaleInvalid
from hutong.sales.wire import Line, Sale, Tender

RATES = [Decimal(0), Decimal(9), Decimal(13), Decimal("5.5"), Decimal(20)]


@st.composite
def lines(draw: st.DrawFn) -> Line:
    quantity = draw(st.integers(1, 50_000))
    price = draw(st.integers(0, 500_000))
    gross = line_value(price, quantity)
    discount = draw(st.integers(0, gross))
    rate = draw(st.sampled_from(RATES))
    amount = gross - discount
    return Line("x", Decimal(quantity) / 1000, price, amount, discount, rate, included_vat(amount, int(rate * 100)))


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    rung = draw(st.lists(lines(), min_size=1, max_size=8))
    total = sum(line.amount for line in rung)
    tendered = draw(st.integers(0, 10_000))
    parts = split(total, draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    tenders = [Tender("card", part) for part in parts] + [Tender("cash", tendered)]
    return Sale(
        uuid7(), "1", date(2026, 11, 22), datetime.now(UTC), rung, total,
        discount=sum(line.discount for line in rung), vat=sum(line.vat for line in rung), tenders=tenders, change=tendered,
    )  # fmt: skip


@given(sales())
def test_a_sale_that_adds_up_passes(sale: Sale) -> None:
    for number, line in enumerate(sale.lines, 1):
        checked_line(line, number)
    check_totals(sale)
    check_references(sale)


@given(sales(), st.sampled_from(["total", "discount", "vat", "change"]), st.sampled_from([-1, 1]))
def test_one_fen_off_in_the_head_is_refused_with_both_figures(sale: Sale, field: str, off: int) -> None:
    wrong = msgspec.structs.replace(sale, **{field: getattr(sale, field) + off})
    with pytest.raises(SaleDoesNotAddUp) as refused:
        check_totals(wrong)
    assert refused.value.extra["expected"] != refused.value.extra["given"]


@given(lines(), st.sampled_from(["amount", "vat"]), st.sampled_from([-1, 1]))
def test_one_fen_off_in_a_line_is_refused_with_the_line(line: Line, field: str, off: int) -> None:
    wrong = msgspec.structs.replace(line, **{field: getattr(line, field) + off})
    with pytest.raises(SaleDoesNotAddUp) as refused:
        checked_line(wrong, 3)
    assert refused.value.extra["line"] == 3
    assert {refused.value.extra["expected"], refused.value.extra["given"]} >= {getattr(wrong, field)}


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_split_parts_always_sum_to_the_amount(amount: int, weights: list[int]) -> None:
    parts = split(amount, weights)
    assert sum(parts) == amount
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


@given(st.integers(0, 10**9), st.sampled_from([0, 300, 600, 900, 1300, 2000]))
def test_vat_is_the_decimal_share_rounded_half_up(amount: int, rate: int) -> None:
    exact = Decimal(amount) * rate / (10_000 + rate)
    assert included_vat(amount, rate) == int(exact.quantize(Decimal(1), rounding="ROUND_HALF_UP"))


@pytest.mark.parametrize("quantity", ["0", "-1", "1.0001", "NaN", "Infinity", "1000001"])
def test_impossible_quantities_are_refused(quantity: str) -> None:
    with pytest.raises(SaleInvalid) as refused:
        checked_line(Line("x", Decimal(quantity), 100, 100), 1)
    assert refused.value.extra["field"] == "quantity"


def test_trade_after_midnight_counts_on_the_evening_before() -> None:
    assert minute_of_day(datetime(2026, 11, 23, 1, 5), date(2026, 11, 22)) == 1505
    assert minute_of_day(datetime(2026, 11, 22, 23, 59), date(2026, 11, 22)) == 1439
    for wrong in (date(2026, 11, 24), date(2026, 11, 21)):
        with pytest.raises(SaleInvalid):
            minute_of_day(datetime(2026, 11, 23, 1, 5), wrong)


def test_a_negative_tender_is_only_for_rounding() -> None:
    line = Line("x", Decimal(1), 1003, 1003)
    sale = Sale(uuid7(), "1", date(2026, 11, 22), datetime.now(UTC), [line], 1003, tenders=[Tender("cash", 1000), Tender("rounding", 3)])
    check_totals(sale)
    with pytest.raises(SaleInvalid):
        check_totals(msgspec.structs.replace(sale, tenders=[Tender("cash", 1103), Tender("card", -100)]))


def test_change_only_comes_back_from_cash_or_vouchers() -> None:
    line = Line("x", Decimal(1), 1000, 1000)
    sale = Sale(uuid7(), "1", date(2026, 11, 22), datetime.now(UTC), [line], 1000, tenders=[Tender("card", 1500)], change=500)
    with pytest.raises(SaleInvalid) as refused:
        check_totals(sale)
    assert refused.value.extra["field"] == "change"
