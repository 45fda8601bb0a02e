"""What the catalogue's API takes and answers, as OpenAPI shows it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from hutong.catalog.entries import Outcome, ProductEntry, read_rate, show_rate
from hutong.kernel.gs1 import shown_gtin
from hutong.kernel.money import MAX_AMOUNT


def printable(text: str) -> str:
    """Raises ValueError for control characters and halves of letters: PostgreSQL cannot store them, nobody can read them."""
    if any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise ValueError("control characters are not allowed")
    return text


def rate_points(value: str | Decimal) -> str:
    """Raises ValueError for what is not a rate."""
    read_rate(str(value))
    return str(value)


Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(printable)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(printable)]
Rate = Annotated[str | Decimal, AfterValidator(rate_points)]
Limit = Annotated[int, Query(ge=1, le=200, description="how many items at most")]
Cursor = Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(printable)]
RetailerCode = Annotated[Words | None, Query(description="code of the retailer that speaks; not needed by who belongs to one only")]


class Strict(BaseModel):
    """A body whose unknown fields are errors: a field misspelt must not be a field ignored."""

    model_config = ConfigDict(extra="forbid")


class ProductFields(Strict):
    """What may be said of a product; a field left out stays as it is, or takes its default."""

    name_zh: Text = ""
    name_en: Text = ""
    brand: Text = Field("", description="code or name; left out: by the GTIN's company prefix")
    category: Text = Field("", description="code or name")
    unit: Text = Field("", description="UN/ECE code such as EA, KGM, LTR; EA at first")
    vat_rate: Rate | None = Field(None, description="per cent, such as 13; 13 at first")
    launched_on: date | None = None

    def entry(self, code: str, retailer_id: int | None) -> ProductEntry:
        """The same as the commands take it."""
        rate = None if self.vat_rate is None else read_rate(str(self.vat_rate))
        return ProductEntry(code, self.name_zh, self.name_en, self.brand, self.category, self.unit, rate, self.launched_on, retailer_id)


class ProductIn(ProductFields):
    """A product to register."""

    code: Code = Field(description="a GTIN of 8, 12, 13 or 14 digits, or the retailer's own number")


class ProductsIn(Strict):
    """Up to 1,000 products, registered together or not at all."""

    retailer: Code | None = Field(None, description="code of the retailer that speaks; not needed by who belongs to one only")
    products: list[ProductIn] = Field(min_length=1, max_length=1000)


class RegisteredOut(BaseModel):
    """What became of one product. ``kept``: its brand answers for it, and it stays as it is."""

    code: str
    outcome: Outcome


class ProductsOut(BaseModel):
    """What became of each product, in the order sent."""

    products: list[RegisteredOut]


class ProductOut(BaseModel):
    """A product. ``gtin`` is as printed under the bars, or ``code`` is its retailer's own number."""

    gtin: str | None
    code: str | None
    retailer: str | None
    name_zh: str
    name_en: str
    brand: str | None
    category: str | None
    unit: str
    vat_rate: str
    launched_on: date | None
    registered: bool
    registered_at: datetime | None

    @staticmethod
    def of(row: dict[str, Any]) -> "ProductOut":
        """From a row of ``search_products``."""
        fields = {
            name: row[name]
            for name in ("code", "retailer", "name_zh", "name_en", "brand", "category", "unit", "launched_on", "registered_at")
        }
        gtin = None if row["gtin"] is None else shown_gtin(row["gtin"])
        return ProductOut(gtin=gtin, vat_rate=show_rate(row["vat_rate"]), registered=row["registered_at"] is not None, **fields)


class ProductPage(BaseModel):
    """A page of products; ``next_cursor`` is null on the last one."""

    items: list[ProductOut]
    next_cursor: str | None


class CategoryIn(Strict):
    """A category of the network's tree, below ``parent`` or at the top."""

    code: Code
    name_zh: Text = ""
    name_en: Text = ""
    parent: Code | None = None


class CategoryOut(BaseModel):
    """A category; the list is in the order of the tree."""

    code: str
    name_zh: str
    name_en: str
    parent: str | None
    depth: int


def near_present(moment: datetime) -> datetime:
    """Raises ValueError for a moment that no price list means."""
    if not 2000 <= moment.year <= 2100:
        raise ValueError("a price starts between the years 2000 and 2100")
    return moment


class PriceIn(Strict):
    """A price from a moment on; without a store, of every store of the retailer."""

    code: Code = Field(description="a GTIN or the retailer's own number")
    store: Annotated[str, StringConstraints(pattern=r"^[0-9]{13}$")] | None = Field(None, description="GLN")
    amount: int | None = Field(ge=0, le=MAX_AMOUNT, description="minor units; null ends selling")
    valid_from: Annotated[AwareDatetime, AfterValidator(near_present)] | None = Field(None, description="left out: now")


class PricesIn(Strict):
    """Up to 1,000 prices, written together or not at all."""

    retailer: Code | None = Field(None, description="code of the retailer; not needed by who belongs to one only")
    prices: list[PriceIn] = Field(min_length=1, max_length=1000)


class PricesOut(BaseModel):
    """How many prices were new; a price that stands already is not written again."""

    written: int


class StorePriceOut(BaseModel):
    """What a store sells, and for how much since when; ``scope`` says whether the price is the store's or the retailer's."""

    gtin: str | None
    code: str | None
    name_zh: str
    name_en: str
    unit: str
    amount: int
    currency: str
    valid_from: datetime
    scope: str


class StorePricePage(BaseModel):
    """A page of what a store sells."""

    items: list[StorePriceOut]
    next_cursor: str | None
