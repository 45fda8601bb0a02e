"""What follows from a bill by itself, what two processes at once come to, and the command line."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hutong.payments.reconciliation import File, Outcome, ask_about_short, fetch_due, reconcile
from hutong.payments.reconciliation.times import first_look
from hutong.payments.wallet import Absent, Paid, QueryResult, Unknown
from hutong.platform.database import Database
from tests.payments.reconciliation.books import DAY, Books
from tests.payments.reconciliation.test_morning import Desk, only
from tests.payments.reconciliation.writer import Row, bill


class Knowing(Desk):
    """A wallet that answers about payments."""

    def __init__(self, known: dict[str, QueryResult]) -> None:
        super().__init__()
        self.known = known
        self.numbers: list[str] = []

    async def get(self, _account: int) -> "Knowing":
        return self

    async def query(self, number: str) -> QueryResult:
        self.numbers.append(number)
        return self.known[number]


async def test_the_wallet_is_asked_once_about_what_no_bill_has(database: Database, books: Books) -> None:
    lost = [books.payment(700), books.payment(800), books.payment(900)]
    answers: list[QueryResult] = [Paid("t", 700, 700, 700), Absent(), Unknown("cut")]
    await reconcile(database, books.account, DAY + timedelta(days=1), File(bill([], DAY + timedelta(days=1))))
    assert (await reconcile(database, books.account, DAY, File(bill([], DAY)))).classes == (("short", 3),)
    wallet = Knowing(dict(zip((row.number for row in lost), answers, strict=True)))
    assert await ask_about_short(database, wallet.get) == 2
    assert sorted(wallet.numbers) == sorted(row.number for row in lost)
    assert await ask_about_short(database, wallet.get) == 0  # that without an answer is asked again, the others are not
    assert wallet.numbers[3:] == [lost[2].number]
    assert books.items("difference", "reason") == [(-900, ""), (-800, "the wallet has no such payment"), (-700, "the wallet says paid")]


async def test_two_processes_at_once_come_to_one_result(database: Database, books: Books) -> None:
    only(books, DAY)
    rows = [books.payment(10_000), Row("OLD", 900)]
    desk = Desk(trade=bill(rows, DAY))
    found = await asyncio.gather(*(fetch_due(database, desk.get, first_look(DAY)) for _ in range(2)))
    assert sorted(len(each) for each in found) == [0, 1]
    files = [File(bill([*rows, Row("NEW", 5 + n)], DAY)) for n in (0, 0, 1)]
    outcomes = await asyncio.gather(*(reconcile(database, books.account, DAY, file) for file in files))
    assert all(isinstance(each, Outcome) and not each.problem for each in outcomes)
    assert books.owner.execute("select count(*) from recon_run").fetchone() == (3,)
    assert len(books.items()) == 2
    assert books.balances()["suspense:long"] in (-905, -906)


async def test_a_payment_that_stands_in_a_later_bill_still_is_found_there(database: Database, books: Books) -> None:
    only(books, DAY)
    books.owner.execute("delete from bill_watch")
    row = books.payment(700)
    desk = Desk(trade=bill([], DAY))
    await fetch_due(database, desk.get, first_look(DAY))
    for ahead in (1, 2):
        day = DAY + timedelta(days=ahead)
        desk.answers["trade"] = bill([row] if ahead == 2 else [], day)
        outcomes = await fetch_due(database, desk.get, first_look(day))
        assert [(each.day, each.open) for each in outcomes] == [(day, 0), (DAY, 1 if ahead == 1 else 0)]
    assert books.balances() == {"alipay:clearing:1": -4, "fee:alipay": 4}


def test_the_command_line_says_in_one_line_whether_the_books_agree(
    books: Books, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hutong.cli.main import build

    monkeypatch.setenv("HUTONG_DATABASE_URL", database_url)
    monkeypatch.setenv("HUTONG_DATA_DIR", str(tmp_path))
    file = tmp_path / "bill.zip"
    file.write_bytes(bill([books.payment(123_450)], DAY))

    def run(*more: str) -> Any:
        return CliRunner().invoke(build(), ["reconcile", "--day", str(DAY), *more])

    answer = run("--retailer", "one", "--file", str(file))
    assert answer.exit_code == 0, answer.output
    assert "one/main: The books of 2026-11-28 agree: 1 payment and 0 refunds, 1,234.50 yuan, fee 7.41" in answer.output
    file.write_bytes(bill([Row("OLD", 700)], DAY))
    answer = run("--retailer", "one", "--file", str(file))
    assert (answer.exit_code, "do not agree" in answer.output) == (1, True)
    assert run("--retailer", "nobody").exit_code == 1
