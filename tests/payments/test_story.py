"""What a page makes of what was typed and of what was kept: amounts, and events that say the same."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from hutong.kernel.clock import now
from hutong.kernel.errors import Invalid
from hutong.payments.pages_story import raw, yuan
from hutong.payments.story import chapters_of


@pytest.mark.parametrize(
    ("typed", "fen"),
    [("12.5", 1_250), ("¥1,234.56", 123_456), (" 0.01 ", 1), ("７", 700), ("1e3", None), ("1.234", None), ("-5", None), ("", None)],
)
def test_an_amount_is_read_as_people_type_it(typed: str, fen: int | None) -> None:
    if fen is None:
        with pytest.raises(Invalid, match="amount"):
            yuan(typed)
    else:
        assert yuan(typed) == fen


def test_what_is_heard_again_and_again_is_one_chapter() -> None:
    at = now()
    told = [("till", "asked", "sending"), ("answer", "waiting", "waiting")]
    told += [("timer", "time", "waiting"), ("query", "waiting", "waiting")] * 12 + [
        ("operator", "cancel", "cancelling"),
        ("cancel", "cancelled", "closed"),
    ]
    events = [
        SimpleNamespace(version=n, refund_id=None, at=at + timedelta(seconds=n), source=source, kind=kind, state=state, actor="", body=None)
        for n, (source, kind, state) in enumerate(told)
    ]
    chapters = chapters_of(events)
    assert [(each.source, each.count) for each in chapters] == [("till", 1), ("answer", 1), ("query", 12), ("operator", 1), ("cancel", 1)]
    assert chapters[2].last_at == events[25].at


def test_raw_facts_do_not_say_who_the_customer_is() -> None:
    shown = raw([{"at": "now", "result": {"buyer_id": "2088123", "buyer": "138****0003"}}, {"sign": "abc", "buyer_open_id": "x7"}])
    assert "138****0003" in shown
    assert not any(secret in shown for secret in ("2088123", "abc", "x7"))
