"""What an import will do with a file: its receipts in order, the rows set aside, and sums that must balance."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from hutong.importer.mapping import Mapping
from hutong.importer.receipts import Aside, Ready, Receipt, ReceiptMaker
from hutong.importer.rows import ZERO, BadRow, Row, RowReader
from hutong.importer.source import Source

GroupKey = tuple[tuple[str, ...], date | None]
"""What rows of one receipt share: the fields they are grouped by, and the day where that is one of them."""

Progress = Callable[[int], None]


@dataclass
class Plan:
    """A file read through. ``total`` is the exact sum of all amounts that can be read, rows set aside included."""

    mapping: Mapping
    rows: int = 0
    unreadable: int = 0
    total: Decimal = ZERO
    receipts: list[Receipt] = field(default_factory=list)
    asides: dict[int, Aside] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._maker = ReceiptMaker(self.mapping)

    def sales(self, start: int = 0) -> Iterator[Ready]:
        """The documents to send, from the given one on, each made when it is asked for."""
        return (self._maker.document(receipt) for receipt in self.receipts[start:])

    def document(self, place: int) -> Ready:
        """The document in this place of the order."""
        return self._maker.document(self.receipts[place])

    @property
    def set_aside(self) -> Decimal:
        """The exact sum of the rows set aside, as far as they can be read."""
        return sum([aside.amount for aside in self.asides.values() if aside.amount is not None], ZERO)

    def reasons(self) -> list[tuple[str, int, Decimal]]:
        """Each reason for which rows were set aside, with their number and sum; the most frequent first."""
        counts: Counter[str] = Counter()
        sums: dict[str, Decimal] = {}
        for aside in self.asides.values():
            counts[aside.reason] += 1
            sums[aside.reason] = sums.get(aside.reason, ZERO) + (aside.amount or ZERO)
        return [(reason, count, sums[reason]) for reason, count in counts.most_common()]

    def days(self) -> tuple[date, date] | None:
        """The first and the last business date, or None without receipts."""
        return (self.receipts[0].at.date(), self.receipts[-1].at.date()) if self.receipts else None


def make_plan(mapping: Mapping, source: Source, progress: Progress | None = None) -> Plan:
    """Read the whole file and sort it out. ``progress`` is told how many rows were read, now and then.

    Raises MappingInvalid for a column that the file lacks and SourceUnreadable; a row that is wrong is never an error.
    """
    plan = Plan(mapping)
    reader = RowReader(mapping, source)
    groups: dict[GroupKey, list[Row]] = {}
    broken: dict[tuple[str, ...], BadRow] = {}
    named = [("store", "till", "receipt").index(name) for name in mapping.sale.group if name != "date"]
    dated = "date" in mapping.sale.group
    for number, cells in source.rows():
        plan.rows += 1
        row = reader.read(number, cells)
        if row.amount is not None:
            plan.total += row.amount
        if isinstance(row, BadRow):
            plan.unreadable += row.amount is None
            plan.asides[number] = Aside(number, row.reason, row.amount)
            if row.receipt is not None:
                broken.setdefault(tuple(row.receipt[place] for place in named), row)
        else:
            whose = (row.store, row.till, row.receipt)
            key = tuple([whose[place] for place in named])
            groups.setdefault((key, row.at.date() if dated else None), []).append(row)
        if progress is not None and plan.rows % 10_000 == 0:
            progress(plan.rows)
    _settle(plan, groups, broken)
    return plan


def _settle(plan: Plan, groups: dict[GroupKey, list[Row]], broken: dict[tuple[str, ...], BadRow]) -> None:
    """Make receipts of the groups. A receipt of which one row cannot be read is set aside as a whole.

    Without that row it would be recorded with a wrong total, and once the row is mended, its id would be taken.
    """
    for key, rows in groups.items():
        bad = broken.get(key[0])
        if bad is not None:
            for row in rows:
                plan.asides[row.number] = Aside(row.number, f"line {bad.number} of the same receipt cannot be read", row.amount)
            continue
        receipts, asides = plan._maker.settle(rows)
        plan.receipts += receipts
        plan.asides.update((aside.number, aside) for aside in asides)
    plan.receipts.sort(key=lambda receipt: receipt.order)
