from datetime import date
from typing import Any

import psycopg

from hutong.demo.goods import launch_of
from hutong.demo.keys import Keys, stored
from hutong.demo.people import people
from hutong.demo.seed import change_passwords, seed_network, seeded_stores
from hutong.demo.stores import stores
from hutong.platform.database import Database

DAY, NEXT = date(2026, 11, 22), date(2026, 11, 23)
FEW = stores(30)
TABLES = (
    "province",
    "city",
    "retailer",
    "chain",
    "brand",
    "store",
    "till",
    "category",
    "product",
    "price",
    "person",
    "role_grant",
    "api_key",
)


def counts(owner: psycopg.Connection[Any]) -> dict[str, int]:
    return {table: owner.execute(f"select count(*) from {table}").fetchone()[0] for table in TABLES}  # type: ignore[index]


async def test_the_network_is_written_once_however_often_it_is_seeded(database: Database, owner: psycopg.Connection[Any]) -> None:
    keys = Keys("secret", "stroll-the-lanes")
    assert await seeded_stores(database) == 0
    assert await seed_network(database, FEW, keys, DAY)
    once = counts(owner)
    assert (once["province"], once["store"], once["retailer"]) == (34, 30, 5)
    assert once["till"] == sum(store.tills for store in FEW)
    assert once["person"] == len(people(FEW))
    assert once["price"] > 5_000
    assert not await seed_network(database, FEW, keys, DAY)
    assert counts(owner) == once
    assert await seeded_stores(database) == 30


async def test_keys_and_people_fit_what_the_player_and_the_panel_say(database: Database, owner: psycopg.Connection[Any]) -> None:
    keys = Keys("secret", "stroll-the-lanes")
    await seed_network(database, FEW, keys, DAY)
    till = owner.execute(
        "select s.gln, t.code from till t join store s on s.id = t.store_id where t.key_hash = %s", [stored(keys.till(FEW[3].gln, "01"))]
    )
    assert till.fetchone() == (FEW[3].gln, "01")
    codes = owner.execute(
        "select r.code from api_key k join retailer r on r.id = k.retailer_id where k.key_hash = any (%s)",
        [[stored(key) for key in keys.retailers.values()]],
    )
    assert sorted(code for (code,) in codes) == sorted(keys.retailers)
    held = dict(owner.execute("select p.login, g.role from person p join role_grant g on g.person_id = p.id").fetchall())
    assert held == {each.login: each.role for each in people(FEW)}


async def test_with_a_lost_folder_tills_programs_and_people_get_new_keys(database: Database, owner: psycopg.Connection[Any]) -> None:
    await seed_network(database, FEW, Keys("first", "stroll-the-lanes"), DAY)
    before = dict(owner.execute("select login, password_hash from person").fetchall())
    found = Keys("second", "wander-the-lanes")
    await seed_network(database, FEW, found, DAY)
    await change_passwords(database, FEW, found.password)
    assert owner.execute("select count(*) from till where key_hash = %s", [stored(found.till(FEW[0].gln, "01"))]).fetchone() == (1,)
    assert len(found.retailers) == 5
    after = dict(owner.execute("select login, password_hash from person").fetchall())
    assert all(before[login] != after[login] for login in before)


async def test_another_day_brings_its_limited_edition_and_its_price_changes(database: Database, owner: psycopg.Connection[Any]) -> None:
    keys = Keys("secret", "stroll-the-lanes")
    await seed_network(database, FEW, keys, DAY)
    before = counts(owner)
    await seed_network(database, FEW, keys, NEXT)
    after = counts(owner)
    assert after["product"] == before["product"] + 1
    assert after["price"] > before["price"]
    launched = owner.execute(
        "select launched_on, brand_id is not null from product where gtin = %s", [launch_of(NEXT).gtin.zfill(14)]
    ).fetchone()
    assert launched == (NEXT, True)
    changes = owner.execute(
        "select count(*) from price where valid_from >= %s and valid_from < %s", ["2026-11-23T00:01+08:00", "2026-11-24T00:00+08:00"]
    ).fetchone()
    assert changes == (5 * 24,)
