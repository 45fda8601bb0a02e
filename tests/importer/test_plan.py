"""Rows become sales, returns and voids that balance with the file, or are set aside with a reason."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hutong.importer import Answers, Plan, Source, make_plan, parse_mapping, summarise
from hutong.importer.receipts import Ready
from hutong.sales.arithmetic import check_references, check_totals, checked_line, minute_of_day
from hutong.sales.wire import Sale
from tests.importer.conftest import GLN, NAMES, SMALL, row

Planner = Callable[..., Plan]


def check(ready: Ready) -> Sale:
    """The network's own rules find nothing wrong with the sale."""
    sale = msgspec.json.decode(msgspec.json.encode(ready.document), type=Sale)
    for number, line in enumerate(sale.lines, 1):
        checked_line(line, number)
    check_totals(sale)
    check_references(sale)
    minute_of_day(sale.completed_at, sale.business_date)
    return sale


def everything(plan: Plan) -> list[Ready]:
    """All documents of the plan, each found right, with the account found balanced."""
    made = list(plan.sales())
    for ready in made:
        check(ready)
    summary = summarise(plan, Answers(), imported=lambda _: True)
    assert summary.balanced, (summary, plan.reasons())
    assert summary.total == summary.imported + summary.sum_aside + summary.rounded
    return made


def reasons(plan: Plan) -> dict[int, str]:
    return {number: aside.reason for number, aside in plan.asides.items()}


def test_rows_of_one_receipt_become_one_sale(plan_of: Planner):
    (ready,) = everything(plan_of([row("7", "2", "19.90", discount="1.00"), row("8"), row("7", "0.455", "10.00", code="B")][::2]))
    assert ready.document["receipt"] == "7"
    assert [(line["code"], line["quantity"], line["amount"], line["vat"]) for line in ready.document["lines"]] == [
        ("A1", "2", 3880, 446),
        ("B", "0.455", 455, 52),
    ]
    assert (ready.document["total"], ready.document["discount"], ready.document["vat"]) == (4335, 100, 498)
    assert ready.document["tenders"] == [{"type": "other", "amount": 4335}]
    assert ready.document["completed_at"] == "2026-03-01T10:00:00+08:00"


def test_the_same_receipt_number_of_another_till_day_or_store_is_another_sale(plan_of: Planner):
    other = "9529900000022"
    rows = [row(), row(till="02"), row(time="2026-03-02 10:00:00"), row(store=other)]
    assert len({ready.id for ready in everything(plan_of(rows))}) == 4


def test_the_same_file_makes_the_same_ids_and_sales_always(plan_of: Planner):
    rows = [row(str(number % 5), code=f"C{number}") for number in range(20)]
    assert [ready.document for ready in plan_of(rows).sales()] == [ready.document for ready in plan_of(rows).sales()]


def test_a_receipt_that_took_a_minute_was_completed_at_its_last_line(plan_of: Planner):
    (ready,) = everything(plan_of([row(time="2026-03-01 10:01:00"), row(time="2026-03-01 10:00:00")]))
    assert ready.document["completed_at"] == "2026-03-01T10:01:00+08:00"


def test_a_receipt_with_goods_sold_and_brought_back_becomes_a_sale_and_a_return(plan_of: Planner):
    sale, back = everything(plan_of([row("7", "3"), row("7", "-1", code="B"), row("7", "1", "-0.50", code="OFF")]))
    assert (sale.kind, sale.document["receipt"], sale.amount) == ("sale", "7", 300)
    assert (back.kind, back.document["receipt"], back.amount, back.document["total"]) == ("return", "7-R", -150, 150)
    assert back.document["without_receipt"] is True
    assert sale.id != back.id


def test_a_credit_note_keeps_its_own_number(plan_of: Planner):
    (back,) = everything(plan_of([row("C7", "-2", "2.55")], '[returns]\nreceipt_prefix = "C"\n'))
    assert (back.kind, back.document["receipt"], back.amount) == ("return", "C7", -510)


def test_negative_rows_without_the_files_mark_are_set_aside_where_the_mapping_says_so(plan_of: Planner):
    plan = plan_of([row("7", "-2"), row("7")], '[returns]\nreceipt_prefix = "C"\nunmarked = "set_aside"\n')
    assert [ready.amount for ready in everything(plan)] == [100]
    assert reasons(plan) == {2: "negative, and not marked as a return"}


def test_marked_returns_written_positive_come_back(plan_of: Planner):
    plan = plan_of([row("7", "2", till="退货"), row("8")], '[returns]\ncolumn = "till"\nvalues = ["退货"]\nfigures = "positive"\n')
    assert sorted((ready.kind, ready.amount) for ready in everything(plan)) == [("return", -200), ("sale", 100)]
    assert plan.total == Decimal("-1.00")


def test_a_void_is_sent_as_rung_up_without_tenders(plan_of: Planner):
    (ready,) = everything(plan_of([row("7", "2")], '[voids]\ncolumn = "till"\nvalues = ["01"]\n'))
    assert (ready.kind, ready.document["total"], ready.document["tenders"]) == ("void", 200, [])


def test_prices_of_fractions_round_the_line_and_the_loss_is_shown(plan_of: Planner):
    plan = plan_of([row("1", "1", "0.001"), row("2", "10", "1.2345"), row("3", "1", "0.005")])
    assert [ready.amount for ready in everything(plan)] == [0, 1235, 1]
    assert summarise(plan, Answers(), imported=lambda _: True).rounded == Decimal("0.001") - Decimal("0.005") - Decimal("0.005")


def test_rules_are_tried_from_the_top_and_say_why(plan_of: Planner):
    rules = """
[[rules]]
codes = ["FEE"]
amount = "negative"
action = "set_aside"
reason = "a fee"
[[rules]]
code_pattern = "F.*"
action = "import"
quantity_scale = "0.001"
unit = "LTR"
[[rules]]
whole_receipt = "zero"
action = "set_aside"
reason = "nothing has a price"
"""
    rows = [row("1", "-1", "5", code="FEE"), row("2", "1500", "0.002", code="FUEL"), row("3", "4", "0"), row("4", "4", "0"), row("4")]
    plan = plan_of(rows, rules)
    fuel, free = everything(plan)
    assert reasons(plan) == {2: "a fee", 4: "nothing has a price"}
    assert [(line["quantity"], line["unit"]) for line in fuel.document["lines"]] == [("1.5", "LTR")]
    assert [line["amount"] for line in free.document["lines"]] == [0, 100]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": "x"}, "quantity: 'x' is not a number"),
        ({"price": ""}, "price: the cell is empty"),
        ({"quantity": "0"}, "the quantity is 0, yet there is an amount"),
        ({"quantity": "1.2345"}, "more than 3 decimal places"),
        ({"quantity": "2000000"}, "more than 1,000,000"),
        ({"code": ""}, "the code is empty"),
        ({"code": "x" * 49}, "longer than 48"),
        ({"receipt": "9" * 33}, "longer than 32"),
        ({"store": "123"}, "not a GLN"),
        ({"time": "soon"}, "not a time"),
        ({"time": ""}, "the time is empty"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_line_and_reason(plan_of: Planner, changes: dict[str, Any], reason: str):
    rows = [row("good"), row(**{"receipt": "bad"} | changes)]
    own_amount = SMALL.replace("unit_price", "amount")  # where the file gives the amount, a quantity of 0 can have one
    plan = plan_of(rows, mapping=own_amount if changes == {"quantity": "0"} else SMALL)
    assert [ready.document["receipt"] for ready in everything(plan)] == ["good"]
    assert list(plan.asides) == [3]
    assert reason in plan.asides[3].reason


def test_a_receipt_of_which_one_row_cannot_be_read_is_set_aside_as_a_whole(plan_of: Planner):
    plan = plan_of([row("7", "2"), row("8"), row("7", "x"), row("7", "1", time="?")])
    assert [ready.document["receipt"] for ready in everything(plan)] == ["8"]
    assert sorted(plan.asides) == [2, 4, 5]
    assert "line 4 of the same receipt" in plan.asides[2].reason
    assert plan.unreadable == 1


def test_a_row_with_too_few_cells_is_set_aside(plan_of: Planner):
    plan = plan_of([row("7"), ["half", "a row"]])
    assert reasons(plan) == {3: "the row has 2 cells, the names are 8"}
    assert len(everything(plan)) == 1


def test_a_receipt_too_long_for_the_network_is_set_aside(plan_of: Planner):
    plan = plan_of([row("7", code=f"C{number}") for number in range(2001)] + [row("8")])
    assert [ready.document["receipt"] for ready in everything(plan)] == ["8"]
    assert {aside.reason for aside in plan.asides.values()} == {"the receipt has more than 2,000 lines"}


def test_vouchers_pay_what_is_due_and_what_is_left_over_is_shown(plan_of: Planner):
    mapping = SMALL.replace("discounts", "vouchers").replace("unit_price", "amount")
    some_paid, too_much = everything(plan_of([row("7", price="10", discount="4"), row("8", price="1", discount="1.50")], mapping=mapping))
    assert some_paid.document["tenders"] == [{"type": "other", "amount": 600}, {"type": "voucher", "amount": 400}]
    assert too_much.document["tenders"] == [{"type": "voucher", "amount": 100}]
    assert (some_paid.lost_vouchers, too_much.lost_vouchers) == (0, 50)


def test_tenders_are_translated_and_unknown_ones_set_aside(plan_of: Planner):
    mapping = SMALL.replace("[line]", 'tender = { column = "discount", map = { "支付宝" = "alipay" } }\n[line]')
    mapping = mapping.replace('discounts = [{ column = "discount" }]', "")
    plan = plan_of([row("7", discount="支付宝"), row("8", discount="贝壳")], mapping=mapping)
    assert everything(plan)[0].document["tenders"][0]["type"] == "alipay"
    assert "map it in sale.tender" in plan.asides[3].reason


AMOUNTS = some.decimals(Decimal("-50"), Decimal("500"), places=4)
ROWS = some.lists(
    some.tuples(some.integers(1, 6), some.decimals(Decimal("-20"), Decimal("20"), places=2), AMOUNTS, some.sampled_from(["", "0.30", "1", "-2"])),
    min_size=1, max_size=25,
)  # fmt: skip


class Rows(Source):
    """A source of given rows, without a file."""

    def __init__(self, rows: list[list[Any]]) -> None:
        self.columns, self._rows = NAMES, rows

    def rows(self) -> Any:
        return iter(enumerate(self._rows, 2))


@given(rows=ROWS, priced=some.booleans())
def test_whatever_the_rows_hold_the_sales_are_right_and_the_account_balances(rows: list[Any], priced: bool):
    cells = [row(str(receipt), str(quantity), str(price), discount=discount) for receipt, quantity, price, discount in rows]
    rules = parse_mapping(SMALL if priced else SMALL.replace("unit_price", "amount"))
    plan = make_plan(rules, Rows(cells))
    made = everything(plan)
    assert len({ready.id for ready in made}) == len(made)
    assert sorted([number for ready in made for number in ready.rows] + list(plan.asides)) == list(range(2, len(rows) + 2))
    if not priced:
        assert plan.total == sum((price for _, _, price, _ in rows), Decimal(0))


def test_receipts_go_out_by_time(plan_of: Planner):
    rows = [row(str(number), time=f"2026-03-{30 - number:02d} 10:00:00") for number in range(20)]
    made = everything(plan_of(rows))
    assert [ready.at for ready in made] == sorted(ready.at for ready in made)
    assert made[-1].at - made[0].at == timedelta(days=19)
    assert made[0].document["store"] == GLN
