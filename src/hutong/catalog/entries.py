"""A product as somebody wants it registered, and the plain rules it must keep: codes, units, VAT rates."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from hutong.catalog.codes import MAX_OWN_CODE
from hutong.kernel.gs1 import gtin14, variable_measure
from hutong.platform.web import mark

MAX_NAME = 200

UNITS = {
    "EA": "件个只支瓶袋盒包罐听台部张本条块双对套桶枚杯卷", "KGM": "千克公斤", "GRM": "克", "LTR": "升", "MLT": "毫升", "MTR": "米",
    "MTK": "平方米", "HUR": "小时",
}  # fmt: skip
"""Units that goods are sold in (UN/ECE Recommendation 20) with the words that Chinese files use for them."""

_UNIT_WORDS = {
    **dict.fromkeys(UNITS["EA"], "EA"), "千克": "KGM", "公斤": "KGM", "克": "GRM", "升": "LTR", "毫升": "MLT", "米": "MTR",
    "平方米": "MTK", "小时": "HUR", "PCS": "EA", "PC": "EA", "EACH": "EA", "PIECE": "EA", "H87": "EA", "KG": "KGM", "G": "GRM", "L": "LTR",
    "ML": "MLT", "M": "MTR", "M2": "MTK",
}  # fmt: skip

VAT_RATES = {"CNY": frozenset({0, 100, 300, 500, 600, 900, 1300}), "GBP": frozenset({0, 500, 2000})}
"""The rates, in basis points, that a receipt in this currency may carry (China: State Council Order 691 and later cuts)."""
MAX_OTHER_VAT = 3000


class Outcome(StrEnum):
    """What became of an entry. ``kept``: somebody else answers for the product, and it stays as it is."""

    CREATED = "created"
    COMPLETED = "completed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be accepted: a stable ``reason`` (a key of ``REASONS``), the field, and what it says."""

    reason: str
    field: str
    given: str = ""


REASONS = {
    "code_missing": mark("The row has neither a barcode nor an own number."),
    "check_digit": mark("The check digit of the barcode {given} is wrong."),
    "not_a_barcode": mark("{given} is not a barcode of 8, 12, 13 or 14 digits."),
    "shortened_number": mark("The spreadsheet shortened the number to {given}; format the column as text and export again."),
    "code_too_long": mark("The own number {given} is longer than 64 characters or holds characters that cannot be printed."),
    "restricted_number": mark("{given} is a number for use inside one retailer; say which retailer it belongs to."),
    "own_number_needs_retailer": mark("{given} is a retailer's own number; say which retailer it belongs to."),
    "duplicate": mark("The code stands in the file before, in line {given}."),
    "name_missing": mark("A product needs a name, in Chinese or English."),
    "name_too_long": mark("The name is longer than 200 characters or holds characters that cannot be printed."),
    "unknown_brand": mark("There is no brand called {given}."),
    "brand_of_other": mark("The barcode's company prefix belongs to another brand than {given}."),
    "brand_needs_prefix": mark("The barcode does not carry one of the company prefixes of brand {given}."),
    "brand_fixed": mark("The product belongs to another brand; only the network's operator can give it to {given}."),
    "unknown_category": mark("There is no category called {given}."),
    "unknown_unit": mark("{given} is not a unit that goods are sold in."),
    "vat_not_a_number": mark("The VAT rate {given} is not a number."),
    "vat_not_allowed": mark("A VAT rate of {given} is not allowed here."),
    "date_not_a_date": mark("{given} is not a date."),
    "price_not_a_number": mark("The price {given} is not a number with at most two places."),
    "price_out_of_range": mark("The price {given} is negative or too large."),
    "price_needs_retailer": mark("A price needs the retailer that asks it."),
    "price_taken": mark("Another price already starts at {given}."),
    "unknown_store": mark("There is no store {given} of this retailer."),
    "unknown_product": mark("There is no product {given}; register it first."),
    "not_yours": mark("You may not register {given}."),
}
"""What each reason says to people; the pages translate these texts."""


@dataclass(frozen=True, slots=True)
class ProductEntry:
    """A product to register. Empty fields leave what is known, or take the default, or (brand) follow the GTIN's prefix.

    ``retailer_id`` is who speaks: the owner of an own number. ``vat_rate`` is in basis points (1300 is 13 %). ``brand`` and
    ``category`` are codes or exact names.
    """

    code: str
    name_zh: str = ""
    name_en: str = ""
    brand: str = ""
    category: str = ""
    unit: str = ""
    vat_rate: int | None = None
    launched_on: date | None = None
    retailer_id: int | None = None


def entry_problems(entry: ProductEntry, currency: str = "CNY") -> list[Problem]:
    """What is wrong with an entry by itself, before the database is asked."""
    problems = []
    if not entry.code:
        problems.append(Problem("code_missing", "code"))
    elif len(entry.code) > MAX_OWN_CODE or not entry.code.isprintable():
        problems.append(Problem("code_too_long", "code", entry.code[:MAX_OWN_CODE]))
    for field, name in (("name_zh", entry.name_zh), ("name_en", entry.name_en)):
        if len(name) > MAX_NAME or not name.isprintable():
            problems.append(Problem("name_too_long", field))
    if entry.unit and entry.unit not in UNITS:
        problems.append(Problem("unknown_unit", "unit", entry.unit))
    if entry.vat_rate is not None and not vat_allowed(entry.vat_rate, currency):
        problems.append(Problem("vat_not_allowed", "vat_rate", show_rate(entry.vat_rate) + " %"))
    return problems


def barcode_problem(text: str) -> Problem | None:
    """What is wrong with a text that stands where a barcode must; None for a GTIN or a weighed goods' number."""
    if gtin14(text) is not None or variable_measure(text) is not None:
        return None
    if "e+" in text.lower():
        return Problem("shortened_number", "gtin", text)
    if text.isascii() and text.isdigit() and len(text) in (8, 12, 13, 14):
        return Problem("check_digit", "gtin", text)
    return Problem("not_a_barcode", "gtin", text[:MAX_OWN_CODE])


def vat_allowed(rate: int, currency: str) -> bool:
    """Whether a receipt in ``currency`` may carry ``rate`` (basis points)."""
    return rate in VAT_RATES[currency] if currency in VAT_RATES else 0 <= rate <= MAX_OTHER_VAT


def read_unit(text: str) -> str:
    """A unit's code for the word a file uses; an unknown word comes back in capitals as it is."""
    word = text.strip().upper()
    return _UNIT_WORDS.get(word, word)


def read_rate(text: str) -> int:
    """A VAT rate such as ``13``, ``13%`` or (as spreadsheets write per cent) ``0.13``, in basis points.

    Raises ValueError if it is not a number of whole basis points.
    """
    bare = text.strip().replace("％", "%")
    try:
        rate = Decimal(bare.removesuffix("%").strip())
    except InvalidOperation:
        raise ValueError(f"not a rate: {text!r}") from None
    if not rate.is_finite() or abs(rate) >= 1000:
        raise ValueError(f"not a rate: {text!r}")
    points = rate * 100 if bare.endswith("%") or not 0 < rate < 1 else rate * 10_000
    if points != points.to_integral_value():
        raise ValueError(f"not a rate in whole hundredths: {text!r}")
    return int(points)


def show_rate(rate: int) -> str:
    """Basis points as per cent: 1300 is ``13``, 650 is ``6.5``."""
    return f"{Decimal(rate) / 100:f}".rstrip("0").rstrip(".") if rate % 100 else str(rate // 100)
