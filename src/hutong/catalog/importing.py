"""Imports products and prices from a CSV or XLSX: tries every row first, lists each bad one, and writes the rest if told to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from hutong.catalog.codes import ProductKey
from hutong.catalog.columns import ParsedRow, find_columns, parse_row
from hutong.catalog.commands import register_products
from hutong.catalog.entries import REASONS, Outcome, Problem
from hutong.catalog.errors import FileUnreadable, RowsInvalid
from hutong.catalog.judging import Judgement, entry_key, judge, known_products, surroundings
from hutong.catalog.prices import EVERY_STORE, PriceEntry, set_prices, standing_prices
from hutong.catalog.queries import speaking_for
from hutong.catalog.tables import csv_text, read_table
from hutong.directory import Permission, Principal, RetailerRef, stores
from hutong.kernel.clock import now
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.platform.web import mark

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not imported: its line in the file, its code, why, and its cells as they stand."""

    line: int
    code: str
    problems: tuple[Problem, ...]
    cells: tuple[str, ...]


@dataclass(slots=True)
class ImportReport:
    """What an import did, or (``imported`` false) would do; ``prices`` counts new prices, ``outcomes`` products."""

    rows: int = 0
    imported: bool = False
    prices: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    bad: list[BadRow] = field(default_factory=list)
    header: list[str] = field(default_factory=list)

    @property
    def good(self) -> int:
        """Rows that can be imported."""
        return self.rows - len(self.bad)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Whose file it is and what its rows are read with."""

    retailer: RetailerRef | None
    stores: dict[str, int]
    moment: datetime
    zone: ZoneInfo

    @property
    def retailer_id(self) -> int | None:
        return self.retailer.id if self.retailer is not None else None


async def import_products(
    db: Database,
    by: Principal,
    file: BinaryIO,
    *,
    retailer: str | None = None,
    dry_run: bool = True,
    accept_rest: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import a product or price list; a second import of the same file changes nothing.

    Own numbers and prices belong to ``retailer`` (its code; by default the only one the caller keeps the catalogue of). A
    price without a date counts from now. Rows after the first of one product only bring prices of further stores. Every
    1,000 rows are a transaction of their own; an import that was cut off is simply started again. ``progress`` hears the
    rows done. With bad rows nothing is imported unless ``accept_rest``. Raises FileUnreadable, TooLarge, NotFound.
    """
    by.must_somewhere(Permission.MANAGE_CATALOG)
    plan = await _plan(db, by, retailer)
    report = await _try_rows(db, by, file, plan, progress)
    if dry_run or (report.bad and not accept_rest):
        return report
    return await _write_rows(db, by, file, plan, report, progress)


async def _plan(db: Database, by: Principal, code: str | None) -> _Plan:
    async with db.read(Scope.of_network()) as reader:
        found = await speaking_for(reader, by, Permission.MANAGE_CATALOG, code)
        places = await stores(reader, found.id) if found is not None else []
    names = {store.code: store.id for store in places} | {store.gln: store.id for store in places}
    return _Plan(found, names, now(), ZoneInfo(found.zone if found is not None else "Asia/Shanghai"))


async def _chunks(file: BinaryIO, plan: _Plan, header: list[str]) -> AsyncIterator[tuple[list[ParsedRow], bool]]:
    """Rows of the file in bounded groups, and whether the file names products at all; read and parsed beside the event loop."""
    rows = read_table(file)
    first = await asyncio.to_thread(next, rows, None)
    if first is None:
        raise FileUnreadable("The file is empty.")
    header[:] = first.cells
    columns = find_columns(first.cells)
    named = bool(columns.keys() & {"name", "name_zh", "name_en"})

    def read() -> list[ParsedRow]:
        return [parse_row(row, columns, plan.retailer_id, plan.zone) for row in islice(rows, CHUNK)]

    while chunk := await asyncio.to_thread(read):
        yield chunk, named


async def _try_rows(db: Database, by: Principal, file: BinaryIO, plan: _Plan, progress: Callable[[int], None] | None) -> ImportReport:
    report = ImportReport()
    lines: dict[tuple[Any, ...], int] = {}
    met: set[ProductKey | None] = set()
    async for chunk, named in _chunks(file, plan, report.header):
        async with db.read(Scope.of_network()) as reader:
            judgements = judge(by, [row.entry for row in chunk], await surroundings(reader, [row.entry for row in chunk]))
            for row, judgement in zip(chunk, judgements, strict=True):
                _gather_problems(row, judgement, plan, lines, named)
            priced = [
                (row, _price(row, judgement.known.id, plan))
                for row, judgement in zip(chunk, judgements, strict=True)
                if row.sets_price and not row.problems and judgement.known is not None and plan.retailer_id is not None
            ]
            if priced and plan.retailer_id is not None:
                standing, taken = await standing_prices(reader, plan.retailer_id, [price for _, price in priced])
                for (row, price), clash in zip(priced, taken, strict=True):
                    if clash:
                        row.problems.append(Problem("price_taken", "valid_from", price.valid_from.isoformat()))
                report.prices += sum(
                    _is_new(row, price, amount) for (row, price), amount in zip(priced, standing, strict=True) if not row.problems
                )
        for row, judgement in zip(chunk, judgements, strict=True):
            report.rows += 1
            if row.problems:
                report.bad.append(BadRow(row.line, row.entry.code, tuple(row.problems), tuple(row.cells)))
                continue
            report.prices += row.sets_price and judgement.known is None
            if judgement.key not in met:
                met.add(judgement.key)
                report.outcomes[judgement.outcome] += 1
        if progress is not None:
            progress(report.rows)
    return report


def _gather_problems(row: ParsedRow, judgement: Judgement, plan: _Plan, lines: dict[tuple[Any, ...], int], named: bool) -> None:
    """Put all problems of a row together, each once, without those that only follow from another."""
    broken_code = any(problem.field == "gtin" for problem in row.problems)
    for problem in judgement.problems:
        if broken_code and problem.field == "code":
            continue
        if problem.reason == "name_missing" and not named:
            row.problems.append(Problem("unknown_product", "code", row.entry.code))
        elif problem.reason == "name_missing" and broken_code:
            continue
        else:
            row.problems.append(problem)
    if row.store and row.store not in plan.stores:
        row.problems.append(Problem("unknown_store", "store", row.store))
    if judgement.key is not None and not broken_code:
        place = (judgement.key, row.store, row.valid_from) if row.sets_price else (judgement.key,)
        first = lines.setdefault(place, row.line)
        if first != row.line:
            row.problems.append(Problem("duplicate", "code", str(first)))


def _price(row: ParsedRow, product_id: int, plan: _Plan) -> PriceEntry:
    store = plan.stores[row.store] if row.store else EVERY_STORE
    return PriceEntry(product_id, row.price, row.valid_from or plan.moment, store)


def _is_new(row: ParsedRow, price: PriceEntry, standing: int | None) -> bool:
    """Whether a price is to be written: one without a date only if it differs from what counts now."""
    return row.valid_from is not None or price.amount != standing


async def _write_rows(
    db: Database, by: Principal, file: BinaryIO, plan: _Plan, tried: ImportReport, progress: Callable[[int], None] | None
) -> ImportReport:
    report = ImportReport(rows=tried.rows, imported=True, bad=tried.bad)
    refused = {bad.line for bad in tried.bad}
    met: set[ProductKey] = set()
    done = 0
    async for chunk, _ in _chunks(file, plan, report.header):
        good = [(row, key) for row in chunk if row.line not in refused and (key := entry_key(row.entry)) is not None]
        first_rows = {key: row for row, key in reversed(good) if key not in met}
        if first_rows:
            registered = await register_products(db, by, [row.entry for row in first_rows.values()])
            report.outcomes.update(each.outcome for each in registered)
            met |= first_rows.keys()
        report.prices += await _write_prices(db, by, [(row, key) for row, key in good if row.sets_price], plan)
        done += len(chunk)
        if progress is not None:
            progress(done)
    return report


async def _write_prices(db: Database, by: Principal, rows: Sequence[tuple[ParsedRow, ProductKey]], plan: _Plan) -> int:
    if not rows or plan.retailer_id is None:
        return 0
    async with db.read(Scope.of_network()) as reader:
        ids = {known.key: known.id for known in await known_products(reader, {key for _, key in rows})}
        prices = [_price(row, ids[key], plan) for row, key in rows]
        standing, _ = await standing_prices(reader, plan.retailer_id, prices)
    new = [price for (row, _), price, amount in zip(rows, prices, standing, strict=True) if _is_new(row, price, amount)]
    return await set_prices(db, by, plan.retailer_id, new) if new else 0


def report_json(report: ImportReport, limit: int = 1000) -> dict[str, Any]:
    """A report for programs, with up to ``limit`` bad rows."""
    return {
        "imported": report.imported,
        "rows": report.rows,
        "good": report.good,
        "bad": len(report.bad),
        "products": {outcome.value: report.outcomes[outcome] for outcome in Outcome},
        "prices": report.prices,
        "bad_rows": [
            {
                "line": bad.line,
                "code": bad.code,
                "reasons": [
                    {"reason": each.reason, "field": each.field, "given": each.given, "text": REASONS[each.reason].format(given=each.given)}
                    for each in bad.problems
                ],
            }
            for bad in report.bad[:limit]
        ],
    }


def bad_rows_csv(report: ImportReport, say: Callable[[str], str] = str) -> str:
    """The bad rows as a CSV that is safe to open in a spreadsheet: line, reasons (in the words of ``say``), then the row as it was."""
    rows = [[say(mark("Line")), say(mark("Reason")), *report.header]]
    for bad in report.bad:
        reasons = " ".join(say(REASONS[each.reason]).format(given=each.given) for each in bad.problems)
        rows.append([str(bad.line), reasons, *bad.cells])
    return csv_text(rows)


def refuse_bad_rows(report: ImportReport) -> None:
    """Go on only if everything was imported that was to be. Raises RowsInvalid with the report."""
    if not report.imported:
        raise RowsInvalid(
            f"{len(report.bad)} of {report.rows} rows cannot be imported; nothing was. Mend them, or import the rest with accept_rest=true.",
            report=report_json(report),
        )
