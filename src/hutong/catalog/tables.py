"""Reads an uploaded CSV or XLSX as a stream of rows: whatever delimiter and encoding a spreadsheet wrote, within fixed bounds."""

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, BinaryIO, NamedTuple

from hutong.catalog.errors import FileUnreadable
from hutong.directory import csv_line
from hutong.kernel.errors import TooLarge

MAX_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 60
MAX_CELL = 2_000
MAX_UNPACKED = 256 * 1024 * 1024
DELIMITERS = ",;\t|"


class TableRow(NamedTuple):
    """A row with the line it starts at (the header is line 1); ``numeric`` are the columns that held a number, not text."""

    line: int
    cells: list[str]
    numeric: frozenset[int] = frozenset()


def read_table(file: BinaryIO) -> Iterator[TableRow]:
    """Rows of a CSV or XLSX file, the header first, empty ones left out.

    Raises TooLarge above 16 MiB or 100,000 rows, FileUnreadable for what is no such table.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MAX_BYTES:
        raise TooLarge(f"The file has {size} bytes; at most {MAX_BYTES} are read. Split it.", limit=MAX_BYTES)
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileUnreadable("This is an Excel file of before 2007 or one with a password; save it as .xlsx or .csv.")
    rows = _xlsx_rows(file) if start.startswith(b"PK") else _csv_rows(file)
    count = 0
    for row in rows:
        if any(row.cells):
            count += 1
            if count > MAX_ROWS + 1:
                raise TooLarge(f"The file has more than {MAX_ROWS} rows; split it.", limit=MAX_ROWS)
            yield row


def _csv_rows(file: BinaryIO) -> Iterator[TableRow]:
    content = file.read()
    text = content.decode(_encoding(content))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    line = 1
    try:
        for cells in reader:
            yield TableRow(line, [_clean(cell, line) for cell in cells[:MAX_COLUMNS]])
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileUnreadable(f"Line {line} cannot be read: {error}.", line=line) from error


def _encoding(content: bytes) -> str:
    """The encoding of a text that spreadsheets write: by its mark, else UTF-8 if it is valid, else GB18030."""
    candidates = ["utf-16"] if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ["utf-8-sig", "gb18030"]
    for encoding in candidates:
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise FileUnreadable("The text is neither UTF-8 nor GB18030; save the file as CSV UTF-8.")


def _delimiter(text: str) -> str:
    """The delimiter that stands most often in the header, outside quotes; a comma if there is none."""
    header = text[:65_536].partition("\n")[0]
    unquoted = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)


def _clean(cell: str, line: int) -> str:
    if "\x00" in cell:
        raise FileUnreadable(f"Line {line} holds a zero byte; this is not a text file.", line=line)
    return cell[: MAX_CELL + 1].strip()


def _xlsx_rows(file: BinaryIO) -> Iterator[TableRow]:
    import openpyxl  # slow to import, and rarely needed

    try:
        _refuse_bomb(file)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # files of other programs often claim a wrong size
            for line, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
                numeric = frozenset(index for index, value in enumerate(row) if isinstance(value, int | float))
                width = max((index for index, value in enumerate(row, 1) if value is not None), default=0)
                yield TableRow(line, [_clean(_cell_text(value), line) for value in row[:width]], numeric)
        finally:
            book.close()
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, EOFError, OSError, SyntaxError, TypeError, AttributeError) as error:
        # openpyxl meets broken files with whatever its parts happen to raise.
        raise FileUnreadable(f"This is not an XLSX file that can be read: {error}.") from error


def _refuse_bomb(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
    if unpacked > MAX_UNPACKED:
        raise TooLarge(f"The file unpacks to {unpacked} bytes; at most {MAX_UNPACKED} are read. Split it.", limit=MAX_UNPACKED)
    file.seek(0)


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time().isoformat() == "00:00:00" else value.isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def csv_text(rows: list[list[str]]) -> str:
    """A CSV, safe to open in a spreadsheet, with the mark that tells Excel it is UTF-8."""
    return "\ufeff" + "".join(csv_line(row) for row in rows)
