"""People: made, given roles and shut out by those who may, and by nobody else."""

import asyncio

import pytest

from hutong.directory import Grant, Permission, Principal, create_person, grant, set_password
from hutong.directory.errors import LastOperator, Taken, WeakPassword
from hutong.directory.passwords import must_be_strong
from hutong.directory.people import revoke_grant, set_disabled
from hutong.kernel.errors import Invalid, NotFound
from tests.support.network import PASSWORD

GOOD = "a good long password"


def roles(owner):
    return owner.execute("select person_id, role, retailer_id, store_id, brand_id from role_grant order by 1, 2, 3, 4, 5").fetchall()


def body(**changes):
    return {"login": "new-one", "name": "新人", "password": GOOD, "grants": [{"role": "head_office", "retailer": "one"}]} | changes


async def test_head_office_adds_a_person_who_then_signs_in_with_their_role(as_person, clients, network):
    office = as_person("office")
    made = await office.post("/v1/people", json=body(grants=[{"role": "store_manager", "store": network.store.gln}]))
    assert made.status_code == 201, made.text
    assert made.json()["grants"][0]["store"] == network.store.gln
    client = clients()
    assert (await client.post("/sign-in", data={"login": "new-one", "password": GOOD})).status_code == 303
    me = (await client.get("/v1/me")).json()
    assert [(each["role"], each["store_id"]) for each in me["grants"]] == [("store_manager", network.store.id)]


BEYOND = [
    ("office", {"role": "network_operator"}, 404),
    ("office", {"role": "head_office", "retailer": "two"}, 404),
    ("office", {"role": "head_office", "retailer": "absent"}, 404),
    ("office", {"role": "brand_manager", "brand": "yunqi"}, 404),
    ("office", {"role": "head_office"}, 422),
    ("office", {"role": "network_operator", "retailer": "one"}, 422),
    ("office", {"role": "made_up", "retailer": "one"}, 422),
    ("brand", {"role": "brand_manager", "brand": "beiya"}, 404),
    ("brand", {"role": "head_office", "retailer": "one"}, 404),
    ("brand", {"role": "network_operator"}, 404),
    ("manager", {"role": "cashier", "store": "6909900000117"}, 403),
    ("cashier", {"role": "cashier", "store": "6909900000117"}, 403),
    ("integrator", {"role": "integrator", "retailer": "one"}, 403),
    ("nobody", {"role": "network_operator"}, 403),
]
"""Who asks for which role, and the answer."""


async def test_nobody_gives_what_they_do_not_hold(as_person, network, owner):
    before = roles(owner)
    for who, given, status in BEYOND:
        client, own = as_person(who), network.people[who].id
        assert (await client.post("/v1/people", json=body(grants=[given]))).status_code == status, (who, given)
        assert (await client.post(f"/v1/people/{own}/grants", json=given)).status_code == status, (who, given)
        form = {"csrf": client.headers["X-CSRF-Token"]} | {key: given.get(key, "") for key in ("role", "retailer", "store", "brand")}
        assert (await client.post("/directory/people", data=form | {"login": "new-one", "name": "N", "password": GOOD})).status_code >= 400
        assert (await client.post(f"/directory/people/{own}/grants", data=form)).status_code >= 400
    assert roles(owner) == before
    assert owner.execute("select count(*) from person where login = 'new-one'").fetchone() == (0,)


async def test_whether_a_foreign_place_exists_cannot_be_told(as_person, network):
    """Role and place are judged in an order that answers the same for a place that is there and one that is not."""
    office, gln = as_person("office"), network.two.stores[0].gln
    for role, key, there, absent in [
        ("head_office", "retailer", "two", "absent"), ("store_manager", "store", gln, "6901234567892"), ("head_office", "store", gln, "6901234567892"),
    ]:  # fmt: skip
        await same_answers(office, {"role": role, key: there}, {"role": role, key: absent})


async def same_answers(client, there, absent):
    for wrong in ({}, {"login": "!"}, {"password": "short"}):
        one, two = [await client.post("/v1/people", json=body(grants=[each], **wrong)) for each in (there, absent)]
        assert one.status_code == two.status_code
        assert one.json()["code"] == two.json()["code"]


async def test_only_the_network_adds_somebody_who_holds_nothing(as_person, network):
    assert (await as_person("office").post("/v1/people", json=body(grants=[]))).status_code == 403
    assert (await as_person("operator").post("/v1/people", json=body(grants=[]))).status_code == 201


async def test_people_of_another_tenant_are_not_there(as_person, network, owner):
    before = owner.execute("select id, password_hash, disabled_at from person order by id").fetchall(), roles(owner)
    grant_id = owner.execute("select id from role_grant where person_id = %s", [network.people["office-two"].id]).fetchone()[0]
    for who in ("office", "brand"):
        client = as_person(who)
        assert "office-two" not in (await client.get("/v1/people")).text
        for target in ("office-two", "operator", "nobody"):
            at = f"/v1/people/{network.people[target].id}"
            answers = [
                await client.get(at), await client.put(f"{at}/password", json={"password": GOOD}), await client.post(f"{at}/disable"),
                await client.post(f"{at}/enable"), await client.delete(f"{at}/grants/{grant_id}"),
                await client.post(f"{at}/grants", json={"role": "head_office", "retailer": "one"} if who == "office" else {"role": "brand_manager", "brand": "yunqi"}),
                await client.get(f"/directory/people/{network.people[target].id}"),
            ]  # fmt: skip
            assert [each.status_code for each in answers] == [404] * len(answers)
    assert (owner.execute("select id, password_hash, disabled_at from person order by id").fetchall(), roles(owner)) == before


async def test_who_holds_roles_elsewhere_too_is_managed_only_in_part(as_person, network, database, owner):
    both = network.people["manager"].id
    await grant(database, Principal.system("test"), both, "brand_manager", brand_id=network.brands[0].id)
    office = as_person("office")
    shown = (await office.get(f"/v1/people/{both}")).json()
    assert [each["role"] for each in shown["grants"]] == ["store_manager"]
    assert (await office.put(f"/v1/people/{both}/password", json={"password": GOOD})).status_code == 404
    assert (await office.post(f"/v1/people/{both}/disable")).status_code == 404
    assert (await office.delete(f"/v1/people/{both}/grants/{shown['grants'][0]['id']}")).status_code == 204
    assert (both, "brand_manager", None, None, network.brands[0].id) in roles(owner)


async def test_a_role_taken_away_ends_at_once(as_person, network):
    office, manager = as_person("office"), as_person("manager")
    assert (await manager.get(f"/v1/stores/{network.store.gln}/tills")).status_code == 200
    person = (await office.get(f"/v1/people/{network.people['manager'].id}")).json()
    await office.delete(f"/v1/people/{person['id']}/grants/{person['grants'][0]['id']}")
    assert (await manager.get(f"/v1/stores/{network.store.gln}/tills")).status_code == 404


async def test_shutting_out_ends_the_sessions_at_once_and_letting_in_needs_a_new_sign_in(as_person, clients, network):
    office, manager = as_person("office"), as_person("manager")
    at = f"/v1/people/{network.people['manager'].id}"
    assert (await manager.get("/v1/me")).status_code == 200
    assert (await office.post(f"{at}/disable")).status_code == 204
    assert (await manager.get("/v1/me")).status_code == 401
    assert (await clients().post("/sign-in", data={"login": "manager", "password": PASSWORD})).status_code == 401
    await office.post(f"{at}/enable")
    assert (await manager.get("/v1/me")).status_code == 401
    assert (await clients().post("/sign-in", data={"login": "manager", "password": PASSWORD})).status_code == 303


async def test_a_new_password_from_above_ends_the_sessions(as_person, clients, network):
    office, manager = as_person("office"), as_person("manager")
    assert (await office.put(f"/v1/people/{network.people['manager'].id}/password", json={"password": GOOD})).status_code == 204
    assert (await manager.get("/v1/me")).status_code == 401
    assert (await clients().post("/sign-in", data={"login": "manager", "password": GOOD})).status_code == 303


@pytest.mark.parametrize("password", ["short", "NEW-ONE-2026", "aaaaaaaaaaaa", "x" * 257])
def test_weak_passwords_are_refused(password):
    with pytest.raises(WeakPassword):
        must_be_strong(password, "new-one")


async def test_the_command_line_makes_people_and_roles(database, network, owner):
    by = Principal.system("cli")
    person_id = await create_person(database, by, login=" New.One ", name="N", password=GOOD, grants=[Grant.of_role("network_operator")])
    await grant(database, by, person_id, "head_office", retailer_id=network.one.id)
    await grant(database, by, person_id, "head_office", retailer_id=network.one.id)
    await set_password(database, by, person_id, GOOD + "!")
    assert owner.execute("select login from person where id = %s", [person_id]).fetchone() == ("new.one",)
    assert len([each for each in roles(owner) if each[0] == person_id]) == 2
    with pytest.raises(Taken):
        await create_person(database, by, login="new.one", name="N", password=GOOD)
    with pytest.raises(NotFound):
        await grant(database, by, person_id, "store_manager", retailer_id=network.two.id, store_id=network.store.id)
    with pytest.raises(Invalid):
        await grant(database, by, person_id, "store_manager", store_id=network.store.id)


async def test_the_last_operators_cannot_remove_each_other(database, network, owner):
    by = Principal.system("cli")
    first = network.people["operator"].id
    second = await create_person(database, by, login="second", name="S", password=GOOD, grants=[Grant.of_role("network_operator")])
    grants = dict(owner.execute("select person_id, id from role_grant where role = 'network_operator'").fetchall())
    results = await asyncio.gather(
        revoke_grant(database, by, first, grants[first]), set_disabled(database, by, second, True), return_exceptions=True
    )
    assert {type(each) for each in results} == {type(None), LastOperator}


async def test_what_is_done_to_people_is_audited_for_their_head_office(as_person, network):
    office = as_person("office")
    made = (await office.post("/v1/people", json=body())).json()
    rows = (await office.get("/v1/audit?action=person.")).json()["items"]
    assert [(each["action"], each["subject"], each["retailer"]) for each in rows] == [("person.create", f"person:{made['id']}", "one")]
    assert rows[0]["actor_name"]
    assert not (await as_person("office-two").get("/v1/audit?action=person.")).json()["items"]


def test_every_role_that_manages_people_can_only_be_given_by_its_like():
    from hutong.directory import ROLE_PERMISSIONS

    assert {role for role, allowed in ROLE_PERMISSIONS.items() if Permission.MANAGE_PEOPLE in allowed} == {
        "network_operator",
        "head_office",
        "brand_manager",
    }
