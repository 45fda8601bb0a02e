"""``hutong import sales``: a retailer's own export of sales, mapped by a small TOML file and posted through the public API."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hutong.cli.running import ending_on_sigterm
from hutong.cli.say import note, notes, said

if TYPE_CHECKING:
    from rich.progress import Progress

    from hutong.importer import Import, Pace, Target

FILE = typer.Argument(None, exists=True, dir_okay=False, help="CSV, Parquet or XLSX.")
MAPPING = typer.Option(None, "--mapping", "-m", exists=True, dir_okay=False, help="TOML file that says which column is what.")
KEY = typer.Option("", envvar="HUTONG_KEY", show_envvar=True, help="API key with sales:capture, sales:history and tills:register.")


def import_sales(
    file: Path | None = FILE,
    mapping: Path | None = MAPPING,
    url: str = typer.Option("http://localhost:8000", help="The network's address."),
    key: str = KEY,
    dry_run: bool = typer.Option(False, "--dry-run", help="Read, check and add up; send nothing."),
    limit: int | None = typer.Option(None, min=1, help="Send only the first so many receipts, by time."),
    set_aside: Path | None = typer.Option(None, "--set-aside", help="CSV for the rows that are not imported. [default: beside FILE]"),
    state: Path | None = typer.Option(None, help="Where to keep what was answered. [default: beside FILE]"),
    in_flight: int = typer.Option(4, min=1, max=32, help="Requests at once."),
    patience: float = typer.Option(600, min=0, help="Give up after so many seconds in which the server takes nothing."),
    play: bool = typer.Option(False, "--replay", help="Play the file by its own clock instead of sending it at once."),
    speed: float = typer.Option(60, min=0.01, help="Replay: seconds of the file a second."),
    first: datetime | None = typer.Option(None, "--from", formats=["%Y-%m-%d"], help="Replay: first business date. [default: the file's]"),
    last: datetime | None = typer.Option(None, "--to", formats=["%Y-%m-%d"], help="Replay: last business date. [default: the file's]"),
    longest_wait: float | None = typer.Option(
        None, "--longest-wait", min=0, help="Replay: skip quiet times that would last longer, in seconds."
    ),
    example: bool = typer.Option(False, "--example", help="Print a commented mapping file and end."),
) -> None:
    """
    Import a retailer's own export of sales, each sale once.

    Every row is imported or set aside with a reason, and the closing account shows that the two add up to the file. Interrupt it
    whenever you like: the same command goes on where it was, and a second run adds nothing.

    Examples:

      hutong import sales --example > my-erp.toml

      hutong import sales sales.csv --mapping my-erp.toml --dry-run

      HUTONG_KEY=hk_... hutong import sales sales.csv --mapping my-erp.toml

      HUTONG_KEY=hk_... hutong import sales sales.csv --mapping my-erp.toml --replay --speed 60 --from 2026-11-11
    """
    from hutong.importer import EXAMPLE, Pace, Target, open_import

    if example:
        typer.echo(EXAMPLE, nl=False)
        return
    if file is None or mapping is None:
        raise typer.BadParameter("Name a FILE and its --mapping, or ask for an --example.")
    if not dry_run and not key:
        raise typer.BadParameter("Give an API key with --key or HUTONG_KEY, or try --dry-run.")
    with reading(file) as progress:
        job = open_import(file, mapping, limit=limit, progress=progress)
    target = Target(url, key, in_flight, patience)
    with ending_on_sigterm():
        if play and not dry_run:
            pace = Pace(speed, first.date() if first else None, last.date() if last else None, longest_wait)
            _replay(job, target, pace)
        else:
            _import(job, target, state or job.beside(".state.jsonl"), set_aside or job.beside(".set-aside.csv"), dry_run)


def _import(job: "Import", target: "Target", state: Path, set_aside: Path, dry_run: bool) -> None:
    from hutong.cli.import_report import report
    from hutong.importer import Answers, close, send

    problem: BaseException | None = None
    if not dry_run:
        with sending() as progress:
            task = progress.add_task("Sending", total=job.count)

            def hear(answers: Answers) -> None:
                progress.update(
                    task, completed=len(answers.done), description=_so_far(answers.captured, answers.duplicate, len(answers.refused))
                )

            try:
                if asyncio.run(send(job, target, state, hear)):
                    note(f"Went on from {state}")
            except BaseException as error:
                problem = error
                if not job.answers.done:
                    raise
    summary = close(job, set_aside, dry_run=dry_run)
    said(report(job.plan, summary, dry_run=dry_run))
    note(f"Rows set aside: {set_aside}")
    if problem is not None:
        raise problem
    if not summary.balanced:
        raise RuntimeError("The account does not add up: this is a mistake of hutong; please report it with the mapping file.")


def _replay(job: "Import", target: "Target", pace: "Pace") -> None:
    from hutong.importer import Played, due, replay

    places = due(job, pace)
    if not places:
        raise RuntimeError("No receipt of the file falls between these dates.")
    receipts = [job.plan.receipts[place] for place in places]
    stores = sorted({receipt.rows[0].store for receipt in receipts})
    for gln in stores[:3]:
        said(f"Watch it on {target.url.rstrip('/')}/monitor/stores/{gln}?date=latest")
    if job.mapping.setup is not None:
        said(f"Watch it on {target.url.rstrip('/')}/monitor/retailers/{job.mapping.setup.retailer.code}?date=latest")
    with sending() as progress:
        task = progress.add_task("Playing", total=len(places))

        def hear(played: Played) -> None:
            sent = played.captured + played.duplicate + played.refused
            clock = f"{played.at:%Y-%m-%d %H:%M} " if played.at else ""
            progress.update(task, completed=sent, description=clock + _so_far(played.captured, played.duplicate, played.refused))

        played = asyncio.run(replay(job, target, pace, hear))
    said(f"Played {len(places):,} receipts: {_so_far(played.captured, played.duplicate, played.refused)}.")


def _so_far(captured: int, duplicate: int, refused: int) -> str:
    return f"{captured:,} new, {duplicate:,} there already, {refused:,} refused"


def sending() -> "Progress":
    """A progress bar for receipts on their way, on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=notes, redirect_stdout=False
    )


class reading:  # noqa: N801 - read as a verb: with reading(file) as progress
    """A line that counts the rows read, on standard error."""

    def __init__(self, file: Path) -> None:
        self._status = notes.status(f"Reading {file.name}")
        self._name = file.name

    def __enter__(self) -> "reading":
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def __call__(self, rows: int) -> None:
        self._status.update(f"Reading {self._name}: {rows:,} rows")
