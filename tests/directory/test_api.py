"""Places over HTTP: reading, adding and changing retailers, brands and stores, and the audit log."""

from hutong.kernel.gs1 import check_digit

GLN = "690990000999" + check_digit("690990000999")


def store(**changes):
    return {"retailer": "one", "gln": GLN, "code": "S99", "name_zh": "新店", "name_en": "New store", "province_code": 31} | changes


async def test_head_office_adds_a_store_and_changes_it(as_person, network):
    office = as_person("office")
    made = await office.post("/v1/stores", json=store(hours={"mon": "08:00-22:00"}, opened_on="2026-11-01"))
    assert made.status_code == 201, made.text
    changed = await office.patch(f"/v1/stores/{GLN}", json={"address": "1 New Road", "hours": {}, "closed_on": None, "chain": None})
    assert changed.status_code == 200, changed.text
    shown = (await office.get(f"/v1/stores/{GLN}")).json()
    assert (shown["address"], shown["hours"], shown["retailer"], shown["zone"]) == ("1 New Road", {}, "one", "Asia/Shanghai")
    actions = [each["action"] for each in (await office.get("/v1/audit?action=store.")).json()["items"]]
    assert actions == ["store.update", "store.create"]


WRONG_STORES = [
    ({"gln": "6909900009990"}, 422, "gln"), ({"code": "S01"}, 409, "code"), ({"zone": "Mars/North"}, 422, "zone"),
    ({"zone": "../../etc/passwd"}, 422, "zone"), ({"hours": {"mon": "late"}}, 422, "hours"), ({"hours": {"xyz": "08:00-09:00"}}, 422, "hours"),
    ({"chain": "absent"}, 422, "chain"), ({"province_code": 12}, 422, "province_code"), ({"city_code": 4401}, 422, "city_code"),
    ({"opened_on": "2026-01-02", "closed_on": "2026-01-01"}, 422, "closed_on"), ({"retailer": "two"}, 404, None),
    ({"retailer": "absent"}, 404, None), ({"name_zh": "a\x00b"}, 422, None), ({"unknown": 1}, 422, None), ({"latitude": 91}, 422, None),
]  # fmt: skip


async def test_a_store_that_is_wrong_is_refused_by_field(as_person, network, owner):
    office = as_person("office")
    for changes, status, field in WRONG_STORES:
        answer = await office.post("/v1/stores", json=store(**changes))
        assert answer.status_code == status, answer.text
        assert field is None or answer.json()["field"] == field
    assert owner.execute("select count(*) from store").fetchone() == (5,)


async def test_stores_are_paged_and_filtered(as_person, network):
    operator = as_person("operator")
    first = (await operator.get("/v1/stores?limit=3")).json()
    second = (await operator.get("/v1/stores", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [each["gln"] for each in first["items"] + second["items"]] == [each.gln for each in network.stores]
    assert second["next_cursor"] is None

    async def found(**params):
        return {each["code"] for each in (await operator.get("/v1/stores", params=params)).json()["items"]}

    assert await found(province=44) == {"S03", "T02"}
    assert await found(city=4403) == {"T02"}
    assert await found(retailer="two") == {"T01", "T02"}
    assert await found(q="天河") == {"S03"}
    assert await found(q="%") == set()
    assert await found(q=network.store.gln) == {"S01"}
    for wrong in ({"cursor": "%%%"}, {"cursor": "LTE"}, {"limit": 0}, {"limit": 10_000}, {"q": "a\x00"}, {"retailer": "' or 1=1"}):
        assert (await operator.get("/v1/stores", params=wrong)).status_code in (400, 422)


async def test_everybody_sees_the_places_of_their_own(as_person, network):
    for who, retailers, stores in [
        ("office", {"one"}, 3),
        ("manager", {"one"}, 1),
        ("brand", {"one", "two"}, 5),
        ("operator", {"one", "two"}, 5),
    ]:
        client = as_person(who)
        assert {each["code"] for each in (await client.get("/v1/retailers")).json()["items"]} == retailers
        assert len((await client.get("/v1/stores")).json()["items"]) == stores


async def test_a_brand_sees_where_stores_are_but_not_their_tills(as_person, network):
    brand = as_person("brand")
    shown = (await brand.get(f"/v1/stores/{network.store.gln}")).json()
    assert not {"tills", "last_seen_at"} & set(shown)
    assert (await brand.get(f"/v1/stores/{network.store.gln}/tills")).status_code == 404
    assert (await brand.patch(f"/v1/stores/{network.store.gln}", json={"address": "x"})).status_code == 404
    page = await brand.get(f"/directory/stores/{network.store.gln}")
    assert page.status_code == 200
    assert "data-confirm" not in page.text


async def test_the_network_adds_retailers_chains_and_brands(as_person, network):
    operator = as_person("operator")
    retailer = {"code": "three", "name_zh": "三", "name_en": "Three", "kind": "convenience"}
    assert (await operator.post("/v1/retailers", json=retailer)).status_code == 201
    assert (await operator.post("/v1/retailers", json=retailer)).json()["code"] == "taken"
    chain = {"code": "c", "name_zh": "链", "name_en": "Chain", "format": "convenience"}
    assert (await operator.post("/v1/retailers/three/chains", json=chain)).status_code == 201
    assert (await operator.get("/v1/retailers/three")).json()["chains"] == [chain]
    assert (await operator.post("/v1/stores", json=store(retailer="three", chain="c"))).status_code == 201
    brand = {"code": "b9", "name_zh": "牌", "name_en": "B9", "prefixes": ["6909999"]}
    assert (await operator.post("/v1/brands", json=brand)).status_code == 201
    assert (await operator.put("/v1/brands/b9/prefixes", json={"prefixes": [network.brands[0].prefix]})).status_code == 409
    assert (await operator.put("/v1/brands/b9/prefixes", json={"prefixes": ["abc"]})).status_code == 422
    assert (await operator.put("/v1/brands/b9/prefixes", json={"prefixes": ["6909998", "6909997"]})).status_code == 204
    listed = (await operator.get("/v1/brands")).json()["items"]
    assert next(each for each in listed if each["code"] == "b9")["prefixes"] == ["6909997", "6909998"]


REFERENCE = "select (select count(*) from retailer), (select count(*) from brand), (select array_agg(prefix order by 1) from brand_prefix)"


async def test_nobody_else_changes_the_networks_reference(as_person, network, owner):
    before = owner.execute(REFERENCE).fetchone()
    brand = {"code": "b9", "name_zh": "牌", "name_en": "B9"}
    for who in ("office", "manager", "cashier", "integrator", "brand", "nobody"):
        client = as_person(who)
        answers = [
            await client.post("/v1/retailers", json=brand | {"kind": "x"}),
            await client.post("/v1/brands", json=brand),
            await client.put(f"/v1/brands/{network.brands[0].code}/prefixes", json={"prefixes": []}),
            await client.post("/v1/retailers/two/chains", json=brand | {"format": "x"}),
            await client.post("/v1/stores", json=store(retailer="two")),
            await client.patch(f"/v1/stores/{network.two.stores[0].gln}", json={"address": "x"}),
        ]
        assert all(each.status_code in (403, 404) for each in answers), who
    assert owner.execute(REFERENCE).fetchone() == before


async def test_the_audit_log_pages_filters_and_keeps_to_its_tenant(as_person, network):
    office = as_person("office")
    for number in range(5):
        await office.post(f"/v1/stores/{network.store.gln}/tills", json={"code": f"9{number}"})
    first = (await office.get("/v1/audit?limit=3&action=till.")).json()
    second = (await office.get("/v1/audit", params={"limit": 3, "action": "till.", "cursor": first["next_cursor"]})).json()
    assert [each["detail"]["code"] for each in first["items"] + second["items"]] == ["94", "93", "92", "91", "90"]
    assert (await office.get("/v1/audit?action=till._reate")).json()["items"] == []
    assert (await office.get(f"/v1/audit?actor=person:{network.people['office'].id}&action=till.create")).json()["items"]
    assert (await office.get("/v1/audit?until=2020-01-01T00:00:00Z")).json()["items"] == []
    assert (await as_person("office-two").get("/v1/audit?action=till.")).json()["items"] == []
    for who in ("manager", "cashier", "integrator", "nobody"):
        assert (await as_person(who).get("/v1/audit")).status_code == 403


async def test_strange_text_is_refused_and_never_a_defect(as_person, network):
    office = as_person("office")
    bodies = ['{"name": "\\ud800"}', '{"name": "a\\u0000"}', '{"code": "\\ud800", "name": ""}', "{", "[]", '"x"', "nul"]
    for method, path in [
        ("POST", "/v1/people"), ("POST", "/v1/keys"), ("POST", "/v1/stores"), ("POST", "/v1/tills:enrol"), ("POST", f"/v1/stores/{network.store.gln}/tills"),
        ("PATCH", f"/v1/stores/{network.store.gln}"), ("PUT", "/v1/people/1/password"), ("POST", "/v1/people/1/grants"),
    ]:  # fmt: skip
        for body in bodies:
            answer = await office.request(method, path, content=body, headers={"Content-Type": "application/json"})
            assert 400 <= answer.status_code < 500, (path, body, answer.text)
    for path in ("/v1/stores/%00", "/v1/stores/%ff", "/v1/retailers/%00", "/v1/people/99999999999", "/v1/stores?province=99999999", "/v1/stores?cursor=OTIyMzM3MjAzNjg1NDc3NTgwNw",
                 "/v1/audit?since=0001-01-01T00:00:00Z", "/directory/audit?since=9999-12-31&until=9999-12-31", "/directory/stores?province=9999&q=%00", "/directory/people?q=%00"):  # fmt: skip
        assert (await office.get(path)).status_code < 500, path
