"""GS1 keys (GS1 General Specifications): check digits, GTIN-14, GLN, and restricted-circulation numbers of weighed goods."""

from dataclasses import dataclass
from typing import Literal

GTIN_LENGTHS = (8, 12, 13, 14)


def check_digit(digits: str) -> str:
    """The check digit that belongs behind ``digits`` (section 7.9: weights 3 and 1 from the right)."""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def is_key(text: str, lengths: tuple[int, ...]) -> bool:
    """Whether ``text`` is ASCII digits of one of ``lengths`` with a right check digit."""
    return len(text) in lengths and text.isascii() and text.isdigit() and check_digit(text[:-1]) == text[-1]


def gtin14(text: str) -> str | None:
    """A GTIN-8, -12, -13 or -14 as GTIN-14 (zeros in front), or None if its length or check digit is wrong."""
    return text.zfill(14) if is_key(text, GTIN_LENGTHS) else None


def is_gln(text: str) -> bool:
    """Whether ``text`` is a GLN: 13 digits, check digit right."""
    return is_key(text, (13,))


def shown_gtin(gtin: str) -> str:
    """A stored GTIN-14 as it is printed under the bars: GTIN-8, -13 or -14 (a GTIN-12 shows as 13 digits)."""
    bare = gtin.lstrip("0")
    return gtin[-8:] if len(bare) <= 8 else gtin[-13:] if gtin.startswith("0") else gtin


@dataclass(frozen=True)
class VariableMeasure:
    """What a restricted-circulation number of weighed goods carries.

    ``item`` is the retailer's own number of the goods; ``carries`` says what ``value`` is: a price in minor units or a
    weight in grams.
    """

    item: str
    carries: Literal["price", "weight"]
    value: int


def variable_measure(
    text: str,
    price_prefixes: frozenset[str] = frozenset({"22", "23", "24"}),
    weight_prefixes: frozenset[str] = frozenset({"25", "26", "27"}),
) -> VariableMeasure | None:
    """Read a 13-digit number with a prefix of variable measure, or None if it is not one.

    The prefixes 20 to 29 belong to each market (General Specifications 1.4.3); which of them carry a price and which a
    weight is the retailer's setting. Layout: prefix 2, item 5, value 5, check digit 1.
    """
    if not is_key(text, (13,)) or text[:2] not in price_prefixes | weight_prefixes:
        return None
    return VariableMeasure(text[2:7], "price" if text[:2] in price_prefixes else "weight", int(text[7:12]))
