"""What reconciliation speaks of: bills' days, what a day came to, and the classes that a difference can have."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Literal

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Alipay's clock, whatever the machine's; China has no summer time."""
Kind = Literal["payment", "refund"]
CLASSES = (
    "matched", "in_transit", "long", "short", "amount", "status", "fee", "duplicate", "refund_long", "refund_short", "foreign",
)  # fmt: skip
NOT_IN_BILL = ("in_transit", "short", "refund_short")
"""Classes of what is ours and not in the bill; all others are of its lines, and sum to it."""
ACTOR = "system:reconciliation"


def bill_day(moment: datetime) -> date:
    """The day of the wallet's calendar that a moment falls into."""
    return moment.astimezone(BEIJING).date()


def start_of(day: date) -> datetime:
    """When a day of the wallet begins."""
    return datetime.combine(day, time(), BEIJING).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts, and fen of receipts: what came in, what went back, and what the wallet keeps."""

    payments: int = 0
    paid: int = 0
    refunds: int = 0
    refunded: int = 0
    fee: int = 0

    @property
    def net(self) -> int:
        """What came in less what went back, before the fee."""
        return self.paid - self.refunded


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one working out of a day.

    ``run_id`` is that which now stands; ``fresh`` whether anything is new against the last. ``open`` and ``waiting`` count items
    (waiting: in transit). ``problem``: the file was rejected, and nothing changed.
    """

    account_id: int
    day: date
    run_id: int | None = None
    fresh: bool = False
    sums: Sums = field(default_factory=Sums)
    open: int = 0
    waiting: int = 0
    classes: tuple[tuple[str, int], ...] = ()
    """Open items by class."""
    problem: str = ""
    movements_problem: str = ""
    """The same of the account's movements, which are left out then."""

    @property
    def agrees(self) -> bool:
        """Whether the books and the bill say the same, apart from what is still on its way."""
        return self.run_id is not None and not self.problem and self.open == 0

    @property
    def line(self) -> str:
        """The day in one line, in English."""
        if self.run_id is None:
            return f"The books of {self.day} wait for the bill{': ' + self.problem if self.problem else ''}."
        sums = self.sums
        if self.agrees:
            text = f"The books of {self.day} agree: {count(sums.payments, 'payment')} and {count(sums.refunds, 'refund')}, "
            text += f"{yuan(sums.net)} yuan, fee {yuan(sums.fee)}"
            return text + (f"; {self.waiting} in transit" if self.waiting else "")
        named = ", ".join(f"{number} {name}" for name, number in self.classes)
        return f"The books of {self.day} do not agree: {count(self.open, 'item')} open ({named})"


def count(number: int, noun: str) -> str:
    """``1 item``, ``1,204 payments``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def yuan(amount: int) -> str:
    """Fen as yuan: ``58,213.40``."""
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100:,}.{abs(amount) % 100:02d}"
