"""The sale's arithmetic, checked to the fen: pure rules, data in, figures or an error out."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from hutong.kernel.money import included_vat, line_value
from hutong.sales.errors import SaleDoesNotAddUp, SaleInvalid
from hutong.sales.wire import Line, Sale

MAX_THOUSANDTHS = 10**9
MINUTES_OF_TWO_DAYS = 2880


@lru_cache(maxsize=65_536)
def thousandths(quantity: Decimal) -> int:
    """A quantity in whole thousandths. Raises ValueError if it is not above 0, too large, or has more than 3 decimal places."""
    if not quantity.is_finite() or not Decimal(0) < quantity <= Decimal(1_000_000):
        raise ValueError("the quantity must be more than 0 and at most 1,000,000")
    scaled = int(quantity * 1000)
    if quantity != Decimal(scaled).scaleb(-3):  # a comparison is exact, the product above is rounded to 28 digits
        raise ValueError("the quantity has more than 3 decimal places")
    return scaled


@lru_cache(maxsize=1_024)
def basis_points(percent: Decimal) -> int:
    """A VAT rate in hundredths of a percent. Raises ValueError if it is outside 0 to 100 or has more than 2 decimal places."""
    if not percent.is_finite() or not Decimal(0) <= percent <= Decimal(100):
        raise ValueError("the VAT rate must be between 0 and 100")
    scaled = int(percent * 100)
    if percent != Decimal(scaled).scaleb(-2):
        raise ValueError("the VAT rate has more than 2 decimal places")
    return scaled


WALLETS = frozenset({"alipay", "wechat", "unionpay"})


def checked_line(line: Line, number: int) -> tuple[int, int]:
    """The line's quantity in thousandths and its VAT rate in basis points, once its figures are found right."""
    try:
        quantity, rate = thousandths(line.quantity), basis_points(line.vat_rate)
    except ValueError as error:
        field = "vat_rate" if "VAT" in str(error) else "quantity"
        raise SaleInvalid(f"Line {number}: {error}.", field, number) from None
    except TypeError:  # a signalling NaN cannot even be looked up
        raise SaleInvalid(f"Line {number}: the quantity or the VAT rate is not a number.", "quantity", number) from None
    gross = line_value(line.unit_price, quantity)
    if line.discount > gross:
        raise SaleInvalid(f"Line {number}: the discount {line.discount} is more than the goods cost ({gross}).", "discount", number)
    if line.amount != gross - line.discount:
        raise SaleDoesNotAddUp("amount", gross - line.discount, line.amount, number)
    vat = included_vat(line.amount, rate)
    if line.vat != vat:
        raise SaleDoesNotAddUp("vat", vat, line.vat, number)
    return quantity, rate


def check_totals(sale: Sale) -> None:
    """The sale's own figures against its lines and tenders. Raises SaleDoesNotAddUp or SaleInvalid."""
    lines = sale.lines
    for field, expected, given in (
        ("total", sum([line.amount for line in lines]), sale.total),
        ("discount", sum([line.discount for line in lines]), sale.discount),
        ("vat", sum([line.vat for line in lines]), sale.vat),
    ):
        if expected != given:
            raise SaleDoesNotAddUp(field, expected, given)
    if sale.kind == "void":
        if sale.tenders or sale.change:
            raise SaleInvalid("A void was not paid: it has no tenders and no change.", "tenders")
        return
    for tender in sale.tenders:
        if tender.payment is not None and (tender.type not in WALLETS or tender.reference is not None):
            raise SaleInvalid("Only a tender of a wallet names a payment, and then it has no reference besides.", "tenders")
        if tender.amount < 0 and not (tender.type == "rounding" and tender.amount >= -99):
            raise SaleInvalid(f"A tender of type {tender.type} cannot be {tender.amount}.", "tenders")
        if tender.type == "rounding" and tender.amount > 99:
            raise SaleInvalid(f"Rounding cannot be {tender.amount}; at most 99.", "tenders")
    paid = sum([tender.amount for tender in sale.tenders]) - sale.change
    if paid != sale.total:
        raise SaleDoesNotAddUp("tenders less change", sale.total, paid)
    if sale.change and sale.change > sum([tender.amount for tender in sale.tenders if tender.type in ("cash", "voucher")]):
        raise SaleInvalid(f"Change of {sale.change} is more than was paid in cash or vouchers.", "change")


def check_references(sale: Sale) -> None:
    """Only a return comes from an original, and each of its lines says from which line. Raises SaleInvalid."""
    if sale.kind != "return":
        if sale.original is not None or sale.without_receipt:
            raise SaleInvalid("Only a return names an original sale or comes without a receipt.", "original")
        if any(line.original_line is not None for line in sale.lines):
            raise SaleInvalid("Only a line of a return has original_line.", "original_line")
        return
    if (sale.original is None) != sale.without_receipt:
        raise SaleInvalid("A return names its original sale, or says without_receipt: true; not both, not neither.", "original")
    for number, line in enumerate(sale.lines, 1):
        if (line.original_line is None) != sale.without_receipt:
            raise SaleInvalid(
                f"Line {number}: original_line is needed exactly when the return names its original.", "original_line", number
            )


def minute_of_day(completed_local: datetime, business_date: date) -> int:
    """Minutes from the start of the business date to the sale, 0 to 2879: trade after midnight belongs to the evening's date.

    Raises SaleInvalid if the business date is neither the sale's local date nor the day before.
    """
    day = completed_local.date()
    if day == business_date:
        return completed_local.hour * 60 + completed_local.minute
    if day - business_date == timedelta(days=1):
        return 1440 + completed_local.hour * 60 + completed_local.minute
    raise SaleInvalid(f"The sale was completed on {day} in the store's zone; its business date cannot be {business_date}.", "business_date")
