"""``hutong import products``: a product or price list from CSV or XLSX, tried first, its bad rows listed by line and reason."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from hutong.cli.running import with_database
from hutong.cli.say import fail, notes, said
from hutong.platform.database import Database

if TYPE_CHECKING:
    from hutong.catalog import ImportReport

LISTED = 20


def import_products(
    file: Path = typer.Argument(..., exists=True, dir_okay=False, help="A CSV or XLSX file with a header line."),
    retailer: str | None = typer.Option(
        None, help="Code of the retailer whose own numbers and prices these are; none: the network's products."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    skip_bad: bool = typer.Option(False, "--skip-bad", help="Import the good rows although there are bad ones."),
    bad_rows: Path | None = typer.Option(None, help="Write the bad rows with their reasons to this CSV file."),
) -> None:
    """
    Import products and prices.

    Every row is tried first. If some are bad, they are listed by line and reason and nothing is imported, unless --skip-bad says
    to import the rest. Running it again changes nothing. Columns are found by their names, English or Chinese: barcode (gtin), own
    number (code), name, brand, category, unit, VAT rate, price, valid from, store.

    Examples:

      hutong import products products.xlsx --dry-run

      hutong import products prices.csv --retailer qingsong --skip-bad --bad-rows bad.csv
    """
    from hutong import catalog
    from hutong.directory import Principal

    with Progress(TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} rows"), TimeElapsedColumn(), console=notes) as bar:
        task = bar.add_task("Reading", total=None)

        async def work(database: Database) -> "ImportReport":
            with file.open("rb") as opened:
                return await catalog.import_products(
                    database, Principal.system("command-line"), opened,
                    retailer=retailer, dry_run=dry_run, accept_rest=skip_bad, progress=lambda rows: bar.update(task, completed=rows),
                )  # fmt: skip

        report = with_database(work)
    _list_bad(report)
    if bad_rows is not None and report.bad:
        bad_rows.write_text(catalog.bad_rows_csv(report))
        said(f"Bad rows: {bad_rows}")
    counts = ", ".join(f"{number:,} {outcome.value}" for outcome, number in sorted(report.outcomes.items())) or "none"
    said(
        f"{'Imported' if report.imported else 'Would be imported'}: products {counts}; {report.prices:,} prices; {len(report.bad):,} bad rows."
    )
    if report.bad and not (report.imported or dry_run):
        fail(f"{len(report.bad):,} of {report.rows:,} rows are bad, so nothing was imported. Mend them, or add --skip-bad.")


def _list_bad(report: "ImportReport") -> None:
    from hutong.catalog import REASONS

    for bad in report.bad[:LISTED]:
        said(f"line {bad.line}: {' '.join(REASONS[each.reason].format(given=each.given) for each in bad.problems)}")
    if len(report.bad) > LISTED:
        said(f"… and {len(report.bad) - LISTED:,} more bad rows (--bad-rows FILE writes all of them)")
