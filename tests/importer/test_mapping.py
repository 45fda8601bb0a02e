"""A mapping file is checked as a whole, and every wrong key is named."""

from pathlib import Path

import pytest

from hutong.importer import EXAMPLE, MappingInvalid, Source, load_mapping, make_plan, parse_mapping
from hutong.kernel.gs1 import is_gln
from tests.importer.conftest import SMALL, row, write_csv
from tests.support.shared import CHECKOUT


def test_the_example_is_a_mapping_file():
    assert parse_mapping(EXAMPLE).source == "my-erp"


@pytest.mark.parametrize("name", ["online-retail", "complete-journey"])
def test_our_own_mapping_files_are_right(name: str):
    assert load_mapping(CHECKOUT / "mappings" / f"{name}.toml").source == name


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('source = "small"', "", "source", "needed"),
        ('currency = "CNY"', 'currency = "yuan"', "currency", "match"),
        ('zone = "Asia/Shanghai"', 'zone = "Asia/Atlantis"', "zone", "time zone"),
        ('till = { column = "till" }', 'til = { column = "till" }', "sale.til", "no such key"),
        ('code = { column = "code" }', 'code = { column = "code", value = "x" }', "line.code", "either column or value"),
        ('unit_price = { column = "price" }', "", "line", "either unit_price or amount"),
        ('store = { column = "store" }', 'store = { value = "123" }', "sale.store", "not a GLN"),
        ('store = { column = "store" }', 'store = { value = "1", gln_prefix = "12x" }', "sale.store.gln_prefix", "pattern"),
        ("[line]", '[[rules]]\ncodes = ["A"]\naction = "set_aside"\n[line]', "rules[1]", "needs a reason"),
        ("[line]", '[[rules]]\naction = "import"\n[line]', "rules[1]", "needs a condition"),
        ("[line]", '[[rules]]\ncode_pattern = "("\naction = "import"\n[line]', "rules[1].code_pattern", "regular expression"),
        ("[line]", "[line", "not TOML", "line"),
    ],
)
def test_a_wrong_key_is_named(old: str, new: str, key: str, says: str):
    with pytest.raises(MappingInvalid) as error:
        parse_mapping(SMALL.replace(old, new), "m.toml")
    assert "m.toml" in error.value.detail
    assert key in error.value.detail
    assert says in error.value.detail


def test_every_wrong_key_is_named_at_once():
    with pytest.raises(MappingInvalid) as error:
        parse_mapping(SMALL.replace('source = "small"', 'sauce = "small"').replace('"CNY"', '"yuan"'))
    assert all(key in error.value.detail for key in ("source", "sauce", "currency"))


def test_a_column_that_the_file_lacks_is_named_with_the_key_and_the_columns_there_are(tmp_path: Path):
    rules = parse_mapping(SMALL.replace('column = "price"', 'column = "Price"'))
    with pytest.raises(MappingInvalid, match=r"line\.unit_price\.column: .* no column 'Price'; it has store, till"):
        make_plan(rules, Source(write_csv(tmp_path / "f.csv", [row()]), rules.file))


def test_a_store_number_becomes_a_gln_under_a_prefix():
    store = parse_mapping(SMALL.replace('store = { column = "store" }', 'store = { column = "store", gln_prefix = "95292" }')).sale.store
    assert store.gln("309") == "9529200003099"
    assert is_gln(store.gln("1"))
    for wrong in ("", "x1", "12345678", "-1", "１"):
        with pytest.raises(ValueError, match="not a number"):
            store.gln(wrong)


def test_a_mapping_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(MappingInvalid, match="cannot be read"):
        load_mapping(tmp_path / "none.toml")
