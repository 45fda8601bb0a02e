"""Numbers and times are read exactly, whatever their spelling; what is not one is named."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hutong.importer.values import number_reader, text_of, time_reader


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12.34", "12.34"), (" 12 ", "12"), ("¥1,234.50", "1234.5"), ("£0.001", "0.001"), ("-3", "-3"), ("3-", "-3"), ("(3.50)", "-3.5"),
        (2.55, "2.55"), (0.1 + 0.2, "0.3"), (4.440892e-16, "0"), (7, "7"), (Decimal("1.10"), "1.1"), ("1e2", "100"),
    ],
)  # fmt: skip
def test_a_number_is_read_exactly(cell: Any, value: str):
    assert number_reader(".", ",")(cell) == Decimal(value)


def test_a_decimal_comma_is_read_where_the_mapping_says_so():
    assert number_reader(",", ".")("1.234,50") == Decimal("1234.50")


@pytest.mark.parametrize(
    "cell", ["", None, "x", "1.2.3", "nan", "inf", float("nan"), float("inf"), True, "1_000", "１２", "9" * 40, datetime(2026, 1, 1)]
)
def test_what_is_not_a_number_is_refused(cell: Any):
    with pytest.raises(ValueError, match=r"number|empty|range"):
        number_reader(".", "")(cell)


@given(some.decimals(-(10**9), 10**9, places=3))
def test_a_number_written_as_text_comes_back(value: Decimal):
    assert number_reader(".", "")(str(value)) == value


@given(some.integers(-(10**11), 10**11))
def test_hundredths_kept_as_binary_floats_come_back(hundredths: int):
    assert number_reader(".", "")(hundredths / 100) * 100 == hundredths


def test_codes_that_a_spreadsheet_made_numbers_of_lose_their_decimal_point():
    assert [text_of(cell) for cell in (12345.0, 12.5, " A1 ", None, 7)] == ["12345", "12.5", "A1", "", "7"]


def test_a_time_without_a_zone_is_of_the_files_zone_and_shown_in_the_stores():
    read = time_reader(None, "UTC", "America/New_York")
    assert read(datetime(2018, 1, 1, 3, 47)).isoformat() == "2017-12-31T22:47:00-05:00"
    assert read("2017-07-01 12:00:00").isoformat() == "2017-07-01T08:00:00-04:00"
    assert read("2017-07-01T12:00:00+02:00").isoformat() == "2017-07-01T06:00:00-04:00"


def test_a_time_of_the_hour_that_comes_twice_is_the_first_of_the_two():
    assert time_reader(None, "Europe/London", "Europe/London")("2011-10-30 01:30").utcoffset() == timedelta(hours=1)


def test_a_day_is_its_midnight_and_a_format_is_followed():
    read = time_reader("%d/%m/%Y %H.%M", "Asia/Shanghai", "Asia/Shanghai")
    assert read("01/02/2026 09.05").isoformat() == "2026-02-01T09:05:00+08:00"
    assert read(date(2026, 2, 1)).isoformat() == "2026-02-01T00:00:00+08:00"
    with pytest.raises(ValueError, match="not a time of the format"):
        read("2026-02-01")
