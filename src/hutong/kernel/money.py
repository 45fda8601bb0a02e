"""Money in minor units (fen, pence) and the rounding rules that every total rests on; integers only, never floats."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

MAX_AMOUNT = 10**12
"""The largest amount, in minor units, that any field may hold: ten thousand million yuan."""


def divide_half_up(numerator: int, denominator: int) -> int:
    """Divide and round to the nearest integer, halves away from zero. ``denominator`` is positive."""
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((-2 * numerator + denominator) // (2 * denominator))


def line_value(unit_price: int, thousandths: int) -> int:
    """The value, in minor units, of a quantity given in thousandths at a price a unit, rounded half up to the minor unit."""
    return divide_half_up(unit_price * thousandths, 1000)


def included_vat(amount: int, rate: int) -> int:
    """The VAT inside a tax-inclusive ``amount`` at ``rate`` basis points (1300 is 13 %), rounded half up."""
    return divide_half_up(amount * rate, 10_000 + rate)


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Split ``amount`` by ``weights`` (largest remainder); the parts always sum to ``amount``.

    Raises ValueError if there are no weights, one is negative, or all are zero.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise ValueError("weights must be non-negative and not all zero")
    sign = -1 if amount < 0 else 1
    quotients = [divmod(abs(amount) * weight, total) for weight in weights]
    parts = [quotient for quotient, _ in quotients]
    missing = abs(amount) - sum(parts)
    for index in sorted(range(len(parts)), key=lambda i: (-quotients[i][1], i))[:missing]:
        parts[index] += 1
    return [sign * part for part in parts]


def minor_units(text: str) -> int:
    """Read a decimal amount such as ``"12.34"`` as minor units (1234).

    Raises ValueError if it is not a decimal number or has more than two places that are not zero.
    """
    try:
        value = Decimal(text) * 100
    except InvalidOperation:
        raise ValueError(f"not an amount: {text!r}") from None
    if not value.is_finite() or value != value.to_integral_value():
        raise ValueError(f"not an amount in whole hundredths: {text!r}")
    return int(value)


SYMBOLS = {"CNY": "¥", "GBP": "£", "EUR": "€", "USD": "$", "HKD": "HK$", "MOP": "MOP$"}


def show_money(amount: int, currency: str = "CNY") -> str:
    """Write minor units for people: ``show_money(-123456)`` is ``-¥1,234.56``."""
    sign, digits = ("-" if amount < 0 else ""), abs(amount)
    return f"{sign}{SYMBOLS.get(currency, currency + ' ')}{digits // 100:,}.{digits % 100:02d}"
