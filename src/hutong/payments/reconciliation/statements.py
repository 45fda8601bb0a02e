"""Statements of a store, a brand or a wallet account for a period, from the ledger: on a page, as CSV, as a workbook."""

import io
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hutong.directory import Permission, Principal, csv_line, safe_cell
from hutong.kernel.errors import Invalid, NotFound
from hutong.payments.reconciliation.words import COLUMNS, KINDS, account_word
from hutong.platform.database import Database, Reader
from hutong.platform.scope import Scope
from hutong.platform.web.i18n import mark

MOST_DAYS = 92
MOST_LINES = 200_000
AT_ONCE = 2_000

Say = Callable[[str], str]


class StatementTooLong(Invalid):
    """A statement is of at most 92 days and 200,000 lines."""

    code, title = "statement_too_long", mark("This statement is too long: choose a shorter period")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose statement it is: ``kind`` is store, brand or wallet; ``scope`` is what of it the reader may see."""

    kind: str
    code: str
    name_zh: str
    name_en: str
    id: int
    scope: Scope
    zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class AccountSum:
    """An account over the period, in fen: what it held before, what was debited and credited, what it holds."""

    id: int
    code: str
    opening: int
    debit: int
    credit: int

    @property
    def closing(self) -> int:
        return self.opening + self.debit - self.credit


async def subject_of(db: Database, by: Principal, kind: str, code: str) -> Subject:
    """The store (GLN), brand (code) or wallet account (id) whose statement ``by`` may read. Raises NotFound."""
    query = _SUBJECTS.get(kind)
    if query is None or (kind == "wallet" and not (code.isascii() and code.isdigit() and len(code) < 10)):
        raise NotFound
    async with db.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        row = await reader.row(query, code=int(code) if kind == "wallet" else code)
    if row is None:
        raise NotFound
    if kind == "store":
        by.must(Permission.READ_PAYMENTS, retailer_id=row.retailer_id, store_id=row.id)
        return Subject(kind, code, row.name_zh, row.name_en, row.id, Scope.of_retailer(row.retailer_id), row.zone)
    if kind == "wallet":
        by.must(Permission.READ_PAYMENTS, retailer_id=row.retailer_id)
        return Subject(kind, code, row.name_zh, row.name_en, row.id, Scope.of_retailer(row.retailer_id))
    if by.may(Permission.READ_PAYMENTS, brand_id=row.id):
        return Subject(kind, code, row.name_zh, row.name_en, row.id, Scope.of_brand(row.id))
    # A retailer reads what it owes the brand itself, and nothing of other retailers.
    whole = by.scope_for(Permission.READ_PAYMENTS)
    if not whole.retailers:
        raise NotFound
    return Subject(kind, code, row.name_zh, row.name_en, row.id, Scope(retailers=whole.retailers))


_SUBJECTS = {
    "store": "select id, retailer_id, name_zh, name_en, zone from store where gln = :code",
    "brand": "select id, name_zh, name_en from brand where code = :code",
    "wallet": """select a.id, a.retailer_id, r.name_zh || ' ' || a.wallet || ' ' || a.code as name_zh, r.name_en || ' ' || a.wallet || ' ' || a.code as name_en
                 from wallet_account a join retailer r on r.id = a.retailer_id where a.id = :code""",
}
# Its own accounts, and of those that stores share only what is this store's.
_ACCOUNTS = {
    "store": "a.store_id = cast(:id as integer) or split_part(a.code, ':', 1) in ('fee', 'suspense')",
    "brand": "a.brand_id = cast(:id as integer)",
    "wallet": "a.wallet is not null and split_part(a.code, ':', 3) = cast(:id as integer)::text",
}


def check_period(first: date, last: date) -> None:
    """Raises Invalid for a period that is none, StatementTooLong."""
    if last < first:
        raise Invalid("The last day comes before the first.")
    if (last - first).days >= MOST_DAYS:
        raise StatementTooLong(days=MOST_DAYS)


async def account_sums(reader: Reader, subject: Subject, first: date, last: date) -> Sequence[AccountSum]:
    """Every account that moved in the period or held something before it."""
    rows = await reader.rows(
        f"""select a.id, a.code, case when cast(:kind as text) = 'store' and a.store_id is null then 0 else ledger_balance(a.id, cast(:first as date) - 1) end as opening,
                   coalesce(e.debit, 0)::bigint as debit, coalesce(e.credit, 0)::bigint as credit
            from account a left join lateral (
                select sum(e.amount) filter (where e.amount > 0) as debit, -sum(e.amount) filter (where e.amount < 0) as credit from entry e
                where e.account_id = a.id and not e.pending and e.booked_on between :first and :last
                  and (cast(:kind as text) <> 'store' or a.store_id is not null or e.store_id = cast(:id as integer))) e on true
            where {_ACCOUNTS[subject.kind]} order by a.code""",
        kind=subject.kind, id=subject.id, first=first, last=last,
    )  # fmt: skip
    return [AccountSum(*tuple(row)) for row in rows if row.opening or row.debit or row.credit]


async def statement_lines(reader: Reader, subject: Subject, first: date, last: date) -> AsyncIterator[Sequence[Any]]:
    """The entries of the period in the order of days, some thousands at a time. Raises StatementTooLong before the first."""
    ids = [each.id for each in await account_sums(reader, subject, first, last)]
    where = """e.account_id = any (cast(:ids as integer[])) and not e.pending and e.booked_on between :first and :last
        and (cast(:kind as text) <> 'store' or e.store_id = cast(:id as integer))"""
    parameters: dict[str, Any] = {"ids": ids, "first": first, "last": last, "kind": subject.kind, "id": subject.id}
    if await reader.value(f"select count(*) from (select from entry e where {where} limit {MOST_LINES + 1}) n", **parameters) > MOST_LINES:
        raise StatementTooLong(lines=MOST_LINES)
    place: tuple[Any, ...] = (first, "00000000-0000-0000-0000-000000000000", 0)
    while True:
        rows = await reader.rows(
            f"""select e.booked_on, e.posting_id, e.line, e.amount, a.code, p.kind, p.reference, p.event_at
                from (select * from entry e where {where} and (e.booked_on, e.posting_id, e.line) > (cast(:d as date), cast(:p as uuid), cast(:l as smallint))
                      order by e.booked_on, e.posting_id, e.line limit {AT_ONCE}) e
                join account a on a.id = e.account_id left join posting p on p.retailer_id = e.retailer_id and p.id = e.posting_id
                order by e.booked_on, e.posting_id, e.line""",
            **parameters, d=place[0], p=place[1], l=place[2],
        )  # fmt: skip
        yield rows
        if len(rows) < AT_ONCE:
            return
        place = (rows[-1].booked_on, rows[-1].posting_id, rows[-1].line)


async def statement_csv(db: Database, subject: Subject, first: date, last: date, say: Say) -> AsyncIterator[str]:
    """The statement as CSV in the language of ``say``: opening balances, every entry, closing balances. No cell is a formula."""
    async with db.read(subject.scope) as reader:
        sums = await account_sums(reader, subject, first, last)
        text = "\ufeff" + csv_line([say(each) for each in COLUMNS])  # the mark lets spreadsheets read Chinese
        for row in _balances(sums, first, say("Before"), "opening", say):
            text += csv_line(row)
        async for rows in statement_lines(reader, subject, first, last):
            for line in _cells(rows, subject, say):
                text += csv_line(line)
            yield text
            text = ""
        for row in _balances(sums, last, say("After"), "closing", say):
            text += csv_line(row)
        yield text


async def statement_xlsx(db: Database, subject: Subject, first: date, last: date, say: Say) -> bytes:
    """The same as a workbook. Texts are inline strings, so that none can be a formula; amounts are numbers."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(safe_title(subject.code))
    sheet.freeze_panes = "A2"
    for column, width in zip("ABCDEFGH", (12, 10, 24, 28, 30, 38, 14, 14), strict=True):
        sheet.column_dimensions[column].width = width

    def cells(values: Sequence[Any], *, bold: bool = False) -> Iterator[Any]:
        for place, value in enumerate(values):
            cell = WriteOnlyCell(sheet, value=None)
            if place >= 6 and not bold:
                if value:
                    cell.value, cell.number_format = Decimal(value), "#,##0.00"
            elif value != "":
                cell.value = safe_cell(value)
                cell.data_type = "s"  # never a formula, whatever it starts with
            if bold:
                cell.font = Font(bold=True)
            yield cell

    async with db.read(subject.scope) as reader:
        sums = await account_sums(reader, subject, first, last)
        sheet.append(list(cells([say(each) for each in COLUMNS], bold=True)))
        for row in _balances(sums, first, say("Before"), "opening", say):
            sheet.append(list(cells(row)))
        async for rows in statement_lines(reader, subject, first, last):
            for line in _cells(rows, subject, say):
                sheet.append(list(cells(line)))
        for row in _balances(sums, last, say("After"), "closing", say):
            sheet.append(list(cells(row)))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _balances(sums: Sequence[AccountSum], day: date, what: str, which: str, say: Say) -> Iterator[list[str]]:
    for each in sums:
        amount = getattr(each, which)
        yield [str(day), "", what, say(account_word(each.code)), each.code, "", *_sides(amount)]


def _cells(rows: Sequence[Any], subject: Subject, say: Say) -> Iterator[list[str]]:
    zone = ZoneInfo(subject.zone)
    for row in rows:
        at: datetime | None = row.event_at
        yield [
            str(row.booked_on), f"{at.astimezone(zone):%H:%M:%S}" if at and not row.kind.startswith("bill.") else "",
            say(KINDS.get(row.kind, row.kind)) if row.kind else "", say(account_word(row.code)), row.code, str(row.reference or ""), *_sides(row.amount),
        ]  # fmt: skip


def _sides(amount: int) -> tuple[str, str]:
    """Debit and credit in yuan; the empty side is empty, so no figure has a sign."""
    text = f"{abs(amount) // 100}.{abs(amount) % 100:02d}"
    return (text, "") if amount > 0 else ("", text) if amount < 0 else ("", "")


def safe_title(code: str) -> str:
    """A name that a sheet may have."""
    return "".join(each if each.isalnum() or each in "-_" else "-" for each in code)[:31] or "statement"
