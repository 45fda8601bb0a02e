"""Alipay's bills: a zip of GBK tables, read line by line, believed only if the totals at their end are those of their lines.

Columns are found by their names in the header, the table among the zip's members by its name and first line. Facts about the
format: section 1.12 of the specification (Alipay's documentation of alipay.data.dataservice.bill.downloadurl.query).
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from csv import Error as CsvError
from csv import reader as csv_reader
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import IO, Any, NamedTuple, TypeVar

MOST_MEMBERS = 16
MOST_BYTES = 4 * 1024**3
"""Of an unpacked table: some fifteen million lines."""
MOST_RATIO = 200
"""A table of distinct numbers packs ten to thirty times; what packs tighter than this, and is not small, is no bill."""
SMALL = 16 * 1024**2
MOST_LINE = 64 * 1024
"""Characters of one line."""

TRADES_TITLE, MOVEMENTS_TITLE = "支付宝业务明细查询", "支付宝账务明细查询"
SUMMARY = "(汇总)"
AMOUNT = re.compile(r"[+-]?[0-9]{1,12}\.[0-9]{2}")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
ACCOUNT = re.compile(r"#账号：\[([0-9]+?)(?:0156)?\]")
PERIOD = re.compile(r"#起始日期：\[([0-9]{4})年([0-9]{2})月([0-9]{2})日")
TRADE_TOTAL = re.compile(r"#(交易|退款)合计：([0-9]+)笔，商家实收(?:退款)?共(-?[0-9.]+)元，商家优惠(?:退款)?共(-?[0-9.]+)元")
MOVEMENT_TOTAL = re.compile(r"#(收入|支出)合计：([0-9]+)笔，共([+-]?[0-9.]+)元")
END = re.compile(r"#-+[^-]*列表结束-+")


Line = TypeVar("Line")


class BillDamaged(Exception):
    """The file cannot be believed, and none of it is used; the text says what is wrong with it."""


class TradeLine(NamedTuple):
    """A payment or a refund. Amounts in fen as they stand: those of refunds are negative, and so is the fee of a payment."""

    line: int
    refund: bool
    number: str
    """The retailer's own number of the payment."""
    refund_number: str
    trade_no: str
    amount: int
    receipt: int
    discount: int
    fee: int
    at: str
    """When it was completed, Beijing time, ``yyyy-MM-dd HH:mm:ss``."""
    store: str
    till: str


class Movement(NamedTuple):
    """A movement of the wallet account: ``amount`` fen came in (or, negative, went out); ``kind`` is Alipay's word for why."""

    line: int
    number: str
    amount: int
    balance: int
    at: str
    kind: str


@dataclass
class Totals:
    """What the end of a bill says, and what its lines came to: count and fen of what came in and of what went back."""

    payments: int = 0
    paid: int = 0
    discounts: int = 0
    refunds: int = 0
    refunded: int = 0
    discounts_back: int = 0


def fen(text: str) -> int:
    """An amount in yuan as fen; nothing at all is 0. Raises BillDamaged."""
    if AMOUNT.fullmatch(text):
        return int(text[:-3] + text[-2:])
    if not text:
        return 0
    try:
        value = Decimal(text) * 100
        if not value.is_finite() or abs(value) > 10**14 or value != value.to_integral_value():
            raise InvalidOperation
    except InvalidOperation:
        raise BillDamaged(f"{text[:40]!r} is not an amount in yuan") from None
    return int(value)


class Bill:
    """One bill that is being read: iterate ``trades`` or ``movements`` to the end, and only then believe what was read.

    ``account`` and ``day`` (``yyyymmdd``) are what it says of itself, empty until the first line was read, or where it does not say.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.account = ""
        self.day = ""
        self.totals = Totals()
        self._said: dict[str, tuple[int, ...]] = {}
        self._complete = False

    def trades(self) -> Iterator[TradeLine]:
        """Every payment and refund. Raises BillDamaged, at the latest after the last."""
        yield from self._read(TRADES_TITLE, TRADE_COLUMNS, self._trade)
        found, says = self.totals, self._said
        self._compare("交易", (found.payments, found.paid, found.discounts), says.get("交易"))
        self._compare("退款", (found.refunds, found.refunded, found.discounts_back), says.get("退款"))

    def movements(self) -> Iterator[Movement]:
        """Every movement of the account. Raises BillDamaged, at the latest after the last."""
        yield from self._read(MOVEMENTS_TITLE, MOVEMENT_COLUMNS, self._movement)
        found, says = self.totals, self._said
        self._compare("收入", (found.payments, found.paid), says.get("收入"))
        self._compare("支出", (found.refunds, found.refunded), says.get("支出"))

    # -----------------------------------------------------------------------------------------------------------------

    def _trade(self, line: int, row: Sequence[str]) -> TradeLine:
        trade_no, number, kind, at, store, till, amount, receipt, discount, refund_number, fee = row
        if kind not in ("交易", "退款"):
            raise BillDamaged(f"line {line} is neither a payment nor a refund but {kind[:20]!r}")
        if not number and not trade_no:
            raise BillDamaged(f"line {line} has no number")
        if at and not MOMENT.fullmatch(at):
            raise BillDamaged(f"line {line} has no time but {at[:40]!r}")
        read = TradeLine(
            line, kind == "退款", number, refund_number, trade_no, fen(amount), fen(receipt), fen(discount), fen(fee), at, store, till
        )
        totals = self.totals
        if read.refund:
            totals.refunds += 1
            totals.refunded += read.receipt
            totals.discounts_back += read.discount
        else:
            totals.payments += 1
            totals.paid += read.receipt
            totals.discounts += read.discount
        return read

    def _movement(self, line: int, row: Sequence[str]) -> Movement:
        number, at, came, went, balance, kind = row
        income, expense = fen(came), fen(went)
        if at and not MOMENT.fullmatch(at):
            raise BillDamaged(f"line {line} has no time but {at[:40]!r}")
        expense = -abs(expense)  # with or without its sign, whatever the export's age
        totals = self.totals
        if expense:
            totals.refunds += 1
            totals.refunded += expense
        else:
            totals.payments += 1
            totals.paid += income
        return Movement(line, number, income + expense, fen(balance), at, kind)

    def _read(self, title: str, columns: Sequence[tuple[str, ...]], make: Callable[[int, Sequence[str]], Line]) -> Iterator[Line]:
        try:
            with zipfile.ZipFile(io.BytesIO(self._content)) as archive:
                with archive.open(_member(archive, title)) as raw:
                    text = io.TextIOWrapper(io.BufferedReader(_Bounded(raw), 1 << 20), encoding="gb18030", newline="")
                    yield from self._lines(text, columns, make)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise BillDamaged(f"it cannot be unpacked: {error}") from None
        except UnicodeDecodeError:
            raise BillDamaged("its text is not GBK") from None
        except CsvError as error:
            raise BillDamaged(f"it is not a table: {error}") from None
        if not self._complete:
            raise BillDamaged("it breaks off before its end")

    def _lines(self, text: IO[str], columns: Sequence[tuple[str, ...]], make: Callable[[int, Sequence[str]], Line]) -> Iterator[Line]:
        places: list[int | None] | None = None
        last = 0
        rows = csv_reader(_bounded_lines(text))
        for row in rows:
            if not row:
                continue
            if row[0].startswith("#"):
                self._remark(",".join(row))
                continue
            if places is None:
                places, last = _places(row, columns), len(row)
                continue
            if self._complete:
                raise BillDamaged("there are lines after its end")
            if len(row) < last:
                raise BillDamaged(f"line {rows.line_num} has {len(row)} columns, the header has {last}")
            yield make(rows.line_num, ["" if place is None else row[place].strip("\t ") for place in places])
        if places is None:
            raise BillDamaged("it has no header")

    def _remark(self, text: str) -> None:
        """A line that begins with ``#``: whose bill it is, of what day, where it ends, and what it comes to."""
        if found := ACCOUNT.match(text):
            self.account = found[1]
        elif found := PERIOD.match(text):
            self.day = found[1] + found[2] + found[3]
        elif END.match(text):
            self._complete = True
        elif found := TRADE_TOTAL.match(text) or MOVEMENT_TOTAL.match(text):
            kind, count, *sums = found.groups()
            self._said[kind] = (int(count), *(-abs(fen(each)) if kind == "支出" else fen(each) for each in sums))

    def _compare(self, kind: str, found: tuple[int, ...], said: tuple[int, ...] | None) -> None:
        if said is None:
            raise BillDamaged(f"it has no total of {kind}: it breaks off before its end")
        if found != said:
            raise BillDamaged(f"its total of {kind} says {said[0]} and {said[1:]} fen, its lines come to {found[0]} and {found[1:]}")


TRADE_COLUMNS: tuple[tuple[str, ...], ...] = (
    ("支付宝交易号",), ("商户订单号",), ("业务类型",), ("完成时间",), ("门店编号",), ("终端号",), ("订单金额（元）",), ("商家实收（元）",),
    ("商家优惠（元）",), ("退款批次号/请求号",), ("服务费（元）",),
)  # fmt: skip
MOVEMENT_COLUMNS: tuple[tuple[str, ...], ...] = (
    ("商户订单号",), ("发生时间", "入账时间"), ("收入金额（+元）", "收入（+元）"), ("支出金额（-元）", "支出（-元）"), ("账户余额（元）",), ("业务类型", "账务类型"),
)  # fmt: skip
OPTIONAL = frozenset({"门店编号", "终端号", "商家优惠（元）"})


def _places(header: Sequence[str], columns: Sequence[tuple[str, ...]]) -> list[int | None]:
    """Where each of ``columns`` stands; brackets may be of either width."""
    names = [_plain(each) for each in header]
    places: list[int | None] = []
    for column in columns:
        found = [names.index(_plain(name)) for name in column if _plain(name) in names]
        if not found and not OPTIONAL.intersection(column):
            raise BillDamaged(f"it has no column {column[0]}")
        places.append(found[0] if found else None)
    return places


def _plain(name: str) -> str:
    return re.sub(r"\s", "", name).replace("（", "(").replace("）", ")")


def _member(archive: zipfile.ZipFile, title: str) -> zipfile.ZipInfo:
    """The one table with this title. Raises BillDamaged if there is none, or two, or it unpacks to more than a bill can be."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise BillDamaged(f"it has {len(members)} files in it")
    found = []
    for member in members:
        if member.is_dir() or SUMMARY in _name(member):
            continue
        if member.file_size > MOST_BYTES or (member.file_size > SMALL and member.file_size > MOST_RATIO * max(1, member.compress_size)):
            raise BillDamaged(f"{_name(member)[:80]} would unpack to {member.file_size} bytes from {member.compress_size}")
        with archive.open(member) as raw:
            first = raw.read(200).decode("gb18030", errors="replace")
        if first.lstrip("\ufeff").startswith("#" + title):
            found.append(member)
    if len(found) != 1:
        raise BillDamaged(f"{len(found) or 'no'} file in it begins with {title}")
    return found[0]


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name: GBK, which zipfile takes for another code page where the UTF-8 flag is missing, as Alipay leaves it."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return member.filename


class _Bounded(io.RawIOBase):
    """Counts what is unpacked: a zip may lie about its sizes."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        part = self._raw.read(len(view))
        self._left -= len(part)
        if self._left < 0:
            raise BillDamaged(f"it unpacks to more than {MOST_BYTES} bytes")
        view[: len(part)] = part
        return len(part)


def _bounded_lines(text: IO[str]) -> Iterator[str]:
    number = 0
    while line := text.readline(MOST_LINE):
        number += 1
        if len(line) >= MOST_LINE:
            raise BillDamaged(f"line {number} is longer than {MOST_LINE} characters")
        if "\0" in line:
            raise BillDamaged(f"line {number} holds a zero byte")
        yield line
