"""Writes the demonstration network into a database, once; later starts only add what a new day needs."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from hutong.catalog import SeedCategory, SeedPrice, SeedProduct, seed_categories, seed_prices, seed_products
from hutong.demo.categories import categories, leaves
from hutong.demo.fresh import OwnItem, piece_items, weighed_items
from hutong.demo.goods import Product, carries, launch_of, price_at, products
from hutong.demo.groups import RETAILERS
from hutong.demo.keys import Keys, stored
from hutong.demo.makers import brands
from hutong.demo.market import ZONE, price_changes
from hutong.demo.people import people
from hutong.demo.places import cities, provinces
from hutong.demo.stores import Store
from hutong.directory import Grant, Permission, Principal, Seeded, create_key, create_person, seed_directory, set_password
from hutong.kernel.gs1 import gtin14
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

SEEDER = Principal.system("demo")
PRICED_FROM = datetime(2024, 1, 1, tzinfo=ZONE)
DAYS_AHEAD = 8
PLAYER_MAY = (
    Permission.CAPTURE_SALES, Permission.CAPTURE_HISTORY, Permission.READ_SALES, Permission.REGISTER_TILLS, Permission.READ_CATALOG,
)  # fmt: skip

Say = Callable[[str], None]


async def seed_network(database: Database, stores: tuple[Store, ...], keys: Keys, today: date, say: Say = lambda _: None) -> bool:
    """Bring the demonstration into the database; True if it was not there before.

    Directory and catalogue are one transaction. Each further call tops up: the day's limited edition, coming price changes, and
    people and keys that are missing.
    """
    async with database.work(Scope.of_network()) as uow:
        fresh = await uow.value("select not exists (select from retailer where code = :code)", code=RETAILERS[0].code)
        if fresh:
            say(f"Writing {len(stores):,} stores in {len({store.province for store in stores})} provinces")
            seeded = await _write_directory(uow, stores, keys)
            say(f"Writing {len(products()):,} products of {len(brands())} brands, with prices")
            await _write_catalogue(uow, seeded)
        else:
            seeded = await _known(uow)
            await _give_tills_their_keys(uow, stores, keys)
        await _write_coming_days(uow, seeded, today)
        await uow.commit()
    await _write_people(database, seeded, stores, keys)
    await _write_keys(database, seeded, keys)
    if fresh:  # thousands of rows that the planner knows nothing of yet
        await _analyze(database)
    return bool(fresh)


async def seeded_stores(database: Database) -> int:
    """How many stores the demonstration in this database has; 0 if there is none."""
    async with database.read(Scope.of_network()) as reader:
        codes = [retailer.code for retailer in RETAILERS]
        return int(
            await reader.value(
                "select count(*) from store s join retailer r on r.id = s.retailer_id where r.code = any (:codes)", codes=codes
            )
        )


async def _write_directory(uow: UnitOfWork, stores: tuple[Store, ...], keys: Keys) -> Seeded:
    return await seed_directory(
        uow,
        actor=SEEDER.actor,
        provinces=[
            {
                "code": each.code,
                "name_zh": each.zh,
                "name_en": each.en,
                "grid_column": each.column,
                "grid_row": each.row,
                "trading": each.trading,
            }
            for each in provinces()
        ],
        cities=[{"code": each.code, "province_code": each.province, "name_zh": each.zh, "name_en": each.en} for each in cities()],
        retailers=[{"code": each.code, "name_zh": each.zh, "name_en": each.en, "kind": each.kind} for each in RETAILERS],
        chains=[
            {"retailer": retailer.code, "code": chain.code, "name_zh": chain.zh, "name_en": chain.en, "format": chain.format}
            for retailer in RETAILERS
            for chain in retailer.chains
        ],
        brands=[
            {"code": each.code, "name_zh": each.zh, "name_en": each.en, "owner": each.owner, "prefixes": [each.prefix]} for each in brands()
        ],
        stores=[_store_row(store) for store in stores],
        tills=[
            {"store": store.gln, "code": f"{number:02d}", "name": f"Till {number}", "key": keys.till(store.gln, f"{number:02d}")}
            for store in stores
            for number in range(1, store.tills + 1)
        ],
    )


def _store_row(store: Store) -> dict[str, Any]:
    opens, closes = store.banner.hours
    return {
        "retailer": RETAILERS[store.retailer].code, "chain": store.banner.code, "gln": store.gln, "code": store.code,
        "name_zh": store.zh, "name_en": store.en, "province_code": store.province, "city_code": store.city, "address": store.address,
        "latitude": store.latitude, "longitude": store.longitude, "format": store.banner.format,
        "hours": {"mon-sun": [_clock(opens), _clock(closes)]}, "zone": ZONE.key, "opened_on": store.opened_on.isoformat(),
    }  # fmt: skip


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


async def _write_catalogue(uow: UnitOfWork, seeded: Seeded) -> None:
    await seed_categories(uow, [SeedCategory(each.code, each.zh, each.en, each.parent or None) for each in categories()])
    made = products()
    ids = await seed_products(uow, [_product_row(item, seeded, PRICED_FROM.date()) for item in made])
    prices = [
        SeedPrice(seeded.retailers[retailer.code], product_id, price_at(place, item.gtin, item.price), PRICED_FROM)
        for place, retailer in enumerate(RETAILERS)
        for item, product_id in zip(made, ids, strict=True)
        if carries(place, item)
    ]
    owned = [(place, item) for place in range(len(RETAILERS)) for item in _own_items(place)]
    own_ids = await seed_products(
        uow,
        [
            SeedProduct(
                item.number,
                item.zh,
                item.en,
                None,
                item.leaf,
                "KGM" if item.weighed else "EA",
                _vat(item),
                PRICED_FROM.date(),
                _id(seeded, place),
            )
            for place, item in owned
        ],
    )
    prices += [
        SeedPrice(_id(seeded, place), product_id, price_at(place, item.number, item.price), PRICED_FROM)
        for (place, item), product_id in zip(owned, own_ids, strict=True)
    ]
    await seed_prices(uow, prices)


def _own_items(place: int) -> Sequence[OwnItem]:
    offered = RETAILERS[place].departments
    return (*(weighed_items() if "produce" in offered else ()), *(piece_items() if "deli" in offered else ()))


def _product_row(item: Product, seeded: Seeded, launched: date) -> SeedProduct:
    return SeedProduct(gtin14(item.gtin) or "", item.zh, item.en, seeded.brands[item.brand], item.leaf, "EA", item.vat, launched)


async def _write_coming_days(uow: UnitOfWork, seeded: Seeded, today: date) -> None:
    """The limited edition that launches today, and the price changes of the coming days with their ends at midnight."""
    item = launch_of(today)
    [launching] = await seed_products(uow, [_product_row(item, seeded, today)])
    await uow.execute(
        "update product set launched_on = :today where id = :id and launched_on is distinct from :today", today=today, id=launching
    )
    rows = [
        SeedPrice(_id(seeded, place), launching, price_at(place, item.gtin, item.price), _midnight(today))
        for place, retailer in enumerate(RETAILERS)
        if item.department in retailer.departments
    ]
    for place in range(len(RETAILERS)):
        usual = {each.gtin: price_at(place, each.gtin, each.price) for each in products()}
        usual |= {each.number: price_at(place, each.number, each.price) for each in _own_items(place)}
        for day in (today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD)):
            changes = price_changes(place, day)
            found = await _products_behind(uow, _id(seeded, place), list(changes))
            for code, (minute, amount) in changes.items():
                rows.append(SeedPrice(_id(seeded, place), found[code], amount, _midnight(day) + timedelta(minutes=minute)))
                rows.append(SeedPrice(_id(seeded, place), found[code], usual[code], _midnight(day + timedelta(days=1))))
    await seed_prices(uow, rows)


async def _products_behind(uow: UnitOfWork, retailer_id: int, codes: list[str]) -> dict[str, int]:
    rows = await uow.rows(
        """select w.code, p.id from unnest(cast(:codes as text[])) w (code)
           join product p on p.gtin = cast(lpad(w.code, 14, '0') as char(14)) or (p.retailer_id = :retailer and p.code = w.code)""",
        codes=codes, retailer=retailer_id,
    )  # fmt: skip
    return {row.code: row.id for row in rows}


async def _known(uow: UnitOfWork) -> Seeded:
    return Seeded(
        {row.code: row.id for row in await uow.rows("select code, id from retailer")},
        {row.code: row.id for row in await uow.rows("select code, id from brand")},
        {row.gln: row.id for row in await uow.rows("select gln, id from store")},
    )


async def _give_tills_their_keys(uow: UnitOfWork, stores: tuple[Store, ...], keys: Keys) -> None:
    """Where the data folder was lost and the database was not, the tills get the keys of the new folder."""
    known = await uow.value("select true from till where key_hash = :hash", hash=stored(keys.till(stores[0].gln, "01")))
    if known:
        return
    rows = [
        {"store": store.gln, "code": f"{number:02d}", "hash": stored(keys.till(store.gln, f"{number:02d}")).hex()}
        for store in stores
        for number in range(1, store.tills + 1)
    ]
    await uow.execute(
        """update till t set key_hash = decode(r.hash, 'hex'), revoked_at = null, enrolled_at = coalesce(t.enrolled_at, now())
           from jsonb_to_recordset(cast(:rows as jsonb)) as r(store text, code text, hash text)
           join store s on s.gln = cast(r.store as bpchar)
           where t.retailer_id = s.retailer_id and t.store_id = s.id and t.code = r.code""",
        rows=json.dumps(rows),
    )


async def _write_people(database: Database, seeded: Seeded, stores: tuple[Store, ...], keys: Keys) -> None:
    async with database.read(Scope.of_network()) as reader:
        there = {row.login: row.id for row in await reader.rows("select login, id from person")}
    for each in people(stores):
        if each.login in there:
            continue
        store_id = seeded.stores.get(each.place)
        retailer_id = _retailer_of(stores, each.place, seeded) if store_id is not None else seeded.retailers.get(each.place)
        grants = [Grant.of_role(each.role, retailer_id, store_id, seeded.brands.get(each.place))]
        await create_person(database, SEEDER, login=each.login, name=each.name, password=keys.password, locale=each.locale, grants=grants)


async def change_passwords(database: Database, stores: tuple[Store, ...], password: str) -> None:
    """Give everybody in the demonstration another password; all their sessions end."""
    async with database.read(Scope.of_network()) as reader:
        there = {row.login: row.id for row in await reader.rows("select login, id from person")}
    for each in people(stores):
        if each.login in there:
            await set_password(database, SEEDER, there[each.login], password)


def _retailer_of(stores: tuple[Store, ...], gln: str, seeded: Seeded) -> int:
    return _id(seeded, next(store.retailer for store in stores if store.gln == gln))


async def _write_keys(database: Database, seeded: Seeded, keys: Keys) -> None:
    """One API key a retailer for the player; a kept one that the database does not know, or that was revoked, is made anew."""
    async with database.read(Scope.of_network()) as reader:
        valid = {bytes(row.key_hash) for row in await reader.rows("select key_hash from api_key where revoked_at is null")}
    for retailer in RETAILERS:
        if stored(keys.retailers.get(retailer.code, "")) not in valid:
            made = await create_key(
                database, SEEDER, name="Demonstration player", permissions=PLAYER_MAY, retailer_id=seeded.retailers[retailer.code]
            )
            keys.retailers[retailer.code] = made.key


async def _analyze(database: Database) -> None:
    """Statistics are the owner's to make, so this runs outside the program's role."""
    connection = await database.connect()
    try:
        await connection.execute("reset role")
        for table in ("store", "till", "product", "price", "city"):
            await connection.execute(f"analyze {table}")
    finally:
        await connection.close()


def _id(seeded: Seeded, place: int) -> int:
    return seeded.retailers[RETAILERS[place].code]


def _vat(item: OwnItem) -> int:
    return leaves()[item.leaf].vat


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)
