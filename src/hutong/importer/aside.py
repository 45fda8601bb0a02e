"""Writes the rows that were not imported to a CSV beside the file: why, and every original column, safe to open in a spreadsheet."""

import csv
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hutong.importer.receipts import Aside
from hutong.importer.source import Source

NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*%?")
RUNS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(cell: Any) -> str:
    """A cell as text that no spreadsheet runs as a formula: an apostrophe goes in front, unless it is a plain number."""
    text = "" if cell is None else str(cell)
    return "'" + text if text.startswith(RUNS) and not NUMBER.fullmatch(text) else text


def write_aside(path: Path, source: Source, asides: Mapping[int, Aside]) -> None:
    """Write the rows set aside, in the file's order, replacing an earlier list only when this one is complete.

    The file is read again for it, so that memory holds reasons only. UTF-8 with a byte order mark, which spreadsheets need.
    """
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set_aside_line", "set_aside_reason", *[safe_cell(name) for name in source.columns]])
        for number, cells in source.rows() if asides else ():
            aside = asides.get(number)
            if aside is not None:
                writer.writerow([number, safe_cell(aside.reason), *[safe_cell(cell) for cell in cells]])
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
