"""PostgreSQL's own wall, table by table: what a scope does not own it neither sees nor writes, whatever a command forgets."""

import re
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import ForeignKeyViolation, GeneratedAlways, InsufficientPrivilege
from psycopg.types.json import Jsonb

from hutong.platform.scope import SET_SCOPE, Scope

TENANT_COLUMNS = ("retailer_id", "store_id", "brand_id")
NO_ROW_SECURITY = {"alembic_version": "the schema's version; the program's role cannot read it"}
LEDGER = (
    "sale", "sale_line", "sale_tender", "sale_key", "price", "event", "audit", "account", "posting", "entry", "account_day", "ledger_day",
    "bill_file", "recon_run", "recon_sum", "recon_brand_sum", "recon_elsewhere", "recon_item", "recon_step", "recon_terms",
)  # fmt: skip
"""Append-only: what is wrong is corrected by a further row."""
ATTRIBUTED = {("sale_line", "brand_id")}
"""The one thing of the ledger that a late registration of a product may change."""
DEFINERS = {
    "ensure_days",
    "ensure_key_months",
    "ensure_log_days",
    "drop_log_days",
    "ensure_ledger_months",
    "ensure_payment_months",
    "ledger_write_entries",
    "ledger_check_resolution",
}
"""Functions that run with the owner's rights: they take dates and numbers only, or are triggers, which nobody can call."""
WRITTEN_BY_CAPTURE = {"sale_line", "product_hour", "brand_minute", "brand_day", "usual_brand", "account", "recon_brand_sum"}
"""A retailer's trade in a brand's goods, and what it owes to a brand: its own rows, which name the brand."""
SHARED = {
    "retailer": "everybody in the network may know who its retailers are",
    "brand": "as the retailers",
    "brand_prefix": "printed on every package",
    "province": "reference",
    "city": "reference",
    "category": "reference",
}
SEEN_BY_BRANDS = {"store": "a brand must know where its goods were sold"}
PARTITIONS = "select c.relname from pg_class c where c.relispartition and c.relnamespace = 'public'::regnamespace and c.relkind = 'r'"
TABLES = """select c.relname, c.relrowsecurity, array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
        and not a.attisdropped order by a.attnum) as columns
    from pg_class c where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace order by 1"""


@pytest.fixture(scope="module")
def tables(stage):
    """Every table by name, with its columns."""
    return {name: columns for name, _, columns in stage.owner.execute(TABLES).fetchall()}


@pytest.fixture
def program(stage):
    """A connection in the program's role, as its pool has them."""
    with psycopg.connect(stage.settings.database_url) as connection:
        connection.execute("set role hutong_app")
        connection.commit()
        yield connection


def enter(program: psycopg.Connection[Any], scope: Scope) -> None:
    program.rollback()
    program.execute(re.sub(r":(\w+)", r"%(\1)s", SET_SCOPE), scope.settings())


def tenants(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """The tables that carry a tenant's id, with those columns; a retailer, store and brand are tenants themselves."""
    found = {name: [each for each in TENANT_COLUMNS if each in columns] for name, columns in tables.items()}
    return {name: columns for name, columns in found.items() if columns and name not in SHARED}


def rows_of(owner: psycopg.Connection[Any], table: str, column: str, value: int) -> list[Any]:
    """Rows as JSON that carry ``value``."""
    wanted = sql.SQL("select to_jsonb(t)::text from {} t where {} = %s order by 1").format(sql.Identifier(table), sql.Identifier(column))
    return [row for (row,) in owner.execute(wanted, [value]).fetchall()]


def refused(program: psycopg.Connection[Any], statement: Any, values: Any = None, also: tuple[type[Exception], ...] = ()) -> bool:
    """Whether a statement is refused for want of rights, or touches no row."""
    try:
        with program.transaction():
            touched = program.execute(statement, values).rowcount
            raise psycopg.Rollback
    except (InsufficientPrivilege, *also):
        return True
    except psycopg.Error as error:
        raise AssertionError(f"{statement}: {error}") from error
    return touched == 0


def insert_of(table: str) -> sql.Composed:
    return sql.SQL("insert into {0} overriding system value select * from jsonb_populate_record(null::{0}, %s::jsonb)").format(
        sql.Identifier(table)
    )


async def test_every_table_has_row_security_or_a_reason_why_not(stage):
    without = {name for name, secured, _ in stage.owner.execute(TABLES).fetchall() if not secured}
    assert without == set(NO_ROW_SECURITY)
    for table in NO_ROW_SECURITY:
        assert not stage.owner.execute("select has_table_privilege('hutong_app', %s, 'select')", [table]).fetchone()[0]


async def test_every_table_of_a_tenant_has_rows_to_try_it_with(stage, tables):
    empty = [name for name in tenants(tables) if not stage.owner.execute(f"select exists (select from {name})").fetchone()[0]]
    assert empty == []


async def test_without_a_scope_nothing_is_seen_or_written(stage, tables, program):
    wrong = []
    enter(program, Scope())
    for table, columns in tables.items():
        if table in NO_ROW_SECURITY:
            continue
        name, column = sql.Identifier(table), sql.Identifier(columns[-1])
        if program.execute(sql.SQL("select count(*) from {}").format(name)).fetchone() != (0,):
            wrong.append(f"sees {table}")
        row = stage.owner.execute(sql.SQL("select to_jsonb(t)::text from {} t limit 1").format(name)).fetchone()
        for verb, statement, values in (
            ("inserts", insert_of(table), row),
            ("updates", sql.SQL("update {} set {} = {}").format(name, column, column), None),
            ("deletes", sql.SQL("delete from {}").format(name), None),
            ("truncates", sql.SQL("truncate {}").format(name), None),
        ):
            if (values is not None or verb != "inserts") and not refused(program, statement, values):
                wrong.append(f"{verb} {table}")
    assert wrong == []


def strangers(stage) -> list[tuple[str, str, int, Scope]]:
    """Whose row it is (column, id), and a scope of somebody else."""
    network = stage.network
    one, two, shop, next_door = network.one.id, network.two.id, network.one.stores[0].id, network.one.stores[1].id
    ours, theirs = network.brands[0].id, network.brands[1].id
    return [
        ("another retailer", "retailer_id", one, Scope.of_retailer(two)),
        ("another retailer's store", "retailer_id", one, Scope.of_store(network.two.stores[0].id)),
        ("the store next door", "store_id", shop, Scope.of_store(next_door)),
        ("another brand", "brand_id", ours, Scope.of_brand(theirs)),
        ("a brand", "store_id", shop, Scope.of_brand(network.brands[2].id)),
    ]


async def test_another_tenants_rows_are_neither_seen_nor_written(stage, tables, program):
    wrong = []
    for table, columns in tenants(tables).items():
        for who, column, value, scope in strangers(stage):
            if column not in columns or (scope.brands and table in SEEN_BY_BRANDS) or (who == "another brand" and table == "product"):
                continue
            rows = rows_of(stage.owner, table, column, value)
            enter(program, scope)
            name, mine = sql.Identifier(table), sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value))
            if program.execute(sql.SQL("select count(*) from {} where {}").format(name, mine)).fetchone() != (0,):
                wrong.append(f"{who} sees {table}")
            touch = sql.SQL("update {} set {} = {} where {}").format(name, sql.Identifier(column), sql.Literal(value), mine)
            if not refused(program, touch) or not refused(program, sql.SQL("delete from {} where {}").format(name, mine)):
                wrong.append(f"{who} changes {table}")
            if rows and not refused(program, insert_of(table), [rows[0]]):
                wrong.append(f"{who} inserts into {table}")
    assert wrong == []


def insert_changed(table: str) -> sql.Composed:
    statement = "insert into {0} overriding system value select * from jsonb_populate_record(null::{0}, %s::jsonb || %s)"
    return sql.SQL(statement).format(sql.Identifier(table))


HELD_BY_KEYS = {"till", "till_enrolment"}
"""Stores write these themselves; a foreign key holds the pair of retailer and store together."""


async def test_nobody_writes_their_own_rows_under_anothers_id(stage, tables, program):
    """A row with two tenants: the one that is the writer's own must not carry the other one in."""
    network, wrong = stage.network, []
    two, shop, ours = network.two.id, network.store.id, network.brands[0].id
    for who, column, value, change, scope in (
        ("a store for another retailer", "store_id", shop, {"retailer_id": two}, Scope.of_store(shop)),
        ("a brand for a retailer", "brand_id", ours, {"retailer_id": two}, Scope.of_brand(ours)),
        ("a retailer for a brand", "retailer_id", network.one.id, {"brand_id": ours}, Scope.of_retailer(network.one.id)),
    ):
        for table, columns in tenants(tables).items():
            rows = rows_of(stage.owner, table, column, value) if column in columns and change.keys() <= set(columns) else []
            if not rows or (who == "a retailer for a brand" and table in WRITTEN_BY_CAPTURE):
                continue
            enter(program, scope)
            also = (ForeignKeyViolation,) if table in HELD_BY_KEYS else ()
            fresh = change | ({"id": 999_999, "key_hash": None, "code_hash": "\\x00"} if table in HELD_BY_KEYS else {})
            if not refused(program, insert_changed(table), [rows[0], Jsonb(fresh)], also):
                wrong.append(f"{who} inserts into {table}")
            name, mine = sql.Identifier(table), sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value))
            [(moved, to)] = change.items()
            touch = sql.SQL("update {} set {} = {} where {}").format(name, sql.Identifier(moved), sql.Literal(to), mine)
            if not refused(program, touch, also=also):
                wrong.append(f"{who} moves {table}")
    assert wrong == []


async def test_the_ledger_is_never_changed_even_by_the_network(stage, tables, program):
    wrong = []
    enter(program, Scope.of_network())
    for table in LEDGER:
        name = sql.Identifier(table)
        assert program.execute(sql.SQL("select count(*) from {}").format(name)).fetchone() != (0,), table
        for column in tables[table]:
            allowed = (table, column) in ATTRIBUTED
            touch = sql.SQL("update {0} set {1} = {1}").format(name, sql.Identifier(column))
            if not allowed and not refused(program, touch, also=(GeneratedAlways,)):
                wrong.append(f"{table}.{column} can be updated")
        for verb in ("delete from", "truncate"):
            if not refused(program, sql.SQL(verb + " {}").format(name)):
                wrong.append(f"{verb} {table}")
    assert wrong == []


async def test_partitions_are_reached_by_their_parents_alone(stage):
    partitions = [name for (name,) in stage.owner.execute(PARTITIONS).fetchall()]
    assert len(partitions) > 10
    for name in partitions:
        rights = "select has_table_privilege('hutong_app', %s, 'select, insert, update, delete, truncate, references, trigger')"
        assert stage.owner.execute(rights, [name]).fetchone() == (False,), name


async def test_the_program_owns_nothing_and_can_make_or_alter_nothing(stage, tables, program):
    role = stage.owner.execute(
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication from pg_roles where rolname = 'hutong_app'"
    ).fetchone()
    assert role == (False,) * 6
    assert stage.owner.execute("select count(*) from pg_class where relowner = 'hutong_app'::regrole").fetchone() == (0,)
    assert stage.owner.execute("select count(*) from pg_auth_members where member = 'hutong_app'::regrole").fetchone() == (0,)
    enter(program, Scope.of_network())
    for statement in (
        "create table evil (x integer)", "create schema evil", "create function evil() returns integer language sql as 'select 1'",
        "create view public.evil as select 1", "create role evil", "alter table sale disable row level security",
        "drop policy tenant on sale", "create policy evil on sale using (true)", "alter table person add column evil text", "drop table audit",
        "create trigger evil before insert on sale execute function suppress_redundant_updates_trigger()", "drop function capture_sales",
        "alter function scope_network() rename to evil", "copy sale to program 'cat'", "copy person from '/etc/passwd'",
        "alter role hutong_app bypassrls",
        "select add_partition('sale', 'evil', 'business_date', '1999-01-01', '1999-01-02', '; alter role hutong_app createrole')",
        "create or replace function scope_network() returns boolean language sql as 'select true'",
    ):  # fmt: skip
        try:
            with program.transaction():
                program.execute(statement)
                raise psycopg.Rollback
        except InsufficientPrivilege:
            continue
        except psycopg.Error as error:
            raise AssertionError(f"{statement}: {error}") from error
        raise AssertionError(statement)


async def test_what_runs_with_the_owners_rights_is_known_and_safe(stage):
    found = stage.owner.execute(
        """select p.proname, p.proconfig, pg_get_function_arguments(p.oid) from pg_proc p
           where p.prosecdef and p.pronamespace = 'public'::regnamespace"""
    ).fetchall()
    assert {name for name, _, _ in found} == DEFINERS
    for name, settings, arguments in found:
        assert any(each.startswith("search_path=public, pg_temp") for each in settings or []), name
        assert "text" not in arguments, name
