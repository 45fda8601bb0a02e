"""What grants cover: pure rules, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.directory import ROLE_PERMISSIONS, ROLE_PLACES, Grant, Permission, Principal
from hutong.directory.people import may_give, may_manage_wholly
from hutong.kernel.errors import Forbidden, NotFound

IDS = st.none() | st.integers(1, 3)
GRANTS = st.builds(Grant.of_role, st.sampled_from([*ROLE_PERMISSIONS, "made_up"]), IDS, IDS, IDS)


def holding(*grants: Grant) -> Principal:
    return Principal("person:1", "Somebody", grants=grants)


def test_a_retailers_grant_covers_its_stores_and_no_others():
    office = holding(Grant.of_role("head_office", retailer_id=1))
    assert office.may(Permission.READ_SALES, retailer_id=1, store_id=5)
    assert not office.may(Permission.READ_SALES, retailer_id=2, store_id=5)
    assert not office.may(Permission.READ_SALES, store_id=5)


def test_a_stores_grant_covers_that_store_and_not_its_retailer():
    manager = holding(Grant.of_role("store_manager", 1, 5))
    assert manager.may(Permission.MANAGE_TILLS, retailer_id=1, store_id=5)
    assert not manager.may(Permission.MANAGE_TILLS, retailer_id=1, store_id=6)
    assert not manager.may(Permission.MANAGE_TILLS, retailer_id=1)


def test_without_an_id_only_the_network_may():
    assert not holding(Grant.of_role("head_office", retailer_id=1)).may(Permission.READ_SALES)
    assert holding(Grant.of_role("network_operator")).may(Permission.READ_SALES)


def test_must_answers_not_found_for_a_place_and_forbidden_for_none():
    nobody = holding()
    with pytest.raises(NotFound):
        nobody.must(Permission.READ_SALES, retailer_id=1)
    with pytest.raises(Forbidden):
        nobody.must(Permission.OPERATE_NETWORK)


def test_a_role_held_where_it_cannot_be_held_allows_nothing_and_opens_no_scope():
    for role, place in [("network_operator", (1, None, None)), ("head_office", (None, None, None)), ("store_manager", (1, None, None))]:
        wrong = Grant.of_role(role, *place)
        assert wrong.permissions == frozenset()
        scope = holding(wrong).scope
        assert not scope.network
        assert not scope.retailers


def test_an_empty_list_of_grants_manages_nobody():
    assert not may_manage_wholly(holding(Grant.of_role("head_office", retailer_id=1)), [])


def test_a_brands_integrator_may_not_send_sales():
    assert Permission.CAPTURE_SALES not in Grant.of_role("integrator", brand_id=1).permissions
    assert Permission.CAPTURE_SALES in Grant.of_role("integrator", retailer_id=1).permissions


@given(st.lists(GRANTS, max_size=3), GRANTS, st.sampled_from(Permission), IDS, IDS, IDS)
def test_nobody_can_give_what_they_do_not_hold(held, given_grant, permission, retailer_id, store_id, brand_id):
    giver, taker = holding(*held), holding(given_grant)
    if may_give(giver, given_grant) and taker.may(permission, retailer_id=retailer_id, store_id=store_id, brand_id=brand_id):
        # What the taker may do where it holds the role, the giver may do there too.
        assert giver.may(permission, retailer_id=given_grant.retailer_id, store_id=given_grant.store_id, brand_id=given_grant.brand_id)


@given(st.lists(GRANTS, max_size=4))
def test_a_scope_opens_only_places_of_grants_that_can_be_held(held):
    scope = holding(*held).scope
    assert scope.network == any(g.role == "network_operator" and g.place == "network" for g in held)
    assert scope.retailers == {g.retailer_id for g in held if g.place == "retailer" and "retailer" in ROLE_PLACES.get(g.role, ())}
    assert scope.stores == {g.store_id for g in held if g.place == "store" and "store" in ROLE_PLACES.get(g.role, ())}
