"""Changes to places: retailers, their chains and stores, brands and their prefixes."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError

from hutong.directory.errors import Taken
from hutong.directory.permissions import Permission, Principal
from hutong.directory.queries import StoreRef, retailer_by_code, store_by_gln, store_for
from hutong.kernel.errors import Invalid, NotFound
from hutong.kernel.gs1 import is_gln
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d")
STORE_FIELDS = (
    "code", "name_zh", "name_en", "province_code", "city_code", "address", "latitude", "longitude", "format", "hours", "zone",
    "opened_on", "closed_on",
)  # fmt: skip
"""What can be said about a store; nothing else reaches the SQL that ``update_store`` builds."""


async def create_retailer(
    db: Database, by: Principal, *, code: str, name_zh: str, name_en: str, kind: str, currency: str = "CNY", zone: str = "Asia/Shanghai"
) -> int:
    """Add a retail group to the network, and answer its id. Raises Taken if the code is in use."""
    by.must(Permission.OPERATE_NETWORK)
    must_be_code(code)
    must_be_zone(zone)
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise Invalid("A currency is its ISO 4217 code, such as CNY.", field="currency")
    async with db.work(Scope.of_network()) as uow:
        retailer_id = await insert(
            uow,
            """insert into retailer (code, name_zh, name_en, kind, currency, zone)
               values (:code, :name_zh, :name_en, :kind, :currency, :zone) returning id""",
            "code", code=code, name_zh=name_zh, name_en=name_en, kind=kind, currency=currency, zone=zone,
        )  # fmt: skip
        await uow.record(by.actor, "retailer.create", subject=code, retailer_id=retailer_id)
        await uow.commit()
    return retailer_id


async def create_chain(db: Database, by: Principal, retailer: str, *, code: str, name_zh: str, name_en: str, format: str) -> int:
    """Add a banner to a retailer, and answer its id."""
    must_be_code(code)
    async with db.read(by.scope_for(Permission.MANAGE_STORES)) as reader:
        owner = await retailer_by_code(reader, retailer)
    if owner is None:
        raise NotFound
    by.must(Permission.MANAGE_STORES, retailer_id=owner.id)
    async with db.work(Scope.of_retailer(owner.id)) as uow:
        chain_id = await insert(
            uow,
            """insert into chain (retailer_id, code, name_zh, name_en, format)
               values (:retailer_id, :code, :name_zh, :name_en, :format) returning id""",
            "code", retailer_id=owner.id, code=code, name_zh=name_zh, name_en=name_en, format=format,
        )  # fmt: skip
        await uow.record(by.actor, "chain.create", subject=code, retailer_id=owner.id)
        await uow.commit()
    return chain_id


async def create_brand(
    db: Database, by: Principal, *, code: str, name_zh: str, name_en: str, owner: str = "", prefixes: Sequence[str] = ()
) -> int:
    """Add a brand with its GS1 company prefixes, and answer its id. Raises Taken for a code or prefix in use."""
    by.must(Permission.OPERATE_NETWORK)
    must_be_code(code)
    must_be_prefixes(prefixes)
    async with db.work(Scope.of_network()) as uow:
        brand_id = await insert(
            uow,
            "insert into brand (code, name_zh, name_en, owner) values (:code, :name_zh, :name_en, :owner) returning id",
            "code", code=code, name_zh=name_zh, name_en=name_en, owner=owner,
        )  # fmt: skip
        await _set_prefixes(uow, brand_id, prefixes)
        await uow.record(by.actor, "brand.create", subject=code, brand_id=brand_id, detail={"prefixes": list(prefixes)})
        await uow.commit()
    return brand_id


async def set_brand_prefixes(db: Database, by: Principal, code: str, prefixes: Sequence[str]) -> None:
    """Say which GS1 company prefixes are a brand's; those not named are not any more. Raises Taken if another brand has one."""
    by.must(Permission.OPERATE_NETWORK)
    must_be_prefixes(prefixes)
    async with db.work(Scope.of_network()) as uow:
        brand_id = await uow.value("select id from brand where code = :code for update", code=code)
        if brand_id is None:
            raise NotFound
        await uow.execute("delete from brand_prefix where brand_id = :id", id=brand_id)
        await _set_prefixes(uow, brand_id, prefixes)
        await uow.record(by.actor, "brand.prefixes", subject=code, brand_id=brand_id, detail={"prefixes": list(prefixes)})
        await uow.commit()


async def create_store(db: Database, by: Principal, retailer: str, *, gln: str, **fields: Any) -> StoreRef:
    """Add a store to a retailer; ``fields`` are some of STORE_FIELDS, and ``chain`` by its code.

    Raises NotFound for another's retailer, Taken for a GLN or code in use, Invalid with the field that is wrong.
    """
    if not is_gln(gln):
        raise Invalid("A GLN has 13 digits, the last of them the check digit.", field="gln")
    async with db.read(by.scope_for(Permission.MANAGE_STORES)) as reader:
        owner = await retailer_by_code(reader, retailer)
    if owner is None:
        raise NotFound
    by.must(Permission.MANAGE_STORES, retailer_id=owner.id)
    async with db.work(Scope.of_retailer(owner.id)) as uow:
        for name in ("code", "name_zh", "name_en"):
            if not fields.get(name):
                raise Invalid(f"A store needs a {name}.", field=name)
        values = {"zone": owner.zone} | await _store_values(uow, owner.id, fields)
        names = ", ".join(values)
        await insert(
            uow,
            f"insert into store (retailer_id, gln, {names}) values (:retailer_id, :gln, {_placeholders(values)}) returning id",
            "gln", retailer_id=owner.id, gln=gln, **values,
        )  # fmt: skip
        store = await store_by_gln(uow, gln)
        assert store is not None
        await uow.record(by.actor, "store.create", subject=gln, retailer_id=owner.id, store_id=store.id, detail=fields)
        await uow.commit()
    return store


async def update_store(db: Database, by: Principal, gln: str, **fields: Any) -> StoreRef:
    """Change some of a store's fields (STORE_FIELDS, and ``chain`` by its code; None takes back what may be empty)."""
    async with db.read(by.scope_for(Permission.MANAGE_STORES)) as reader:
        store = await store_for(reader, by, Permission.MANAGE_STORES, gln)
    async with db.work(Scope.of_retailer(store.retailer_id)) as uow:
        values = await _store_values(uow, store.retailer_id, fields)
        if values:
            changes = ", ".join(f"{name} = {_placeholders([name])}" for name in values)
            await insert(
                uow,
                f"update store set {changes} where retailer_id = :retailer_id and id = :id returning id",
                "code", retailer_id=store.retailer_id, id=store.id, **values,
            )  # fmt: skip
            await uow.record(by.actor, "store.update", subject=gln, retailer_id=store.retailer_id, store_id=store.id, detail=fields)
        changed = await store_by_gln(uow, gln)
        assert changed is not None
        await uow.commit()
    return changed


async def _store_values(uow: UnitOfWork, retailer_id: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that ``fields`` set, checked. Raises Invalid with the field that is wrong."""
    values = {name: value for name, value in fields.items() if name != "chain"}
    for name in values:
        if name not in STORE_FIELDS:
            raise Invalid(f"A store has no field {name}.", field=name)
    for name in ("code", "name_zh", "name_en", "format", "zone"):
        if name in values and not values[name]:
            raise Invalid(f"The {name} cannot be empty.", field=name)
    if "code" in values:
        must_be_code(values["code"])
    if "zone" in values:
        must_be_zone(values["zone"])
    if "hours" in values:
        values["hours"] = values["hours"] or {}
        must_be_hours(values["hours"])
    if fields.get("chain") is not None:
        values["chain_id"] = await uow.value(
            "select id from chain where retailer_id = :retailer_id and code = :code", retailer_id=retailer_id, code=fields["chain"]
        )
        if values["chain_id"] is None:
            raise Invalid("This retailer has no chain of this code.", field="chain")
    elif "chain" in fields:
        values["chain_id"] = None
    if values.get("address", "") is None:
        values["address"] = ""
    await _must_be_place(uow, values)
    if (
        isinstance(values.get("opened_on"), date)
        and isinstance(values.get("closed_on"), date)
        and values["closed_on"] < values["opened_on"]
    ):
        raise Invalid("A store does not close before it opens.", field="closed_on")
    return values


async def _must_be_place(uow: UnitOfWork, values: Mapping[str, Any]) -> None:
    province, city = values.get("province_code"), values.get("city_code")
    if province is not None and await uow.row("select 1 from province where code = :code", code=province) is None:
        raise Invalid("There is no province-level unit of this code.", field="province_code")
    if city is not None:
        of_city = await uow.value("select province_code from city where code = :code", code=city)
        if of_city is None or (province is not None and of_city != province):
            raise Invalid("There is no city of this code in this province.", field="city_code")
    for name, most in (("latitude", 90), ("longitude", 180)):
        if values.get(name) is not None and not -most <= values[name] <= most:
            raise Invalid(f"The {name} lies between -{most} and {most} degrees.", field=name)


async def _set_prefixes(uow: UnitOfWork, brand_id: int, prefixes: Sequence[str]) -> None:
    for prefix in dict.fromkeys(prefixes):
        await insert(
            uow, "insert into brand_prefix (brand_id, prefix) values (:brand_id, :prefix) returning brand_id", "prefixes",
            brand_id=brand_id, prefix=prefix,
        )  # fmt: skip


async def insert(uow: UnitOfWork, sql: str, field: str, **values: Any) -> int:
    """Run one statement that returns an id. Raises Taken where a unique key is in use, naming the key's field, else ``field``."""
    try:
        return int(
            await uow.value(sql, **{name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()})
        )
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            constraint = error.orig.diag.constraint_name or ""
            field = next((name for name in ("gln", "code", "login", "prefix") if name in constraint), field)
            raise Taken(field=field) from error
        raise


def must_be_code(code: str) -> None:
    """Raises Invalid unless ``code`` is 1 to 32 of A-Z a-z 0-9 . _ - and starts with a letter or digit."""
    if not CODE.fullmatch(code):
        raise Invalid("A code has 1 to 32 letters, digits, dots, hyphens or underscores, and starts with a letter or digit.", field="code")


def must_be_zone(zone: str) -> None:
    """Raises Invalid unless ``zone`` is a time zone of the IANA database."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("A zone is a name of the IANA time zone database, such as Asia/Shanghai.", field="zone") from None


def must_be_hours(hours: Mapping[str, Any]) -> None:
    """Raises Invalid unless ``hours`` is like ``{"mon": "08:00-22:00", …}``; a day that is absent is a day closed."""
    for day, span in hours.items():
        if day not in DAYS or not isinstance(span, str) or not HOURS.fullmatch(span):
            raise Invalid('Opening hours are written as {"mon": "08:00-22:00", …, "sun": "09:00-21:00"}.', field="hours")


def must_be_prefixes(prefixes: Sequence[str]) -> None:
    """Raises Invalid unless each is a GS1 company prefix: 4 to 12 digits (General Specifications 1.4.2)."""
    for prefix in prefixes:
        if not re.fullmatch(r"[0-9]{4,12}", prefix):
            raise Invalid("A GS1 company prefix has 4 to 12 digits.", field="prefixes", given=prefix)


def _placeholders(names: Sequence[str] | Mapping[str, Any]) -> str:
    """Named parameters; the names come from STORE_FIELDS, never from a caller."""
    return ", ".join("cast(:hours as jsonb)" if name == "hours" else f":{name}" for name in names)
