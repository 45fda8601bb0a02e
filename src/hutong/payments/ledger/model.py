"""What is written into the ledger: postings and their entries, in minor units, and the ids that make each be written once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Literal
from uuid import UUID

Kind = Literal["A", "L", "I", "E"]
"""Of an account: asset, liability, income, expense."""
State = Literal["posted", "pending", "post", "void"]
"""``pending`` counts in no balance until a posting resolves it: ``post``, which counts, of at most its amount, or ``void``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a posting. ``amount`` in minor units, debit positive; ``store_id`` is whose business it is, if one store's."""

    account: str
    amount: int
    kind: Kind
    store_id: int | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """Entries that sum to zero, written whole and once. ``id`` is ``posting_id`` of ``idempotency``, or ``resolution_id``.

    ``reference`` is the payment or sale that it is about; ``at`` when that happened. It is booked on ``booked_on``, or, should
    the retailer's books be closed for that day when it comes, on the first day that is open. A void has no entries.
    """

    id: UUID
    retailer_id: int
    booked_on: date
    at: datetime
    kind: str
    idempotency: str
    reference: UUID | None
    entries: Sequence[Entry] = ()
    state: State = "posted"
    pending_of: UUID | None = None
    currency: str = "CNY"

    @property
    def amount(self) -> int:
        """What is moved: the sum of the debits."""
        return sum(entry.amount for entry in self.entries if entry.amount > 0)


def posting_id(of: UUID | datetime | date, idempotency: str) -> UUID:
    """The id of the posting with this text, in the millisecond of a UUIDv7, of a moment, or of a day's start (UTC).

    The same for the same arguments, always: the text must be ASCII letters, digits and ``:._-``, and the time one that never
    changes, such as the payment's. PostgreSQL computes the same (``ledger_id``) and refuses any other.
    """
    if isinstance(of, UUID):
        millisecond = of.int >> 80
    else:
        at = of if isinstance(of, datetime) else datetime(of.year, of.month, of.day, tzinfo=UTC)
        since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        millisecond = (since.days * 86_400_000) + since.seconds * 1_000 + since.microseconds // 1_000
    digest = sha256(idempotency.encode("ascii")).hexdigest()
    return UUID(f"{millisecond:012x}7{digest[:3]}8{digest[3:18]}")


def resolution_text(pending: UUID) -> str:
    """The idempotency text of whatever resolves a pending posting."""
    return f"{pending}:resolved"


def resolution_id(pending: UUID) -> UUID:
    """The id of whatever resolves a pending posting: one id for posting and voiding, so that it is resolved once only."""
    return posting_id(pending, resolution_text(pending))
