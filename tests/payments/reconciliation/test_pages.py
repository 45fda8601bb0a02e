"""Pages of the books: who sees what, differences resolved by people, statements as files."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from openpyxl import load_workbook

from hutong.payments.ledger import Place, post, postings
from hutong.payments.reconciliation import File, reconcile
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from tests.conftest import Person
from tests.payments.reconciliation.books import DAY, NOON, Books
from tests.payments.reconciliation.writer import Row, bill, movements_text, zipped

PAGE = f"/payments/books/1/{DAY}"


async def a_day(database: Database, books: Books) -> None:
    """A day with goods that agree at two stores, and three differences."""
    fine = [books.payment(10_000), books.payment(25_000, store=1)]
    wrong = replace(books.payment(30_000), amount=30_100, receipt=30_100)
    rows = [*fine, wrong, books.refund(fine[0], 500), Row("=cmd|'/c calc'!A1", 4_200), Row("OLD-77", 1_000)]
    moves = movements_text([(row.number, row.received, "在线支付") for row in rows], DAY)
    await reconcile(database, books.account, DAY, File(bill(rows, DAY)), File(zipped(details=moves)))


@pytest.fixture
async def filled(database: Database, books: Books) -> Books:
    await a_day(database, books)
    return books


async def test_head_office_resolves_a_difference_with_a_reason_and_opens_it_again(filled: Books, as_person: Person) -> None:
    office = as_person("office")
    days = (await office.get(f"/payments/books?until={DAY}")).text
    assert "do not agree: 3 open" in days and PAGE in days
    shown = (await office.get(PAGE)).text
    assert shown.count('class="card difference"') == 3
    assert "Another amount" in shown and "+¥1.00" in shown and "+¥42.00" in shown and "OLD-77" in shown
    item = filled.owner.execute("select id from recon_item where class = 'amount'").fetchone()[0]  # type: ignore[index]
    for wrong in ({}, {"reason": "other"}, {"reason": "no such"}):
        answer = await office.post(f"/payments/books/items/{item}/resolve", data=wrong)
        assert answer.headers["location"] == f"{PAGE}?said=reason_missing#item-{item}"
    assert filled.owner.execute("select count(*) from recon_step").fetchone() == (0,)
    answer = await office.post(f"/payments/books/items/{item}/resolve", data={"reason": "other", "note": "<b>they corrected it</b>"})
    assert answer.headers["location"] == f"{PAGE}?said=resolved#item-{item}"
    shown = (await office.get(PAGE)).text
    assert "2 differences are open" in shown and "&lt;b&gt;they corrected it&lt;/b&gt;" in shown
    again = await office.post(f"/payments/books/items/{item}/resolve", data={"reason": "agreed"})
    assert "said=item_changed" in again.headers["location"]
    assert "said=reopened" in (await office.post(f"/payments/books/items/{item}/reopen")).headers["location"]
    assert filled.owner.execute("select action, actor from recon_step order by step").fetchall() == [
        (action, f"person:{filled.network.people['office'].id}") for action in ("solved", "reopened")
    ]
    audited = filled.owner.execute("select action, detail->>'reason' from audit where action like 'books.%%' order by id").fetchall()
    assert audited == [("books.resolve", "other"), ("books.reopen", "")]
    chinese = (await office.get(PAGE, params={"lang": "zh"})).text
    assert "账目不一致" in chinese and "金额不符" in chinese and "Another amount" not in chinese


async def test_a_solved_difference_stays_solved_when_the_day_is_worked_out_again(
    filled: Books, database: Database, as_person: Person
) -> None:
    item = filled.owner.execute("select id from recon_item where number = 'OLD-77'").fetchone()[0]  # type: ignore[index]
    await as_person("office").post(f"/payments/books/items/{item}/resolve", data={"reason": "other_system"})
    again = await reconcile(database, filled.account, DAY)
    assert (again.open, again.fresh) == (2, False)
    assert filled.owner.execute("select count(*) from recon_item").fetchone() == (3,)


async def test_others_see_their_own_part_or_nothing(filled: Books, as_person: Person) -> None:
    manager = as_person("manager")
    mine = (await manager.get(PAGE)).text
    assert "Another amount" in mine and "OLD-77" not in mine and "¥250.00" not in mine and "/resolve" not in mine
    second = (await as_person("manager-2").get(PAGE)).text
    assert "¥250.00" in second and "Another amount" not in second and "The books agree" in second
    assert "¥250.00" in (await as_person("manager-2").get(f"/payments/books?until={DAY}")).text
    item = filled.owner.execute("select id from recon_item where class = 'amount'").fetchone()[0]  # type: ignore[index]
    assert (await manager.post(f"/payments/books/items/{item}/resolve", data={"reason": "agreed"})).status_code == 403
    for login in ("office-two", "manager-two"):
        other = as_person(login)
        assert (await other.get(PAGE)).status_code == 404
        assert "do not agree" not in (await other.get(f"/payments/books?until={DAY}")).text
        refused = await other.post(f"/payments/books/items/{item}/resolve", data={"reason": "agreed"})
        assert refused.status_code in (403, 404)
    assert (await as_person("brand").get(PAGE)).status_code == 404
    assert (await as_person("nobody").get(PAGE)).status_code == 403
    assert filled.owner.execute("select count(*) from recon_step").fetchone() == (0,)


async def test_a_brand_reads_its_own_sums_and_they_add_up_with_the_rest(database: Database, books: Books, as_person: Person) -> None:
    paid = books.payment(10_000)
    sale = books.owner.execute("select gen_random_uuid()").fetchone()[0]  # type: ignore[index]
    books.owner.execute("select ensure_days(array[%s]::date[])", [DAY])
    one, two = books.network.brands[0].id, books.network.brands[1].id
    for line, (brand, amount) in enumerate(((one, 3_333), (two, 3_333), (None, 3_334)), 1):
        books.owner.execute(
            """insert into sale_line (retailer_id, sale_id, line, business_date, store_id, product_id, brand_id, code, quantity, unit_price, discount, amount,
                                      vat_rate, vat) values (%s, %s, %s, %s, %s, %s, %s, 'x', 1, %s, 0, %s, 1300, 0)""",
            [books.network.one.id, sale, line, DAY, books.network.store.id, books.network.products[0].id, brand, amount, amount],
        )  # fmt: skip
    books.owner.execute("update payment set claimed_by = %s", [sale])
    await reconcile(database, books.account, DAY, File(bill([paid, Row("OLD", 700)], DAY)))
    sums = books.owner.execute("select brand_id, receipt from recon_brand_sum order by 1 nulls last").fetchall()
    assert sums == [(one, 3_333), (two, 3_333), (None, 3_334 + 700)]
    own = (await as_person("brand").get(f"/payments/books?until={DAY}")).text
    assert "¥33.33" in own and own.count("Yunqi Tea") == 1 and "Beiya" not in own and "¥107.00" not in own


async def some_entries(database: Database, books: Books) -> None:
    place = Place(books.network.one.id, books.network.store.id, books.network.store.gln, books.account.id)
    other = replace(place, store_id=books.network.stores[1].id, gln=books.network.stores[1].gln)
    ids = [row[0] for row in books.owner.execute("select id from payment order by id").fetchall()]
    written = [postings.paid(place, ids[0], 10_000, 9_500, NOON, DAY), postings.paid(other, ids[1], 25_000, 25_000, NOON, DAY)]
    written.append(postings.split_owed(place, books.network.brands[0].code, ids[0], 1_234, NOON, DAY))
    async with database.work(Scope.of_retailer(books.network.one.id)) as uow:
        await post(uow, written)
        await uow.commit()


def file_of(kind: str, code: Any, form: str = "csv") -> str:
    return f"/payments/books/statements/{kind}/{code}.{form}?from={DAY}&to={DAY + timedelta(days=1)}"


async def test_statements_come_from_the_ledger_as_csv_and_workbook_for_who_may_read_them(
    filled: Books, database: Database, as_person: Person, client: Any
) -> None:
    await some_entries(database, filled)
    office, store = as_person("office"), filled.network.store
    text = (await office.get(file_of("store", store.gln))).text
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    moved = [(row["Code"], row["Debit"], row["Credit"]) for row in rows if row["What"] not in ("Before", "After")]
    assert sorted(moved) == [
        (f"discount:{store.gln}", "5.00", ""), ("fee:alipay", "2.40", ""), (f"received:{store.gln}", "", "100.00"), ("suspense:difference", "", "1.00"),
    ]  # fmt: skip
    book = load_workbook(io.BytesIO((await office.get(file_of("store", store.gln, "xlsx"))).content))
    cells = list(book.active.iter_rows(values_only=True))  # type: ignore[union-attr]
    assert cells[0][:3] == ("Day", "Time", "What") and len(cells) == len(rows) + 1
    assert not any(cell.data_type == "f" for row in book.active.iter_rows() for cell in row)  # type: ignore[union-attr]
    assert (await as_person("manager").get(file_of("store", store.gln))).text == text
    assert (await as_person("manager").get(file_of("store", filled.network.stores[1].gln))).status_code == 404
    wallet = (await office.get(file_of("wallet", filled.account.id))).text
    assert f"alipay:clearing:{filled.account.id}" in wallet and f"alipay:balance:{filled.account.id}" in wallet
    assert (await as_person("manager").get(file_of("wallet", filled.account.id))).status_code == 404
    mine = (await as_person("brand").get(file_of("brand", "yunqi"))).text
    assert "12.34" in mine and "received" not in mine
    assert (await office.get(file_of("brand", "yunqi"))).text == mine.replace('"",""', '"",""') or "12.34" in mine
    assert (await as_person("brand-two").get(file_of("brand", "yunqi"))).status_code == 404
    assert (await as_person("office-two").get(file_of("store", store.gln))).status_code == 404
    assert "12.34" not in (await as_person("office-two").get(file_of("brand", "yunqi"))).text
    assert (await client.get(file_of("store", store.gln))).status_code in (303, 401)
    too_long = await office.get(f"/payments/books/statements/store/{store.gln}.csv?from=2026-01-01&to=2026-11-28")
    assert too_long.status_code == 422
    shown = (await office.get(f"/payments/books/statements?of=store&code={store.gln}&from={DAY}&to={DAY}")).text
    assert "Payments waiting for their sale" in shown and f"{store.gln}.xlsx" in shown
