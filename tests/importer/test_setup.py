"""What a file needs is made once, and again changes nothing; products that were rung up before get their names and brands."""

from pathlib import Path
from typing import Any

import pytest

from hutong.importer import MappingInvalid, Source, Target, open_import, parse_mapping, send
from hutong.importer.setup import find_wanted, make
from hutong.platform.database import Database
from tests.importer.conftest import SMALL, row, write_csv
from tests.support.network import Network
from tests.support.server import RunningServer

SETUP = """
[setup]
retailer = { code = "corner", name_en = "Corner Shops", name_zh = "街角商店" }
store_code = "S{store}"
[setup.products]
file = "products.csv"
code = "number"
name = ["name", "size"]
brand = "maker"
brand_prefix = "M"
brand_name = "Maker {brand}"
categories = ["department", "category"]
category_prefix = "corner"
"""
MAPPING = SMALL.replace('store = { column = "store" }', 'store = { column = "store", gln_prefix = "95293" }').replace(
    'code = { column = "code" }', 'code = { column = "code", prefix = "X-" }'
)
PRODUCTS = [
    ["11", "Tea", "100 g", "7", "Food", "Drinks"],
    ["12", "<NA>", "<NA>", "8", "Food", "<NA>"],
    ["99", "Never sold", "", "9", "Other", ""],
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "m.toml").write_text(MAPPING + SETUP)
    write_csv(tmp_path / "products.csv", PRODUCTS, ["number", "name", "size", "maker", "department", "category"])
    return write_csv(
        tmp_path / "sales.csv", [row("1", store="4", code="11"), row("2", store="5", code="12"), row("3", store="x", code="13")]
    )


async def test_setup_then_import_then_setup_again(
    server: RunningServer, database: Database, network: Network, owner: Any, files: Path, tmp_path: Path
):
    rules = parse_mapping(MAPPING + SETUP)
    wanted = find_wanted(rules, Source(files, rules.file))
    assert sorted(wanted.stores.values()) == ["4", "5"]
    assert sorted(wanted.products) == ["X-11", "X-12"]
    made = await make(database, rules, wanted, with_key=True)
    assert (made.retailer, made.stores, made.brands, made.categories, made.products) == (True, 2, 2, 2, {"created": 2})
    assert owner.execute(
        "select code, name_en, name_zh from store where code like 'S%' and gln like '95293%' order by code"
    ).fetchall() == [
        ("S4", "Corner Shops 4", "街角商店 4"),
        ("S5", "Corner Shops 5", "街角商店 5"),
    ]
    job = open_import(files, tmp_path / "m.toml")
    await send(job, Target(server.url, made.key), tmp_path / "s")
    assert (job.answers.captured, job.answers.refused, len(job.plan.asides)) == (2, {}, 1)
    named = owner.execute(
        """select p.name_en, b.code, c.code from sale_line l join product p on p.id = l.product_id join brand b on b.id = l.brand_id
           left join category c on c.id = p.category_id order by 1"""
    ).fetchall()
    assert named == [("Tea 100 g", "M7", "corner/Food/Drinks"), ("X-12", "M8", "corner/Food")]
    again = await make(database, rules, wanted)
    assert (again.retailer, again.stores, again.brands, again.categories, again.products) == (False, 0, 0, 0, {"unchanged": 2})


async def test_products_rung_up_before_join_their_brands(
    server: RunningServer, database: Database, network: Network, owner: Any, files: Path, tmp_path: Path
):
    rules = parse_mapping(MAPPING + SETUP)
    wanted = find_wanted(rules, Source(files, rules.file))
    products, wanted.products = wanted.products, {}
    key = (await make(database, rules, wanted, with_key=True)).key
    await send(open_import(files, tmp_path / "m.toml"), Target(server.url, key), tmp_path / "s")
    assert owner.execute("select count(*) from sale_line where brand_id is null").fetchone() == (2,)
    wanted.products = products
    await make(database, rules, wanted)
    assert owner.execute("select count(*) from sale_line where brand_id is null").fetchone() == (0,)


def test_names_come_from_the_sales_themselves_and_the_most_frequent_counts(tmp_path: Path):
    mapping = SMALL + '[setup]\nretailer = { code = "c", name_en = "C" }\n[setup.products]\nname = ["time"]\n'
    rows = [row(code="A", time=name) for name in ("a long remark about damages", "Tea", "Tea", "", "damaged")]
    rules = parse_mapping(mapping)
    wanted = find_wanted(rules, Source(write_csv(tmp_path / "f.csv", rows), rules.file))
    assert wanted.products["A"].name_en == "Tea"


async def test_another_retailers_store_is_never_taken_over(database: Database, network: Network, tmp_path: Path):
    rules = parse_mapping(SMALL + '[setup]\nretailer = { code = "corner", name_en = "Corner Shops" }\n')
    path = write_csv(tmp_path / "f.csv", [row(store=network.store.gln)])
    with pytest.raises(MappingInvalid, match="another retailer's store"):
        await make(database, rules, find_wanted(rules, Source(path, rules.file)))


def test_a_mapping_without_a_setup_table_says_so(tmp_path: Path):
    rules = parse_mapping(SMALL)
    with pytest.raises(MappingInvalid, match="setup: this table is needed"):
        find_wanted(rules, Source(write_csv(tmp_path / "f.csv", [row()]), rules.file))
