"""``hutong key``: API keys for programs of a retailer or a brand."""

from datetime import UTC, datetime

import typer
from rich.table import Table

from hutong.cli.places import find_place
from hutong.cli.running import with_database
from hutong.cli.say import answers, note, said
from hutong.kernel.errors import Invalid
from hutong.platform.database import Database
from hutong.platform.scope import Scope

app = typer.Typer(no_args_is_help=True)
USUAL_HELP = "What it may do; repeat it. Default: all that a till gateway or ERP needs, but no sales:history."
USUAL = ["sales:capture", "sales:read", "tills:register", "catalog:read", "catalog:write", "stores:read", "monitor:read"]


@app.command()
def create(
    name: str = typer.Argument(..., help="Which program holds it, such as erp or till-gateway."),
    retailer: str | None = typer.Option(None, help="Code of the retailer that it works for."),
    brand: str | None = typer.Option(None, help="Code of the brand that it works for."),
    permission: list[str] = typer.Option([], help=USUAL_HELP),
    until: datetime | None = typer.Option(None, formats=["%Y-%m-%d"], help="Last day (UTC); default: until it is revoked."),
) -> None:
    """
    Make an API key. It is shown once and stored hashed.

    Imports of old sales need sales:history besides.

    Examples:

      hutong key create erp --retailer qingsong

      hutong key create import --retailer qingsong --permission sales:capture --permission sales:history --permission tills:register

      hutong key create watch --brand yunqi --permission monitor:read --permission sales:read
    """
    from hutong import directory

    try:
        permissions = [directory.Permission(each) for each in permission or (USUAL if brand is None else ["sales:read", "monitor:read"])]
    except ValueError as error:
        raise Invalid(f"{error}. There are: {', '.join(sorted(directory.KEY_PERMISSIONS))}.") from None

    async def work(database: Database) -> str:
        place = await find_place(database, retailer=retailer, brand=brand)
        made = await directory.create_key(
            database, directory.Principal.system("command-line"), name=name, permissions=permissions,
            retailer_id=place.retailer_id, brand_id=place.brand_id,
            expires_at=until.replace(hour=23, minute=59, second=59, tzinfo=UTC) if until else None,
        )  # fmt: skip
        return made.key

    key = with_database(work)
    note("Keep it now: it is not shown again.")
    said(key)


@app.command("list")
def list_keys() -> None:
    """
    List API keys (the first 500), ended ones too.

    Example:

      hutong key list
    """

    async def work(database: Database) -> Table:
        table = Table("id", "name", "begins", "of", "permissions", "last used", "state")
        async with database.read(Scope.of_network()) as reader:
            rows = await reader.rows(
                """select k.id, k.name, k.hint, k.permissions, k.last_used_at, coalesce(r.code, b.code) as place,
                          k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) as valid
                   from api_key k left join retailer r on r.id = k.retailer_id left join brand b on b.id = k.brand_id
                   order by k.id limit 500"""
            )
        for row in rows:
            used = f"{row.last_used_at.astimezone():%Y-%m-%d %H:%M}" if row.last_used_at else "never"
            table.add_row(str(row.id), row.name, row.hint, row.place, " ".join(row.permissions), used, "valid" if row.valid else "ended")
        return table

    answers.print(with_database(work))


@app.command()
def revoke(key: int = typer.Argument(..., help="The key's id, from `hutong key list`.")) -> None:
    """
    End a key at once, in every process.

    Example:

      hutong key revoke 3
    """
    from hutong import directory

    with_database(lambda database: directory.revoke_key(database, directory.Principal.system("command-line"), key))
    said(f"Key {key} is ended.")
