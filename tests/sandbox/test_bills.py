"""Bills: when they are there and for how long, their shape to the byte, sums that agree with what was paid, and planted faults."""

import csv
import io
import zipfile

import pytest

from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox

ASK = "alipay.data.dataservice.bill.downloadurl.query"


@pytest.fixture
def day(sandbox: RunningSandbox) -> str:
    """A fresh day of the virtual clock, at noon in Beijing; its date."""
    now = sandbox.ask("GET", "/clock")["now"]
    seconds = int(now[11:13]) * 3600 + int(now[14:16]) * 60 + int(now[17:19])
    sandbox.advance((28 * 3600 - seconds - 1) % 86_400 + 86_400)
    return str(sandbox.ask("GET", "/clock")["now"][:10])


def address(merchant: Merchant, day: str, kind: str = "trade") -> str:
    return str(merchant.call(ASK, {"bill_type": kind, "bill_date": day})["bill_download_url"])


def members(merchant: Merchant, url: str) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(merchant.http.get(url).raise_for_status().content)) as archive:
        assert all(not info.flag_bits & 0x800 for info in archive.infolist()), "the names are not marked as UTF-8"
        return {info.filename.encode("cp437").decode("gbk"): archive.read(info).decode("gbk") for info in archive.infolist()}


def rows(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def traded(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    coupons = [{"name": "减,免", "amount": 100}]
    person = sandbox.person(balance=90_000, coupons=coupons, red_packet=50)
    merchant.pay(f"{number}a", "20.00", sandbox.code(person), store_id="0017", terminal_id="T1", operator_id="李")
    merchant.pay(f"{number}b", "1000.00", sandbox.code(sandbox.person(balance=200_000)), subject="a,b")
    merchant.refund(f"{number}b", "300.00", f"{number}r")


def test_a_bill_is_there_from_nine_and_its_address_for_half_a_minute(
    sandbox: RunningSandbox, merchant: Merchant, number: str, day: str
) -> None:
    traded(sandbox, merchant, number)
    wanted = {"bill_type": "trade", "bill_date": day}
    assert merchant.call(ASK, wanted)["sub_code"] == "isp.bill_not_exist"
    sandbox.advance(20 * 3600)
    assert merchant.call(ASK, wanted)["sub_code"] == "isp.bill_not_exist", "at eight it is not there"
    sandbox.advance(3600 + 60)
    url = address(merchant, day)
    sandbox.advance(29)
    assert merchant.http.get(url).status_code == 200
    sandbox.advance(2)
    assert merchant.http.get(url).status_code == 403
    assert merchant.http.get(f"{sandbox.url}/bill/guessed").status_code == 403
    assert merchant.call(ASK, {"bill_type": "gossip", "bill_date": day})["sub_code"] == "INVAILID_ARGUMENTS"
    assert merchant.call(ASK, {"bill_type": "trade", "bill_date": "2015-12-31"})["sub_code"] == "INVAILID_ARGUMENTS"


def test_a_trade_bill_has_every_line_and_ends_with_its_sums(sandbox: RunningSandbox, merchant: Merchant, number: str, day: str) -> None:
    traded(sandbox, merchant, number)
    sandbox.advance(86_400)
    found = members(merchant, address(merchant, day))
    plain = f"{sandbox.seller_id}0156_{day.replace('-', '')}_业务明细"
    assert set(found) == {f"{plain}.csv", f"{plain}(汇总).csv"}
    text = found[f"{plain}.csv"]
    assert text.startswith(
        f"#支付宝业务明细查询\r\n#账号：[{sandbox.seller_id}0156]\r\n#起始日期：[{day[:4]}年{day[5:7]}月{day[8:]}日 00:00:00]"
    )
    table = rows(text)
    assert len(table[0]) == 25
    assert all(row["商户订单号"].endswith("\t") for row in table)
    read = [{name: value.strip() for name, value in row.items()} for row in table]
    first, second, refund = read
    assert (first["商户订单号"], first["业务类型"], first["订单金额（元）"], first["商家实收（元）"]) == (
        f"{number}a",
        "交易",
        "20.00",
        "19.00",
    )
    assert (first["支付宝红包（元）"], first["商家优惠（元）"], first["服务费（元）"]) == ("0.50", "1.00", "-0.11")
    assert (first["门店编号"], first["终端号"], first["操作员"], first["券名称"]) == ("0017", "T1", "李", "减,免")
    assert (second["商品名称"], second["服务费（元）"], second["退款批次号/请求号"]) == ("a,b", "-6.00", "")
    assert (refund["业务类型"], refund["商户订单号"], refund["支付宝交易号"]) == ("退款", second["商户订单号"], second["支付宝交易号"])
    assert (refund["订单金额（元）"], refund["商家实收（元）"], refund["服务费（元）"]) == ("-300.00", "-300.00", "1.80")
    assert refund["退款批次号/请求号"] == f"{number}r"
    assert "\r\n#交易合计：2笔，商家实收共1019.00元，商家优惠共1.00元\r\n" in text
    assert "\r\n#退款合计：1笔，商家实收退款共-300.00元，商家优惠退款共0.00元\r\n" in text
    assert text.splitlines()[-1].startswith("#导出时间：[")
    assert "0017\t,\t,1,0,20.00,19.00" in found[f"{plain}(汇总).csv"]


def test_an_account_bill_and_the_account_log_tell_the_same_movements(
    sandbox: RunningSandbox, merchant: Merchant, number: str, day: str
) -> None:
    start = sandbox.ask("GET", "/apps")[0]["balance"]
    traded(sandbox, merchant, number)
    end = sandbox.ask("GET", "/apps")[0]["balance"]
    sandbox.advance(86_400)
    text = next(text for name, text in members(merchant, address(merchant, day, "signcustomer")).items() if "汇总" not in name)
    table = rows(text)

    def fen(text: str) -> int:
        return int(text.replace(".", ""))

    moved = [fen(row["收入金额（+元）"]) + fen(row["支出金额（-元）"]) for row in table]
    assert start + sum(moved) == end == fen(table[-1]["账户余额（元）"])
    came = [each for each in moved if each > 0]
    assert f"#收入合计：{len(came)}笔，共{sum(came) / 100:.2f}元" in text
    times = {"start_time": f"{day} 00:00:00", "end_time": f"{day} 23:59:59", "merchant_order_no": f"{number}b"}
    log = merchant.call("alipay.data.bill.accountlog.query", times | {"page_no": "2", "page_size": "3"})
    assert (log["total_size"], [each["type"] for each in log["detail_list"]]) == ("4", ["退费"])
    assert merchant.call("alipay.data.bill.accountlog.query", times | {"end_time": "2099-01-01 00:00:00"})["code"] == "40004"


@pytest.mark.parametrize(("named", "there"), [("out_trade_no", True), ("empty", False)])
def test_a_cancel_that_gave_money_back_is_a_refund_in_the_bill(
    sandbox: RunningSandbox, merchant: Merchant, number: str, day: str, named: str, there: bool
) -> None:
    sandbox.switch(cancel_refund_number=named)
    merchant.pay(number, "10.00", sandbox.code(sandbox.person(balance=2_000)))
    merchant.cancel(number)
    sandbox.advance(86_400)
    table = rows(next(text for name, text in members(merchant, address(merchant, day)).items() if "汇总" not in name))
    [refund] = [row for row in table if row["业务类型"] == "退款\t"]
    assert refund["退款批次号/请求号"].strip() == (number if there else "")


def test_fees_and_empty_days_are_switches(sandbox: RunningSandbox, merchant: Merchant, number: str, day: str) -> None:
    sandbox.switch(fee_rate=100, refund_returns_fee=False)
    merchant.pay(number, "10.00", sandbox.code(sandbox.person(balance=2_000)))
    merchant.refund(number, "10.00", "r1")
    sandbox.advance(2 * 86_400)
    table = rows(next(text for name, text in members(merchant, address(merchant, day)).items() if "汇总" not in name))
    assert [row["服务费（元）"] for row in table] == ["-0.10", "0.00"]
    assert merchant.call(ASK, {"bill_type": "trade", "bill_date": "2016-01-02"})["sub_code"] == "isp.bill_not_exist"
    sandbox.switch(empty_day_has_bill=True)
    assert rows(next(text for name, text in members(merchant, address(merchant, "2016-01-02")).items() if "汇总" not in name)) == []
    assert merchant.call(ASK, {"bill_type": "trade", "bill_date": "2016-02"})["code"] == "10000", "a month's bill"


@pytest.mark.parametrize(("kind", "lines"), [("bill_missing_line", 2), ("bill_extra_line", 4), ("bill_changed_amount", 3)])
def test_faults_are_planted_into_bills(sandbox: RunningSandbox, merchant: Merchant, number: str, day: str, kind: str, lines: int) -> None:
    traded(sandbox, merchant, number)
    sandbox.advance(86_400)
    clean = members(merchant, address(merchant, day))
    sandbox.fault(kind, number=f"{number}a")
    planted = members(merchant, address(merchant, day))
    before, after = (rows(next(text for name, text in each.items() if "汇总" not in name)) for each in (clean, planted))
    assert (len(before), len(after)) == (3, lines)
    assert before[-2:] == after[-2:] and before != after
    assert members(merchant, address(merchant, day)) == planted, "fetched again it is the same"
    if kind == "bill_extra_line":
        assert after[1]["商户订单号"].strip() == f"X{number}a" and not sandbox.trades(f"X{number}a")


def test_a_bill_may_be_late_or_break_off(sandbox: RunningSandbox, merchant: Merchant, number: str, day: str) -> None:
    traded(sandbox, merchant, number)
    sandbox.fault("bill_late", seconds=7200)
    sandbox.fault("bill_truncated")
    sandbox.advance(22 * 3600)
    wanted = {"bill_type": "trade", "bill_date": day}
    assert merchant.call(ASK, wanted)["sub_code"] == "isp.bill_not_exist"
    sandbox.advance(3601)
    text = next(text for name, text in members(merchant, address(merchant, day)).items() if "汇总" not in name)
    assert "交易合计" not in text and "业务明细列表-" in text


def test_without_the_plug_no_bill_is_fetched(sandbox: RunningSandbox, merchant: Merchant, number: str, day: str) -> None:
    import httpx

    traded(sandbox, merchant, number)
    sandbox.advance(86_400)
    url = address(merchant, day)
    sandbox.unplug()
    with pytest.raises(httpx.TransportError):
        merchant.http.get(url)
    sandbox.plug()
    assert merchant.http.get(url).status_code == 200


def test_the_hour_and_the_links_life_are_switches(sandbox: RunningSandbox, merchant: Merchant, number: str, day: str) -> None:
    traded(sandbox, merchant, number)
    sandbox.advance(16 * 3600)
    assert merchant.call(ASK, {"bill_type": "trade", "bill_date": day})["sub_code"] == "isp.bill_not_exist", "it is four in the morning"
    sandbox.switch(bill_hour=3, bill_link_seconds=5)
    url = address(merchant, day)
    sandbox.advance(4)
    assert merchant.http.get(url).status_code == 200
    sandbox.advance(2)
    assert merchant.http.get(url).status_code == 403
