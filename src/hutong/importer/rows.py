"""Reads one row of a file as the mapping says: what was sold, where and when; or what is wrong with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from hutong.importer.errors import MappingInvalid
from hutong.importer.mapping import Cell, Mapping
from hutong.importer.source import Source
from hutong.importer.values import number_reader, text_of, time_reader

MAX_CODE = 48
MAX_NAME = 32
TENDERS = frozenset({"cash", "alipay", "wechat", "unionpay", "card", "voucher", "points", "rounding", "other"})
ZERO = Decimal(0)

Cells = Sequence[Any]
TextReader = Callable[[Cells], str]
NumberReader = Callable[[Cells], Decimal]


@dataclass(slots=True)
class Row:
    """One row, read. ``amount`` is exact, after ``discount``; ``voucher`` is the part of it paid by voucher.

    What comes back is negative, also where the file marks it and writes it positive.
    """

    number: int
    store: str
    till: str
    receipt: str
    at: datetime
    cashier: str
    tender: str
    code: str
    description: str
    quantity: Decimal
    amount: Decimal
    discount: Decimal
    voucher: Decimal
    vat_rate: Decimal
    unit: str
    member: bool
    returned: bool
    void: bool


@dataclass(slots=True)
class BadRow:
    """A row that cannot be read: why, its amount where that much can be read, and its receipt where that can."""

    number: int
    reason: str
    amount: Decimal | None
    receipt: tuple[str, str, str] | None


class RowReader:
    """Reads rows of one file. Raises MappingInvalid at once if the file lacks a column that the mapping names."""

    def __init__(self, mapping: Mapping, source: Source) -> None:
        self._source = source
        sale, line, returns = mapping.sale, mapping.line, mapping.returns
        self._number = number_reader(mapping.file.decimal, mapping.file.thousands)
        self._store_text = text_reader(sale.store, source, "sale.store")
        self._gln = lru_cache(maxsize=10_000)(sale.store.gln)
        self._till = text_reader(sale.till, source, "sale.till")
        self._receipt = text_reader(sale.receipt, source, "sale.receipt")
        self._time_of = time_reader(sale.time.format, sale.time.zone or mapping.zone, mapping.zone)
        self._time_cells = [source.place(name, "sale.time") for name in sale.time.names]
        self._cashier = text_reader(sale.cashier, source, "sale.cashier")
        self._tender = text_reader(sale.tender, source, "sale.tender")
        self._code = text_reader(line.code, source, "line.code")
        self._description = text_reader(line.description, source, "line.description")
        self._quantity = self._figure(line.quantity, "line.quantity")
        self._price = self._figure(line.unit_price, "line.unit_price") if line.unit_price else None
        self._amount = self._figure(line.amount, "line.amount") if line.amount else None
        self._discounts = [self._figure(cell, f"line.discounts[{place}]", True) for place, cell in enumerate(line.discounts, 1)]
        self._vouchers = [self._figure(cell, f"line.vouchers[{place}]", True) for place, cell in enumerate(line.vouchers, 1)]
        self._vat_rate = self._figure(line.vat_rate, "line.vat_rate")
        self._unit = text_reader(line.unit, source, "line.unit")
        self._member = text_reader(line.member, source, "line.member")
        self._flip = returns.figures == "positive"
        self._return_prefix = returns.receipt_prefix
        self._return_mark = self._mark(returns.column, returns.values, "returns.column")
        self._void_mark = self._mark(mapping.voids.column, mapping.voids.values, "voids.column") if mapping.voids else _never

    def read(self, number: int, cells: Cells) -> Row | BadRow:
        """The row, or why it cannot be imported."""
        if len(cells) != len(self._source.columns):
            return BadRow(number, f"the row has {len(cells)} cells, the names are {len(self._source.columns)}", None, None)
        amount: Decimal | None = None
        receipt: tuple[str, str, str] | None = None
        try:
            quantity, amount, discount = self._figures(cells)
            receipt = self._receipt_of(cells)
            returned = self._returned(receipt[2], cells)
            if returned and self._flip:
                quantity, amount, discount = -quantity, -amount, -discount
            return self._row(number, cells, receipt, quantity, amount, discount, returned)
        except ValueError as error:
            if receipt is None:
                try:
                    receipt = self._receipt_of(cells)
                except ValueError:
                    receipt = None
            return BadRow(number, str(error), amount, receipt)

    def _row(
        self,
        number: int,
        cells: Cells,
        receipt: tuple[str, str, str],
        quantity: Decimal,
        amount: Decimal,
        discount: Decimal,
        returned: bool,
    ) -> Row:
        row = Row(
            number=number, store=receipt[0], till=receipt[1], receipt=receipt[2], at=self._time(cells),
            cashier=self._cashier(cells), tender=self._tender(cells), code=self._code(cells), description=self._description(cells),
            quantity=quantity, amount=amount, discount=discount, voucher=sum([read(cells) for read in self._vouchers], ZERO),
            vat_rate=self._vat_rate(cells), unit=self._unit(cells), member=self._member(cells) != "",
            returned=returned, void=self._void_mark(cells),
        )  # fmt: skip
        if not 0 < len(row.code) <= MAX_CODE:
            raise ValueError(f"the code is longer than {MAX_CODE} characters" if row.code else "the code is empty")
        if len(row.cashier) > MAX_NAME:
            raise ValueError(f"the cashier is longer than {MAX_NAME} characters")
        if row.tender not in TENDERS:
            raise ValueError(f"the tender {row.tender!r} is none of {', '.join(sorted(TENDERS))}; map it in sale.tender")
        if not 0 <= row.vat_rate <= 100 or row.vat_rate * 100 % 1:
            raise ValueError(f"the VAT rate {row.vat_rate} is not a percentage of at most 2 places")
        return row

    def _figures(self, cells: Cells) -> tuple[Decimal, Decimal, Decimal]:
        quantity = self._quantity(cells)
        discount = sum([read(cells) for read in self._discounts], ZERO)
        if self._amount is not None:
            return quantity, self._amount(cells), discount
        assert self._price is not None
        return quantity, self._price(cells) * quantity - discount, discount

    def _receipt_of(self, cells: Cells) -> tuple[str, str, str]:
        store, till, receipt = self._gln(self._store_text(cells)), self._till(cells), self._receipt(cells)
        for name, text in (("till", till), ("receipt", receipt)):
            if not 0 < len(text) <= MAX_NAME:
                raise ValueError(f"the {name} {text!r} is longer than {MAX_NAME} characters" if text else f"the {name} is empty")
        return store, till, receipt

    def _time(self, cells: Cells) -> datetime:
        if len(self._time_cells) == 1:
            return self._time_of(cells[self._time_cells[0]])
        return self._time_of(" ".join(text_of(cells[place]) for place in self._time_cells))

    def _returned(self, receipt: str, cells: Cells) -> bool:
        return (self._return_prefix is not None and receipt.startswith(self._return_prefix)) or self._return_mark(cells)

    def _figure(self, cell: Cell, key: str, empty_is_nothing: bool = False) -> NumberReader:
        number = self._number
        if cell.column is None:
            try:
                constant = number(cell.value)
            except ValueError as error:
                raise MappingInvalid(f"{key}.value: {error}.") from None
            return lambda _cells: constant
        place, name, changed = self._source.place(cell.column, f"{key}.column"), cell.column, _changer(cell) if cell.map else None

        def read(cells: Cells) -> Decimal:
            given = cells[place] if changed is None else changed(text_of(cells[place]))
            if empty_is_nothing and (given is None or given == ""):
                return ZERO
            try:
                return number(given)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

        return read

    def _mark(self, column: str | None, values: Sequence[str], key: str) -> Callable[[Cells], bool]:
        if column is None:
            return _never
        place, marks = self._source.place(column, key), frozenset(values)
        return lambda cells: text_of(cells[place]) in marks


def text_reader(cell: Cell | None, source: Source, key: str) -> TextReader:
    """A function that reads a text from a row's cells. Raises MappingInvalid if the file lacks the column of ``key``."""
    if cell is None:
        return _empty
    changed = _changer(cell)
    if cell.column is None:
        constant = changed(cell.value or "")
        return lambda _cells: constant
    place = source.place(cell.column, f"{key}.column")
    known: dict[str, str] = {}

    def read(cells: Cells) -> str:
        text = text_of(cells[place])
        found = known.get(text)
        if found is None:
            found = changed(text)
            if len(known) < 100_000:
                known[text] = found
        return found

    return read


def _changer(cell: Cell) -> Callable[[str], str]:
    def changed(text: str) -> str:
        found = cell.map.get(text, text if cell.otherwise is None else cell.otherwise) if cell.map or cell.otherwise is not None else text
        found = found.upper() if cell.upper else found
        return cell.prefix + found if found else found

    return changed


def _empty(_cells: Cells) -> str:
    return ""


def _never(_cells: Cells) -> bool:
    return False
