"""The list of rows set aside has every original column, and nothing that a spreadsheet runs."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from hutong.importer import Plan, Source
from hutong.importer.aside import safe_cell, write_aside
from hutong.importer.mapping import FilePart
from tests.importer.conftest import NAMES, row


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_written_as_text(cell: str):
    assert safe_cell(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-12", "-1,234.50", "+3", "-5%", "", "plain", 7, -2.5])
def test_numbers_and_plain_texts_stay_as_they_are(cell: object):
    assert safe_cell(cell) == str(cell)


def test_the_list_names_line_and_reason_and_keeps_the_original_columns(plan_of: Callable[..., Plan], tmp_path: Path):
    rows = [row("1"), row("2", "-x", code="=cmd()"), row("3", price="?")]
    plan = plan_of(rows)
    write_aside(tmp_path / "aside.csv", Source(tmp_path / "small.csv", FilePart()), plan.asides)
    written = list(csv.reader((tmp_path / "aside.csv").open(encoding="utf-8-sig")))
    assert written[0] == ["set_aside_line", "set_aside_reason", *NAMES]
    assert [line[:2] for line in written[1:]] == [["3", "quantity: '-x' is not a number"], ["4", "price: '?' is not a number"]]
    assert written[1][6:8] == ["'=cmd()", "'-x"]
    assert not (tmp_path / "aside.csv.part").exists()
