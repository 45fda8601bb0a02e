"""`hutong ledger check` finds whatever is wrong: each rule is broken by hand, as the owner with the guards off, and is seen to be."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from hutong.cli.main import build
from hutong.payments import LEDGER_INVARIANTS, check_ledger
from hutong.platform.database import Database
from hutong.sales import SALE_INVARIANTS
from hutong.sales.books import book_news
from tests.sales.test_books_follower import captured, give_back, pay
from tests.support.network import Network
from tests.support.sales import return_of, sale

Owner = psycopg.Connection[Any]
RULES = [*LEDGER_INVARIANTS, *SALE_INVARIANTS]

# Each breaks the rules that it names and no other. {0} is the retailer's claimed payment, {1} an unclaimed one, {2} a refund, {3} a sale.
CORRUPTIONS = [
    ("update entry set amount = amount + 1 where line = 1 and posting_id = (select id from posting where reference = '{1}')",
     ["trial balance", "entries are those", "balances of closed days"]),
    ("update posting set amounts[1] = amounts[1] + 1 where reference = '{1}'",
     ["every posting balances", "entries are those", "every payment that was paid"]),
    ("delete from entry where posting_id = (select id from posting where reference = '{3}')",
     ["entries are those", "balances of closed days"]),
    ("update entry set account_id = (select max(id) from account) where posting_id = (select id from posting where reference = '{3}') and line = 1",
     ["entries are those"]),
    ("update posting set idempotency = idempotency || 'x' where reference = '{1}'", ["ids are those"]),
    ("update posting set pending_of = null, state = 'posted' where state = 'post'", ["every refund is reserved"]),
    ("update posting set state = 'posted' where state = 'pending'", ["pending postings are resolved", "entries are those", "every refund is reserved"]),
    ("update posting set amounts = array(select a * 1000 from unnest(amounts) a) where state = 'post'",
     ["beyond", "pending postings are resolved", "every refund is reserved", "entries are those"]),
    ("update account_day set balance = balance + 1 where account_id = 1", ["balances of closed days"]),
    ("delete from account_day where account_id = 1", ["balances of closed days"]),
    ("update payment set state = 'declined' where id = '{1}'",
     ["every payment that was paid", "what each wallet owes", "what each store has received"]),
    ("update payment set receipt_amount = receipt_amount - 5 where id = '{1}'", ["every payment that was paid", "what each wallet owes"]),
    ("update payment set state = 'refunded' where id = '{1}'",
     ["every payment that was paid", "a late success", "what each store has received"]),
    ("update payment_refund set state = 'sending' where id = '{2}'",
     ["every refund is reserved", "what each wallet owes", "what each store has received"]),
    ("update payment_refund set payment_id = '{3}' where id = '{2}'", ["beyond", "what each wallet owes"]),
    ("update sale set total = total + 1 where id = '{3}'", ["every captured sale"]),
    ("delete from sale where id = '{3}'", ["every captured sale"]),
    (("update posting set accounts[1] = (select id from account where code = 'suspense:difference')"
     " where reference = '{3}'"), ["the tenders of every"]),
    (("insert into sale select retailer_id, store_id, business_date, gen_random_uuid(), till_id, 'another', kind, completed_at, now() - interval '1 day',"
     " minute, 5, 0, 0, 0, 1, 1 from sale limit 1"), ["every captured sale"]),
]  # fmt: skip

TABLES = ("posting", "entry", "account_day", "payment", "payment_refund", "sale")


@pytest.fixture
async def facts(app: Any, with_key: Callable[[str], httpx.AsyncClient], network: Network, owner: Owner, database: Database) -> list[str]:
    """Some trade that is booked: payments, a refund, sales; its days partly closed. The guards of the tables are off."""
    till = with_key(network.till.key)
    claimed, open_one = pay(owner, network, 13_900), pay(owner, network, 700)
    sold = await captured(till, sale(network, tenders=[{"type": "alipay", "amount": 13_900, "payment": claimed}]))
    await captured(till, sale(network))
    pay(owner, network, 900, state="refunded", bookings=("late", "returned"))
    owner.execute("insert into account (retailer_id, code, kind, currency) values (1, 'suspense:difference', 'A', 'CNY')")
    refund = give_back(owner, claimed, 500)
    await captured(till, return_of(network, sold, [2], tenders=[{"type": "cash", "amount": 1_100}]))
    await book_news(database)
    owner.execute("update event_cursor set moved_at = now() + interval '1 hour' where name = 'books'")
    # As if all this had been closed already: only the clock keeps a day open here.
    owner.execute(
        """insert into ledger_day (retailer_id, step, day) select 1, 'closed', max(booked_on) from entry; select ledger_count(1);
           alter table posting drop constraint posting_balances, drop constraint posting_id_of_idempotency, drop constraint posting_resolves_once"""
    )
    owner.execute("set session_replication_role = replica")
    return [claimed, open_one, refund, sold["id"]]


async def broken(database: Database) -> dict[str, list[str]]:
    """The rules that are broken, and what breaks them."""
    return {
        found.invariant.name: [f"{each.place}: {each.expected} / {each.found}" for each in found.first]
        async for found in check_ledger(database, RULES)
        if found.broken
    }


async def test_the_books_of_ordinary_trade_hold_and_every_rule_looks_at_something(database: Database, facts: list[str]) -> None:
    found = [each async for each in check_ledger(database, RULES)]
    assert [each.invariant.name for each in found if each.broken] == []
    assert [each.invariant.name for each in found if not each.looked_at] == []
    assert len(found) == len(RULES)


async def test_each_rule_that_is_broken_by_hand_is_found(database: Database, owner: Owner, facts: list[str]) -> None:
    seen: set[str] = set()
    for table in TABLES:
        owner.execute(f"create table whole_{table} as select * from {table}")
    for corruption, rules in CORRUPTIONS:
        changed = owner.execute(corruption.format(*facts)).rowcount
        assert changed > 0, corruption
        names = await broken(database)
        seen |= set(names)
        for rule in rules:
            assert any(rule in name for name in names), (corruption, rule, names)
        for table in TABLES:
            owner.execute(f"truncate {table}; insert into {table} select * from whole_{table}")
    assert await broken(database) == {}
    assert seen == {rule.name for rule in RULES}


def test_the_command_names_what_is_broken_and_what_to_do(
    database_url: str, network: Network, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUTONG_DATABASE_URL", database_url)
    run = CliRunner().invoke
    payments = [pay(owner, network, amount) for amount in range(100, 108)]
    give_back(owner, payments[0], 60)
    good = run(build(), ["ledger", "check"])
    assert (good.exit_code, good.output.count("holds "), "BROKEN" in good.output) == (0, len(RULES), False), good.output
    assert good.output.rstrip().endswith("The ledger holds.")
    owner.execute("set session_replication_role = replica")
    owner.execute("alter table posting drop constraint posting_balances")
    owner.execute("update posting set amounts[1] = amounts[1] + 1 where kind = 'payment.paid'")
    bad = run(build(), ["ledger", "check"])
    assert bad.exit_code == 1
    assert "BROKEN      8 of 10  every posting balances" in bad.output
    assert "payment.paid " in bad.output and "and 3 more" in bad.output and "restore the back-up" in bad.output
    assert "rules of the ledger are broken" in bad.output
    listed = run(build(), ["ledger", "balances", "--retailer", "one", "--prefix", "alipay:"])
    assert "alipay:clearing:7" in listed.output and "768" in listed.output
    assert "0 sales were missing" in run(build(), ["ledger", "book"]).output
