"""The closing account of an import: what became of every row and every penny, and whether it all adds up."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from hutong.importer.plan import Plan
from hutong.importer.receipts import Aside
from hutong.importer.rows import ZERO
from hutong.importer.state import Answers

HUNDRED = Decimal(100)


@dataclass
class Summary:
    """Counts of receipts by kind, and exact sums in the file's currency; what comes back is negative.

    ``imported`` is what the network has, ``not_sent`` what a limit or a stop left out, ``rounded`` what prices of more than two decimals
    lost (or, negative, gained) when their lines were rounded.
    """

    rows: int
    unreadable: int
    total: Decimal
    kinds: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=dict)
    rows_imported: int = 0
    lines_sent: int = 0
    rows_aside: int = 0
    sum_aside: Decimal = ZERO
    receipts_not_sent: int = 0
    sum_not_sent: Decimal = ZERO
    rows_not_sent: int = 0
    rounded: Decimal = ZERO
    lost_vouchers: Decimal = ZERO
    captured: int = 0
    duplicate: int = 0
    refused: int = 0

    @property
    def imported(self) -> Decimal:
        """What the network has of the file."""
        return sum(self.sums.values(), ZERO)

    @property
    def difference(self) -> Decimal:
        """What the account cannot explain; anything but 0 is a mistake of the importer."""
        return self.total - self.imported - self.sum_aside - self.sum_not_sent - self.rounded

    @property
    def balanced(self) -> bool:
        """Whether every row and every penny is accounted for."""
        return self.difference == 0 and self.rows == self.rows_imported + self.rows_aside + self.rows_not_sent


def all_asides(plan: Plan, answers: Answers) -> dict[int, Aside]:
    """Every row that is not imported: those the mapping or their content set aside, and those of refused sales."""
    asides = dict(plan.asides)
    for place, refusal in answers.refused.items():
        for row in plan.receipts[place].rows:
            asides[row.number] = Aside(row.number, refusal.reason, row.amount)
    return asides


def summarise(plan: Plan, answers: Answers, *, imported: Callable[[int], bool] | None = None) -> Summary:
    """The account of a plan; ``imported`` says of each place of the order whether the network has it (default: what was answered)."""
    there = answers.done.__contains__ if imported is None else imported
    asides = all_asides(plan, answers)
    summary = Summary(
        plan.rows, plan.unreadable, plan.total, captured=answers.captured, duplicate=answers.duplicate, refused=len(answers.refused)
    )
    summary.rows_aside = len(asides)
    summary.sum_aside = sum([aside.amount for aside in asides.values() if aside.amount is not None], ZERO)
    for place, ready in enumerate(plan.sales()):
        if place in answers.refused:
            continue
        if not there(place):
            summary.receipts_not_sent += 1
            summary.rows_not_sent += len(ready.rows)
            summary.sum_not_sent += ready.exact
            continue
        amount = Decimal(ready.amount) / HUNDRED
        summary.kinds[ready.kind] += 1
        summary.sums[ready.kind] = summary.sums.get(ready.kind, ZERO) + amount
        summary.rows_imported += len(ready.rows)
        summary.lines_sent += len(ready.document["lines"])
        summary.rounded += ready.exact - amount
        summary.lost_vouchers += Decimal(ready.lost_vouchers) / HUNDRED
    return summary
