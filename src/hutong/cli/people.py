"""``hutong user``: the first people, forgotten passwords, roles."""

import os
import sys

import typer
from rich.table import Table

from hutong.cli.places import find_place
from hutong.cli.running import with_database
from hutong.cli.say import answers, notes, said
from hutong.kernel.errors import NotFound
from hutong.platform.database import Database
from hutong.platform.scope import Scope

app = typer.Typer(no_args_is_help=True)
ROLES = "network_operator (the whole network), head_office or integrator (--retailer), store_manager or cashier (--store), brand_manager (--brand)"
RETAILER = typer.Option(None, help="Code of the retailer that the role is for.")
STORE = typer.Option(None, help="GLN of the store that the role is for.")
BRAND = typer.Option(None, help="Code of the brand that the role is for.")


@app.command()
def create(
    login: str = typer.Argument(..., help="What the person signs in with: small letters, digits, . - _ @"),
    name: str = typer.Option(..., help="The person's name."),
    role: str | None = typer.Option(None, help=f"A first role: {ROLES}."),
    retailer: str | None = RETAILER,
    store: str | None = STORE,
    brand: str | None = BRAND,
    locale: str = typer.Option("zh", help="Language of the pages: zh or en."),
) -> None:
    """
    Let a person in.

    The password is asked for; where there is no terminal it is read from HUTONG_PASSWORD, or as one line from standard input.

    Examples:

      hutong user create ada --name "Ada" --role network_operator --locale en

      hutong user create lin --name 林芳 --role store_manager --store 6909900000110
    """
    from hutong import directory

    password = asked_password()

    async def work(database: Database) -> None:
        place = await find_place(database, retailer, store, brand)
        grants = [directory.Grant.of_role(role, place.retailer_id, place.store_id, place.brand_id)] if role else []
        by = directory.Principal.system("command-line")
        await directory.create_person(database, by, login=login, name=name, password=password, locale=locale, grants=grants)

    with_database(work)
    said(f"{login} can sign in.")


@app.command()
def password(login: str = typer.Argument(..., help="Whose.")) -> None:
    """
    Give a person a new password and end their sessions.

    Example:

      hutong user password ada
    """
    from hutong import directory

    new = asked_password()

    async def work(database: Database) -> None:
        await directory.set_password(database, directory.Principal.system("command-line"), await person_id(database, login), new)

    with_database(work)
    said(f"{login} has a new password; earlier sessions have ended.")


@app.command()
def grant(
    login: str = typer.Argument(..., help="Whom."),
    role: str = typer.Argument(..., help=f"One of {ROLES}."),
    retailer: str | None = RETAILER,
    store: str | None = STORE,
    brand: str | None = BRAND,
) -> None:
    """
    Give a person a further role at one place.

    Examples:

      hutong user grant ada head_office --retailer qingsong

      hutong user grant ada brand_manager --brand yunqi
    """
    from hutong import directory

    async def work(database: Database) -> None:
        place = await find_place(database, retailer, store, brand)
        by = directory.Principal.system("command-line")
        await directory.grant(
            database, by, await person_id(database, login), role,
            retailer_id=place.retailer_id, store_id=place.store_id, brand_id=place.brand_id,
        )  # fmt: skip

    with_database(work)
    said(f"{login} is {role} now.")


@app.command("list")
def list_people(find: str = typer.Argument("", help="Part of a login or name.")) -> None:
    """
    List people and their roles (the first 500).

    Examples:

      hutong user list

      hutong user list lin
    """

    async def work(database: Database) -> Table:
        table = Table("login", "name", "language", "roles", "state")
        async with database.read(Scope.of_network()) as reader:
            rows = await reader.rows(
                """select p.login, p.name, p.locale, p.disabled_at, string_agg(
                              g.role || ' @ ' || coalesce(s.gln::text, r.code, b.code, 'network'), ', ' order by g.id) as roles
                   from person p left join role_grant g on g.person_id = p.id left join retailer r on r.id = g.retailer_id
                   left join store s on s.retailer_id = g.retailer_id and s.id = g.store_id left join brand b on b.id = g.brand_id
                   where strpos(lower(p.login || ' ' || p.name), lower(:find)) > 0 group by p.id order by p.id limit 500""",
                find=find,
            )
        for row in rows:
            table.add_row(row.login, row.name, row.locale, row.roles or "none", "disabled" if row.disabled_at else "")
        return table

    answers.print(with_database(work))


def asked_password() -> str:
    """A password from the terminal, asked twice; without a terminal from HUTONG_PASSWORD or a line of standard input."""
    if "HUTONG_PASSWORD" in os.environ:
        return os.environ["HUTONG_PASSWORD"]
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    while True:
        first = notes.input("Password: ", password=True)
        if first == notes.input("Again: ", password=True):
            return first
        notes.print("The two differ.")


async def person_id(database: Database, login: str) -> int:
    """The id of the person with this login. Raises NotFound."""
    async with database.read(Scope.of_network()) as reader:
        found: int | None = await reader.value("select id from person where login = :login", login=login.strip().lower())
    if found is None:
        raise NotFound(f"Nobody has the login {login}.")
    return found
