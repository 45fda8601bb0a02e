"""Closed days stay as they were; balances from snapshots are those of the entries; closing bears crowds and repetition."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest

from hutong.payments.ledger import Place, Posting, balance, close_days, post, posting_id
from hutong.payments.ledger.days import OPEN_AFTERWARDS
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from tests.payments.ledger.conftest import NOW, TODAY

Moving = Callable[..., Posting]
Owner = psycopg.Connection[Any]
CASH = "tender:cash:x"


async def write(database: Database, *made: Posting) -> None:
    async with database.work(Scope.of_network()) as uow:
        await post(uow, made)
        await uow.commit()


async def cash(database: Database, retailer: int, at_end_of: date | None = None) -> int:
    async with database.read(Scope.of_network()) as reader:
        return await balance(reader, retailer, CASH, at_end_of=at_end_of)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


async def test_a_day_closes_when_its_bill_has_had_two_mornings(database: Database, owner: Owner, moving: Moving) -> None:
    await write(database, moving(1, booked_on=ago(20)))
    midnight = datetime.combine(ago(20), time(16), UTC)  # the end of the day in Shanghai
    for moment, closed in ((OPEN_AFTERWARDS - timedelta(seconds=1), ago(21)), (OPEN_AFTERWARDS, ago(20))):
        await close_days(database, midnight + moment)
        assert owner.execute("select step, max(day) from ledger_day group by 1 order by 1").fetchall() == [
            ("closed", closed),
            ("counted", closed),
        ]


async def test_what_comes_for_a_closed_day_is_booked_on_the_first_open_one(
    database: Database, owner: Owner, moving: Moving, place: Place
) -> None:
    await write(database, moving(1, booked_on=ago(9)))
    owner.execute("select ledger_close(%s, %s)", [place.retailer_id, ago(5)])
    late = moving(2, booked_on=ago(9))
    await write(database, late)
    await write(database, moving(4, booked_on=ago(5)), moving(8, booked_on=ago(3)))
    await write(database, late)  # the same again is the same, though its day has moved
    rows = owner.execute("select amounts[1], booked_on from posting order by 1").fetchall()
    assert rows == [(1, ago(9)), (2, ago(4)), (4, ago(4)), (8, ago(3))]
    assert owner.execute("select distinct booked_on from entry order by 1").fetchall() == [(ago(9),), (ago(4),), (ago(3),)]


async def test_a_closed_day_takes_nothing_even_by_hand(database: Database, owner: Owner, moving: Moving, place: Place) -> None:
    await write(database, moving(1))
    owner.execute("select ledger_close(%s, %s)", [place.retailer_id, ago(1)])
    with pytest.raises(psycopg.Error) as refused:
        owner.execute(
            "insert into posting (retailer_id, id, booked_on, event_at, kind, idempotency, state, currency, accounts, amounts, stores) "
            "values (%s, %s, %s, now(), 'k', 'by-hand', 'posted', 'CNY', '{1,2}', '{1,-1}', '{null,null}')",
            [place.retailer_id, posting_id(NOW, "by-hand"), ago(1)],
        )
    assert refused.value.sqlstate == "HT013"
    with pytest.raises(psycopg.Error, match="only a day that is over"):
        owner.execute("select ledger_close(%s, current_date)", [place.retailer_id])


async def test_closing_waits_for_a_posting_that_is_on_its_way(database: Database, owner: Owner, moving: Moving, place: Place) -> None:
    await write(database, moving(1, booked_on=ago(3)))
    async with database.work(Scope.of_network()) as uow:
        await post(uow, [moving(2, booked_on=ago(3))])
        owner.execute("set lock_timeout = '50ms'")
        owner.execute("alter function ledger_close set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            owner.execute("select ledger_close(%s, %s)", [place.retailer_id, ago(3)])
        await uow.commit()
    await close_days(database)
    assert await cash(database, place.retailer_id, ago(3)) == 3


async def test_many_may_close_and_count_at_once(database: Database, owner: Owner, moving: Moving, place: Place) -> None:
    await write(database, *(moving(n, booked_on=ago(n)) for n in range(1, 13)))
    await asyncio.gather(*(close_days(database) for _ in range(4)), *(write(database, moving(100, booked_on=ago(8))) for _ in range(4)))
    assert await close_days(database) == 0
    assert await cash(database, place.retailer_id) == sum(range(1, 13)) + 400
    rows = owner.execute(
        """select d.account_id, d.day, d.balance, d.entries from account_day d except
           select e.account_id, e.booked_on, sum(sum(amount)) over (partition by e.account_id order by e.booked_on), count(*)
           from entry e group by 1, 2"""
    ).fetchall()
    assert rows == []


async def test_a_close_whose_count_was_lost_is_counted_the_next_time(
    database: Database, owner: Owner, moving: Moving, place: Place
) -> None:
    await write(database, moving(5, booked_on=ago(6)), moving(6, booked_on=ago(5)))
    owner.execute("select ledger_close(%s, %s)", [place.retailer_id, ago(5)])
    assert await cash(database, place.retailer_id, ago(5)) == 11
    assert await close_days(database) == 4
    assert await cash(database, place.retailer_id, ago(5)) == 11
    assert await cash(database, place.retailer_id, ago(6)) == 5


async def test_a_balance_at_any_day_is_the_sum_of_what_was_booked_until_then(
    database: Database, owner: Owner, moving: Moving, place: Place
) -> None:
    chance = random.Random(3)
    for _ in range(12):
        await write(database, *(moving(chance.randrange(1, 500), booked_on=ago(chance.randrange(1, 15))) for _ in range(3)))
        closed = ago(chance.randrange(1, 15))
        owner.execute("select ledger_close(%s, %s)", [place.retailer_id, closed])
        if chance.random() < 0.7:
            owner.execute("select ledger_count(%s)", [place.retailer_id])
    assert owner.execute("select count(*) > 4 from account_day").fetchone() == (True,)
    differing = owner.execute(
        """select a.code, day from account a, generate_series(current_date - 16, current_date + 1, '1 day') day
           where ledger_balance(a.id, day::date)
                 <> (select coalesce(sum(e.amount), 0) from entry e where e.account_id = a.id and e.booked_on <= day::date)"""
    ).fetchall()
    assert differing == []
