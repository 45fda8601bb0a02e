"""What the ledger takes, what it refuses, and that nothing in it changes: on a real PostgreSQL, as the program and as the owner."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from hutong.kernel.ids import uuid7
from hutong.payments.ledger import (
    Entry,
    LedgerRefuses,
    Place,
    Posting,
    balance,
    balances,
    held,
    post,
    posting_id,
    postings,
    resolution_id,
    statement,
)
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from tests.payments.ledger.conftest import NOW, TODAY
from tests.support.network import Network

Moving = Callable[..., Posting]
Owner = psycopg.Connection[Any]


async def write(database: Database, *made: Posting, scope: Scope | None = None) -> int:
    async with database.work(scope or Scope.of_network()) as uow:
        fresh = await post(uow, made)
        await uow.commit()
    return fresh


def counted(owner: Owner) -> tuple[int, int]:
    row = owner.execute("select (select count(*) from posting), (select count(*) from entry)").fetchone()
    assert row is not None
    return row[0], row[1]


async def test_a_posting_is_written_once_however_often_it_comes(database: Database, owner: Owner, moving: Moving) -> None:
    first, second = moving(100), moving(250)
    assert await write(database, first) == 1
    assert await write(database, first) == 0
    assert await write(database, first, second, second) == 1
    assert await write(database) == 0
    assert counted(owner) == (2, 4)
    async with database.read(Scope.of_network()) as reader:
        assert await balance(reader, first.retailer_id, "tender:cash:x") == 350


async def test_the_same_posting_from_many_at_once_is_new_to_one(database: Database, owner: Owner, moving: Moving) -> None:
    one, many = moving(100), [moving(n) for n in range(1, 9)]
    fresh = await asyncio.gather(*(write(database, one) for _ in range(4)), *(write(database, *many) for _ in range(3)))
    assert sum(fresh[:4]) == 1 and sum(fresh[4:]) == 8
    assert counted(owner) == (9, 18)


@pytest.mark.parametrize("alone", [True, False])
async def test_what_stands_written_is_not_taken_with_another_meaning(database: Database, owner: Owner, moving: Moving, alone: bool) -> None:
    first = moving(100)
    await write(database, first)
    for other in (
        moving(101, first.idempotency, id=first.id, reference=first.reference),
        replace(first, kind="other"),
        replace(first, reference=uuid7()),
        replace(first, entries=(*first.entries[:1], Entry("sales:y", -100, "I"))),
    ):
        with pytest.raises(LedgerRefuses) as refused:
            await write(database, other, *([] if alone else [moving()]))
        assert refused.value.extra["reason"] == "differs"
    assert counted(owner) == (1, 2)


@pytest.mark.parametrize("alone", [True, False])
async def test_a_posting_that_does_not_balance_is_refused_whole(database: Database, owner: Owner, moving: Moving, alone: bool) -> None:
    cash, sold = Entry("tender:cash:x", 100, "A"), Entry("sales:x", -99, "I")
    for entries in ((cash, sold), (cash,), (), (replace(cash, amount=0), replace(sold, amount=0))):
        with pytest.raises(LedgerRefuses) as refused:
            await write(database, *([] if alone else [moving()]), moving(entries=entries))
        assert refused.value.extra["reason"] == "balance"
    assert counted(owner) == (0, 0)


async def test_an_id_that_is_not_of_its_text_is_refused(database: Database, moving: Moving) -> None:
    for odd in (replace(moving(), id=uuid7()), replace(moving(), idempotency="another:text")):
        with pytest.raises(LedgerRefuses) as refused:
            await write(database, odd)
        assert refused.value.extra["reason"] == "id"


async def test_python_and_postgresql_make_the_same_ids(owner: Owner) -> None:
    for at in (NOW, datetime(2031, 5, 17, 3, 4, 5, 678_999, tzinfo=UTC)):
        made = posting_id(at, "a-text:paid")
        row = owner.execute(
            "select ledger_id(%s::timestamptz, 'a-text:paid'), ledger_id(%s::uuid, 'a-text:paid'), ledger_resolution(%s), ledger_month(%s)",
            [at, made, made, made],
        ).fetchone()
        assert row == (made, made, resolution_id(made), at.date().replace(day=1))


# Pending, then posted or voided -------------------------------------------------------------------------------------


async def test_a_reservation_counts_only_when_it_is_posted(database: Database, place: Place) -> None:
    payment, refund, refused = uuid7(), uuid7(), uuid7()
    await write(database, postings.paid(place, payment, 1000, 900, NOW, TODAY))
    await write(database, postings.reserve(place, refund, 400, NOW, TODAY), postings.reserve(place, refused, 100, NOW, TODAY))
    async with database.read(Scope.of_network()) as reader:
        assert await balance(reader, place.retailer_id, "alipay:clearing:7") == 900
        assert await held(reader, place.retailer_id, "alipay:clearing:7") == -500
    await write(database, postings.refunded(place, refund, 400, 350, NOW, TODAY))
    await write(database, postings.refund_void(place, refused, NOW, TODAY))
    async with database.read(Scope.of_network()) as reader:
        assert await balance(reader, place.retailer_id, "alipay:clearing:7") == 550
        assert await balance(reader, place.retailer_id, f"received:{place.gln}") == -600
        assert await balance(reader, place.retailer_id, f"discount:{place.gln}") == 50
        assert await held(reader, place.retailer_id, "alipay:clearing:7") == 0


async def test_a_reservation_is_resolved_once_and_within_its_amount(database: Database, owner: Owner, place: Place) -> None:
    refund = uuid7()
    await write(database, postings.reserve(place, refund, 400, NOW, TODAY))
    for odd in (
        postings.refunded(place, refund, 401, 401, NOW, TODAY),
        replace(postings.refunded(place, refund, 400, 400, NOW, TODAY), currency="HKD"),
        postings.refunded(place, uuid7(), 400, 400, NOW, TODAY),
    ):
        with pytest.raises(LedgerRefuses) as refused:
            await write(database, odd)
        assert refused.value.extra["reason"] == "pending"
    done = postings.refunded(place, refund, 400, 400, NOW, TODAY)
    assert await write(database, done) == 1
    assert await write(database, done) == 0
    with pytest.raises(LedgerRefuses) as refused:
        await write(database, postings.refund_void(place, refund, NOW, TODAY))
    assert refused.value.extra["reason"] == "differs"
    assert counted(owner) == (2, 4)


async def test_reservations_and_their_resolutions_may_come_in_one_call_in_any_order(database: Database, owner: Owner, place: Place) -> None:
    refund, gone = uuid7(), uuid7()
    made = [
        postings.refunded(place, refund, 400, 400, NOW, TODAY), postings.refund_void(place, gone, NOW, TODAY),
        postings.reserve(place, refund, 400, NOW, TODAY), postings.reserve(place, gone, 5, NOW, TODAY),
    ]  # fmt: skip
    assert await write(database, *made) == 4
    assert counted(owner) == (4, 6)


# Nothing changes -------------------------------------------------------------------------------------------------------

STATEMENTS = [
    "update posting set kind = 'x'", "delete from posting", "truncate posting", "update entry set amount = 1", "delete from entry",
    "truncate entry", "insert into entry select * from entry", "update {part} set amount = 1", "delete from {part}", "truncate {part}",
    "insert into {part} select * from {part}", "update account set code = 'x'", "delete from account", "truncate account cascade",
    "delete from account_day", "delete from ledger_day", "truncate ledger_day",
    "merge into posting p using posting q on p.id = q.id when matched then delete",
    "with gone as (delete from entry returning *) select * from gone",
]  # fmt: skip


async def test_not_even_the_owner_changes_what_is_written(database: Database, owner: Owner, moving: Moving, place: Place) -> None:
    yesterday = TODAY - timedelta(days=1)
    await write(database, moving(100, booked_on=yesterday))
    owner.execute("select ledger_close(%s, %s), ledger_count(%s)", [place.retailer_id, yesterday, place.retailer_id])
    before = owner.execute("select * from posting").fetchall(), owner.execute("select * from entry").fetchall()
    part = f"entry_{NOW:%Y%m}"
    for statement_text in STATEMENTS:
        with pytest.raises(psycopg.Error) as refused:
            owner.execute(statement_text.format(part=part))
        assert refused.value.sqlstate == "HT010", statement_text
    assert before == (owner.execute("select * from posting").fetchall(), owner.execute("select * from entry").fetchall())


async def test_the_program_has_no_right_to_change_it(database: Database, owner: Owner, moving: Moving) -> None:
    await write(database, moving())
    owner.execute("alter table posting disable trigger all")
    owner.execute("alter table entry disable trigger all")
    for statement_text in (*STATEMENTS[:10], "insert into entry select * from entry", "delete from account"):
        async with database.work(Scope.of_network()) as uow:
            with pytest.raises(Exception, match="permission denied"):
                await uow.execute(statement_text.format(part=f"entry_{NOW:%Y%m}"))


async def test_postings_put_straight_into_a_table_get_their_entries_or_are_refused(
    owner: Owner, database: Database, moving: Moving
) -> None:
    first = moving(70)
    await write(database, first)
    columns = "retailer_id, id, booked_on, event_at, kind, idempotency, state, currency, accounts, amounts, stores"
    for number, table in enumerate(("posting", f"posting_{NOW:%Y%m}")):
        text = f"by-hand:{number}"
        row = [first.retailer_id, posting_id(NOW, text), TODAY, NOW, "k", text, "posted", "CNY"]
        insert = f"insert into {table} ({columns}) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '{{null,null}}')"
        for accounts, amounts in (("{1,2}", "{5,-4}"), ("{1,999}", "{5,-5}"), ("{1}", "{5}")):
            with pytest.raises(psycopg.Error):
                owner.execute(insert, [*row, accounts, amounts])
        owner.execute(insert, [*row, "{1,2}", "{5,-5}"])
    assert counted(owner) == (3, 6)


# Accounts, partitions, days, scopes -------------------------------------------------------------------------------------


async def test_accounts_are_made_when_they_are_first_named(
    database: Database, owner: Owner, network: Network, place: Place, moving: Moving
) -> None:
    brand = network.brands[0]
    await write(database, postings.paid(place, uuid7(), 10, 9, NOW, TODAY), postings.split_owed(place, brand.code, uuid7(), 5, NOW, TODAY))
    rows = owner.execute("select code, kind, store_id, brand_id, wallet from account order by code").fetchall()
    assert rows == [
        ("alipay:clearing:7", "A", None, None, "alipay"), (f"brand_payable:{brand.code}", "L", None, brand.id, None),
        (f"brand_share:{brand.code}", "E", None, None, None), (f"discount:{place.gln}", "E", place.store_id, None, None),
        (f"received:{place.gln}", "L", place.store_id, None, None),
    ]  # fmt: skip
    with pytest.raises(LedgerRefuses, match="alipay:clearing:7 is of kind A, not L") as refused:
        await write(database, moving(entries=(Entry("alipay:clearing:7", 1, "L"), Entry("sales:x", -1, "I"))))
    assert refused.value.extra["reason"] == "account"


async def test_a_retailer_of_another_currency_has_accounts_of_its_own(database: Database, moving: Moving) -> None:
    await write(database, moving(5), moving(7, currency="HKD"))
    async with database.read(Scope.of_network()) as reader:
        found = {(each.code, each.currency): each.amount for each in await balances(reader, prefix="tender:")}
    assert found == {("tender:cash:x", "CNY"): 5, ("tender:cash:x", "HKD"): 7}


@pytest.mark.parametrize("alone", [True, False])
async def test_a_posting_of_a_month_without_a_partition_makes_it(database: Database, owner: Owner, moving: Moving, alone: bool) -> None:
    made = [
        moving(1, text, id=posting_id(day, text), booked_on=day)
        for day, text in [(date(2019, 2, 3), "old:1"), (date(2017, 12, 31), "old:2")]
    ]
    assert await write(database, *made[: 1 if alone else 2]) == (1 if alone else 2)
    assert owner.execute("select to_regclass('entry_201902') is not null, to_regclass('entry_201712') is not null").fetchone() == (
        True, not alone,
    )  # fmt: skip
    with pytest.raises(psycopg.Error) as refused:
        owner.execute("update entry_201902 set amount = 3")
    assert refused.value.sqlstate == "HT010"


async def test_a_statement_runs_from_the_balance_before_it(database: Database, moving: Moving, place: Place) -> None:
    days = [TODAY - timedelta(days=n) for n in (3, 2, 1)]
    await write(database, *(moving(10 * n, booked_on=day) for n, day in enumerate(days, 1)))
    async with database.read(Scope.of_network()) as reader:
        cash = (await balances(reader, place.retailer_id, "tender:"))[0]
        opening, lines = await statement(reader, cash.account_id, days[1], TODAY)
        assert await balance(reader, place.retailer_id, cash.code, at_end_of=days[1]) == 30
    assert opening == 10
    assert [(line.booked_on, line.amount, line.balance, line.kind) for line in lines] == [
        (days[1], 20, 30, "test"),
        (days[2], 30, 60, "test"),
    ]


async def test_each_scope_sees_its_own(database: Database, network: Network, place: Place, moving: Moving) -> None:
    brand, other = network.brands[0], replace(place, store_id=network.one.stores[1].id, gln=network.one.stores[1].gln)
    await write(
        database, postings.paid(place, uuid7(), 10, 9, NOW, TODAY), postings.paid(other, uuid7(), 20, 20, NOW, TODAY),
        postings.split_owed(place, brand.code, uuid7(), 5, NOW, TODAY),
        moving(retailer_id=network.two.id, entries=(Entry("a", 1, "A", network.two.stores[0].id), Entry("b", -1, "L"))),
    )  # fmt: skip

    async def seen(scope: Scope) -> tuple[int, int, int]:
        async with database.read(scope) as reader:
            row = await reader.row(
                "select (select count(*) from posting), (select count(*) from entry), (select coalesce(sum(amount), 0) from entry)"
            )
        assert row is not None
        return row[0], row[1], int(row[2])

    assert await seen(Scope.of_retailer(network.one.id)) == (3, 7, 0)
    assert await seen(Scope.of_store(place.store_id)) == (2, 5, 0)
    assert await seen(Scope.of_store(other.store_id)) == (1, 2, 0)
    assert await seen(Scope.of_brand(brand.id)) == (0, 1, -5)
    assert await seen(Scope.of_brand(network.brands[1].id)) == (0, 0, 0)
    assert await seen(Scope()) == (0, 0, 0)
    async with database.read(Scope.of_brand(brand.id)) as reader:
        assert [(each.code, each.amount) for each in await balances(reader)] == [(f"brand_payable:{brand.code}", -5)]


async def test_nobody_writes_into_another_retailers_ledger(database: Database, owner: Owner, network: Network, moving: Moving) -> None:
    for scope in (Scope.of_retailer(network.two.id), Scope.of_store(network.store.id), Scope.of_brand(network.brands[0].id), Scope()):
        for made in ([moving()], [moving(), moving()]):
            with pytest.raises(Exception, match=r"row-level security|cannot be made in this scope"):
                await write(database, *made, scope=scope)
    with pytest.raises(LedgerRefuses, match="a store of another retailer"):
        await write(database, moving(retailer_id=network.two.id), scope=Scope.of_retailer(network.two.id))
    assert await write(database, moving(), scope=Scope.of_retailer(network.one.id)) == 1
    assert counted(owner) == (1, 2)
