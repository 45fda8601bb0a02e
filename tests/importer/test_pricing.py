"""Lines reproduce the amount that was charged, to the minor unit, with the quantity kept."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hutong.importer.pricing import minor, pieces, priced
from hutong.kernel.money import line_value


@given(gross=some.integers(0, 10**10), thousandths=some.integers(1, 10**6))
def test_any_amount_of_any_quantity_is_reproduced(gross: int, thousandths: int):
    parts = pieces(gross, thousandths)
    assert len(parts) <= 2
    assert all(quantity > 0 and price >= 0 for quantity, price in parts)
    assert sum(quantity for quantity, _ in parts) == thousandths
    assert sum(line_value(price, quantity) for quantity, price in parts) == gross


@given(gross=some.integers(0, 10**6), share=some.fractions(0, 1), units=some.integers(1, 500))
def test_a_discount_is_shared_so_that_no_line_goes_below_nothing(gross: int, share: object, units: int):
    discount = int(gross * share)  # type: ignore[operator]
    lines = priced(gross, discount, units * 1000)
    assert sum(line.discount for line in lines) == discount
    assert sum(line.amount for line in lines) == gross - discount
    for line in lines:
        assert 0 <= line.discount <= line_value(line.unit_price, line.thousandths)
        assert line.amount == line_value(line.unit_price, line.thousandths) - line.discount


def test_a_price_that_fits_stays_one_line():
    assert pieces(765, 3000) == [(3000, 255)]


def test_three_for_a_pound_are_two_lines_a_penny_apart():
    assert pieces(100, 3000) == [(2000, 33), (1000, 34)]


@pytest.mark.parametrize(("text", "pence"), [("0.005", 1), ("-0.005", -1), ("0.0049", 0), ("12.345", 1235), ("1e3", 100_000)])
def test_halves_are_rounded_away_from_zero(text: str, pence: int):
    assert minor(Decimal(text)) == pence
