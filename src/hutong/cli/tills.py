"""``hutong till``: one-time codes for tills, what tills there are, and ending a lost one's key."""

import typer
from rich.table import Table

from hutong.cli.places import find_place
from hutong.cli.running import with_database
from hutong.cli.say import answers, said
from hutong.kernel.errors import NotFound
from hutong.platform.database import Database
from hutong.platform.scope import Scope

app = typer.Typer(no_args_is_help=True)
STORE = typer.Argument(..., help="GLN of the store.")
TILL = typer.Argument(..., help="The till's code at its store, such as 01.")


@app.command()
def enrol(store: str = STORE, till: str = TILL, name: str = typer.Option("", help="What people call it.")) -> None:
    """
    Make a one-time code that a till turns into its own key; adds the till if the store has none of this code.

    The till sends it to POST /v1/tills:enrol within 15 minutes. Its present key, if any, holds until then.

    Example:

      hutong till enrol 6909900000110 01 --name "Front left"
    """
    from hutong import directory

    async def work(database: Database) -> directory.Enrolment:
        by = directory.Principal.system("command-line")
        found = await find_till(database, store, till)
        if found is None:
            found = (await directory.create_till(database, by, store, code=till, name=name)).id
        return await directory.start_enrolment(database, by, found)

    enrolment = with_database(work)
    said(f"{enrolment.code}   valid until {enrolment.expires_at.astimezone():%H:%M}")


@app.command("list")
def list_tills(store: str = STORE) -> None:
    """
    List a store's tills and their last sign of life.

    Example:

      hutong till list 6909900000110
    """

    async def work(database: Database) -> Table:
        place = await find_place(database, store=store)
        table = Table("till", "name", "state", "last seen")
        async with database.read(Scope.of_network()) as reader:
            rows = await reader.rows(
                """select code, name, last_seen_at, case when revoked_at is not null then 'revoked' when key_hash is null then 'not enrolled'
                          else 'enrolled' end as state
                   from till where retailer_id = :retailer and store_id = :store order by code""",
                retailer=place.retailer_id, store=place.store_id,
            )  # fmt: skip
        for row in rows:
            table.add_row(row.code, row.name, row.state, f"{row.last_seen_at.astimezone():%Y-%m-%d %H:%M}" if row.last_seen_at else "never")
        return table

    answers.print(with_database(work))


@app.command()
def revoke(store: str = STORE, till: str = TILL) -> None:
    """
    End a till's key at once. Its sales stay; it can be enrolled again.

    Example:

      hutong till revoke 6909900000110 01
    """
    from hutong import directory

    async def work(database: Database) -> None:
        found = await find_till(database, store, till)
        if found is None:
            raise NotFound(f"The store {store} has no till {till}.")
        await directory.revoke_till(database, directory.Principal.system("command-line"), found)

    with_database(work)
    said(f"Till {till} of {store} is locked out.")


async def find_till(database: Database, gln: str, code: str) -> int | None:
    """The id of a store's till, or None. Raises NotFound for the store."""
    place = await find_place(database, store=gln)
    async with database.read(Scope.of_network()) as reader:
        found: int | None = await reader.value(
            "select id from till where retailer_id = :retailer and store_id = :store and code = :code",
            retailer=place.retailer_id, store=place.store_id, code=code,
        )  # fmt: skip
    return found
