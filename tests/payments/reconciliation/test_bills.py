"""Bills are read as they are, to the fen, or not at all."""

import io
import zipfile
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hutong.payments.alipay.bills import Bill, BillDamaged
from tests.payments.reconciliation.writer import HEADER, Row, bill, movements_text, trade_text, yuan, zipped

DAY = date(2026, 11, 28)
SAMPLE = """#支付宝业务明细查询
#账号：[20880211096256330156]
#起始日期：[2019年09月16日 00:00:00]   终止日期：[2019年09月17日 00:00:00]
#-----------------------------------------业务明细列表----------------------------------------
""" + HEADER + """
2019091622001458860515315453\t,service_1568601259302\t,交易\t,下单测试,2019-09-16 10:55:16,2019-09-16 10:55:23,alipay_store\t,,,,,36.00,36.00,0.00,0.00,0.00,0.00,0.00,,0.00,0.00,\t,-0.22,0.00,
2019091622001458860515315454\t,service_1568601259303\t,交易\t,下单测试,2019-09-16 11:55:16,2019-09-16 11:55:23,alipay_store\t,,,,,0.80,0.80,0.00,0.00,0.00,0.00,0.00,,0.00,0.00,\t,0.00,0.00,
2019091622001458860515315455\t,service_1568601259304\t,退款\t,下单测试,2019-09-16 12:55:16,2019-09-16 12:55:23,alipay_store\t,,,,,-3000.00,-3000.00,0.00,0.00,0.00,0.00,0.00,,0.00,0.00,r1\t,0.00,0.00,
#-----------------------------------------业务明细列表结束------------------------------------
#交易合计：2笔，商家实收共36.80元，商家优惠共0.00元
#退款合计：1笔，商家实收退款共-3000.00元，商家优惠退款共0.00元
#导出时间：[2021年10月22日 06:27:10]
"""  # fmt: skip


def read(content: bytes) -> list[Row]:
    found = Bill(content)
    return [
        Row(each.number, each.amount, each.receipt, each.fee, each.refund_number, each.trade_no, each.at, each.store, each.discount)
        for each in found.trades()
    ]


def damage(content: bytes) -> str:
    with pytest.raises(BillDamaged) as raised:
        list(Bill(content).trades())
    return str(raised.value)


def test_the_specifications_sample_is_read() -> None:
    found = Bill(zipped(details=SAMPLE))
    lines = list(found.trades())
    assert [(each.number, each.refund, each.receipt, each.fee) for each in lines] == [
        ("service_1568601259302", False, 3600, -22), ("service_1568601259303", False, 80, 0), ("service_1568601259304", True, -300_000, 0),
    ]  # fmt: skip
    assert (lines[2].refund_number, lines[0].trade_no, lines[0].at, lines[0].store) == (
        "r1", "2019091622001458860515315453", "2019-09-16 10:55:23", "alipay_store",
    )  # fmt: skip
    assert (found.account, found.day, found.totals.paid, found.totals.refunded) == ("2088021109625633", "20190916", 3680, -300_000)


texts = st.text(st.characters(codec="gb18030", exclude_categories=("C", "Zl", "Zp"), exclude_characters="\t"), max_size=20).map(str.strip)
tokens = st.text("0123456789abcdefST_", min_size=1, max_size=64)
rows_of_bills = st.lists(
    st.builds(
        lambda number, amount, back, receipt, fee, request, store, subject: Row(
            number, -amount if back else amount, -min(receipt, amount) if back else min(receipt, amount), fee, request if back else "",
            store=store, discount=-max(0, amount - receipt) if back else max(0, amount - receipt), subject=subject,
        ),
        tokens, st.integers(1, 10**10), st.booleans(), st.integers(0, 10**10), st.integers(-(10**6), 10**6), tokens, tokens, texts,
    ),
    max_size=12,
)  # fmt: skip


@given(rows_of_bills)
def test_what_is_written_is_read_to_the_fen(rows: list[Row]) -> None:
    assert read(bill(rows, DAY)) == [Row(**{**each.__dict__, "subject": Row.subject, "receipt": each.received}) for each in rows]


@given(rows_of_bills.filter(bool), st.data())
@settings(max_examples=40)
def test_a_bill_that_was_cut_anywhere_is_not_believed(rows: list[Row], data: st.DataObject) -> None:
    text = trade_text(rows, DAY).encode("gb18030")
    needed = text.rindex("#导出时间".encode("gb18030")) - 2
    cut = data.draw(st.integers(0, needed - 4))
    damage(zipped(details=text[:cut]))


@given(st.binary(max_size=200), st.integers(0, 2_000))
@settings(max_examples=40)
def test_bytes_turned_anywhere_never_change_what_is_read(noise: bytes, place: int) -> None:
    rows = [Row("S1T1_" + "a" * 32, 1990, fee=-12), Row("S1T1_" + "a" * 32, -990, refund_number="b" * 32)]
    whole = bill(rows, DAY)
    content = whole[:place] + noise + whole[place + len(noise) :]
    with suppress(BillDamaged):
        assert read(content) == read(whole)


def test_a_total_that_is_not_that_of_the_lines_rejects_the_whole_file() -> None:
    rows = [Row("n1", 1990), Row("n2", -500, refund_number="r")]
    right = trade_text(rows, DAY)
    for wrong, instead in (
        ("交易合计：1笔", "交易合计：2笔"),
        ("实收共19.90元", "实收共19.91元"),
        ("退款共-5.00元", "退款共-5.01元"),
        ("优惠共0.00元", "优惠共0.01元"),
    ):
        assert wrong in right
        assert "its total of" in damage(zipped(details=right.replace(wrong, instead)))
    assert "its total of" in damage(zipped(details=trade_text(rows[:1], DAY, totals=None).replace("#交易合计：1笔", "#交易合计：0笔")))
    assert "no total" in damage(zipped(details=right.split("#退款合计")[0]))


def test_columns_are_found_by_name_wherever_they_stand() -> None:
    lines = trade_text([Row("n1", 1990, fee=-12, refund_number="")], DAY).split("\r\n")
    turned = [",".join(reversed(line.split(","))) if line and not line.startswith("#") else line for line in lines]
    assert read(zipped(details="\r\n".join(turned))) == read(zipped(details="\r\n".join(lines)))
    assert "no column 服务费" in damage(zipped(details="\r\n".join(lines).replace("服务费（元）", "别的")))
    narrow = "\r\n".join(lines).replace("（元）", "(元)")
    assert read(zipped(details=narrow)) == read(zipped(details="\r\n".join(lines)))


def test_the_table_is_found_among_the_members_and_must_be_one() -> None:
    text = trade_text([Row("n1", 1990)], DAY)
    assert len(read(zipped(summary="#支付宝业务汇总查询\r\n", details=text))) == 1
    assert "no file" in damage(zipped(summary=text))
    assert "2 file" in damage(zipped(details=text, other=text))
    assert "unpacked" in damage(b"PK\x03\x04 not a zip")
    assert "files in it" in damage(zipped(**{f"n{n}.csv": "x" for n in range(40)}))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("n.csv", b"#\n" * (12 * 1024**2))
    assert "would unpack to" in damage(buffer.getvalue())
    assert "longer than" in damage(zipped(details="#支付宝业务明细查询\r\n" + "9" * 70_000))
    assert "GBK" in damage(zipped(details="#支付宝业务明细查询\r\n".encode("gbk") + b"\xff\xff\xff"))


def test_odd_lines_are_refused() -> None:
    right = trade_text([Row("n1", 1990)], DAY)
    for wrong, instead, says in (
        ("交易\t", "充值\t", "neither"), ("19.90,19.90", "19.901,19.901", "not an amount"), ("19.90,19.90", "NaN,NaN", "not an amount"),
        ("2026-11-28 12:00:00", "yesterday", "no time"), (",0.00,0.00,\t,0.00,0.00,", ",0.00", "columns"),
    ):  # fmt: skip
        assert wrong in right
        assert says in damage(zipped(details=right.replace(wrong, instead)))


def test_movements_of_the_account_are_read_with_their_totals() -> None:
    text = movements_text([("n1", 1990, "在线支付"), ("n1", -12, "收费"), ("", -100_000, "提现")], DAY)
    found = [(each.number, each.amount, each.kind) for each in Bill(zipped(details=text)).movements()]
    assert found == [("n1", 1990, "在线支付"), ("n1", -12, "收费"), ("", -100_000, "提现")]
    with pytest.raises(BillDamaged):
        list(Bill(zipped(details=text.replace(yuan(-100_012), yuan(-100_013)))).movements())
    with pytest.raises(BillDamaged):
        list(Bill(zipped(details=trade_text([], DAY))).movements())
