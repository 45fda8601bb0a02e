"""Row-level security of the directory's tables: the last wall, should a command forget to check."""

from itertools import product

import pytest
from psycopg.errors import ForeignKeyViolation
from sqlalchemy.exc import DBAPIError

from hutong.platform.scope import Scope

NETWORK_ONLY = ["person", "role_grant", "browser_session", "sign_in_attempt"]
REFERENCE = ["province", "city", "retailer", "brand", "brand_prefix"]
TENANT = ["store", "till", "till_enrolment", "chain", "api_key"]


@pytest.fixture
def full(network, owner, session_of):
    """The network with a row of every kind for both retailers."""
    for store in network.stores:
        owner.execute(
            "insert into till_enrolment (retailer_id, store_id, till_id, code_hash, expires_at) values (%s, %s, %s, sha256(%s::text::bytea), now())",
            [store.retailer_id, store.id, store.tills[0].id, str(store.id)],
        )
    session_of("office")
    owner.execute("insert into sign_in_attempt (subject) values ('login:x')")
    return network


async def count(database, scope, table):
    async with database.read(scope) as reader:
        return await reader.value(f"select count(*) from {table}")


async def test_an_empty_scope_sees_nothing(database, full):
    for table in NETWORK_ONLY + REFERENCE + TENANT:
        assert await count(database, Scope.of_network(), table) > 0, table
        assert await count(database, Scope(), table) == 0, table


async def test_people_and_sessions_are_the_networks_alone(database, full):
    for table in NETWORK_ONLY:
        for scope in (Scope.of_retailer(full.one.id), Scope.of_store(full.store.id), Scope.of_brand(full.brands[0].id)):
            assert await count(database, scope, table) == 0, table


async def test_a_retailer_sees_and_changes_nothing_of_another(database, full, owner):
    for table in TENANT:
        await nothing_of_another(database, full, owner, table)


async def nothing_of_another(database, full, owner, table):
    other = full.two.id
    column = (
        "revoked_at = now()" if table in ("till", "api_key") else "expires_at = now()" if table == "till_enrolment" else "name_en = 'taken'"
    )
    before = owner.execute(f"select * from {table} where retailer_id = %s order by id", [other]).fetchall()
    assert before
    for scope in (Scope.of_retailer(full.one.id), Scope.of_store(full.store.id), Scope.of_brand(full.brands[0].id)):
        async with database.work(scope) as uow:
            if not (table == "store" and scope.brands):  # a brand must know where its goods were sold
                assert await uow.value(f"select count(*) from {table} where retailer_id = :other", other=other) == 0
            changed = await uow.execute(f"update {table} set {column} where retailer_id = :other", other=other)
            assert changed.rowcount == 0
            await uow.commit()
    assert owner.execute(f"select * from {table} where retailer_id = %s order by id", [other]).fetchall() == before


FOREIGN_WRITES = [
    "insert into store (retailer_id, gln, code, name_zh, name_en) values (:other, '6901234567892', 'X', 'X', 'X')",
    "insert into till (retailer_id, store_id, code) values (:other, :store, 'X')",
    "insert into chain (retailer_id, code, name_zh, name_en, format) values (:other, 'X', 'X', 'X', 'X')",
    "insert into api_key (name, hint, key_hash, retailer_id, permissions) values ('X', 'X', 'X', :other, '{sales:read}')",
    "insert into retailer (code, name_zh, name_en, kind) values ('X', 'X', 'X', 'X')",
    "insert into brand (code, name_zh, name_en) values ('X', 'X', 'X')",
    "insert into person (login, name, password_hash) values ('xxx', 'X', 'X')",
    "insert into role_grant (person_id, role) values (1, 'network_operator')",
    "update till set retailer_id = :other where id = :till",
    "insert into audit (actor, action, retailer_id) values ('person:1', 'x', :other)",
]


async def test_nobody_writes_into_anothers_place(database, full):
    for sql in FOREIGN_WRITES:
        await refused(database, full, sql)


async def refused(database, full, sql):
    values = {"other": full.two.id, "store": full.two.stores[0].id, "till": full.till.id}
    for scope in (Scope.of_retailer(full.one.id), Scope.of_store(full.store.id), Scope.of_brand(full.brands[0].id), Scope()):
        async with database.work(scope) as uow:
            refusal: BaseException | None = None
            try:
                result = await uow.execute(sql, **{name: value for name, value in values.items() if f":{name}" in sql})
            except DBAPIError as error:
                refusal = error.orig
            if refusal is None:
                assert sql.startswith("update")
                assert result.rowcount == 0
            else:  # a store's own till moved under another retailer is stopped by its foreign keys
                assert "row-level security" in str(refusal) or (sql.startswith("update") and isinstance(refusal, ForeignKeyViolation))


async def test_a_store_sees_its_own_tills_only(database, full):
    async with database.read(Scope.of_store(full.store.id)) as reader:
        assert {row.store_id for row in await reader.rows("select store_id from till")} == {full.store.id}
        assert {row.id for row in await reader.rows("select id from store")} == {full.store.id}


async def test_the_shared_reference_is_changed_by_the_network_alone(database, full):
    for table, scope in product(REFERENCE, (Scope.of_retailer(full.one.id), Scope.of_brand(full.brands[0].id))):
        column = "prefix" if table == "brand_prefix" else "name_en"
        async with database.work(scope) as uow:
            assert (await uow.execute(f"update {table} set {column} = {column}")).rowcount == 0
            assert (await uow.execute(f"delete from {table}")).rowcount == 0
