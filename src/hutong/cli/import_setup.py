"""``hutong import setup``: makes the retailer, stores, brands and products that a file of sales needs."""

from pathlib import Path

import typer

from hutong.cli.running import with_database
from hutong.cli.say import notes, said


def import_setup(
    file: Path = typer.Argument(..., exists=True, dir_okay=False, help="The file of sales: CSV, Parquet or XLSX."),
    mapping: Path = typer.Option(..., "--mapping", "-m", exists=True, dir_okay=False, help="TOML file that says which column is what."),
    key: bool = typer.Option(False, "--key", help="Also make an API key for the import, and print it."),
) -> None:
    """
    Make what a file of sales needs: its retailer, stores, brands and products, by the mapping's [setup] table.

    It works on the database, as `hutong migrate` does: an operator's command. What is there stays as it is, so run it as often
    as you like.

    Example:

      hutong import setup sales.csv --mapping my-erp.toml --key
    """
    from hutong.importer import Source, load_mapping
    from hutong.importer.setup import find_wanted, make

    rules = load_mapping(mapping)
    with notes.status(f"Reading {file.name}") as status:
        wanted = find_wanted(rules, Source(file, rules.file))

        def say(what: str, done: int, total: int) -> None:
            status.update(f"Making {what}: {done:,} of {total:,}")

        made = with_database(lambda database: make(database, rules, wanted, with_key=key, say=say))
    said(f"Retailer: {'made' if made.retailer else 'there already'}.")
    said(f"Stores: {made.stores:,} made, {len(wanted.stores) - made.stores:,} there already.")
    said(f"Brands: {made.brands:,} made, {len(wanted.brands) - made.brands:,} there already. Categories: {made.categories:,} made.")
    said("Products: " + (", ".join(f"{count:,} {outcome}" for outcome, count in sorted(made.products.items())) or "none") + ".")
    if made.key:
        said(f"API key, shown this once: {made.key}")
