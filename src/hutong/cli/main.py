"""Builds the command line from its commands, and turns whatever goes wrong into one line and an exit code."""

import inspect
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import typer
from rich.markup import escape

from hutong.cli.say import fail, said

HELP = """
hutong joins the shops of several retailers and the brands they sell into one network: it captures every sale exactly once
and shows it live to the store, its retailer and each brand.

The network's data live in PostgreSQL: in the one that HUTONG_DATABASE_URL names, or else in one that hutong brings along and
keeps in the folder .data (HUTONG_DATA_DIR names another).
"""
FIRST_STEPS = """
First steps:

  hutong demo                              a demonstration network with live trade, on http://localhost:8000

  hutong serve                             your own network, empty at first

  hutong user create ada --role network_operator --name "Ada"   the first person who may sign in
"""
# Their modules are loaded whenever the command line is built, so what is slow to import they import when they run.
COMMANDS = ["serve", "worker", "demo", "migrate", "backup", "restore", "verify", "reconcile", "openapi", "bench"]
GROUPS = {
    "import": "Bring in what other systems know: sales, products and prices.",
    "user": "People who sign in, and their roles.",
    "till": "Tills of stores, and the keys they hold.",
    "key": "API keys of integrators.",
    "ledger": "The books of payments and sales.",
    "wallet": "Accounts of retailers at Alipay.",
    "sandbox": "Wallets to try payments with, without a contract and without money.",
}
IMPORTS = {"sales": "import_sales", "setup": "import_setup", "products": "import_products"}


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="hutong", help=HELP, epilog=FIRST_STEPS, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )  # fmt: skip
    app.callback(invoke_without_command=True)(_top)
    for name in COMMANDS:
        module = f"hutong.cli.{'database' if name in ('migrate', 'backup', 'restore') else name}"
        if find_spec(module):
            # Options that bench does not know are the benchmark's.
            passing = {"allow_extra_args": True, "ignore_unknown_options": True} if name == "bench" else None
            function = getattr(import_module(module), name)
            app.command(name, context_settings=passing, help=_help(function))(function)
    importing = typer.Typer(no_args_is_help=True)
    for name, module in IMPORTS.items():
        if find_spec(f"hutong.cli.{module}"):
            function = getattr(import_module(f"hutong.cli.{module}"), module)
            importing.command(name, help=_help(function))(function)
    app.add_typer(importing, name="import", help=GROUPS["import"])
    for name, module in (
        ("user", "people"),
        ("till", "tills"),
        ("key", "keys"),
        ("sandbox", "sandbox"),
        ("ledger", "ledger"),
        ("wallet", "wallets"),
    ):
        app.add_typer(import_module(f"hutong.cli.{module}").app, name=name, help=GROUPS[name])
    return app


def _help(function: Callable[..., object]) -> str:
    """A command's docstring as its help; what stands in square brackets is meant as it stands."""
    return escape(inspect.getdoc(function) or "")


def _top(context: typer.Context, version: bool = typer.Option(False, "--version", help="Show the version and end.")) -> None:
    if version:
        from hutong import __version__

        print(f"hutong {__version__}")  # noqa: T201 - the answer itself
        raise typer.Exit
    if context.invoked_subcommand is None:
        said(context.get_help())


def main() -> None:
    """Run the command line and end the process with its exit code: 0 done, 1 not done, 2 misused, 130 and 143 when interrupted."""
    try:
        build()()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("HUTONG_DEBUG"):
            raise
        fail(error)
