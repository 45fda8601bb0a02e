"""Writes a whole directory in seconds: for demonstrations, benchmarks and the first start from another system's lists."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hutong.directory.access import hash_token
from hutong.platform.database import UnitOfWork

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seeded:
    """The ids behind the codes that a seed named, whether it made them or found them there."""

    retailers: dict[str, int]
    brands: dict[str, int]
    stores: dict[str, int]
    """By GLN."""


async def seed_directory(
    uow: UnitOfWork,
    *,
    actor: str = "system:seed",
    provinces: Sequence[Row] = (),
    cities: Sequence[Row] = (),
    retailers: Sequence[Row] = (),
    chains: Sequence[Row] = (),
    brands: Sequence[Row] = (),
    stores: Sequence[Row] = (),
    tills: Sequence[Row] = (),
) -> Seeded:
    """Write places in bulk, one statement a table, in the caller's unit of work (of the network); commit is the caller's.

    Rows are mappings with the columns' names; what refers to another row says its code: a chain's and a store's ``retailer`` and
    ``chain``, a brand's ``prefixes`` (a list), a till's ``store`` (GLN) and, if it is to be enrolled at once, its ``key``. Columns
    that a row leaves out take their defaults. What is there already stays as it is, so a second run changes nothing.
    """
    await _write(uow, _PROVINCES, provinces)
    await _write(uow, _CITIES, cities)
    await _write(uow, _RETAILERS, retailers)
    await _write(uow, _CHAINS, chains)
    await _write(uow, _BRANDS, brands)
    await _write(uow, _PREFIXES, [{"brand": each["code"], "prefix": prefix} for each in brands for prefix in each.get("prefixes", ())])
    await _write(uow, _STORES, stores)
    await _write(
        uow, _TILLS, [{**each, "key_hash": hash_token(each["key"]).hex(), "key": None} if each.get("key") else each for each in tills]
    )
    counts = {"retailers": len(retailers), "chains": len(chains), "brands": len(brands), "stores": len(stores), "tills": len(tills)}
    await uow.record(actor, "directory.seed", detail=counts)
    return Seeded(
        await _ids(uow, "select code as key, id from retailer where code = any(:keys)", [each["code"] for each in retailers]),
        await _ids(uow, "select code as key, id from brand where code = any(:keys)", [each["code"] for each in brands]),
        await _ids(uow, "select gln as key, id from store where gln = any(cast(:keys as bpchar[]))", [each["gln"] for each in stores]),
    )


# Each is one statement that unpacks one JSON document: no round trips and no parameters by the row.
_PROVINCES = """insert into province (code, name_zh, name_en, grid_column, grid_row, trading)
    select code, name_zh, name_en, grid_column, grid_row, coalesce(trading, false) from jsonb_to_recordset(cast(:rows as jsonb))
        as r(code smallint, name_zh text, name_en text, grid_column smallint, grid_row smallint, trading boolean)
    on conflict (code) do update set trading = province.trading or excluded.trading"""
_CITIES = """insert into city (code, province_code, name_zh, name_en)
    select code, province_code, name_zh, name_en from jsonb_to_recordset(cast(:rows as jsonb))
        as r(code integer, province_code smallint, name_zh text, name_en text)
    on conflict do nothing"""
_RETAILERS = """insert into retailer (code, name_zh, name_en, kind, currency, zone)
    select code, name_zh, name_en, kind, coalesce(currency, 'CNY'), coalesce(zone, 'Asia/Shanghai') from jsonb_to_recordset(cast(:rows as jsonb))
        as r(code text, name_zh text, name_en text, kind text, currency text, zone text)
    on conflict do nothing"""
_CHAINS = """insert into chain (retailer_id, code, name_zh, name_en, format)
    select o.id, r.code, r.name_zh, r.name_en, r.format from jsonb_to_recordset(cast(:rows as jsonb))
        as r(retailer text, code text, name_zh text, name_en text, format text) join retailer o on o.code = r.retailer
    on conflict do nothing"""
_BRANDS = """insert into brand (code, name_zh, name_en, owner)
    select code, name_zh, name_en, coalesce(owner, '') from jsonb_to_recordset(cast(:rows as jsonb))
        as r(code text, name_zh text, name_en text, owner text)
    on conflict do nothing"""
_PREFIXES = """insert into brand_prefix (brand_id, prefix)
    select b.id, r.prefix from jsonb_to_recordset(cast(:rows as jsonb)) as r(brand text, prefix text) join brand b on b.code = r.brand
    on conflict do nothing"""
_STORES = """insert into store (retailer_id, chain_id, gln, code, name_zh, name_en, province_code, city_code, address, latitude, longitude,
                   format, hours, zone, opened_on, closed_on)
    select o.id, c.id, r.gln, r.code, r.name_zh, r.name_en, r.province_code, r.city_code, coalesce(r.address, ''), r.latitude, r.longitude,
           coalesce(r.format, c.format, 'supermarket'), coalesce(r.hours, '{}'), coalesce(r.zone, o.zone), r.opened_on, r.closed_on
    from jsonb_to_recordset(cast(:rows as jsonb))
        as r(retailer text, chain text, gln text, code text, name_zh text, name_en text, province_code smallint, city_code integer, address text,
             latitude double precision, longitude double precision, format text, hours jsonb, zone text, opened_on date, closed_on date)
    join retailer o on o.code = r.retailer left join chain c on c.retailer_id = o.id and c.code = r.chain
    on conflict do nothing"""
_TILLS = """insert into till (retailer_id, store_id, code, name, key_hash, enrolled_at)
    select s.retailer_id, s.id, r.code, coalesce(r.name, ''), decode(r.key_hash, 'hex'), case when r.key_hash is not null then now() end
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(store text, code text, name text, key_hash text)
    join store s on s.gln = cast(r.store as bpchar)
    on conflict do nothing"""


async def _write(uow: UnitOfWork, sql: str, rows: Sequence[Row]) -> None:
    if rows:
        await uow.execute(sql, rows=json.dumps([dict(each) for each in rows], default=str, ensure_ascii=False))


async def _ids(uow: UnitOfWork, sql: str, keys: Sequence[str]) -> dict[str, int]:
    return {row.key: row.id for row in await uow.rows(sql, keys=list(keys))} if keys else {}
