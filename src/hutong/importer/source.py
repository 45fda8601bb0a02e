"""Opens a retailer's file, CSV, Parquet or XLSX, as named columns and numbered rows, a few thousand rows at a time."""

import codecs
import csv
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hutong.importer.errors import MappingInvalid, SourceUnreadable
from hutong.importer.mapping import FilePart

ROWS_AT_ONCE = 16_384
KINDS = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".xlsx": "xlsx", ".xlsm": "xlsx"}
MAX_CELL = 1_000_000

NumberedRow = tuple[int, Sequence[Any]]
"""The row's number in the file (CSV: the line it begins on; XLSX: the row; Parquet: counted from 1) and its cells."""


class Source:
    """A file that can be read from the start as often as needed. Raises SourceUnreadable, also while it is read."""

    def __init__(self, path: Path, part: FilePart) -> None:
        self.path = path
        self.part = part
        self.kind = part.format or KINDS.get(path.suffix.lower(), "")
        if not self.kind:
            raise MappingInvalid(f"file.format: cannot be told from the name {path.name}; give csv, parquet or xlsx.")
        if not path.is_file():
            raise SourceUnreadable(f"{path}: there is no such file.")
        with closing(self._open()) as rows:
            _, first = next(rows, (0, ()))
        self.columns = [str(name).strip() for name in first]
        if not any(self.columns):
            raise SourceUnreadable(f"{path.name}: there are no column names on line {part.header_line} (file.header_line).")
        doubled = sorted({name for name in self.columns if name and self.columns.count(name) > 1})
        if doubled:
            raise SourceUnreadable(f"{path.name}: two columns are named {doubled[0]!r}.")

    def place(self, column: str, key: str) -> int:
        """Where ``column`` is. Raises MappingInvalid that names the mapping's ``key``."""
        try:
            return self.columns.index(column)
        except ValueError:
            raise MappingInvalid(f"{key}: {self.path.name} has no column {column!r}; it has {', '.join(self.columns)}.") from None

    def rows(self) -> Iterator[NumberedRow]:
        """The rows below the column names; rows without any cell are passed over."""
        rows = self._open()
        next(rows, None)
        return (row for row in rows if any(cell is not None and cell != "" for cell in row[1]))

    def count(self) -> int | None:
        """How many rows there are, where the file says so itself."""
        if self.kind != "parquet":
            return None
        from pyarrow import parquet

        return int(parquet.ParquetFile(self.path).metadata.num_rows)

    def _open(self) -> Generator[NumberedRow, None, None]:  # the first row is that of the names
        return {"csv": self._csv, "parquet": self._parquet, "xlsx": self._xlsx}[self.kind]()

    def _csv(self) -> Generator[NumberedRow, None, None]:
        encoding = self.part.encoding
        try:
            encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        except LookupError:
            raise MappingInvalid(f"file.encoding: {encoding!r} is not an encoding such as utf-8, gb18030 or windows-1252.") from None
        csv.field_size_limit(MAX_CELL)
        try:
            with self.path.open(encoding=encoding, newline="") as file:
                for _ in range(self.part.header_line - 1):
                    file.readline()
                reader = csv.reader(file, delimiter=self.part.delimiter, quotechar=self.part.quote)
                begins = self.part.header_line
                for cells in reader:
                    yield begins, cells
                    begins = reader.line_num + self.part.header_line
        except UnicodeDecodeError as error:
            raise SourceUnreadable(f"{self.path.name}: is not {self.part.encoding} ({error.reason}); set file.encoding.") from None
        except csv.Error as error:
            raise SourceUnreadable(f"{self.path.name}: is not CSV ({error}); check file.delimiter and file.quote.") from None

    def _parquet(self) -> Generator[NumberedRow, None, None]:
        import pyarrow
        from pyarrow import parquet

        try:
            file = parquet.ParquetFile(self.path)
            yield 0, list(file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                for cells in zip(*[column.to_pylist() for column in batch.columns], strict=True):
                    number += 1
                    yield number, cells
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise SourceUnreadable(f"{self.path.name}: is not Parquet ({error}).") from None

    def _xlsx(self) -> Generator[NumberedRow, None, None]:
        from zipfile import BadZipFile

        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException

        try:
            book = load_workbook(self.path, read_only=True, data_only=True)
        except (BadZipFile, InvalidFileException, KeyError, OSError) as error:
            raise SourceUnreadable(f"{self.path.name}: is not an XLSX workbook ({error}).") from None
        try:
            name = self.part.sheet or book.sheetnames[0]
            if name not in book.sheetnames:
                raise MappingInvalid(f"file.sheet: {self.path.name} has no sheet {name!r}; it has {', '.join(book.sheetnames)}.")
            width = 0
            for number, cells in enumerate(book[name].iter_rows(min_row=self.part.header_line, values_only=True), self.part.header_line):
                if not width:
                    cells = _without_empty_end(cells)
                    width = len(cells)
                yield number, ["" if cell is None else cell for cell in (*cells[:width], *([""] * (width - len(cells))))]
        finally:
            book.close()


def _without_empty_end(cells: Sequence[Any]) -> Sequence[Any]:
    end = len(cells)
    while end and cells[end - 1] is None:
        end -= 1
    return cells[:end]
