"""Makes sales, returns and voids of the rows of one receipt, as the network takes them; pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hutong.importer.mapping import Mapping, Rule
from hutong.importer.pricing import Priced, minor, priced
from hutong.importer.rows import MAX_NAME, ZERO, Row
from hutong.kernel.ids import uuid7_of
from hutong.kernel.money import MAX_AMOUNT, included_vat

MAX_LINES = 2_000
MAX_QUANTITY = 1_000_000
RETURN_MARK = "-R"
"""Stands behind the receipt number of the return when one receipt has both goods sold and goods brought back."""


@dataclass(slots=True)
class Aside:
    """A row that is not imported, and why; ``amount`` None where it could not be read."""

    number: int
    reason: str
    amount: Decimal | None


@dataclass(slots=True)
class Receipt:
    """A sale, return or void to be: which rows, under which number. ``document`` makes it ready to send."""

    kind: str
    number: str
    at: datetime
    rows: list[Row]

    @property
    def order(self) -> tuple[datetime, str, str, str]:
        """Its place in the order of sending: by time, so that history fills day by day."""
        return self.at, self.rows[0].store, self.rows[0].till, self.number


@dataclass(slots=True)
class Ready:
    """A sale as it goes over the wire. ``amount`` is its total in minor units, ``exact`` the file's own; money given back is negative."""

    id: str
    kind: str
    at: datetime
    document: dict[str, Any]
    amount: int
    exact: Decimal
    lost_vouchers: int
    rows: list[int]


class ReceiptMaker:
    """Sorts the rows of a receipt by the mapping's rules, and makes documents of what remains."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._rules = [(rule, _condition(rule), Decimal(rule.quantity_scale or 1)) for rule in mapping.rules]

    def settle(self, rows: Sequence[Row]) -> tuple[list[Receipt], list[Aside]]:
        """The sale and the return that these rows of one receipt are, and the rows that are neither."""
        worthless = all(not row.amount for row in rows)
        asides: list[Aside] = []
        sold: list[Row] = []
        brought: list[Row] = []
        for row in rows:
            reason = self._judge(row, worthless)
            if reason:
                asides.append(Aside(row.number, reason, row.amount))
            else:
                (brought if comes_back(row) else sold).append(row)
        receipts = []
        at = max(row.at for row in rows)
        for kind, part in (("sale", sold), ("return", brought)):
            if not part:
                continue
            number = part[0].receipt + (RETURN_MARK if kind == "return" and sold else "")
            reason = _too_large(part, number)
            if reason:
                asides += [Aside(row.number, reason, row.amount) for row in part]
            else:
                receipts.append(Receipt("void" if part[0].void else kind, number, at, part))
        return receipts, asides

    def document(self, receipt: Receipt) -> Ready:
        """The receipt as the network takes it: every figure worked out, each line reproducing its amount."""
        first = receipt.rows[0]
        lines: list[dict[str, Any]] = []
        tendered: dict[str, int] = {}
        vouchers = 0
        for row in receipt.rows:
            for each in _priced(row):
                lines.append(_line(row, each))
                tendered[row.tender] = tendered.get(row.tender, 0) + each.amount
            vouchers += minor(abs(row.voucher))
        total = sum(line["amount"] for line in lines)
        tenders, lost = _tenders(tendered, vouchers)
        made = uuid7_of(receipt.at, self._mapping.source, first.store, first.till, receipt.number)
        document = {
            "id": str(made), "kind": receipt.kind, "store": first.store, "till": first.till, "receipt": receipt.number,
            "business_date": receipt.at.date().isoformat(), "completed_at": receipt.at.isoformat(),
            "lines": lines, "total": total, "discount": sum(line["discount"] for line in lines), "vat": sum(line["vat"] for line in lines),
            "tenders": [] if receipt.kind == "void" else tenders,
        }  # fmt: skip
        if first.cashier:
            document["cashier"] = first.cashier
        if receipt.kind == "return":
            document["without_receipt"] = True
        exact = sum([row.amount for row in receipt.rows], ZERO)
        return Ready(
            id=str(made), kind=receipt.kind, at=receipt.at, document=document, amount=-total if exact < 0 else total, exact=exact,
            lost_vouchers=0 if receipt.kind == "void" else lost, rows=[row.number for row in receipt.rows],
        )  # fmt: skip

    def _judge(self, row: Row, worthless: bool) -> str:
        """Why the row is set aside, or the empty text; a rule may change its quantity and unit."""
        for rule, holds, scale in self._rules:
            if (rule.whole_receipt is None or worthless) and holds(row):
                if rule.action == "set_aside":
                    return rule.reason
                row.quantity *= scale
                row.unit = rule.unit or row.unit
                break
        if not row.quantity:
            return "the quantity is 0" + (", yet there is an amount" if row.amount else "")
        if abs(row.quantity) > MAX_QUANTITY or row.quantity * 1000 % 1:
            return f"the quantity {row.quantity} is more than {MAX_QUANTITY:,} or has more than 3 decimal places"
        returns = self._mapping.returns
        if returns.marked and returns.unmarked == "set_aside" and not row.returned and comes_back(row):
            return "negative, and not marked as a return"
        return ""


def comes_back(row: Row) -> bool:
    """Whether the row is goods or money given back: by the sign of its amount, or of its quantity where it is worth nothing."""
    return row.amount < 0 or (not row.amount and row.quantity < 0)


def _condition(rule: Rule) -> Callable[[Row], bool]:
    """All conditions of the rule in one function; the cheap ones first."""
    tests: list[Callable[[Row], bool]] = []
    if rule.codes:
        codes = frozenset(rule.codes)
        tests.append(lambda row: row.code in codes)
    for sign, read in ((rule.quantity, lambda row: row.quantity), (rule.amount, lambda row: row.amount)):
        if sign is not None:
            tests.append(lambda row, sign=sign, read=read: _sign(read(row)) == sign)  # type: ignore[misc]
    if rule.member is not None:
        wanted = rule.member == "present"
        tests.append(lambda row: row.member == wanted)
    patterns: tuple[tuple[str | None, Callable[[Row], str]], ...] = (
        (rule.code_pattern, lambda row: row.code),
        (rule.description_pattern, lambda row: row.description),
        (rule.receipt_pattern, lambda row: row.receipt),
    )
    for pattern, text in patterns:
        if pattern is not None:
            match = re.compile(pattern).fullmatch
            tests.append(lambda row, match=match, text=text: match(text(row)) is not None)  # type: ignore[misc]
    if len(tests) == 1:
        return tests[0]

    def all_hold(row: Row) -> bool:
        for test in tests:  # noqa: SIM110 - each row passes here once a rule: a generator would cost more than the tests
            if not test(row):
                return False
        return True

    return all_hold


def _sign(value: Decimal) -> str:
    return "negative" if value < 0 else "positive" if value > 0 else "zero"


def _priced(row: Row) -> list[Priced]:
    """The row's lines, unsigned. A discount that works against its row (a surcharge) becomes part of the price."""
    amount = minor(abs(row.amount))
    discount = minor(-row.discount if comes_back(row) else row.discount)
    return priced(amount + max(discount, 0), max(discount, 0), int(abs(row.quantity) * 1000))


def _line(row: Row, each: Priced) -> dict[str, Any]:
    whole, rest = divmod(each.thousandths, 1000)
    line: dict[str, Any] = {
        "code": row.code,
        "quantity": f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole),
        "unit_price": each.unit_price,
        "discount": each.discount,
        "amount": each.amount,
        "vat_rate": str(row.vat_rate),
        "vat": included_vat(each.amount, int(row.vat_rate * 100)),
    }
    if row.unit != "EA":
        line["unit"] = row.unit
    return line


def _tenders(tendered: dict[str, int], vouchers: int) -> tuple[list[dict[str, Any]], int]:
    """How it was paid: by voucher as far as anything was due, the rest as the file says; and what of the vouchers was left over."""
    paid = min(vouchers, sum(tendered.values()))
    left = paid
    amounts: dict[str, int] = {}
    for kind, amount in tendered.items():
        by_voucher = min(left, amount)
        left -= by_voucher
        amounts[kind] = amount - by_voucher
    if paid:
        amounts["voucher"] = amounts.get("voucher", 0) + paid
    return [{"type": kind, "amount": amount} for kind, amount in amounts.items() if amount], vouchers - paid


def _too_large(rows: Sequence[Row], number: str) -> str:
    if len(rows) * 2 > MAX_LINES and sum(len(_priced(row)) for row in rows) > MAX_LINES:
        return f"the receipt has more than {MAX_LINES:,} lines"
    if len(number) > MAX_NAME:
        return f"the receipt number {number!r} is longer than {MAX_NAME} characters"
    if sum([abs(row.amount) + abs(row.discount) for row in rows], ZERO) * 100 > MAX_AMOUNT:
        return "the receipt's total is larger than the network takes"
    return ""
