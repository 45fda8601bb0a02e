"""Tills: one code, one key; rolled, revoked, alive."""

import asyncio
from datetime import timedelta
from hashlib import sha256

import pytest

from hutong.directory import Grant, Principal, register_tills, stores, touch_tills
from hutong.directory.tills import TRIES_AN_ADDRESS
from hutong.kernel.clock import now
from hutong.kernel.errors import NotFound
from hutong.platform.scope import Scope


async def new_code(manager, network):
    till = await manager.post(f"/v1/stores/{network.store.gln}/tills", json={"code": "77", "name": "By the door"})
    assert till.status_code == 201, till.text
    code = await manager.post(f"/v1/tills/{till.json()['id']}/code")
    assert code.status_code == 201, code.text
    return code.json()


async def enrol(client, code):
    return await client.post("/v1/tills:enrol", json={"code": code})


async def test_a_code_makes_a_till_that_holds_its_own_key(as_person, client, with_key, network, owner):
    made = await new_code(as_person("manager"), network)
    assert made["url"] == f"http://test/till/enrol#{made['code']}"
    enrolled = await enrol(client, f" {made['code'][:4].lower()}-{made['code'][4:]} ")
    assert enrolled.status_code == 201
    body = enrolled.json()
    assert body["store"]["gln"] == network.store.gln
    assert owner.execute("select key_hash from till where code = '77'").fetchone() == (sha256(body["key"].encode()).digest(),)
    till = with_key(body["key"])
    alive = await till.post("/v1/tills:heartbeat")
    assert alive.status_code == 200
    assert alive.json()["till"]["code"] == "77"
    assert [each["store_id"] for each in (await till.get("/v1/me")).json()["grants"]] == [network.store.id]


async def test_a_code_used_twice_by_parallel_calls_yields_one_key(as_person, client, network):
    made = await new_code(as_person("manager"), network)
    answers = await asyncio.gather(*(enrol(client, made["code"]) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [201, 404, 404, 404, 404, 404]


async def test_an_expired_a_replaced_and_an_unknown_code_answer_alike(as_person, client, network, owner):
    manager = as_person("manager")
    replaced = await new_code(manager, network)
    current = (await manager.post(f"/v1/tills/{replaced['till']['id']}/code")).json()
    owner.execute("update till_enrolment set expires_at = now() where used_at is null and expires_at > now()")
    answers = [await enrol(client, code) for code in (replaced["code"], current["code"], "ABCDEFGH", "not a code", "é" * 8)]
    assert {(each.status_code, each.json()["code"]) for each in answers} == {(404, "code_not_valid")}


async def test_guessing_codes_is_held_up(client, network):
    statuses = [(await enrol(client, "ABCDEFGH")).status_code for _ in range(TRIES_AN_ADDRESS + 1)]
    assert statuses == [404] * TRIES_AN_ADDRESS + [429]


async def test_rolling_gives_a_new_key_and_ends_the_old_one(with_key, network):
    old = with_key(network.till.key)
    rolled = await old.post("/v1/tills:roll")
    assert rolled.status_code == 200, rolled.text
    assert (await old.get("/v1/me")).status_code == 401
    assert (await with_key(rolled.json()["key"]).get("/v1/me")).status_code == 200


async def test_a_till_may_choose_its_next_key_so_that_a_lost_answer_does_no_harm(with_key, network):
    chosen = "ht_" + "a1B2-_" * 7 + "z"
    assert (await with_key(network.till.key).post("/v1/tills:roll", json={"key": chosen})).json() == {"key": chosen}
    assert (await with_key(chosen).get("/v1/me")).status_code == 200
    assert (await with_key(chosen).post("/v1/tills:roll", json={"key": "ht_short"})).status_code == 422


async def test_two_parallel_rolls_leave_one_valid_key(with_key, network):
    till = with_key(network.till.key)
    answers = await asyncio.gather(*(till.post("/v1/tills:roll") for _ in range(4)))
    keys = [each.json()["key"] for each in answers if each.status_code == 200]
    assert len(keys) == 1
    assert (await with_key(keys[0]).get("/v1/me")).status_code == 200


async def test_a_revoked_till_stops_at_once_and_can_be_enrolled_again(as_person, client, with_key, network):
    manager, till = as_person("manager"), with_key(network.till.key)
    assert (await till.get("/v1/me")).status_code == 200
    assert (await manager.post(f"/v1/tills/{network.till.id}/revoke")).status_code == 204
    assert (await till.get("/v1/me")).status_code == 401
    code = (await manager.post(f"/v1/tills/{network.till.id}/code")).json()["code"]
    assert (await with_key((await enrol(client, code)).json()["key"]).get("/v1/me")).status_code == 200


async def test_revoking_ends_an_open_code_too(as_person, client, network):
    manager = as_person("manager")
    made = await new_code(manager, network)
    await manager.post(f"/v1/tills/{made['till']['id']}/revoke")
    assert (await enrol(client, made["code"])).status_code == 404


async def test_only_a_manager_of_the_store_manages_its_tills(as_person, network, owner):
    before = owner.execute("select * from till order by id").fetchall()
    for who in ("manager-2", "manager-two", "office-two", "brand", "cashier", "integrator", "nobody"):
        client = as_person(who)
        assert (await client.post(f"/v1/stores/{network.store.gln}/tills", json={"code": "99"})).status_code in (403, 404)
        for path in ("/v1/tills/{}/code", "/v1/tills/{}/revoke", "/directory/tills/{}/code", "/directory/tills/{}/revoke"):
            assert (await client.post(path.format(network.till.id))).status_code in (403, 404), (who, path)
    assert owner.execute("select * from till order by id").fetchall() == before
    assert owner.execute("select count(*) from till_enrolment").fetchone() == (0,)


async def test_only_a_till_rolls_or_beats(as_person, with_key, network):
    for client in (as_person("operator"), with_key(network.one.key)):
        assert (await client.post("/v1/tills:roll")).status_code == 403
        assert (await client.post("/v1/tills:heartbeat")).status_code == 403


async def test_signs_of_life_are_written_in_one_go_and_never_set_back(database, network, owner):
    ids = [till.id for store in network.stores for till in store.tills]
    owner.execute("update till set last_seen_at = null")
    at = now()
    await touch_tills(database, dict.fromkeys(ids, at))
    await touch_tills(database, dict.fromkeys(ids, at - timedelta(hours=1)) | {10**6: at})
    assert owner.execute("select distinct last_seen_at from till").fetchall() == [(at,)]
    await touch_tills(database, {})


async def test_registering_a_till_twice_at_once_makes_one(database, network, owner):
    by = Principal.system("test")
    async with database.read(Scope.of_network()) as reader:
        store = (await stores(reader, network.one.id))[0]
    found = await asyncio.gather(*(register_tills(database, by, [(store, "A1"), (store, "A2")]) for _ in range(4)))
    assert len({each[store.id, "A1"].id for each in found}) == 1
    assert owner.execute("select count(*) from till where code in ('A1', 'A2')").fetchone() == (2,)


async def test_one_foreign_store_among_many_registers_nothing(database, network, owner):
    by = Principal("key:1", "ERP", grants=(Grant.of_role("integrator", retailer_id=network.one.id),))
    async with database.read(Scope.of_network()) as reader:
        both = [(await stores(reader, each.id))[0] for each in (network.one, network.two)]
    with pytest.raises(NotFound):
        await register_tills(database, by, [(each, "A1") for each in both])
    assert owner.execute("select count(*) from till where code = 'A1'").fetchone() == (0,)
