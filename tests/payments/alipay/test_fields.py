"""Amounts, times and subjects as Alipay writes them: exact in both directions, None or an error for everything else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.payments.alipay.fields import check_number, fen, listed, minutes, moment, subject, yuan


@given(st.integers(-(10**13), 10**13))
def test_an_amount_is_written_and_read_to_the_fen(amount):
    text = yuan(amount)
    assert fen(text) == amount and len(text.partition(".")[2]) == 2


@pytest.mark.parametrize(("text", "amount"), [("0.01", 1), ("1", 100), ("1.5", 150), ("-3000.00", -300_000), (7, 700), ("007.10", 710)])
def test_other_spellings_of_an_amount_are_read(text, amount):
    assert fen(text) == amount


@pytest.mark.parametrize(
    "text", ["", "1.005", "1.", ".5", "1e3", "NaN", "1,000", " 1", "1 ", "+1", "--1", "１", None, 1.5, True, [], "9" * 14]
)
def test_what_is_no_amount_in_whole_fen_is_none(text):
    assert fen(text) is None


def test_times_are_beijings_whatever_the_machine_thinks():
    assert moment("2026-01-01 00:00:00") == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert moment("2026-07-01 07:59:59.250") == datetime(2026, 6, 30, 23, 59, 59, 250_000, tzinfo=UTC)
    for text in ("", "yesterday", "2026-01-01", "2026-13-01 00:00:00", "0001-01-01 00:00:00", None, 5):
        assert moment(text) is None


@given(st.text(max_size=300))
def test_every_subject_can_be_sent(text):
    made = subject(text)
    assert 1 <= len(made) <= 256 and not set("/=&\n\x00") & set(made)
    made.encode()


def test_numbers_that_alipay_refuses_raise():
    assert check_number("S1T1_aB9") == "S1T1_aB9"
    for number in ("", "a b", "a-b", "茶", "x" * 65, "a\n"):
        with pytest.raises(ValueError, match="not a number"):
            check_number(number)


def test_time_outs_are_whole_minutes_rounded_up_and_lists_come_as_text_too():
    assert [minutes(each) for each in (0, 1, 60, 61, 120)] == ["1m", "1m", "1m", "2m", "2m"]
    assert listed('[{"a":1},2]') == [{"a": 1}] and listed([{"b": 2}, "x"]) == [{"b": 2}]
    assert listed("{") == listed({"a": 1}) == listed(None) == []
