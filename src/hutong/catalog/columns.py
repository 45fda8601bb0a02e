"""Knows the columns of product lists by their headers, in English and Chinese, and reads a row into what it says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from hutong.catalog.entries import Problem, ProductEntry, barcode_problem, read_rate, read_unit
from hutong.catalog.errors import FileUnreadable
from hutong.catalog.tables import TableRow
from hutong.kernel.gs1 import GTIN_LENGTHS, is_key
from hutong.kernel.money import MAX_AMOUNT, minor_units

HEADERS = {
    "gtin": "gtin ean upc barcode 条码 商品条码 条形码 国际条码 国条码 国际条形码",
    "code": "code sku plu item_number item_no own_code own_number product_code 货号 商品编码 商品编号 商品代码 店内码 编码 自编码",
    "name": "name product_name product description title",
    "name_zh": "name_zh chinese_name 名称 品名 商品名称 商品名 中文名 中文名称 产品名称",
    "name_en": "name_en english_name 英文名 英文名称 英文品名",
    "brand": "brand brand_code 品牌 品牌名称 品牌编码",
    "category": "category category_code 类别 分类 品类 商品类别 商品分类",
    "unit": "unit uom 单位 计量单位 销售单位",
    "vat_rate": "vat vat_rate tax tax_rate 税率 增值税率 增值税税率 销项税率",
    "launched_on": "launched_on launch_date 上市日期 上市时间",
    "price": "price unit_price retail_price 价格 售价 零售价 单价 标准售价",
    "store": "store store_gln gln store_code 门店 门店编码 门店代码 门店gln",
    "valid_from": "valid_from from effective_from price_from 生效日期 生效时间 起始日期 价格生效日期",
}
"""The headers that each field is known by (letters' case, spaces and hyphens do not count)."""

_FIELDS = {word: name for name, words in HEADERS.items() for word in words.split()}
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$|(\d{4})(\d{2})(\d{2})$")
_CENTS = re.compile(r"^[¥￥$£€]?\s*(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?)\s*元?$")
NOT_SOLD = frozenset({"停售", "下架", "not sold", "discontinued"})


@dataclass(slots=True)
class ParsedRow:
    """What one row of a file says; ``problems`` are those that are seen without the database."""

    line: int
    cells: list[str]
    entry: ProductEntry
    price: int | None = None
    sets_price: bool = False
    store: str = ""
    valid_from: datetime | None = None
    problems: list[Problem] = field(default_factory=list)


def find_columns(header: Sequence[str]) -> dict[str, int]:
    """The place of each known field. Raises FileUnreadable if there is no column of codes or nothing beside it."""
    columns: dict[str, int] = {}
    for place, word in enumerate(header):
        name = _FIELDS.get(re.sub(r"[\s\-]+", "_", word.strip().lower()).strip("_*"))
        if name is not None:
            columns.setdefault(name, place)
    if not columns.keys() & {"gtin", "code"} or len(columns) < 2:
        raise FileUnreadable(
            "The first line must name the columns: gtin (条码) or code (货号), and name_zh (商品名称), name_en, brand (品牌), category (类别), "
            "unit (单位), vat_rate (税率), price (售价), store (门店), valid_from (生效日期), launched_on (上市日期).",
            headers=list(header)[:60],
        )
    return columns


def parse_row(row: TableRow, columns: dict[str, int], retailer_id: int | None, zone: ZoneInfo) -> ParsedRow:
    """Read one row; whatever cannot be read becomes a problem. Days without a time begin at midnight in ``zone``."""
    values = {name: row.cells[place] if place < len(row.cells) else "" for name, place in columns.items()}
    get = values.get
    problems: list[Problem] = []
    code = _code(row, columns, values, problems)
    name_zh, name_en = get("name_zh", ""), get("name_en", "")
    if (name := get("name", "")) and _CHINESE.search(name):
        name_zh = name_zh or name
    else:
        name_en = name_en or name
    entry = ProductEntry(
        code=code, name_zh=name_zh, name_en=name_en, brand=get("brand", ""), category=get("category", ""),
        unit=read_unit(get("unit", "")), vat_rate=_rate(get("vat_rate", ""), problems),
        launched_on=_day(get("launched_on", ""), "launched_on", problems), retailer_id=retailer_id,
    )  # fmt: skip
    parsed = ParsedRow(row.line, row.cells, entry, store=get("store", ""), problems=problems)
    if price := get("price", ""):
        parsed.sets_price = True
        parsed.price = None if price.lower() in NOT_SOLD else _price(price, problems)
        if retailer_id is None:
            problems.append(Problem("price_needs_retailer", "price"))
    day = _day(get("valid_from", ""), "valid_from", problems)
    parsed.valid_from = None if day is None else datetime.combine(day, time(), zone)
    return parsed


def _code(row: TableRow, columns: dict[str, int], values: dict[str, str], problems: list[Problem]) -> str:
    """The barcode if there is one, else the own number."""
    barcode = values.get("gtin", "").removeprefix("'").replace(" ", "")
    if not barcode:
        return values.get("code", "").removeprefix("'")
    if columns["gtin"] in row.numeric and len(barcode) not in GTIN_LENGTHS and is_key(barcode.zfill(13), (13,)):
        return barcode.zfill(13)  # a number in a spreadsheet has lost the zeros in front
    problem = barcode_problem(barcode)
    if problem is not None:
        problems.append(problem)
    return barcode


def _rate(text: str, problems: list[Problem]) -> int | None:
    try:
        return read_rate(text) if text else None
    except ValueError:
        problems.append(Problem("vat_not_a_number", "vat_rate", text[:40]))
        return None


def _price(text: str, problems: list[Problem]) -> int | None:
    match = _CENTS.match(text)
    try:
        amount = minor_units(match[1].replace(",", "") if match else "")
    except ValueError:
        problems.append(Problem("price_not_a_number", "price", text[:40]))
        return None
    if not 0 <= amount <= MAX_AMOUNT:
        problems.append(Problem("price_out_of_range", "price", text[:40]))
    return amount


def _day(text: str, name: str, problems: list[Problem]) -> date | None:
    if not text:
        return None
    match = _DATE.match(text.split("T")[0].split(" ")[0])
    try:
        if match is None:
            raise ValueError(text)
        year, month, day = (int(part) for part in match.groups() if part is not None)
        if not 2000 <= year <= 2100:
            raise ValueError(text)
        return date(year, month, day)
    except ValueError:
        problems.append(Problem("date_not_a_date", name, text[:40]))
        return None
