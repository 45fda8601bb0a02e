"""``hutong reconcile``: fetch the wallets' bills of a day, or take a file, and say in one line an account whether the books agree."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hutong.cli.running import with_database
from hutong.cli.say import fail, said
from hutong.platform.config import Settings
from hutong.platform.database import Database

if TYPE_CHECKING:
    from hutong.payments import BooksOutcome


def reconcile(
    day: datetime | None = typer.Option(None, "--day", formats=["%Y-%m-%d"], help="The wallet's day; yesterday if not given."),
    retailer: str = typer.Option("", "--retailer", help="A retailer's code; all retailers if not given."),
    file: Path | None = typer.Option(None, "--file", exists=True, dir_okay=False, help="A bill of payments (zip) as the wallet sent it."),
) -> None:
    """Set the wallets' bills of a day against the books.

    Does at once what the program does by itself every morning, and may be run as often as you like: it changes nothing unless the
    bill or the books have changed. Ends with 1 if an account's books do not agree or its bill is not there.

    Examples:

      hutong reconcile

      hutong reconcile --retailer qingsong --day 2026-11-28 --file 20881234567890120156_20261128.zip
    """
    content = file.read_bytes() if file is not None else None
    outcomes = with_database(lambda database: _reconcile(database, retailer, day, content))
    for code, outcome in outcomes:
        said(f"{code}: {outcome.line}")
        for problem in filter(None, (outcome.problem, outcome.movements_problem)):
            said(f"{code}: rejected: {problem}")
    if not outcomes:
        fail("There is no wallet account; add one with `hutong wallet add`.")
    if not all(outcome.agrees for _, outcome in outcomes):
        fail("The books do not agree everywhere; /payments/books shows both sides.")


async def _reconcile(database: Database, retailer: str, day: datetime | None, content: bytes | None) -> "list[tuple[str, BooksOutcome]]":
    from hutong.payments import reconcile_now

    return await reconcile_now(database, Settings(), retailer, day.date() if day is not None else None, content)
