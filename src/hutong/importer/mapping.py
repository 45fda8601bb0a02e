"""The mapping file: which column of a retailer's own export is what, in TOML; checked as a whole before a row is read."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hutong.importer.errors import MappingInvalid
from hutong.kernel.gs1 import check_digit, is_gln

GLN_DIGITS = 12
Sign = Literal["negative", "zero", "positive"]
GroupField = Literal["store", "till", "receipt", "date"]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone such as Europe/London") from None
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from None
    return text


Zone = Annotated[str, AfterValidator(_zone)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Part(BaseModel):
    """A table of the mapping; a key that is not known is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(Part):
    """Where a text comes from: a ``column``, or the same ``value`` for every row; then ``map``, ``upper`` and ``prefix``."""

    column: str | None = None
    value: str | None = None
    map: dict[str, str] = {}
    otherwise: str | None = None
    upper: bool = False
    prefix: str = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> "Cell":
        if (self.column is None) == (self.value is None):
            raise ValueError("give either column or value")
        return self


class StoreCell(Cell):
    """A store's GLN; with ``gln_prefix`` the column holds the retailer's own store number, from which the GLN is made."""

    gln_prefix: Annotated[str, Field(pattern=r"^\d{4,11}$")] | None = None

    @model_validator(mode="after")
    def _a_gln(self) -> "StoreCell":
        if self.value is not None:
            self.gln(self.value)
        return self

    def gln(self, text: str) -> str:
        """The GLN of a store's text. Raises ValueError."""
        if self.gln_prefix is None:
            if not is_gln(text):
                raise ValueError(f"the store {text!r} is not a GLN; map it, or give gln_prefix")
            return text
        width = GLN_DIGITS - len(self.gln_prefix)
        if not (text.isascii() and text.isdigit() and len(text) <= width):
            raise ValueError(f"the store {text!r} is not a number of at most {width} digits")
        body = self.gln_prefix + text.zfill(width)
        return body + check_digit(body)


class TimeCell(Part):
    """When the sale was completed: one column, or ``columns`` joined by a space; ``zone`` is that of the file's clock."""

    column: str | None = None
    columns: list[str] = []
    format: str | None = None
    zone: Zone | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "TimeCell":
        if (self.column is None) == (not self.columns):
            raise ValueError("give either column or columns")
        return self

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which they are joined."""
        return self.columns if self.column is None else [self.column]


class FilePart(Part):
    """What kind of file it is; the kind is taken from the file's name where it is not given."""

    format: Literal["csv", "parquet", "xlsx"] | None = None
    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    header_line: Annotated[int, Field(ge=1, le=1000)] = 1
    sheet: str | None = None
    decimal: Literal[".", ","] = "."
    thousands: str = ""


class SalePart(Part):
    """What is the same for all lines of a receipt, and which lines are one receipt."""

    store: StoreCell
    till: Cell
    receipt: Cell
    time: TimeCell
    cashier: Cell | None = None
    tender: Cell = Cell(value="other")
    group: Annotated[list[GroupField], Field(min_length=1)] = ["store", "till", "receipt", "date"]

    @model_validator(mode="after")
    def _by_receipt(self) -> "SalePart":
        if "receipt" not in self.group:
            raise ValueError("group must name receipt")
        return self


class LinePart(Part):
    """What a row says of the goods. ``amount`` is what was charged for the row after its discounts."""

    code: Cell
    description: Cell | None = None
    quantity: Cell
    unit_price: Cell | None = None
    amount: Cell | None = None
    discounts: list[Cell] = []
    vouchers: list[Cell] = []
    vat_rate: Cell = Cell(value="0")
    unit: Cell = Cell(value="EA")
    member: Cell | None = None

    @model_validator(mode="after")
    def _one_price(self) -> "LinePart":
        if (self.unit_price is None) == (self.amount is None):
            raise ValueError("give either unit_price or amount")
        return self


class ReturnsPart(Part):
    """What marks a row as coming back, and how its figures are written."""

    receipt_prefix: str | None = None
    column: str | None = None
    values: list[str] = []
    figures: Literal["negative", "positive"] = "negative"
    unmarked: Literal["return", "set_aside"] = "return"

    @property
    def marked(self) -> bool:
        """Whether the file marks returns at all; otherwise the sign alone tells."""
        return self.receipt_prefix is not None or self.column is not None


class VoidsPart(Part):
    """What marks a receipt as voided before it was completed."""

    column: str
    values: Annotated[list[str], Field(min_length=1)]


class Rule(Part):
    """What to do with rows for which all the given conditions hold; the first rule that fits counts."""

    codes: list[str] = []
    code_pattern: Pattern | None = None
    description_pattern: Pattern | None = None
    receipt_pattern: Pattern | None = None
    quantity: Sign | None = None
    amount: Sign | None = None
    member: Literal["present", "absent"] | None = None
    whole_receipt: Literal["zero"] | None = None
    action: Literal["import", "set_aside"]
    reason: str = ""
    quantity_scale: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")] | None = None
    unit: str | None = None

    @model_validator(mode="after")
    def _says_why(self) -> "Rule":
        if self.action == "set_aside" and not self.reason:
            raise ValueError("a rule that sets rows aside needs a reason")
        if not self.model_fields_set - {"action", "reason", "quantity_scale", "unit"}:
            raise ValueError("a rule needs a condition")
        return self


class NamePart(Part):
    """A name in both languages; the second defaults to the first."""

    code: str
    name_en: str
    name_zh: str = ""


class ProductsPart(Part):
    """Where products' names come from when ``import setup`` registers them: another file, or the sales file itself."""

    file: str | None = None
    code: str | None = None
    name: Annotated[list[str], Field(min_length=1)]
    brand: str | None = None
    brand_prefix: str = ""
    brand_name: str = "{brand}"
    categories: list[str] = []
    category_prefix: str = ""


class SetupPart(Part):
    """What ``import setup`` makes: the retailer, its stores and its products."""

    retailer: NamePart
    kind: str = "supermarket"
    store_name: str = "{retailer} {store}"
    store_code: str = "{store}"
    products: ProductsPart | None = None


class Mapping(Part):
    """A whole mapping file. ``source`` is part of every sale's id: keep it for ever."""

    source: Annotated[str, Field(min_length=1, max_length=64)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    zone: Zone = "Asia/Shanghai"
    file: FilePart = FilePart()
    sale: SalePart
    line: LinePart
    returns: ReturnsPart = ReturnsPart()
    voids: VoidsPart | None = None
    rules: list[Rule] = []
    setup: SetupPart | None = None


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file. Raises MappingInvalid, naming every key that is wrong."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"{path}: cannot be read ({error}).") from None
    return parse_mapping(text, str(path))


def parse_mapping(text: str, name: str = "mapping") -> Mapping:
    """Check the text of a mapping file. Raises MappingInvalid, naming every key that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingInvalid(f"{name}: not TOML: {error}.") from None
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        problems = [f"  {_key(each['loc'])}: {_message(each)}" for each in error.errors()]
        raise MappingInvalid("\n".join([f"{name}:", *problems])) from None


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(f"[{each + 1}]" if isinstance(each, int) else each for each in location).replace(".[", "[") or "(the whole file)"


def _message(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "there is no such key"
    if problem["type"] == "missing":
        return "this key is needed"
    return str(problem["msg"]).removeprefix("Value error, ")
