from collections import Counter

import pytest

from hutong.demo.groups import RETAILERS
from hutong.demo.places import cities, provinces
from hutong.demo.stores import stores
from hutong.kernel.gs1 import is_gln

ALL = stores()


def test_there_are_4700_stores_of_five_retailers_of_four_kinds() -> None:
    assert len(ALL) == 4700
    assert {store.retailer for store in ALL} == set(range(5))
    assert len({retailer.kind for retailer in RETAILERS}) == 4


def test_every_store_has_a_valid_gln_of_its_own() -> None:
    assert all(is_gln(store.gln) for store in ALL)
    assert len({store.gln for store in ALL}) == 4700
    assert len({(store.retailer, store.code) for store in ALL}) == 4700


def test_stores_are_in_the_25_trading_provinces_and_near_their_cities() -> None:
    centres = {city.code: city for city in cities()}
    assert {store.province for store in ALL} == {unit.code for unit in provinces() if unit.trading}
    for store in ALL:
        city = centres[store.city]
        assert city.province == store.province
        assert abs(store.latitude - city.latitude) < 0.4
        assert abs(store.longitude - city.longitude) < 0.4


def test_no_two_stores_of_a_chain_have_one_name_in_one_city() -> None:
    times = Counter((store.city, store.zh) for store in ALL)
    assert max(times.values()) == 1


def test_the_first_store_is_where_the_log_ins_say() -> None:
    assert ALL[0].zh == "百合超市 南京西路店"
    assert ALL[0].city == 310106


def test_they_are_the_same_each_time_they_are_made() -> None:
    assert stores() == ALL


@pytest.mark.parametrize("count", [10, 50, 333])
def test_a_smaller_network_has_as_many_stores_as_it_is_asked_for(count: int) -> None:
    few = stores(count)
    assert len(few) == count
    assert any(store.banner.always_open for store in few)
    assert few[0].zh == ALL[0].zh
