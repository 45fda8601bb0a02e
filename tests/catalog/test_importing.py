"""Importing product lists: every bad row is listed by line and reason, the rest goes in only if told to, and only once."""

import contextlib
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.catalog import (
    FileUnreadable,
    ImportReport,
    Outcome,
    bad_rows_csv,
    import_products,
    price_at,
    product_by_code,
    report_json,
)
from hutong.catalog.tables import csv_text, read_table
from hutong.directory import Grant, Principal
from hutong.kernel.clock import now
from hutong.kernel.errors import NotFound, TooLarge
from hutong.kernel.gs1 import check_digit
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from tests.support.network import Network
from tests.support.shared import shared_file

OPERATOR = Principal.system("test")


def office(retailer_id: int) -> Principal:
    return Principal("person:1", "Office", grants=(Grant.of_role("head_office", retailer_id),))


def gtin(body: str) -> str:
    return body + check_digit(body)


HEADER = ["条码", "货号", "商品名称", "品牌", "单位", "税率", "售价", "门店"]
GOOD = gtin("690990017777")
ROWS: list[list[Any]] = [
    [GOOD, "", "云栖新茶, 500毫升", "云栖茶业", "瓶", "13%", "5.50", ""],
    [GOOD[:-1] + str((int(GOOD[-1]) + 1) % 10), "", "坏条码", "", "", "", "", ""],
    ["", "K-7", "自有麻花", "", "千克", "9", "12.8", ""],
    [gtin("690990018888"), "", "无名牌子", "不存在", "", "", "", ""],
    [GOOD, "", "云栖新茶", "", "", "", "5.50", ""],
    ["", "K-8", "自有二号", "", "", "17", "12.345", "XX"],
    ["", "", "没有编号", "", "", "", "", ""],
    ["6.90123E+12", "", "缩写", "", "", "", "", ""],
    ["", "K-7", "自有麻花", "", "", "", "13.9", "S02"],
    ["", "K-9", "=HYPERLINK(1)", "", "", "abc", "", ""],
]
EXPECTED = [
    (3, ["check_digit"]),
    (5, ["unknown_brand"]),
    (6, ["duplicate"]),
    (7, ["price_not_a_number", "vat_not_allowed", "unknown_store"]),
    (8, ["code_missing"]),
    (9, ["shortened_number"]),
    (11, ["vat_not_a_number"]),
]


def as_csv(rows: list[list[Any]], delimiter: str = ",", encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def as_xlsx(rows: list[list[Any]]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s" if cell.data_type == "f" else cell.data_type
    book.save(file)
    return file.getvalue()


FORMATS: dict[str, Callable[[list[list[Any]]], bytes]] = {
    "utf-8 with its mark": as_csv,
    "utf-8 without": lambda rows: as_csv(rows, encoding="utf-8"),
    "gb18030 with semicolons": lambda rows: as_csv(rows, ";", "gb18030"),
    "utf-16 with tabs": lambda rows: as_csv(rows, "\t", "utf-16"),
    "xlsx": as_xlsx,
}


def bad_lines(report: ImportReport) -> list[tuple[int, list[str]]]:
    return [(bad.line, [problem.reason for problem in bad.problems]) for bad in report.bad]


@pytest.mark.parametrize("form", FORMATS)
async def test_a_dry_run_lists_every_bad_row_and_the_rest_is_imported_once_if_told_to(
    database: Database, network: Network, owner: psycopg.Connection[Any], form: str
) -> None:
    file, by = io.BytesIO(FORMATS[form]([HEADER, *ROWS])), office(network.one.id)
    counts = "select (select count(*) from product), (select count(*) from price)"
    before = owner.execute(counts).fetchone()

    for tried in (await import_products(database, by, file), await import_products(database, by, file, dry_run=False)):
        assert not tried.imported
        assert bad_lines(tried) == EXPECTED
        assert (tried.rows, tried.good, tried.prices) == (10, 3, 3)
        assert tried.outcomes == {Outcome.CREATED: 2}
        assert owner.execute(counts).fetchone() == before

    done = await import_products(database, by, file, dry_run=False, accept_rest=True)
    assert done.imported
    assert done.outcomes == {Outcome.CREATED: 2}
    assert done.prices == 3
    after = owner.execute(counts).fetchone()
    assert after == (before[0] + 2, before[1] + 3) if before else False

    again = await import_products(database, by, file, dry_run=False, accept_rest=True)
    assert again.outcomes == {Outcome.UNCHANGED: 2}
    assert again.prices == 0
    assert owner.execute(counts).fetchone() == after

    async with database.read(Scope.of_retailer(network.one.id)) as reader:
        tea = await product_by_code(reader, GOOD, None)
        twist = await product_by_code(reader, "K-7", network.one.id)
        assert tea is not None
        assert twist is not None
        assert (tea["name_zh"], tea["brand"], tea["vat_rate"]) == ("云栖新茶, 500毫升", "yunqi", 1300)
        assert (twist["name_zh"], twist["unit"], twist["vat_rate"]) == ("自有麻花", "KGM", 900)
        asked = [await price_at(reader, network.one.id, store.id, twist["id"], now()) for store in network.one.stores]
        assert [price.amount if price else None for price in asked] == [1280, 1390, 1280]


async def test_two_retailers_import_the_same_own_numbers_without_meeting(database: Database, network: Network) -> None:
    for retailer, word in ((network.one, "甲"), (network.two, "乙")):
        report = await import_products(database, office(retailer.id), io.BytesIO(as_csv([["货号", "名称"], ["K-7", word]])), dry_run=False)
        assert report.outcomes == {Outcome.CREATED: 1}
    for retailer, word in ((network.one, "甲"), (network.two, "乙")):
        async with database.read(Scope.of_retailer(retailer.id)) as reader:
            product = await product_by_code(reader, "K-7", retailer.id)
            assert product is not None
            assert product["name_zh"] == word
            assert await product_by_code(reader, "K-7", network.two.id if retailer is network.one else network.one.id) is None
    with pytest.raises(NotFound):
        await import_products(database, office(network.one.id), io.BytesIO(as_csv([["货号", "名称"], ["K-7", "x"]])), retailer="two")


async def test_a_price_list_without_names_sets_prices_of_known_products_only(database: Database, network: Network) -> None:
    rows = [["gtin", "price", "valid_from"], [network.products[0].code, "99.9", "2031-01-01"], [gtin("690990071234"), "1", "2031-01-01"],
            [network.products[1].code, "停售", "2031/2/3"]]  # fmt: skip
    report = await import_products(database, office(network.two.id), io.BytesIO(as_csv(rows)), dry_run=False, accept_rest=True)
    assert bad_lines(report) == [(3, ["unknown_product"])]
    assert (report.outcomes, report.prices) == ({Outcome.UNCHANGED: 2}, 2)
    again = await import_products(database, office(network.two.id), io.BytesIO(as_csv(rows)), dry_run=False, accept_rest=True)
    assert again.prices == 0
    other = [["gtin", "price", "valid_from"], [network.products[0].code, "98", "2031-01-01"]]
    assert bad_lines(await import_products(database, office(network.two.id), io.BytesIO(as_csv(other)))) == [(2, ["price_taken"])]


async def test_a_number_cell_that_lost_its_zeros_is_still_the_barcode(database: Database, network: Network) -> None:
    code = gtin("00123456789")  # a GTIN-12; the spreadsheet keeps 1234567890x
    report = await import_products(
        database, OPERATOR, io.BytesIO(as_xlsx([["barcode", "name", "vat"], [int(code), "Soap", 0.13]])), dry_run=False
    )
    assert report.outcomes == {Outcome.CREATED: 1}
    async with database.read(Scope.of_network()) as reader:
        product = await product_by_code(reader, code, None)
        assert product is not None
        assert (product["name_en"], product["vat_rate"]) == ("Soap", 1300)


NO_LISTS = (
    b"", b"\xd0\xcf\x11\xe0old excel", b"PK\x03\x04broken", b"\x89PNG\r\n\x1a\n\x00\x00", b"no,known,header\n1,2,3\n",
    b"gtin\n6901234567892\n", b"gtin,name\n69012\x0034,x\n", b"<svg onload=alert(1)>", "条码,名称\n".encode() + b"\xff\xfe\xff",
)  # fmt: skip


async def test_what_is_not_a_list_is_refused_as_unreadable(database: Database, network: Network) -> None:
    for content in NO_LISTS:
        with pytest.raises(FileUnreadable):
            await import_products(database, OPERATOR, io.BytesIO(content))


def test_files_beyond_the_limits_are_refused() -> None:
    with pytest.raises(TooLarge):
        list(read_table(io.BytesIO(b"a,b\n" + b"x" * 16 * 1024 * 1024)))
    with pytest.raises(TooLarge):
        for _ in read_table(io.BytesIO(b"a\n" + b"1\n" * 100_001)):
            pass


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    rows = list(read_table(io.BytesIO(b'code,name\n\nA,"two\nlines"\nB,x\n')))
    assert [(row.line, row.cells[0]) for row in rows] == [(1, "code"), (3, "A"), (5, "B")]


@given(st.text(max_size=30))
def test_no_exported_cell_starts_a_formula(text: str) -> None:
    [[cell]] = csv.reader(io.StringIO(csv_text([[text]]).removeprefix("\ufeff"), newline=""))
    assert cell in (text, "'" + text)
    assert cell.lstrip(" ")[:1] not in set("=+-@\t\r")


@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=5), max_size=8))
def test_any_text_file_is_read_or_refused(rows: list[list[str]]) -> None:
    content = csv_text(rows).encode("utf-8", "replace")
    with contextlib.suppress(FileUnreadable):
        list(read_table(io.BytesIO(content)))


async def test_bad_rows_come_back_as_they_were_with_the_reason_and_without_formulas(database: Database, network: Network) -> None:
    report = await import_products(database, office(network.one.id), io.BytesIO(as_csv([HEADER, *ROWS])))
    rows = list(csv.reader(io.StringIO(bad_rows_csv(report).removeprefix("\ufeff"))))
    assert rows[0] == ["Line", "Reason", *HEADER]
    assert len(rows) == len(EXPECTED) + 1
    assert rows[-1][:2] == ["11", "The VAT rate abc is not a number."]
    assert rows[-1][4] == "'=HYPERLINK(1)"
    assert report_json(report, limit=2)["bad"] == len(EXPECTED)
    assert len(report_json(report, limit=2)["bad_rows"]) == 2


async def test_real_names_of_real_goods_are_imported(database: Database, network: Network) -> None:
    path: Path = shared_file("gtin-names/off_gtin_names_cn.csv")
    with path.open("rb") as file:
        report = await import_products(database, OPERATOR, file, dry_run=False, accept_rest=True)
        assert report.rows == 2577
        assert report.imported
        assert report.outcomes[Outcome.CREATED] == report.good
        assert {problem.reason for bad in report.bad for problem in bad.problems} <= {
            "check_digit",
            "duplicate",
            "not_a_barcode",
            "name_missing",
            "name_too_long",
        }
        assert len(report.bad) < 100
        again = await import_products(database, OPERATOR, file, dry_run=False, accept_rest=True)
        assert again.outcomes == {Outcome.UNCHANGED: report.good}
