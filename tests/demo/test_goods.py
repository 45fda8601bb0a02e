from datetime import date, timedelta

from hutong.catalog import product_key
from hutong.demo.categories import categories, leaves
from hutong.demo.fresh import UNREGISTERED, piece_items, scale_label, weighed_items
from hutong.demo.goods import carries, launch_of, launches, price_at, products
from hutong.demo.groups import RETAILERS
from hutong.demo.makers import brands
from hutong.kernel.gs1 import gtin14, variable_measure

ALL = (*products(), *launches())


def test_some_3000_products_of_some_40_brands_have_valid_gtins_under_their_makers_prefix() -> None:
    assert 2_800 <= len(products()) <= 3_200
    assert 38 <= len(brands()) <= 45
    prefixes = {brand.code: brand.prefix for brand in brands()}
    assert len(set(prefixes.values())) == len(brands())
    for item in ALL:
        assert len(item.gtin) == 13
        assert gtin14(item.gtin)
        assert item.gtin.startswith(prefixes[item.brand])
        assert item.gtin[:3] in {str(number) for number in range(690, 700)}


def test_no_two_products_share_a_gtin_or_a_name() -> None:
    for part in ({item.gtin for item in ALL}, {item.zh for item in ALL}, {item.en for item in ALL}):
        assert len(part) == len(ALL)


def test_the_category_tree_is_whole() -> None:
    seen: set[str] = {""}
    for category in categories():
        assert category.parent in seen
        assert category.code not in seen
        seen.add(category.code)
    assert {item.leaf for item in ALL} <= seen
    assert {leaf.department for leaf in leaves().values()} <= seen


def test_tax_rates_are_those_of_retail_in_china() -> None:
    assert {leaf.vat for leaf in leaves().values()} == {0, 600, 900, 1300}


def test_every_product_is_listed_somewhere_and_every_department_of_a_retailer_has_goods() -> None:
    places = range(len(RETAILERS))
    listed = [{item.gtin for item in products() if carries(place, item)} for place in places]
    assert len(set.union(*listed)) > 0.95 * len(products())
    for place in places:
        assert len(listed[place]) > 200
        assert all(price_at(place, item.gtin, item.price) > 0 for item in products())


def test_weighing_scales_print_numbers_that_read_back() -> None:
    for item in weighed_items():
        for prefix, carried in (("22", "price"), ("25", "weight")):
            read = variable_measure(scale_label(prefix, item.number, 1234))
            assert read is not None
            assert (read.item, read.carries, read.value) == (item.number, carried, 1234)


def test_own_numbers_are_the_retailers_and_unregistered_codes_are_nobodys() -> None:
    assert all(product_key(1, item.number) == (1, item.number) for item in piece_items())
    known = {item.gtin for item in ALL} | {item.number for item in (*weighed_items(), *piece_items())}
    assert not known & {code for code, _ in UNREGISTERED}
    assert sum(gtin14(code) is not None for code, _ in UNREGISTERED) == 4


def test_another_limited_edition_launches_each_day_of_a_month() -> None:
    first = date(2026, 11, 1)
    assert len({launch_of(first + timedelta(days=day)).gtin for day in range(30)}) == 30
    assert not {item.gtin for item in launches()} & {item.gtin for item in products()}
