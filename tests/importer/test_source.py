"""CSV in any encoding, XLSX and Parquet give the same rows; what cannot be read says so."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from openpyxl import Workbook
from pyarrow import parquet

from hutong.importer import MappingInvalid, Source, SourceUnreadable, make_plan, parse_mapping
from hutong.importer.mapping import FilePart
from tests.importer.conftest import GLN, NAMES, SMALL, row, write_csv

CHINESE = ["门店", "收银台", "小票号", "时间", "条码", "数量", "单价", "折扣"]
ROWS = [row("7", "2", "19.90", code="铁观音"), row("8", "1", "1,234.50", code="B")]


def chinese(extra: str) -> str:
    mapping = SMALL
    for name, word in zip(NAMES, CHINESE, strict=True):
        mapping = mapping.replace(f'column = "{name}"', f'column = "{word}"')
    return mapping + "[file]\n" + extra


def test_a_csv_of_any_encoding_and_delimiter_is_read(tmp_path: Path):
    for number, (encoding, delimiter, extra) in enumerate(
        [
            ("gb18030", ";", 'encoding = "gb18030"\ndelimiter = ";"'),
            ("utf-8-sig", "\t", 'delimiter = "\\t"'),
            ("utf-16", ",", 'encoding = "utf-16"'),
        ]
    ):
        rules = parse_mapping(chinese(extra + '\nthousands = ","'))
        path = write_csv(tmp_path / f"{number}.csv", ROWS, CHINESE, encoding, delimiter)
        plan = make_plan(rules, Source(path, rules.file))
        assert (plan.total, plan.asides) == (Decimal("1274.30"), {})
        assert plan.receipts[0].rows[0].code == "铁观音"


def test_a_spreadsheet_is_read_from_its_sheet_and_header_line(tmp_path: Path):
    book = Workbook()
    sheet = book.create_sheet("销售")
    sheet.append(["三月销售"])
    sheet.append([*NAMES, None])
    sheet.append([GLN, 1, 7, datetime(2026, 3, 1, 10), 6901234567892, 2, 19.9, None])
    sheet.append([None] * 8)
    sheet.append([GLN, 1, 7.0, "2026-03-01 10:00:00", "B", 1, 0.1])
    book.save(tmp_path / "f.xlsx")
    rules = parse_mapping(SMALL + '[file]\nsheet = "销售"\nheader_line = 2\n')
    plan = make_plan(rules, Source(tmp_path / "f.xlsx", rules.file))
    (receipt,) = plan.receipts
    assert [(each.number, each.code, each.amount) for each in receipt.rows] == [
        (3, "6901234567892", Decimal("39.8")),
        (5, "B", Decimal("0.1")),
    ]
    with pytest.raises(MappingInvalid, match=r"file\.sheet: .* no sheet '四月'"):
        Source(tmp_path / "f.xlsx", FilePart(sheet="四月"))


def test_a_parquet_file_is_read_with_its_types(tmp_path: Path):
    cells = [[GLN, "01", "7", datetime(2026, 3, 1, 10), "A", 2, 2.55, None], [GLN, "01", "8", datetime(2026, 3, 1, 11), "A", -2, 2.55, 0.1]]
    table = pyarrow.table({name: [each[place] for each in cells] for place, name in enumerate(NAMES)})
    parquet.write_table(table, tmp_path / "f.parquet")
    rules = parse_mapping(SMALL)
    source = Source(tmp_path / "f.parquet", rules.file)
    plan = make_plan(rules, source)
    assert source.count() == 2
    assert [(receipt.kind, receipt.rows[0].amount) for receipt in plan.receipts] == [("sale", Decimal("5.1")), ("return", Decimal("-5.2"))]


def test_rows_are_numbered_by_the_line_they_begin_on(tmp_path: Path):
    path = tmp_path / "f.csv"
    path.write_text('title\na,b\n"two\nlines",1\n\nlast,2\n')
    source = Source(path, FilePart(header_line=2))
    assert [(number, list(cells)) for number, cells in source.rows()] == [(3, ["two\nlines", "1"]), (6, ["last", "2"])]


@pytest.mark.parametrize(
    ("name", "content", "part", "says"),
    [
        ("f.csv", "a,b\n涛".encode("gb18030"), FilePart(), "is not utf-8"),
        ("f.csv", b"", FilePart(), "no column names on line 1"),
        ("f.csv", b"a,a\n1,2\n", FilePart(), "two columns are named 'a'"),
        ("f.parquet", b"a,b\n", FilePart(), "is not Parquet"),
        ("f.xlsx", b"a,b\n", FilePart(), "is not an XLSX workbook"),
    ],
)
def test_a_file_that_is_not_what_it_seems_says_so(tmp_path: Path, name: str, content: bytes, part: FilePart, says: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceUnreadable, match=says):
        list(Source(tmp_path / name, part).rows())


def test_a_kind_that_the_name_does_not_tell_has_to_be_given(tmp_path: Path):
    path = write_csv(tmp_path / "export", ROWS)
    with pytest.raises(MappingInvalid, match=r"file\.format"):
        Source(path, FilePart())
    assert len(list(Source(path, FilePart(format="csv")).rows())) == 2
    with pytest.raises(MappingInvalid, match=r"file\.encoding"):
        Source(path, FilePart(format="csv", encoding="klingon"))
