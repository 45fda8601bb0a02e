"""A bill as a file: GBK tables in a zip whose names are GBK without the flag that says so, tabs behind the values, totals at the end."""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from hutong.sandbox.bill_lines import Line, Totals
from hutong.sandbox.calls import yuan
from hutong.sandbox.clock import BEIJING, beijing_text
from hutong.sandbox.records import Movement

TRADE_COLUMNS = (
    "支付宝交易号", "商户订单号", "业务类型", "商品名称", "创建时间", "完成时间", "门店编号", "门店名称", "操作员", "终端号", "对方账户",
    "订单金额（元）", "商家实收（元）", "支付宝红包（元）", "集分宝（元）", "支付宝优惠（元）", "商家优惠（元）", "券核销金额（元）", "券名称",
    "商家红包消费金额（元）", "卡消费金额（元）", "退款批次号/请求号", "服务费（元）", "分润（元）", "备注",
)  # fmt: skip
TRADE_SUMMARY = (
    "门店编号", "门店名称", "交易订单总笔数", "退款订单总笔数", "订单金额（元）", "商家实收（元）", "支付宝优惠（元）", "商家优惠（元）",
    "卡消费金额（元）", "服务费（元）", "分润（元）", "实收净额（元）",
)  # fmt: skip
MOVEMENT_COLUMNS = (
    "账务流水号", "业务流水号", "商户订单号", "商品名称", "发生时间", "对方账号", "收入金额（+元）", "支出金额（-元）", "账户余额（元）",
    "交易渠道", "业务类型", "备注",
)  # fmt: skip
MOVEMENT_SUMMARY = ("类型", "收入笔数（笔）", "收入金额（+元）", "支出笔数（笔）", "支出金额（-元）", "总金额（元）")
RULE = 41


class GbkName(zipfile.ZipInfo):
    """A member whose name is written in GBK, and not marked as anything."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile asks for it by this name
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


class Table:
    """One member in the making."""

    def __init__(self, title: str, account: str, first: date, last: date, list_title: str, columns: Sequence[str]) -> None:
        self._text = io.StringIO()
        self._rows = csv.writer(self._text, lineterminator="\r\n")
        self.list_title = list_title
        end = last + timedelta(days=1)
        self.remark(f"#支付宝{title}查询")
        self.remark(f"#账号：[{account}0156]")
        self.remark(f"#起始日期：[{first:%Y年%m月%d日} 00:00:00]   终止日期：[{end:%Y年%m月%d日} 00:00:00]")
        self.remark("#" + "-" * RULE + list_title + "-" * RULE)
        self._rows.writerow(columns)

    def remark(self, text: str) -> None:
        """A line that is no row."""
        self._text.write(text + "\r\n")

    def row(self, values: Iterable[str]) -> None:
        """A row; texts carry a tab behind them."""
        self._rows.writerow(values)

    def end(self, *totals: str, now: datetime) -> bytes:
        """Close the list and say what it came to."""
        self.remark("#" + "-" * RULE + self.list_title + "结束" + "-" * RULE)
        for total in totals:
            self.remark(total)
        self.remark(f"#导出时间：[{now.astimezone(BEIJING):%Y年%m月%d日 %H:%M:%S}]")
        return self._text.getvalue().encode("gbk", "replace")


def trade_bill(seller_id: str, first: date, last: date, lines: Iterable[Line], now: datetime) -> bytes:
    """The zip of ``bill_type`` trade."""
    detail = Table("业务明细", seller_id, first, last, "业务明细列表", TRADE_COLUMNS)
    totals = Totals()
    for line in lines:
        totals.add(line)
        detail.row(_trade_row(line))
    content = detail.end(
        f"#交易合计：{totals.payments}笔，商家实收共{yuan(totals.paid)}元，商家优惠共{yuan(totals.discounts)}元",
        f"#退款合计：{totals.refunds}笔，商家实收退款共{yuan(totals.refunded)}元，商家优惠退款共{yuan(totals.discounts_back)}元",
        now=now,
    )
    summary = Table("业务汇总", seller_id, first, last, "业务汇总列表", TRADE_SUMMARY)
    for store, (payments, refunds, amount, receipt, platform, merchant, fee) in sorted(totals.stores.items()):
        summary.row(
            [f"{store}\t", "\t", str(payments), str(refunds), *map(yuan, (amount, receipt, platform, merchant, 0, fee, 0, receipt + fee))]
        )
    name = f"{seller_id}0156_{first:%Y%m%d}_业务明细"
    return zipped([(f"{name}(汇总).csv", summary.end(now=now)), (f"{name}.csv", content)], now)


def _trade_row(line: Line) -> list[str]:
    texts = (
        line.trade_no, line.number, "退款" if line.refund else "交易", line.subject, beijing_text(line.created_at), beijing_text(line.at),
        line.store, line.store_name, line.operator, line.terminal, line.buyer,
    )  # fmt: skip
    moneys = (line.amount, line.receipt, line.red_packet, 0, line.platform, line.merchant, line.merchant + line.platform)
    return [
        *(f"{text}\t" for text in texts), *map(yuan, moneys), f"{line.coupon}\t", yuan(0), yuan(0), f"{line.refund_number}\t",
        yuan(line.fee), yuan(0), f"{line.note}\t",
    ]  # fmt: skip


def account_bill(seller_id: str, first: date, last: date, movements: Iterable[Movement], now: datetime) -> bytes:
    """The zip of ``bill_type`` signcustomer."""
    detail = Table("账务明细", seller_id, first, last, "账务明细列表", MOVEMENT_COLUMNS)
    came, went = [0, 0], [0, 0]
    kinds: dict[str, list[int]] = {}
    for each in movements:
        side = came if each.amount >= 0 else went
        side[0] += 1
        side[1] += each.amount
        sums = kinds.setdefault(each.kind, [0, 0, 0, 0])
        sums[0 if each.amount >= 0 else 2] += 1
        sums[1 if each.amount >= 0 else 3] += each.amount
        income, expense = max(each.amount, 0), min(each.amount, 0)
        texts = (each.id, each.trade_no, each.number, each.subject, beijing_text(each.at), each.other)
        detail.row(
            [*(f"{text}\t" for text in texts), *map(yuan, (income, expense, each.balance)), "支付宝\t", f"{each.kind}\t", f"{each.note}\t"]
        )
    content = detail.end(f"#收入合计：{came[0]}笔，共{yuan(came[1])}元", f"#支出合计：{went[0]}笔，共{yuan(went[1])}元", now=now)
    summary = Table("账务汇总", seller_id, first, last, "账务汇总列表", MOVEMENT_SUMMARY)
    for kind, (ins, income, outs, expense) in sorted(kinds.items()):
        summary.row([f"{kind}\t", str(ins), yuan(income), str(outs), yuan(expense), yuan(income + expense)])
    name = f"{seller_id}0156_{first:%Y%m%d}_账务明细"
    return zipped([(f"{name}.csv", content), (f"{name}(汇总).csv", summary.end(now=now))], now)


def zipped(members: Sequence[tuple[str, bytes]], now: datetime) -> bytes:
    """The zip of these members."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = GbkName(name, now.astimezone(BEIJING).timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return made.getvalue()


def cut_short(content: bytes) -> bytes:
    """A bill whose tables break off in their middle, as an export does that died."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename.encode("cp437").decode("gbk"), archive.read(info)) for info in archive.infolist()]
        moment = datetime(*archive.infolist()[0].date_time, tzinfo=BEIJING)
    return zipped([(name, body[: body.rfind(b"\r\n", 0, len(body) * 2 // 3) + 2]) for name, body in members], moment)
