"""What the importer's tests share: a small mapping, files made on the spot, and when the whole real files are read."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hutong.importer import Plan, Source, make_plan, parse_mapping

SMALL = """
source = "small"
currency = "CNY"
zone = "Asia/Shanghai"
[sale]
store = { column = "store" }
till = { column = "till" }
receipt = { column = "receipt" }
time = { column = "time" }
[line]
code = { column = "code" }
quantity = { column = "quantity" }
unit_price = { column = "price" }
discounts = [{ column = "discount" }]
vat_rate = { value = "13" }
"""
NAMES = ["store", "till", "receipt", "time", "code", "quantity", "price", "discount"]
GLN = "9529900000015"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("real") and not os.environ.get("HUTONG_REAL_INPUT"):
            item.add_marker(pytest.mark.skip(reason="reads a whole real file, for minutes: HUTONG_REAL_INPUT=1 (make real-input)"))


def row(receipt: Any = "1", quantity: Any = "1", price: Any = "1.00", **changes: Any) -> list[Any]:
    """The cells of one row of the small file."""
    cells = dict(zip(NAMES, [GLN, "01", receipt, "2026-03-01 10:00:00", "A1", quantity, price, ""], strict=True)) | changes
    return [cells[name] for name in NAMES]


def write_csv(
    path: Path, rows: Sequence[Sequence[Any]], names: Sequence[str] = NAMES, encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    """A CSV of these rows."""
    import csv

    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(names)
        writer.writerows(rows)
    return path


@pytest.fixture
def plan_of(tmp_path: Path) -> Callable[..., Plan]:
    """``plan_of(rows, more)`` is the plan of a small file with ``more`` added to its mapping."""

    def make(rows: Sequence[Sequence[Any]], more: str = "", mapping: str = SMALL) -> Plan:
        rules = parse_mapping(mapping + more)
        return make_plan(rules, Source(write_csv(tmp_path / "small.csv", rows), rules.file))

    return make
