"""Every kind of difference is found and put into its class, and what agrees is left alone."""

from dataclasses import replace
from datetime import timedelta

from hutong.payments.reconciliation import File, reconcile
from hutong.platform.database import Database
from tests.payments.reconciliation.books import DAY, NOON, Books, number_of
from tests.payments.reconciliation.writer import Row, bill


async def work_out(database: Database, books: Books, rows: list[Row], day=DAY):
    return await reconcile(database, books.account, day, File(bill(rows, day)))


async def test_books_that_agree_say_so_in_one_line_and_the_fee_is_booked(database: Database, books: Books) -> None:
    paid = [books.payment(1_990), books.payment(100_000, store=1), books.payment(5_000, receipt=4_500)]
    rows = [*paid, books.refund(paid[0], 990)]
    outcome = await work_out(database, books, rows)
    assert outcome.line == "The books of 2026-11-28 agree: 3 payments and 1 refund, 1,055.00 yuan, fee 6.39"
    assert books.items() == []
    assert books.balances() == {"fee:alipay": 639, f"alipay:clearing:{books.account.id}": -639}
    fees = books.owner.execute("select store_id, amount from entry where amount > 0 order by 1").fetchall()
    assert fees == [(books.network.stores[0].id, 12 + 27), (books.network.stores[1].id, 600)]
    again = await work_out(database, books, rows)
    assert (again.run_id, again.fresh, again.line) == (outcome.run_id, False, outcome.line)
    assert books.owner.execute("select count(*) from recon_run").fetchone() == (1,)


async def test_each_class_is_found_and_nothing_else(database: Database, books: Books) -> None:
    stores = books.network.stores
    fine = [books.payment(10_000 + n) for n in range(20)]
    closed, other = books.payment(700, "closed"), replace(books.payment(900), amount=901, receipt=901)
    unknown = Row(number_of(stores[0].id, stores[0].tills[0].id), 333)
    undecided = books.payment(800, "unknown")
    dear = replace(books.payment(10_000), fee=-160)
    books.payment(1_100)  # in no bill
    refunded = books.payment(20_000)
    right, wrong = books.refund(refunded, 300), replace(books.refund(refunded, 400), amount=-401, receipt=-401)
    books.refund(refunded, 500)  # in no bill
    refused = books.refund(refunded, 600, "refused")
    strange = Row("OLDTILL-2026-0001", 4_200)
    abroad = Row(number_of(stores[3].id, stores[3].tills[0].id), 4_300)
    outside = replace(right, refund_number="f" * 32, amount=-50, receipt=-50)
    rows = [
        *fine, closed, other, unknown, undecided, dear, refunded, right, wrong, refused, strange, abroad, outside, fine[3], right,
    ]  # fmt: skip
    outcome = await work_out(database, books, rows)
    found = books.items("class", "kind", "difference", "why")
    assert found == sorted([
        ("amount", "payment", 1, ""), ("amount", "refund", -1, ""), ("duplicate", "payment", 10_003, "stands there before"),
        ("duplicate", "refund", -300, "stands there before"), ("fee", "payment", 0, "not the usual rate"),
        ("foreign", "payment", 4_200, "not a number of ours"), ("foreign", "payment", 4_300, "not a number of ours"),
        ("in_transit", "payment", -1_100, "the next bill tells"), ("in_transit", "refund", 500, "the next bill tells"),
        ("long", "payment", 333, "unknown number"), ("long", "payment", 700, "closed"), ("refund_long", "refund", -50, "no such refund"),
        ("status", "payment", 0, "unknown"), ("status", "refund", 0, "refund refused"),
    ])  # fmt: skip
    assert (outcome.open, outcome.waiting, outcome.agrees) == (12, 2, False)
    assert "do not agree: 12 items open (2 amount, 2 duplicate, 1 fee, 2 foreign, 2 long, 1 refund_long, 2 status)" in outcome.line
    assert books.balances()["suspense:long"] == -(10_003 + 4_200 + 4_300 + 333)
    assert books.balances()["suspense:short"] == 300 + 50
    assert "suspense:difference" not in books.balances()  # one fen too much, one too little
    sums = books.owner.execute(
        "select sum(lines), sum(case kind when 'payment' then receipt else -receipt end) from recon_sum where class not in ('in_transit', 'short', 'refund_short')"
    ).fetchone()
    assert sums == (len(rows), sum(row.received for row in rows))


async def test_what_the_next_bill_has_agrees_and_what_it_has_not_is_short(database: Database, books: Books) -> None:
    late, lost = books.payment(1_990, at=NOON + timedelta(hours=11, minutes=59)), books.payment(700)
    tomorrow = books.payment(3_000, at=NOON + timedelta(days=1))
    gone = books.refund(tomorrow, 10)
    first = await work_out(database, books, [])
    assert (first.open, first.waiting) == (0, 3)
    assert first.line == "The books of 2026-11-28 agree: 0 payments and 0 refunds, 0.00 yuan, fee 0.00; 3 in transit"
    second = await work_out(database, books, [late, tomorrow], DAY + timedelta(days=1))
    assert (second.agrees, second.sums.paid) == (True, 4_990)
    third = await reconcile(database, books.account, DAY)
    assert (third.open, third.waiting, dict(third.classes)) == (2, 0, {"short": 1, "refund_short": 1})
    assert books.items("class", "number") == [("refund_short", gone.number), ("short", lost.number)]
    assert books.balances()["suspense:short"] == 700
    assert books.balances()["suspense:long"] == -10
    alarms = books.owner.execute("select message from payment_alarm").fetchall()
    assert alarms == [("The bill of 2026-11-28 and the books differ: 1 refund short, 1 short, 7.10 yuan",)]


async def test_money_that_came_and_went_shows_in_the_bill_on_both_sides_or_on_none(database: Database, books: Books) -> None:
    for number in ("", "as the payment", "20261128000000"):
        row = books.payment(2_000, "refunded")
        back = Row(row.number, -2_000, refund_number=row.number if number == "as the payment" else number, store=row.store)
        assert (await work_out(database, books, [row, back])).agrees
        one_sided = await work_out(database, books, [row])
        assert (one_sided.agrees, one_sided.waiting) == (True, 1)
        neither = await work_out(database, books, [])
        assert (neither.agrees, neither.waiting) == (True, 0)
        wrong = await work_out(database, books, [row, replace(back, amount=-1_999)])
        assert [name for name, _ in wrong.classes] == ["amount"]
        books.owner.execute("delete from payment")


async def test_a_corrected_bill_takes_the_first_ones_place_and_says_what_changed(database: Database, books: Books) -> None:
    one, two = books.payment(10_000), books.payment(20_000)
    wrong = await work_out(database, books, [one, replace(two, amount=20_500, receipt=20_500, fee=-123), Row("other system", 900)])
    assert (wrong.open, books.balances()["suspense:long"], books.balances()["suspense:difference"]) == (2, -900, -500)
    right = await work_out(database, books, [one, two])
    assert right.line == "The books of 2026-11-28 agree: 2 payments and 0 refunds, 300.00 yuan, fee 1.80"
    assert books.balances() == {"fee:alipay": 180, f"alipay:clearing:{books.account.id}": -180}
    changed = books.owner.execute("select changed from recon_run order by id desc limit 1").fetchone()
    assert changed is not None and changed[0]["paid"] == [31_400, 30_000] and changed[0]["payments"] == [3, 2] and "file" in changed[0]
    back = await work_out(database, books, [one, replace(two, amount=20_500, receipt=20_500, fee=-123), Row("other system", 900)])
    assert (back.open, books.balances()["suspense:long"]) == (2, -900)
    assert books.owner.execute("select count(*) from recon_item").fetchone() == (2,)  # the same items again, not others


async def test_a_file_that_is_damaged_or_anothers_is_kept_and_changes_nothing(database: Database, books: Books) -> None:
    row = books.payment(10_000)
    fine = await work_out(database, books, [row])
    content = bill([row, Row("x", 5)], DAY)
    damaged = await reconcile(database, books.account, DAY, File(content[: len(content) // 2]))
    assert "cannot be unpacked" in damaged.problem and not damaged.agrees
    other_day = await reconcile(database, books.account, DAY, File(bill([row], DAY + timedelta(days=1))))
    assert other_day.problem == "it is the bill of 20261129, not of 2026-11-28"
    other = await reconcile(database, books.account, DAY, File(bill([row], DAY, "2088000000000000")))
    assert "of the account 2088000000000000" in other.problem
    kept = books.owner.execute("select problem <> '', count(*) from bill_file group by 1 order by 1").fetchall()
    assert kept == [(False, 1), (True, 3)]
    assert books.owner.execute("select count(*) from payment_alarm").fetchone() == (3,)
    assert (await reconcile(database, books.account, DAY)).run_id == fine.run_id
    assert books.owner.execute("select count(*) from recon_run").fetchone() == (1,)
