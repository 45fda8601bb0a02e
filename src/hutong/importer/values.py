"""Reads the cells of a file: numbers as exact decimals, times with their zone, texts as they are printed."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

BINARY_PLACES = Decimal("0.000001")
"""Numbers kept as binary floats are read to six decimal places: beyond that, they hold noise of their arithmetic."""

LARGEST = Decimal(10) ** 15
MARKS = "¥£$€￥ \u00a0\u202f"


def text_of(cell: Any) -> str:
    """A cell as text: stripped; whole floats (what spreadsheets make of a code) without ``.0``; nothing as the empty text."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def number_reader(decimal: str, thousands: str) -> Callable[[Any], Decimal]:
    """A function that reads a cell as an exact number; it raises ValueError that says what was found. Empty cells are errors."""

    @lru_cache(maxsize=65_536)
    def read_text(text: str) -> Decimal:
        bare = text.translate(_NO_MARKS)
        if thousands:
            bare = bare.replace(thousands, "")
        if decimal != ".":
            bare = bare.replace(decimal, ".")
        if bare.startswith("(") and bare.endswith(")"):
            bare = "-" + bare[1:-1]
        elif bare.endswith("-"):
            bare = "-" + bare[:-1]
        return _finite(bare, text)

    def read(cell: Any) -> Decimal:
        if isinstance(cell, str):
            return read_text(cell)
        if cell is None:
            raise ValueError("the cell is empty")
        return _exact(cell)

    return read


_NO_MARKS = {ord(mark): None for mark in MARKS}


@lru_cache(maxsize=65_536, typed=True)
def _exact(cell: Any) -> Decimal:
    if isinstance(cell, float):
        value = Decimal(repr(cell))
        if not value.is_finite() or abs(value) > LARGEST:
            raise ValueError(f"{cell!r} is not a number" if not value.is_finite() else f"{cell!r} is out of range")
        return Decimal(format(value.quantize(BINARY_PLACES).normalize(), "f"))
    if isinstance(cell, bool) or not isinstance(cell, int | Decimal):
        raise ValueError(f"{cell!r} is not a number")
    return _finite(str(cell), cell)


def _finite(bare: str, given: Any) -> Decimal:
    try:
        if not bare.isascii() or "_" in bare:
            raise InvalidOperation
        value = Decimal(bare)
    except InvalidOperation:
        raise ValueError("the cell is empty" if given == "" else f"{given!r} is not a number") from None
    if not value.is_finite():
        raise ValueError(f"{given!r} is not a number")
    if abs(value) > LARGEST or int(value.as_tuple().exponent) < -15:
        raise ValueError(f"{given!r} is out of range")
    return value


def time_reader(layout: str | None, file_zone: str, local_zone: str) -> Callable[[Any], datetime]:
    """A function that reads a cell as a moment in the store's zone; a time without a zone is of ``file_zone``.

    ``layout`` is a strptime format; without one, ISO 8601 is read. Raises ValueError. In the hour that clocks repeat in
    autumn the first of the two is meant.
    """
    source, local = ZoneInfo(file_zone), ZoneInfo(local_zone)

    @lru_cache(maxsize=65_536)
    def read(cell: Any) -> datetime:
        at = _moment(cell, layout)
        return (at if at.tzinfo is not None else at.replace(tzinfo=source)).astimezone(local)

    return read


def _moment(cell: Any, layout: str | None) -> datetime:
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 - the caller adds the file's zone
    text = text_of(cell)
    if not text:
        raise ValueError("the time is empty")
    try:
        return datetime.strptime(text, layout) if layout else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        raise ValueError(f"{text!r} is not a time" + (f" of the format {layout}" if layout else "; give sale.time.format")) from None
