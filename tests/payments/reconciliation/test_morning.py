"""A whole day with the sandbox wallet: payments over HTTP, its bill fetched the next morning, what came too late given back."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hutong.kernel.ids import uuid7
from hutong.payments.reconciliation import Account, File, Outcome, bill_day, fetch_due, give_back_long, reconcile
from hutong.payments.reconciliation.times import first_look, is_late, next_look
from hutong.payments.wallet import Charge, Paid, WalletUnreachable
from hutong.platform.database import Database
from tests.conftest import Person
from tests.payments.reconciliation.books import DAY, Books
from tests.payments.reconciliation.writer import bill, movements_text, zipped
from tests.payments.support import add_account, payment, refund
from tests.support.network import Network
from tests.support.sandbox import RunningSandbox, running_sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """A sandbox of its own: its clock is moved by days."""
    with running_sandbox(tmp_path) as running:
        yield running


def clock_of(sandbox: RunningSandbox) -> datetime:
    return datetime.fromisoformat(sandbox.ask("GET", "/clock")["now"])


def advance_to(sandbox: RunningSandbox, moment: datetime) -> datetime:
    sandbox.advance((moment - clock_of(sandbox)).total_seconds() + 1)
    return clock_of(sandbox)


async def late_success(
    app: Any, owner: psycopg.Connection[Any], network: Network, account: int, sandbox: RunningSandbox, customer: str
) -> str:
    """An attempt that our books know as closed and that the wallet has charged; answers its number."""
    payment_id, till = uuid7(), network.till
    number = f"S{network.store.id}T{till.id}_{payment_id.hex}"
    owner.execute(
        """insert into payment (retailer_id, id, store_id, till_id, account_id, sale_id, method, amount, currency, number, subject, digest, state, actor, made_at)
           values (%s, %s, %s, %s, %s, %s, 'code', 777, 'CNY', %s, 'x', %s, 'closed', 'till:1', now())""",
        [network.one.id, payment_id, network.store.id, till.id, account, uuid7(), number, uuid7()],
    )  # fmt: skip
    wallet = await app.state.payments.wallets.get(account)
    charge = Charge(number, 777, "x", network.store.gln, till.code, code=sandbox.code(customer))
    assert isinstance(await wallet.pay(charge), Paid)
    return number


async def test_the_bill_is_fetched_in_the_morning_and_a_late_success_goes_back_by_itself(
    app: Any, database: Database, network: Network, owner: psycopg.Connection[Any], with_key: Person, sandbox: RunningSandbox
) -> None:
    account = (await add_account(app, network.one.id, sandbox)).id
    till, customer = with_key(network.till.key), sandbox.person(balance=1_000_000, password_above=100_000_000)
    paid = [(await till.post("/v1/payments", json=payment(sandbox.code(customer), amount))).json() for amount in (10_000, 25_000)]
    assert (await till.post("/v1/refunds", json=refund(paid[0], 400))).json()["state"] == "done"
    late = await late_success(app, owner, network, account, sandbox, customer)
    sandbox.fault("bill_extra_line", number=paid[1]["number"])
    parts, day = app.state.payments, bill_day(clock_of(sandbox))

    assert await fetch_due(database, parts.wallets.get, clock_of(sandbox)) == []
    now = advance_to(sandbox, first_look(day))
    [outcome] = await fetch_due(database, parts.wallets.get, now)
    assert (outcome.sums.payments, outcome.sums.refunds, dict(outcome.classes)) == (4, 1, {"foreign": 1, "long": 1}), outcome.line
    assert await fetch_due(database, parts.wallets.get, now + timedelta(minutes=10)) == []

    assert await give_back_long(database, parts.driver) == 1
    assert owner.execute("select state from payment where number = %s", [late]).fetchone() == ("refunding",)
    for due in await parts.store.claim(10):
        await parts.driver.look(due)
    assert owner.execute("select state, refunded from payment where number = %s", [late]).fetchone() == ("refunded", 777)
    assert sandbox.people()[customer]["balance"] == 1_000_000 - 35_000 + 400
    assert await give_back_long(database, parts.driver) == 0
    assert owner.execute("select class from recon_item_now where open").fetchall() == [("foreign",)]

    now = advance_to(sandbox, first_look(day + timedelta(days=1)))
    [second] = await fetch_due(database, parts.wallets.get, now)
    assert (second.day, second.agrees, second.sums.refunds) == (day + timedelta(days=1), True, 1), second.line
    # What the wallet still owes is nothing but the line that nobody knows, less its fee; the rest it has put to the retailer's balance.
    balances = dict(
        owner.execute(
            "select a.code, sum(e.amount)::bigint from entry e join account a on a.id = e.account_id where not e.pending group by 1"
        ).fetchall()
    )
    assert (balances[f"alipay:clearing:{account}"], balances["suspense:long"]) == (25_000 - 150, -25_000)
    assert sum(balances.values()) == 0


class Desk:
    """A wallet's bills as these tests want them, by kind; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[date, str]] = []

    async def get(self, _account: int) -> "Desk":
        return self

    async def fetch_bill(self, day: date, kind: str = "trade") -> bytes | None:
        self.asked.append((day, kind))
        answer = self.answers.get(kind)
        if isinstance(answer, Exception):
            raise answer
        return answer


def only(books: Books, first: date) -> None:
    """Await bills from this day on."""
    books.owner.execute("update wallet_account set created_at = %s", [datetime.combine(first, datetime.min.time())])


async def test_a_late_bill_is_asked_for_every_ten_minutes_until_noon_then_people_are_told_once(database: Database, books: Books) -> None:
    only(books, DAY)
    row, desk = books.payment(10_000), Desk(trade=WalletUnreachable("no line"))
    now, tries = first_look(DAY), 0
    alarms = "select count(*) from payment_alarm"
    while not is_late(DAY, now):
        assert await fetch_due(database, desk.get, now) == []
        assert await fetch_due(database, desk.get, now + timedelta(minutes=9, seconds=59)) == []
        assert books.owner.execute(alarms).fetchone() == (0,)
        now, tries = now + timedelta(minutes=10), tries + 1
    assert (tries, len([each for each in desk.asked if each[1] == "trade"])) == (18, 18)
    await fetch_due(database, desk.get, now)
    await fetch_due(database, desk.get, now + timedelta(hours=1))
    assert books.owner.execute("select kind, message from payment_alarm").fetchall() == [
        ("reconciliation", "The bill of 2026-11-28 is late: no line")
    ]
    desk.answers["trade"] = bill([row], DAY)
    [outcome] = await fetch_due(database, desk.get, now + timedelta(hours=2))
    assert outcome.agrees
    assert next_look(DAY, now + timedelta(days=9)) is None


async def test_a_damaged_bill_is_fetched_again_and_a_day_without_trade_needs_none(database: Database, books: Books) -> None:
    only(books, DAY)
    row = books.payment(10_000)
    whole = bill([row], DAY)
    moves = zipped(details=movements_text([(row.number, 10_000, "在线支付"), (row.number, -60, "收费"), ("", -5_000, "提现")], DAY))
    desk = Desk(trade=whole[: len(whole) // 2], signcustomer=moves[:99])
    [damaged] = await fetch_due(database, desk.get, first_look(DAY))
    assert damaged.problem and not damaged.agrees
    desk.answers = {"trade": whole, "signcustomer": moves}
    [mended] = await fetch_due(database, desk.get, first_look(DAY) + timedelta(minutes=10))
    assert mended.agrees and mended.fresh
    assert books.balances()[f"alipay:balance:{books.account.id}"] == 9_940
    assert books.owner.execute("select settled, moved, unsettled from recon_run order by id desc limit 1").fetchone() == (9_940, 9_940, [])
    desk.answers = {}
    late = first_look(DAY + timedelta(days=1))
    assert await fetch_due(database, desk.get, late) == []
    assert await fetch_due(database, desk.get, late + timedelta(hours=5)) == []
    assert await fetch_due(database, desk.get, late + timedelta(hours=28)) == []
    said = books.owner.execute("select said from bill_watch where day = %s and done_at is not null", [DAY + timedelta(days=1)]).fetchall()
    assert said == [("no bill: nothing was taken",)] * 2
    assert books.owner.execute("select message from payment_alarm where message like '%%late%%'").fetchall() == []


async def test_movements_that_are_damaged_leave_the_days_payments_alone(database: Database, books: Books) -> None:
    only(books, DAY)
    row = books.payment(10_000)
    desk = Desk(trade=bill([row], DAY), signcustomer=b"PK nothing")
    [outcome] = await fetch_due(database, desk.get, first_look(DAY))
    assert isinstance(outcome, Outcome) and outcome.agrees and outcome.movements_problem
    waiting = books.owner.execute("select kind from bill_watch where done_at is null").fetchall()
    assert waiting == [("movements",)]


async def test_what_the_account_moved_is_compared_with_the_bill_number_by_number(database: Database, books: Books) -> None:
    one, two = books.payment(10_000), books.payment(20_000)
    moves = [
        (one.number, 10_000, "在线支付"),
        (one.number, -60, "收费"),
        (two.number, 19_990, "在线支付"),
        (two.number, -120, "收费"),
        (one.number, -3_000, "分账"),
    ]
    content = zipped(details=movements_text(moves, DAY))
    outcome = await reconcile(database, books.account, DAY, File(bill([one, two], DAY)), File(content))
    assert outcome.agrees
    found = books.owner.execute("select settled, moved, unsettled from recon_run").fetchone()
    assert found == (26_810, 29_810, [{"number": two.number, "bill": 19_880, "moved": 19_870}])
    assert books.balances()[f"alipay:balance:{books.account.id}"] == 26_810


async def test_another_account_is_another_day_in_the_books(database: Database, books: Books) -> None:
    only(books, DAY)
    desk = Desk(trade=bill([], DAY, "2088000000000001"))
    [outcome] = await fetch_due(database, desk.get, first_look(DAY))
    assert "of the account" in outcome.problem
    assert outcome.account_id == Account(books.account.id, 0).id
