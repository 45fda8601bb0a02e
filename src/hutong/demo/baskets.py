"""Rings up one basket at one till: lines, promotions, payment; every figure adds up to the fen by the rules of the sales API."""

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any

from hutong.demo.fresh import scale_label
from hutong.demo.groups import RETAILERS
from hutong.demo.market import Ware, launching, local, price_changes, promotions, shelf, time_of_day
from hutong.demo.stores import Store
from hutong.kernel.ids import uuid7
from hutong.kernel.money import divide_half_up, included_vat, line_value, split

SaleDocument = dict[str, Any]
VOIDED = 0.01

_BASKETS = {
    "convenience": "1 42 2 28 3 15 4 8 5 4 6 2 8 1",
    "supermarket": "1 10 2 12 3 13 4 12 5 11 6 9 7 8 8 6 10 7 12 5 15 4 20 2 28 1",
    "hypermarket": "1 5 2 7 3 8 4 9 5 9 6 9 8 12 10 12 12 10 15 8 20 6 28 3 40 1",
    "department_store": "1 58 2 26 3 10 4 4 5 2",
    "electronics": "1 70 2 22 3 6 4 2",
}
"""How many lines a basket has, and how many of a hundred baskets have so many."""
_PIECES, _PIECES_OFTEN = (1, 2, 3, 4, 6), tuple(accumulate((78, 14, 5, 2, 1)))
_SINGLE = frozenset({"apparel", "beauty", "home", "digital", "appliances", "baby"})
_PAYMENTS, _PAID_BY = ("alipay", "wechat", "card", "cash", "voucher"), tuple(accumulate((43, 36, 8, 10, 3)))
_NOTES = (100, 500, 1_000, 2_000, 5_000, 10_000)


@dataclass(slots=True)
class Rung:
    """A sale as a till made it: ``document`` is what is sent; ``due`` (seconds since 1970) is when the till can send it.

    ``returned`` are the numbers of the lines that came back already.
    """

    store: int
    document: SaleDocument
    due: float
    returned: set[int] = field(default_factory=set)


class Receipts:
    """Receipt numbers: the tenth of a second of the day, one further where a till would use one twice.

    They stay unique per till and day when the player starts again, because time has gone on.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, date], int] = {}

    def next(self, gln: str, till: str, day: date, second_of_day: float) -> str:
        key = (gln, till, day)
        number = self._last[key] = max(int(second_of_day * 10), self._last.get(key, -1) + 1)
        return f"{number:06d}"


def ring_up(random: Random, receipts: Receipts, store: Store, till: str, moment: float, launched: float) -> SaleDocument:
    """One sale, now and then a void. ``launched`` is the chance that the day's limited edition is in the basket."""
    at = local(moment)
    day, minute = at.date(), at.hour * 60 + at.minute
    retailer = store.retailer
    goods = shelf(retailer, store.banner.format, time_of_day(minute))
    sizes, often = _basket_sizes(store.banner.format)
    taken = random.choices(goods.wares, cum_weights=goods.popularity, k=random.choices(sizes, cum_weights=often)[0])
    limited = launching(retailer, day) if launched and random.random() < launched else None
    if limited is not None:
        taken.append(limited)
    offers, changes, label = promotions(retailer, day), price_changes(retailer, day), RETAILERS[retailer].label
    lines = []
    for ware in taken:
        change = changes.get(ware.code)
        price = change[1] if change is not None and minute >= change[0] else ware.price
        lines.append(_line(random, ware, price, offers.get(ware.code, 0), label))
    _take_coupon(random, lines, store.banner.format)
    document = header(random, receipts, store, till, moment)
    document["lines"] = lines
    add_up(document)
    if random.random() < VOIDED:
        document["kind"] = "void"
    else:
        document["kind"] = "sale"
        _pay(random, document)
    return document


def header(random: Random, receipts: Receipts, store: Store, till: str, moment: float) -> SaleDocument:
    """What every document of a till has: id, store, till, receipt number and times."""
    at = local(moment)
    second = at.hour * 3600 + at.minute * 60 + at.second + at.microsecond / 1e6
    return {
        "id": str(uuid7(int(moment * 1000), random.randbytes(10))),
        "store": store.gln,
        "till": till,
        "receipt": receipts.next(store.gln, till, at.date(), second),
        "business_date": at.date().isoformat(),
        "completed_at": at.isoformat(timespec="milliseconds"),
        "cashier": f"c{int(till) * 2 - (at.hour < 15):02d}",
    }


def add_up(document: SaleDocument) -> None:
    """Fill in each line's VAT and the document's total, discount and VAT."""
    lines = document["lines"]
    for line in lines:
        line["vat"] = included_vat(line["amount"], _basis_points(line["vat_rate"]))
    document["total"] = sum([line["amount"] for line in lines])
    document["discount"] = sum([line["discount"] for line in lines])
    document["vat"] = sum([line["vat"] for line in lines])


def _line(random: Random, ware: Ware, price: int, percent_off: int, label: str) -> SaleDocument:
    code, unit = ware.code, "EA"
    if ware.weighed:
        thousandths = min(max(80, int(random.lognormvariate(-0.35, 0.55) * 1000)), 99_999_000 // price)
        quantity, unit = f"{thousandths / 1000:.3f}", "KGM"
        value = line_value(price, thousandths)
        code = scale_label(label, code, value if label == "22" else thousandths)
    else:
        pieces = 1 if ware.department in _SINGLE else random.choices(_PIECES, cum_weights=_PIECES_OFTEN)[0]
        quantity, value = str(pieces), price * pieces
    discount = divide_half_up(value * percent_off, 100) if percent_off else 0
    return {
        "code": code, "quantity": quantity, "unit": unit, "unit_price": price, "discount": discount,
        "amount": value - discount, "vat_rate": ware.rate,
    }  # fmt: skip


def _take_coupon(random: Random, lines: list[SaleDocument], format: str) -> None:
    """Now and then a coupon takes ten yuan or more off a large basket, shared out over its lines."""
    total = sum([line["amount"] for line in lines])
    if total < 8_000 or random.random() > 0.06:
        return
    off = total // 20 // 100 * 100 if format in ("department_store", "electronics") else 1_000
    if off:
        for line, part in zip(lines, split(off, [line["amount"] for line in lines]), strict=True):
            line["discount"] += part
            line["amount"] -= part


def _pay(random: Random, document: SaleDocument) -> None:
    total, way = document["total"], random.choices(_PAYMENTS, cum_weights=_PAID_BY)[0]
    change = 0
    tenders: list[SaleDocument] = []
    if way == "voucher":
        tenders.append({"type": "voucher", "amount": min(5_000, total), "reference": f"V{random.randrange(10**10):010d}"})
        total -= min(5_000, total)
        way = "alipay"
    if way == "cash":
        note = random.choice(_NOTES)
        paid = -(-total // note) * note
        change = paid - total
        tenders.append({"type": "cash", "amount": paid})
    elif total or not tenders:
        tenders.append({"type": way, "amount": total, "reference": reference(random, way, document["business_date"])})
    document["tenders"], document["change"] = tenders, change


def reference(random: Random, way: str, day: str) -> str:
    """A payment's number as the wallet or bank would give it; invented."""
    return f"{day.replace('-', '')}{random.randrange(10**16):016d}" if way != "card" else f"{random.randrange(10**12):012d}"


@lru_cache(maxsize=16)
def _basket_sizes(format: str) -> tuple[list[int], list[int]]:
    numbers = [int(each) for each in _BASKETS[format].split()]
    return numbers[::2], list(accumulate(numbers[1::2]))


@lru_cache(maxsize=32)
def _basis_points(percent: str) -> int:
    return round(float(percent) * 100)
