"""Reads the ledger: balances now and at the end of any day, and what moved an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from hutong.payments.ledger.model import Kind
from hutong.platform.database import Reader

MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Balance:
    """An account and its balance in minor units: debit positive, so what is owed to others and income are negative."""

    account_id: int
    retailer_id: int
    code: str
    kind: Kind
    currency: str
    store_id: int | None
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of an account. ``kind`` and ``reference`` are None for who may not see the posting (a brand); ``balance`` is after it."""

    booked_on: date
    posting_id: UUID
    line: int
    amount: int
    balance: int
    store_id: int | None
    at: datetime | None
    kind: str | None
    reference: UUID | None


async def balance(reader: Reader, retailer_id: int, code: str, currency: str = "CNY", at_end_of: date | None = None) -> int:
    """The balance of one account, now or at the end of a day; 0 for one that has never been used."""
    return int(await reader.value(
        """select coalesce((select ledger_balance(id, cast(:day as date)) from account
                            where retailer_id = :retailer and code = :code and currency = cast(:currency as char(3))), 0)""",
        retailer=retailer_id, code=code, currency=currency, day=at_end_of,
    ))  # fmt: skip


async def balances(reader: Reader, retailer_id: int | None = None, prefix: str = "", at_end_of: date | None = None) -> Sequence[Balance]:
    """Every account that the scope sees, of one retailer or all, whose code starts with ``prefix``, by retailer and code."""
    rows = await reader.rows(
        """select id, retailer_id, code, kind, currency, store_id, ledger_balance(id, cast(:day as date)) as amount from account
           where (cast(:retailer as integer) is null or retailer_id = :retailer) and starts_with(code, :prefix)
           order by retailer_id, code, currency""",
        retailer=retailer_id, prefix=prefix, day=at_end_of,
    )  # fmt: skip
    return [Balance(row.id, row.retailer_id, row.code, row.kind, row.currency, row.store_id, row.amount) for row in rows]


async def statement(reader: Reader, account_id: int, first: date, last: date, most: int = MOST_LINES) -> tuple[int, Sequence[Line]]:
    """The balance before ``first`` and up to ``most`` entries from ``first`` to ``last``, in the order of days and postings."""
    opening = int(await reader.value("select coalesce(ledger_balance(:id, cast(:first as date) - 1), 0)", id=account_id, first=first))
    rows = await reader.rows(
        """select e.booked_on, e.posting_id, e.line, e.amount, e.store_id, p.event_at, p.kind, p.reference
           from (select * from entry where account_id = :id and not pending and booked_on between :first and :last
                 order by booked_on, posting_id, line limit :most) e
           left join posting p on p.retailer_id = e.retailer_id and p.id = e.posting_id
           order by e.booked_on, e.posting_id, e.line""",
        id=account_id, first=first, last=last, most=most,
    )  # fmt: skip
    lines, running = [], opening
    for row in rows:
        running += row.amount
        lines.append(
            Line(row.booked_on, row.posting_id, row.line, row.amount, running, row.store_id, row.event_at, row.kind, row.reference)
        )
    return opening, lines


async def held(reader: Reader, retailer_id: int, code: str, currency: str = "CNY") -> int:
    """What pending postings that nobody has resolved would move on an account: reservations, authorisations."""
    return int(await reader.value(
        """select coalesce(sum(e.amount), 0)::bigint from account a
           join entry e on e.account_id = a.id and e.pending
           where a.retailer_id = :retailer and a.code = :code and a.currency = cast(:currency as char(3)) and not exists (
               select from posting r where r.retailer_id = e.retailer_id and r.id = ledger_resolution(e.posting_id))""",
        retailer=retailer_id, code=code, currency=currency,
    ))  # fmt: skip
