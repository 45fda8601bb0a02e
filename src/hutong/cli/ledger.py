"""``hutong ledger``: do the books hold, what stands in them, and booking what they do not have."""

from datetime import date, datetime

import typer
from rich.table import Table

from hutong.cli.places import find_place
from hutong.cli.running import with_database
from hutong.cli.say import answers, fail, note, said
from hutong.platform.database import Database
from hutong.platform.scope import Scope

app = typer.Typer(no_args_is_help=True)
DAY = ["%Y-%m-%d"]
NAMED = 5
"""Offenders that are named; the rest is counted."""


@app.command()
def check() -> None:
    """
    Prove that the books hold: balances, resolved reservations, payments, refunds, open items, sales, closed days.

    All in one snapshot, so it may run while payments come in. One line for each rule, with how many things it was held against;
    for a broken one also what breaks it and what to do. Ends with 1 if any is broken.

    Example:

      hutong ledger check
    """
    from hutong.payments import LEDGER_INVARIANTS, Finding, check_ledger
    from hutong.sales import SALE_INVARIANTS

    def tell(finding: Finding) -> None:
        name = finding.invariant.name
        if not finding.broken:
            said(f"holds   {finding.looked_at:>12,}  {name}")
            return
        said(f"BROKEN  {finding.broken:>5,} of {finding.looked_at:,}  {name}")
        for each in finding.first[:NAMED]:
            said(f"        {each.place}: should be {each.expected}, is {each.found}")
        if finding.broken > NAMED:
            said(f"        and {finding.broken - NAMED:,} more")
        said(f"        {finding.invariant.mend}")

    async def work(database: Database) -> int:
        broken = 0
        async for finding in check_ledger(database, [*LEDGER_INVARIANTS, *SALE_INVARIANTS]):
            tell(finding)
            broken += finding.broken > 0
        return broken

    broken = with_database(work)
    if broken:
        fail(f"{broken} rules of the ledger are broken.")
    said("The ledger holds.")


@app.command()
def balances(
    retailer: str = typer.Option("", help="Code of the retailer; default: all."),
    prefix: str = typer.Option("", help="Only accounts whose code starts so, such as alipay: or received:."),
    at: datetime | None = typer.Option(None, "--at", formats=DAY, help="At the end of this day; default: now."),
) -> None:
    """
    List accounts and their balances, debit positive, in minor units (fen).

    Examples:

      hutong ledger balances --prefix alipay:

      hutong ledger balances --retailer qingsong --at 2026-11-28
    """
    from hutong.payments import ledger_balances

    async def work(database: Database) -> Table:
        retailer_id = (await find_place(database, retailer=retailer)).retailer_id if retailer else None
        async with database.read(Scope.of_network()) as reader:
            names = {row.id: row.code for row in await reader.rows("select id, code from retailer")}
            found = await ledger_balances(reader, retailer_id, prefix, at and at.date())
        table = Table("retailer", "account", "kind", "currency", "balance")
        table.columns[4].justify = "right"
        for each in found:
            table.add_row(names[each.retailer_id], each.code, each.kind, each.currency, f"{each.amount:,}")
        return table

    answers.print(with_database(work))


@app.command()
def book(
    first: datetime | None = typer.Option(None, "--from", formats=DAY, help="First business date; default: the earliest there is."),
    last: datetime | None = typer.Option(None, "--to", formats=DAY, help="Last business date; default: the latest there is."),
) -> None:
    """
    Book captured sales that the ledger does not have: from before there was a ledger, or after a restore.

    New sales are booked by themselves. Running it again, or while sales come in, does no harm.

    Example:

      hutong ledger book --from 2026-11-01
    """
    from hutong.sales import book_missing

    async def work(database: Database) -> int:
        async with database.read(Scope.of_network()) as reader:
            rows = await reader.rows("select distinct business_date from retailer_day order by 1")
        days: list[date] = [row.business_date for row in rows]
        days = [day for day in days if (first is None or day >= first.date()) and (last is None or day <= last.date())]
        note(f"Looking at {len(days)} days")
        return await book_missing(database, days)

    said(f"{with_database(work):,} sales were missing and are booked.")
