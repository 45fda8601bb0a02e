"""Requests that mix one's own with another's: each part is checked, not only the first."""

import pytest

from tests.security.test_every_route import digest
from tests.support import sales


async def refused_all(stage, who, asks, allowed=(403, 404)):
    before = digest(stage)
    for method, url, body in asks:
        answer = await stage.clients[who].request(method, url, json=body)
        assert answer.status_code in allowed, (method, url, answer.status_code, answer.text[:300])
    assert digest(stage) == before


async def test_a_child_of_anothers_is_not_reached_through_ones_own_parent(stage):
    network = stage.network
    theirs, their_grant = stage.person()
    mine, _ = stage.person("store_manager", (network.two.id, network.two.stores[0].id, None))
    webhook = str(stage.owner.execute("select id from webhook where retailer_id = %s", [network.two.id]).fetchone()[0])
    delivery = stage.delivery(stage.webhook())
    asks = [
        ("DELETE", f"/v1/people/{mine}/grants/{their_grant}", None),
        ("DELETE", f"/v1/people/{theirs}/grants/{their_grant}", None),
        ("GET", f"/v1/webhooks/{webhook}/deliveries/{delivery}", None),
        ("POST", f"/v1/webhooks/{webhook}/deliveries/{delivery}/replay", None),
        ("GET", f"/monitor/stores/{network.two.stores[0].gln}/sales/{stage.sales['S01']['id']}", None),
    ]
    await refused_all(stage, "office-two", asks)
    await refused_all(stage, "manager", [("GET", f"/monitor/stores/{network.store.gln}/sales/{stage.sales['S02']['id']}", None)])


async def test_another_tenants_things_in_ones_own_body_are_refused(stage):
    network = stage.network
    mine, _ = stage.person("store_manager", (network.two.id, network.two.stores[0].id, None))
    theirs, _ = stage.person()
    person = {"login": stage.name("new"), "name": "New", "password": "a lantern over the hutong gate 7"}
    own, other = network.two.stores[0].gln, network.store.gln
    asks = [
        ("POST", f"/v1/people/{mine}/grants", {"role": "cashier", "store": other}),
        ("POST", f"/v1/people/{theirs}/grants", {"role": "cashier", "store": own}),
        ("POST", "/v1/people", person | {"grants": [{"role": "cashier", "store": own}, {"role": "cashier", "store": other}]}),
        ("POST", "/v1/people", person | {"grants": [{"role": "head_office", "retailer": "two"}, {"role": "network_operator"}]}),
        ("POST", "/v1/keys", {"name": "x", "permissions": ["sales:read"], "retailer": "one"}),
        ("POST", "/v1/prices", {"retailer": "two", "prices": [{"code": network.products[0].code, "store": other, "amount": 1}]}),
        ("POST", "/v1/prices", {"retailer": "two", "prices": [{"code": stage.product()[1], "amount": 1}]}),
    ]
    await refused_all(stage, "office-two", asks)
    sale = sales.sale(network, store=network.two.stores[0])
    mixed = [
        ("POST", "/v1/sales", sale | {"store": other}),
        ("POST", "/v1/sales", sales.return_of(network, stage.sales["S01"]) | {"store": own, "till": network.two.stores[0].tills[0].code}),
        ("POST", "/v1/stores", {"retailer": "two", "gln": stage.gln(), "code": "n", "name_zh": "新", "name_en": "New", "chain": "nope"}),
    ]
    await refused_all(stage, "office-two", mixed, (403, 404, 422))


@pytest.mark.parametrize("who", ["office", "integrator", "brand", "brand-two"])
async def test_nobody_gives_more_than_they_hold(stage, who):
    network = stage.network
    mine, _ = stage.person("brand_manager", (None, None, network.brands[0].id)) if who.startswith("brand") else stage.person()
    place = {"brand": "yunqi"} if who.startswith("brand") else {"retailer": "one"}
    await refused_all(
        stage,
        who,
        [
            ("POST", f"/v1/people/{mine}/grants", {"role": "network_operator"}),
            ("POST", f"/v1/people/{network.people['operator'].id}/grants", {"role": "brand_manager", "brand": "beiya"}),
            ("PUT", f"/v1/people/{network.people['operator'].id}/password", {"password": "a lantern over the hutong gate 7"}),
            ("POST", "/v1/keys", {"name": "x", "permissions": ["network:operate"], **place}),
            ("POST", "/v1/keys", {"name": "x", "permissions": ["sales:read", "people:write"], **place}),
        ],
        (403, 404, 422),
    )


async def test_an_empty_list_allows_nothing(stage):
    person = {"login": stage.name("new"), "name": "New", "password": "a lantern over the hutong gate 7", "grants": []}
    asks = [
        ("POST", "/v1/people", person),
        ("POST", "/v1/keys", {"name": "x", "permissions": [], "retailer": "one"}),
        ("POST", "/v1/sales:batch", {"sales": []}),
        ("POST", "/v1/products", {"products": []}),
        ("POST", "/v1/prices", {"prices": []}),
        ("POST", "/v1/sales", sales.sale(stage.network, []) | {"total": 0, "tenders": []}),
    ]
    await refused_all(stage, "office", asks, (403, 404, 422))


async def test_filters_narrow_what_one_sees_and_never_widen_it(stage):
    for who in ("office-two", "key-two", "till-two", "manager-two"):
        for address in (
            "/v1/sales?till=01", f"/v1/sales?business_date={stage.sales['S01']['business_date']}", "/v1/sales?kind=sale", "/v1/sales?limit=200",
            "/v1/stores?q=S01", "/v1/stores?retailer=one", "/v1/stores?province=31", "/v1/products?q=apples", "/v1/products?registered=true",
            "/v1/people?q=person", "/v1/audit?action=sale.", "/v1/audit?actor=key:1", "/v1/webhooks",
        ):  # fmt: skip
            answer = await stage.clients[who].get(address)
            assert answer.status_code in (200, 403), (who, address, answer.text)
            told = [mark.text for mark in stage.marks if mark.text in answer.text and not mark.is_for(who)]
            assert not told, (who, address, told)
            if "stores" in address and answer.status_code == 200:
                assert {each["retailer"] for each in answer.json()["items"]} <= {"two"}


@pytest.mark.parametrize("who", ["office-two", "brand", "till-two", "manager-2"])
async def test_ids_next_to_ones_own_are_nobodys_but_their_owners(stage, who):
    """What counts up can be guessed: guessing finds nothing."""
    theirs = [stage.till()[0], stage.person()[0], stage.key()]
    for address in (f"/v1/people/{theirs[1]}", f"/catalog/products/{stage.product()[0]}", f"/directory/tills/{theirs[0]}/state"):
        answer = await stage.clients[who].get(address)
        expected = (200,) if who == "manager-2" and "products" in address else (401, 403, 404)
        assert answer.status_code in expected, (address, answer.status_code)
