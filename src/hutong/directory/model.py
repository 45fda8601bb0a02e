"""The directory's tables as SQLAlchemy sees them; the migration is what makes them."""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import CHAR, ForeignKey, ForeignKeyConstraint, Identity, Integer, LargeBinary, SmallInteger, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Serial = Identity(always=False)


class Base(DeclarativeBase):
    """Maps Python types to this schema's column types."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        bytes: LargeBinary,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


class Province(Base):
    """A province-level unit: its code (GB/T 2260, two digits) and its place in the tile map's grid."""

    __tablename__ = "province"
    code: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    grid_column: Mapped[int] = mapped_column(SmallInteger)
    grid_row: Mapped[int] = mapped_column(SmallInteger)
    trading: Mapped[bool] = mapped_column(server_default="false")


class City(Base):
    """A city: its code (GB/T 2260, six digits)."""

    __tablename__ = "city"
    code: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    province_code: Mapped[int] = mapped_column(ForeignKey("province.code"))
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Retailer(Base):
    """A retail group; ``kind`` is what it mainly runs (``department``, ``supermarket``, ``electronics``, ``convenience``)."""

    __tablename__ = "retailer"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str]
    currency: Mapped[str] = mapped_column(CHAR(3), server_default="CNY")
    zone: Mapped[str] = mapped_column(server_default="Asia/Shanghai")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Chain(Base):
    """A retailer's banner: stores of one name and format."""

    __tablename__ = "chain"
    __table_args__ = (UniqueConstraint("retailer_id", "code"),)
    retailer_id: Mapped[int] = mapped_column(ForeignKey("retailer.id"), primary_key=True)
    id: Mapped[int] = mapped_column(Integer, Serial, primary_key=True)
    code: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    format: Mapped[str]


class Brand(Base):
    """A brand and the maker that owns it."""

    __tablename__ = "brand"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    owner: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BrandPrefix(Base):
    """A GS1 company prefix, as GTIN-13 digits, whose products are the brand's."""

    __tablename__ = "brand_prefix"
    __table_args__ = (UniqueConstraint("prefix"),)
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"), primary_key=True)
    prefix: Mapped[str] = mapped_column(primary_key=True)


class Store(Base):
    """A shop: where it is, when it is open and in which zone its business day runs."""

    __tablename__ = "store"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("gln"),
        UniqueConstraint("retailer_id", "code"),
        ForeignKeyConstraint(["retailer_id", "chain_id"], ["chain.retailer_id", "chain.id"]),
    )
    retailer_id: Mapped[int] = mapped_column(ForeignKey("retailer.id"), primary_key=True)
    id: Mapped[int] = mapped_column(Integer, Serial, primary_key=True)
    chain_id: Mapped[int | None]
    gln: Mapped[str] = mapped_column(CHAR(13))
    code: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    province_code: Mapped[int | None] = mapped_column(SmallInteger, ForeignKey("province.code"))
    city_code: Mapped[int | None] = mapped_column(ForeignKey("city.code"))
    address: Mapped[str] = mapped_column(server_default="")
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    format: Mapped[str] = mapped_column(server_default="supermarket")
    hours: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    zone: Mapped[str] = mapped_column(server_default="Asia/Shanghai")
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Till(Base):
    """A till of a store; ``key_hash`` is there while it is enrolled."""

    __tablename__ = "till"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("retailer_id", "store_id", "code"),
        ForeignKeyConstraint(["retailer_id", "store_id"], ["store.retailer_id", "store.id"]),
    )
    retailer_id: Mapped[int] = mapped_column(primary_key=True)
    store_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Integer, Serial, primary_key=True)
    code: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    key_hash: Mapped[bytes | None]
    enrolled_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TillEnrolment(Base):
    """A one-time code that turns into a till's key."""

    __tablename__ = "till_enrolment"
    __table_args__ = (
        ForeignKeyConstraint(["retailer_id", "store_id", "till_id"], ["till.retailer_id", "till.store_id", "till.id"]),
        UniqueConstraint("code_hash"),
    )
    retailer_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Integer, Serial, primary_key=True)
    store_id: Mapped[int]
    till_id: Mapped[int]
    code_hash: Mapped[bytes]
    created_by: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Person(Base):
    """Somebody who signs in."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    locale: Mapped[str] = mapped_column(server_default="zh")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]


class RoleGrant(Base):
    """A role that a person holds at one place: the network (no id), a retailer, a store of a retailer, or a brand."""

    __tablename__ = "role_grant"
    __table_args__ = (
        ForeignKeyConstraint(["retailer_id", "store_id"], ["store.retailer_id", "store.id"]),
        UniqueConstraint("person_id", "role", "retailer_id", "store_id", "brand_id", postgresql_nulls_not_distinct=True),
    )
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    role: Mapped[str]
    retailer_id: Mapped[int | None] = mapped_column(ForeignKey("retailer.id"))
    store_id: Mapped[int | None]
    brand_id: Mapped[int | None] = mapped_column(ForeignKey("brand.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BrowserSession(Base):
    """A signed-in browser: the hash of its cookie, the CSRF secret of its forms, when it ends at the latest."""

    __tablename__ = "browser_session"
    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    csrf: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    user_agent: Mapped[str] = mapped_column(server_default="")


class ApiKey(Base):
    """An integrator's key at one retailer or one brand; ``hint`` is its first characters, for people to tell keys apart."""

    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    name: Mapped[str]
    hint: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(unique=True)
    retailer_id: Mapped[int | None] = mapped_column(ForeignKey("retailer.id"))
    brand_id: Mapped[int | None] = mapped_column(ForeignKey("brand.id"))
    permissions: Mapped[list[str]]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """One try to sign in or to enrol, counted by subject: what the rate limits are made of. It has no key of its own."""

    __tablename__ = "sign_in_attempt"
    subject: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    succeeded: Mapped[bool] = mapped_column(server_default="false")
