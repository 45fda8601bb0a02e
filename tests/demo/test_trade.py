from collections import Counter, defaultdict
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hutong.demo.baskets import Rung
from hutong.demo.goods import launch_of
from hutong.demo.market import ZONE, Market, price_changes
from hutong.demo.trade import Silence, Trade, day_of
from hutong.sales.wire import Sale
from tests.demo.rules import Returned, must_add_up

SMALL = Market(120)
WHOLE = Market()
MONDAY = date(2026, 11, 16)
NOON = datetime(2026, 11, 16, 12, 0, tzinfo=ZONE).timestamp()


def played(trade: Trade, seconds: float, step: float = 1.0) -> list[Rung]:
    """What tills send when the network takes everything at once."""
    made = []
    for tick in range(1, round(seconds / step) + 1):
        ready = trade.advance(trade.begins + tick * step)
        for rung in ready:
            trade.captured(rung)
        made += ready
    return made


@settings(max_examples=20)
@given(seed=st.text(max_size=8), hour=st.integers(0, 23), rate=st.floats(1, 60))
def test_everything_that_is_rung_up_adds_up_and_returns_never_exceed_what_was_sold(seed: str, hour: int, rate: float) -> None:
    begins = datetime(2026, 11, 17, hour, 17, tzinfo=ZONE).timestamp()
    returned = Returned()
    for rung in played(Trade(SMALL, rate, begins, seed, launched_at=begins), 60):
        must_add_up(rung.document)
        returned.see(rung.document)
        msgspec.json.decode(msgspec.json.encode(rung.document), type=Sale)


def test_returns_voids_tenders_and_odd_codes_are_as_frequent_as_in_life() -> None:
    made = [rung.document for rung in played(Trade(SMALL, 100, NOON), 120)]
    kinds, lines = Counter(each["kind"] for each in made), [line for each in made for line in each["lines"]]
    assert 0.01 < kinds["return"] / len(made) < 0.03
    assert 0.005 < kinds["void"] / len(made) < 0.02
    assert 3 < len(lines) / len(made) < 6
    ways = Counter(tender["type"] for each in made for tender in each.get("tenders", []))
    assert set(ways) == {"alipay", "wechat", "card", "cash", "voucher"}
    assert any(each["change"] for each in made if "change" in each)
    assert any(line["unit"] == "KGM" and Decimal(line["quantity"]) % 1 for line in lines)
    assert any(line["code"].startswith(("697999", "BAG")) for line in lines)
    assert any(line["discount"] for line in lines)
    assert any(each.get("without_receipt") for each in made)


def test_the_same_seed_gives_the_same_sales_and_another_gives_others() -> None:
    first, again, other = ([rung.document for rung in played(Trade(SMALL, 40, NOON, seed), 20)] for seed in ("one", "one", "two"))
    assert first == again
    assert first != other


@pytest.mark.parametrize("rate", [3, 100])
def test_the_rate_is_kept(rate: float) -> None:
    made = played(Trade(SMALL, rate, NOON), 200, step=0.1)
    assert abs(len(made) / 200 - rate) < 0.06 * rate + 0.15


def test_no_till_uses_a_receipt_number_or_an_id_twice() -> None:
    made = [rung.document for rung in played(Trade(Market(10), 200, NOON), 60)]
    assert len({each["id"] for each in made}) == len(made)
    assert len({(each["store"], each["till"], each["receipt"]) for each in made}) == len(made)


def test_each_store_trades_in_its_hours_and_busily_at_its_peaks() -> None:
    for place, store in enumerate(SMALL.stores):
        opens, closes = store.banner.hours
        expected = SMALL.rhythm.expected(place, 0, 10)
        assert not any(expected[:opens])
        assert not any(expected[closes:])
        assert all(expected[opens + 30 : closes - 30])
    market = next(place for place, store in enumerate(SMALL.stores) if store.banner.format == "supermarket")
    hours = [sum(SMALL.rhythm.expected(market, 0, 10)[hour * 60 : hour * 60 + 60]) for hour in range(24)]
    assert hours[17] > 1.3 * hours[13]
    assert hours[9] > 1.3 * hours[13]


def test_department_stores_live_from_weekends_and_convenience_stores_from_working_days() -> None:
    def of(format: str, weekday: int) -> float:
        return sum(
            sum(SMALL.rhythm.expected(place, weekday, 10)) for place, store in enumerate(SMALL.stores) if store.banner.format == format
        )

    assert of("department_store", 5) > 1.3 * of("department_store", 1)
    assert of("convenience", 5) < of("convenience", 1)


def test_the_network_sells_at_its_rate_at_any_hour_of_the_day() -> None:
    for minute in (200, 720, 1200):
        total = sum(SMALL.rhythm.expected(place, 2, 50)[minute] for place in range(len(SMALL.stores)))
        assert abs(total - 50 * 60) < 1e-6


def test_a_silent_store_and_a_silent_till_ring_nothing_up_until_they_are_found() -> None:
    busy = Counter(rung.store for rung in played(Trade(SMALL, 50, NOON), 60)).most_common(2)
    store, tills = busy[0][0], busy[1][0]
    silences = (Silence(store, None, NOON + 10, NOON + 100), Silence(tills, "02", NOON + 10, NOON + 100))
    moments = defaultdict(list)
    for rung in played(Trade(SMALL, 50, NOON, silences=silences), 160):
        at = datetime.fromisoformat(rung.document["completed_at"]).timestamp() - NOON
        moments[rung.store if rung.store == store else (rung.store, rung.document["till"])].append(at)
    for where in (store, (tills, "02")):
        assert not [at for at in moments[where] if 10 <= at < 100]
        assert [at for at in moments[where] if at >= 100]
    assert [at for at in moments[tills, "01"] if 10 <= at < 100]


def test_a_till_that_lost_its_line_sends_a_late_batch_in_order() -> None:
    trade = Trade(Market(10), 25, NOON)
    late = defaultdict(list)
    for tick in range(1, 600):
        now = NOON + tick
        for rung in trade.advance(now):
            at = datetime.fromisoformat(rung.document["completed_at"]).timestamp()
            if now - at > 5:
                late[rung.store, rung.document["till"], now].append(at)
    assert late
    assert max(len(batch) for batch in late.values()) > 3
    assert all(before <= after for batch in late.values() for before, after in pairwise(batch))


@pytest.mark.slow
def test_the_days_limited_edition_starts_at_nothing_and_sells_more_and_more() -> None:
    code, minutes = launch_of(MONDAY).gtin, Counter()
    for rung in played(Trade(SMALL, 60, NOON, launched_at=NOON + 60), 660):
        at = datetime.fromisoformat(rung.document["completed_at"]).timestamp() - NOON
        minutes[at // 60] += any(line["code"] == code for line in rung.document["lines"])
    assert minutes[0] == 0
    assert sum(minutes[minute] for minute in (8, 9, 10)) > 2 * sum(minutes[minute] for minute in (1, 2, 3)) > 0


def test_prices_change_during_the_day() -> None:
    prices = defaultdict(set)
    sales, _ = day_of(WHOLE, 0, MONDAY, 200)
    for rung in sales:
        for line in rung.document["lines"]:
            prices[line["code"]].add(line["unit_price"])
    changed = {code for code, seen in prices.items() if len(seen) == 2}
    assert changed
    assert changed <= set(price_changes(0, MONDAY))


def test_a_whole_day_of_a_store_adds_up_and_is_always_the_same() -> None:
    (sales, returns), again = day_of(WHOLE, 0, MONDAY, 100), day_of(WHOLE, 0, MONDAY, 100)
    assert ([rung.document for rung in sales], [rung.document for rung in returns]) == tuple(
        [rung.document for rung in part] for part in again
    )
    returned = Returned()
    for rung in (*sales, *returns):
        must_add_up(rung.document)
        returned.see(rung.document)
        assert rung.document["business_date"] == "2026-11-16"
    assert abs(len(sales) + len(returns) - sum(WHOLE.rhythm.expected(0, 0, 100))) < 0.2 * len(sales)


def test_a_day_so_far_ends_now() -> None:
    sales, returns = day_of(WHOLE, 0, MONDAY, 100, until=NOON)
    assert sales
    assert all(datetime.fromisoformat(rung.document["completed_at"]).timestamp() <= NOON for rung in (*sales, *returns))
    assert day_of(WHOLE, 0, MONDAY, 100, until=NOON - 86_400) == ([], [])
