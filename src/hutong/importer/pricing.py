"""How a charged amount becomes lines whose unit price times quantity reproduces it to the minor unit."""

from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from hutong.kernel.money import divide_half_up, line_value, split

HUNDRED = Decimal(100)
ONE = Decimal(1)


class Priced(NamedTuple):
    """Part of a line: quantity in thousandths, unit price, discount and amount in minor units."""

    thousandths: int
    unit_price: int
    discount: int
    amount: int


def minor(value: Decimal) -> int:
    """A decimal amount in minor units, rounded half up (halves away from zero)."""
    return int((value * HUNDRED).quantize(ONE, ROUND_HALF_UP))


def pieces(gross: int, thousandths: int) -> list[tuple[int, int]]:
    """``(thousandths, unit price)`` of one or two lines that make ``gross`` together, with the quantity kept.

    Three for 1.00 are one at 0.34 and two at 0.33: both the quantity and the amount stay true, which neither a rounded unit price nor
    "1 at 1.00" would do.
    """
    price = divide_half_up(gross * 1000, thousandths)
    if line_value(price, thousandths) == gross:
        return [(thousandths, price)]
    if thousandths % 1000 == 0:
        price, dearer = divmod(gross, thousandths // 1000)
        return [(thousandths - dearer * 1000, price), (dearer * 1000, price + 1)]
    price = gross * 1000 // thousandths
    exact = gross * 1000 - price * thousandths
    # Each of the two is rounded by itself; where both halves round up, a nearby division is right.
    for offset in range(thousandths):
        for dearer in (exact - offset, exact + offset):
            if 0 < dearer < thousandths and line_value(price, thousandths - dearer) + line_value(price + 1, dearer) == gross:
                return [(thousandths - dearer, price), (dearer, price + 1)]
    raise ArithmeticError(f"{thousandths} thousandths cannot cost {gross}")  # unreachable, by the property test


def priced(gross: int, discount: int, thousandths: int) -> list[Priced]:
    """The lines of goods that cost ``gross`` less ``discount`` (0 to gross)."""
    parts = pieces(gross, thousandths)
    if len(parts) == 1:
        return [Priced(thousandths, parts[0][1], discount, gross - discount)]
    values = [line_value(price, quantity) for quantity, price in parts]
    shares = split(discount, values)
    return [Priced(quantity, price, share, value - share) for (quantity, price), value, share in zip(parts, values, shares, strict=True)]
