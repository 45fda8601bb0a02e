"""API keys: shown once, no wider than their maker, ended at once."""

import asyncio
from hashlib import sha256

from hutong.directory import KEY_PERMISSIONS, Permission, Principal, revoke_key
from hutong.directory.access import remembered
from hutong.platform.database import Database


async def make(client, **changes):
    return await client.post("/v1/keys", json={"name": "ERP", "permissions": ["sales:read"], "retailer": "one"} | changes)


async def test_a_key_is_shown_once_and_stored_hashed(as_person, with_key, network, owner):
    office = as_person("office")
    made = await make(office)
    assert made.status_code == 201
    key = made.json()["key"]
    assert key.startswith("hk_")
    assert len(key) == 46
    assert owner.execute("select key_hash from api_key where name = 'ERP'").fetchone() == (sha256(key.encode()).digest(),)
    assert key not in (await office.get("/v1/keys")).text
    me = (await with_key(key).get("/v1/me")).json()
    assert me["grants"] == [
        {"role": "key", "permissions": ["sales:read"], "retailer_id": network.one.id, "store_id": None, "brand_id": None}
    ]


async def test_a_key_does_only_what_it_may(as_person, with_key, network):
    key = (await make(as_person("office"), permissions=["stores:read"])).json()["key"]
    reader = with_key(key)
    shown = (await reader.get("/v1/stores")).json()["items"]
    assert {each["gln"] for each in shown} == {each.gln for each in network.one.stores}
    assert (await reader.get(f"/v1/stores/{network.two.stores[0].gln}")).status_code == 404
    assert (await reader.patch(f"/v1/stores/{network.store.gln}", json={"address": "x"})).status_code == 404
    for path in ("/v1/people", "/v1/keys", "/v1/audit"):
        assert (await reader.get(path)).status_code == 403


BEYOND = [
    ("office", {"permissions": []}, 422),
    ("office", {"permissions": ["network:operate"]}, 422),
    ("office", {"permissions": ["people:write"]}, 422),
    ("office", {"permissions": ["made:up"]}, 422),
    ("office", {"retailer": "two"}, 404),
    ("office", {"retailer": "absent"}, 404),
    ("office", {"retailer": None}, 422),
    ("office", {"brand": "yunqi"}, 422),
    ("office", {"expires_at": "2020-01-01T00:00:00Z"}, 422),
    ("integrator", {"permissions": ["stores:write"]}, 404),
    ("manager", {}, 403),
    ("cashier", {}, 403),
    ("brand", {}, 404),
    ("brand", {"retailer": None, "brand": "beiya"}, 404),
    ("brand", {"retailer": None, "brand": "yunqi", "permissions": ["sales:capture"]}, 422),
]
"""Who asks for which key, and the answer."""


async def test_nobody_makes_a_key_wider_than_themselves(as_person, network, owner):
    for who, changes, status in BEYOND:
        answer = await make(as_person(who), **changes)
        assert answer.status_code == status, (who, changes, answer.text)
    assert owner.execute("select count(*) from api_key where name = 'ERP'").fetchone() == (0,)


async def test_a_key_cannot_make_keys_or_people(as_person, with_key, network):
    every = [each.value for each in KEY_PERMISSIONS]
    key = (await make(as_person("office"), permissions=every)).json()["key"]
    assert (await make(with_key(key))).status_code == 403
    answer = await with_key(key).post("/v1/people", json={"login": "new-one", "name": "N", "password": "long enough pass"})
    assert answer.status_code == 403


async def test_a_revoked_key_stops_at_once_though_it_was_remembered(as_person, with_key, network, app):
    office = as_person("office")
    made = (await make(office)).json()
    client = with_key(made["key"])
    assert (await client.get("/v1/me")).status_code == 200
    assert (await office.delete(f"/v1/keys/{made['id']}")).status_code == 204
    assert (await client.get("/v1/me")).status_code == 401
    assert (await office.delete(f"/v1/keys/{made['id']}")).status_code == 204


async def test_a_key_revoked_by_another_process_stops_within_a_moment(as_person, with_key, network, database_url, app):
    made = (await make(as_person("office"))).json()
    client = with_key(made["key"])
    deadline = asyncio.get_running_loop().time() + 6
    while not remembered(app.state.database).listening:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)
    assert (await client.get("/v1/me")).status_code == 200
    assert remembered(app.state.database).get(sha256(made["key"].encode()).digest()) is not None
    other = Database(database_url)
    await revoke_key(other, Principal.system("test"), made["id"])
    await other.close()
    deadline = asyncio.get_running_loop().time() + 2
    while (await client.get("/v1/me")).status_code != 401:
        assert asyncio.get_running_loop().time() < deadline, "the notification did not arrive"
        await asyncio.sleep(0.01)


async def test_an_expired_key_is_not_valid(as_person, with_key, network, owner):
    made = (await make(as_person("office"), expires_at="2099-01-01T00:00:00Z")).json()
    owner.execute("update api_key set expires_at = now() where id = %s", [made["id"]])
    assert (await with_key(made["key"]).get("/v1/me")).status_code == 401


async def test_a_foreign_office_neither_sees_nor_revokes_a_key(as_person, with_key, network, owner):
    made = (await make(as_person("office"))).json()
    stranger = as_person("office-two")
    assert made["id"] not in {each["id"] for each in (await stranger.get("/v1/keys")).json()["items"]}
    assert (await stranger.delete(f"/v1/keys/{made['id']}")).status_code == 404
    assert (await with_key(made["key"]).get("/v1/me")).status_code == 200


async def test_the_last_use_of_a_key_is_written(as_person, with_key, network):
    office = as_person("office")
    made = (await make(office)).json()
    await with_key(made["key"]).get("/v1/me")
    listed = (await office.get("/v1/keys")).json()["items"]
    assert next(each for each in listed if each["id"] == made["id"])["last_used_at"] is not None


NO_KEYS = ["Bearer", "Bearer hk_", "Basic aGs6", "Bearer " + "hk_" + "x" * 43, "Bearer ht_" + "y" * 43, "Bearer hk_" + "z" * 5000, "hk_x"]


async def test_what_is_no_key_answers_401(client, network):
    for header in NO_KEYS:
        answer = await client.get("/v1/me", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


def test_permissions_of_keys_are_those_that_programs_need():
    assert Permission.CAPTURE_SALES in KEY_PERMISSIONS
    assert not KEY_PERMISSIONS & {Permission.MANAGE_PEOPLE, Permission.MANAGE_KEYS, Permission.OPERATE_NETWORK}
