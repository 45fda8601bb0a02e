"""What the directory's API takes and answers, as OpenAPI shows it."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from hutong.directory.permissions import Permission
from hutong.directory.queries import LARGEST_PAGE


def printable(text: str) -> str:
    """Raises ValueError for control characters: PostgreSQL cannot store NUL, and nobody can read the others."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("control characters are not allowed")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(printable)]
MaybeText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=400), AfterValidator(printable)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Gln = Annotated[str, StringConstraints(pattern=r"^[0-9]{13}$")]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
Secret = Annotated[str, Field(min_length=1, max_length=256)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="how many items at most")]
Cursor = Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")]
Search = Annotated[MaybeText | None, Query(max_length=100, description="a part of the name, code, address or the whole GLN")]
Number = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


class Strict(BaseModel):
    """A body whose unknown fields are errors: a field misspelt must not be a field ignored."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel):
    """A page of a list; ``next_cursor`` is null on the last one."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class GrantOut(BaseModel):
    """What the caller may do at one place; without any place it is the whole network."""

    role: str
    permissions: list[Permission]
    retailer_id: int | None
    store_id: int | None
    brand_id: int | None


class Me(BaseModel):
    """Who the caller is."""

    actor: str
    name: str
    locale: str
    grants: list[GrantOut]


class RetailerIn(Strict):
    """A retailer to add."""

    code: Code
    name_zh: Text
    name_en: Text
    kind: Text = Field(description="what it mainly runs, such as supermarket, department_store, electronics, convenience")
    currency: str = Field("CNY", pattern="^[A-Z]{3}$")
    zone: Text = "Asia/Shanghai"


class ChainIn(Strict):
    """A retailer's banner to add."""

    code: Code
    name_zh: Text
    name_en: Text
    format: Text


class BrandIn(Strict):
    """A brand to add."""

    code: Code
    name_zh: Text
    name_en: Text
    owner: MaybeText = ""
    prefixes: list[str] = Field([], max_length=100, description="GS1 company prefixes, 4 to 12 digits")


class PrefixesIn(Strict):
    """All GS1 company prefixes of a brand."""

    prefixes: list[str] = Field(max_length=100)


class StoreChange(Strict):
    """What to change about a store; a field that is absent stays as it is."""

    code: Code | None = None
    name_zh: Text | None = None
    name_en: Text | None = None
    chain: Code | None = None
    province_code: int | None = Field(None, ge=11, le=99)
    city_code: int | None = Field(None, ge=1, le=999_999)
    address: MaybeText | None = None
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    format: Text | None = None
    hours: dict[str, str] | None = Field(None, max_length=7, examples=[{"mon": "08:00-22:00", "sun": "09:00-21:00"}])
    zone: Text | None = None
    opened_on: date | None = None
    closed_on: date | None = None


class StoreIn(StoreChange):
    """A store to add to a retailer."""

    retailer: Code
    gln: Gln
    code: Code
    name_zh: Text
    name_en: Text
    format: Text = "supermarket"


class GrantIn(Strict):
    """A role at a place: a retailer by its code, a store by its GLN, a brand by its code, or none of them for the network."""

    role: str = Field(max_length=40)
    retailer: Code | None = None
    store: Gln | None = None
    brand: Code | None = None


class PersonIn(Strict):
    """A person to add, with their first roles."""

    login: str = Field(min_length=3, max_length=64)
    name: Text
    password: Secret
    locale: str = Field("zh", pattern="^(zh|en)$")
    grants: list[GrantIn] = Field([], max_length=50)


class PasswordIn(Strict):
    """A new password for somebody."""

    password: Secret


class KeyIn(Strict):
    """A key to make at one retailer or one brand."""

    name: Text
    permissions: list[Permission] = Field(min_length=1, max_length=20)
    retailer: Code | None = None
    brand: Code | None = None
    expires_at: AwareDatetime | None = None


class KeyOut(BaseModel):
    """A key just made: ``key`` is shown this once."""

    id: int
    key: str
    hint: str


class TillIn(Strict):
    """A till to add to a store."""

    code: Code
    name: MaybeText = ""


class TillOut(BaseModel):
    """A till; ``state`` is new, enrolled or revoked."""

    id: int
    code: str
    name: str
    state: str
    last_seen_at: datetime | None


class CodeOut(BaseModel):
    """A one-time code: type it into the till, or let the till scan ``url`` as a QR code."""

    code: str
    expires_at: datetime
    url: str
    till: TillOut


class EnrolIn(Strict):
    """The one-time code as it was typed or scanned."""

    code: str = Field(min_length=1, max_length=40)


class EnrolledOut(BaseModel):
    """A till's key, shown this once, and where the till stands."""

    key: str
    till: TillOut
    store: dict[str, Any]


class RollIn(Strict):
    """The till's next key, if it chooses it itself."""

    key: str | None = Field(None, max_length=100)


class RolledOut(BaseModel):
    """The till's new key, shown this once."""

    key: str


class HeartbeatOut(BaseModel):
    """Which till it is, and what the time is here."""

    till: TillOut
    store: dict[str, Any]
    server_time: datetime
