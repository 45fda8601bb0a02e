"""Writes bills as Alipay sends them, by the specification and nothing of our own: GBK, tabs behind values, totals at the end."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,"
    "支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
MOVEMENTS_HEADER = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,交易渠道,业务类型,备注"
)


@dataclass(frozen=True)
class Row:
    """A line of a bill; amounts in fen as they stand in it, so those of refunds are negative."""

    number: str
    amount: int
    receipt: int | None = None
    fee: int = 0
    refund_number: str = ""
    trade_no: str = "2026112822001458860515315453"
    at: str = "2026-11-28 12:00:00"
    store: str = ""
    discount: int = 0
    subject: str = "下单测试"

    @property
    def refund(self) -> bool:
        return self.amount < 0

    @property
    def received(self) -> int:
        return self.amount if self.receipt is None else self.receipt


def yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(each in text for each in ',"\n') else text


def trade_text(rows: Sequence[Row], day: date, account: str = "2088021109625633", totals: tuple[str, str] | None = None) -> str:
    """The detail table."""
    lines = [
        "#支付宝业务明细查询", f"#账号：[{account}0156]",
        f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day + timedelta(days=1):%Y年%m月%d日} 00:00:00]",
        "#-----------------------------------------业务明细列表----------------------------------------", HEADER,
    ]  # fmt: skip
    for row in rows:
        cells = [
            row.trade_no + "\t", row.number + "\t", ("退款" if row.refund else "交易") + "\t", row.subject, row.at, row.at, row.store + "\t", "", "", "01",
            "爱*(139****0000)", yuan(row.amount), yuan(row.received), "0.00", "0.00", "0.00", yuan(row.discount), "0.00", "", "0.00", "0.00",
            row.refund_number + "\t", yuan(row.fee), "0.00", "",
        ]  # fmt: skip
        lines.append(",".join(cell(each) for each in cells))
    lines.append("#-----------------------------------------业务明细列表结束------------------------------------")
    lines += totals or totals_of(rows)
    lines.append("#导出时间：[2026年11月29日 06:27:10]")
    return "\r\n".join(lines) + "\r\n"


def totals_of(rows: Iterable[Row]) -> tuple[str, str]:
    """The two lines of totals."""
    paid, back = [row for row in rows if not row.refund], [row for row in rows if row.refund]
    return (
        f"#交易合计：{len(paid)}笔，商家实收共{yuan(sum(row.received for row in paid))}元，商家优惠共{yuan(sum(row.discount for row in paid))}元",
        f"#退款合计：{len(back)}笔，商家实收退款共{yuan(sum(row.received for row in back))}元，商家优惠退款共{yuan(sum(row.discount for row in back))}元",
    )


def movements_text(rows: Sequence[tuple[str, int, str]], day: date, account: str = "2088021109625633") -> str:
    """The account's movements: our number, fen, and the wallet's word for why."""
    lines = [
        "#支付宝账务明细查询", f"#账号：[{account}0156]",
        f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day + timedelta(days=1):%Y年%m月%d日} 00:00:00]",
        "#-----------------------------------------账务明细列表----------------------------------------", MOVEMENTS_HEADER,
    ]  # fmt: skip
    balance = 0
    for place, (number, amount, kind) in enumerate(rows):
        balance += amount
        came, went = (yuan(amount), "0.00") if amount >= 0 else ("0.00", yuan(amount))
        lines.append(f"{place}\t,{place}\t,{number}\t,货,{day} 12:00:00,,{came},{went},{yuan(balance)},支付宝,{kind},")
    came, went = [row[1] for row in rows if row[1] >= 0], [row[1] for row in rows if row[1] < 0]
    lines += [
        "#-----------------------------------------账务明细列表结束------------------------------------",
        f"#支出合计：{len(went)}笔，共{yuan(sum(went))}元", f"#收入合计：{len(came)}笔，共{yuan(sum(came))}元", "#导出时间：[2026年11月29日 06:27:10]",
    ]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def zipped(**members: str | bytes) -> bytes:
    """A zip of these files, their names in GBK without the UTF-8 flag; ``details`` is the table, ``summary`` the other."""
    buffer = io.BytesIO()
    names = {"summary": "20880211096256330156_20261128_业务明细(汇总).csv", "details": "20880211096256330156_20261128_业务明细.csv"}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in members.items():
            info = _GbkName(names.get(key, key))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content if isinstance(content, bytes) else content.encode("gb18030"))
    return buffer.getvalue()


class _GbkName(zipfile.ZipInfo):
    """A member whose name is written as GBK bytes, with no flag that says so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def bill(rows: Sequence[Row], day: date, account: str = "2088021109625633") -> bytes:
    """A whole bill: the summary first, as Alipay sometimes has it, then the table."""
    summary = "#支付宝业务汇总查询\r\n#-----业务汇总列表-----\r\n门店编号,门店名称,交易订单总笔数\r\n合计,,1\r\n"
    return zipped(summary=summary, details=trade_text(rows, day, account))
