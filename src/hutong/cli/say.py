"""What the command line says to people: progress and notes on standard error, answers on standard output, one line for an error."""

import sys
from typing import NoReturn

from rich.console import Console

from hutong.kernel.errors import HutongError

notes = Console(stderr=True, highlight=False)
"""Where progress and notes go, so that answers can be piped."""
answers = Console(highlight=False, soft_wrap=True)
"""Where answers go."""


def said(text: str) -> None:
    """Print an answer."""
    answers.print(text, markup=False)


def note(text: str) -> None:
    """Print what is being done."""
    notes.print(text, markup=False)


def fail(error: BaseException | str) -> NoReturn:
    """Say in one line what went wrong, and end with exit code 1."""
    notes.print(f"hutong: {explain(error)}", markup=False, style="red")
    sys.exit(1)


def explain(error: BaseException | str) -> str:
    """An error in the words of somebody who can do something about it."""
    import psycopg
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    if isinstance(error, str):
        return error
    if isinstance(error, HutongError):
        extra = ", ".join(f"{name} {value}" for name, value in error.extra.items())
        return f"{error.detail} ({extra})" if extra else error.detail
    if isinstance(error, ValidationError):  # settings: name the variable, not the value, which may be a secret
        return "; ".join(f"HUTONG_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, psycopg.OperationalError):
        return f"PostgreSQL does not answer, or refuses: {_first_line(cause)}. Is HUTONG_DATABASE_URL right?"
    if isinstance(cause, psycopg.errors.UndefinedTable):
        return "The database has no schema yet, or an older one: run `hutong migrate`."
    if isinstance(cause, OSError | RuntimeError):
        return str(cause)
    return f"{type(cause).__name__}: {_first_line(cause)} (HUTONG_DEBUG=1 shows where)"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0].rstrip(".")
