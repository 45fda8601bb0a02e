"""The assembled application: it starts only on its own schema, leads everybody to their page, and describes itself."""

import re

import httpx
import psycopg
import pytest

from hutong.app import check_schema, create_app
from hutong.platform.config import Settings

PAGE = {"Accept": "text/html"}


async def test_it_does_not_start_on_another_schema(database_url, owner):
    await check_schema(database_url)
    owner.execute("update alembic_version set version_num = '0000'")
    with pytest.raises(RuntimeError, match="run `hutong migrate`"):
        await check_schema(database_url)


async def test_it_does_not_start_on_an_empty_database(database_url, owner):
    owner.execute("drop table alembic_version")
    with pytest.raises(RuntimeError, match="schema none"):
        await check_schema(database_url)


async def test_it_does_not_start_without_a_database(tmp_path):
    app = create_app(Settings(database_url=None, data_dir=tmp_path))
    with pytest.raises(RuntimeError, match="hutong serve"):
        async with app.router.lifespan_context(app):
            pass


async def test_it_lives_and_is_ready(client):
    assert (await client.get("/healthz")).json()["status"] == "alive"
    assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_everybody_is_led_to_their_own_page(client, as_person, network):
    expected = {
        "operator": "/monitor",
        "office": f"/monitor/retailers/{network.one.code}",
        "manager": f"/monitor/stores/{network.store.gln}",
        "cashier": f"/payments/stores/{network.store.gln}",
        "brand": f"/monitor/brands/{network.brands[0].code}",
        "nobody": "/places",
    }
    assert (await client.get("/")).headers["location"] == "/sign-in"
    for login, address in expected.items():
        answer = await as_person(login).get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, address), login


async def test_the_list_of_places_names_each_role(as_person, network):
    html = (await as_person("manager").get("/places?lang=en")).text
    assert network.store.name_en.replace("'", "&#39;") in html
    assert "Store manager" in html
    assert "You have no place" in (await as_person("nobody").get("/places?lang=en")).text


async def test_a_stranger_who_wants_a_page_is_sent_to_sign_in(client):
    answer = await client.get("/places", headers=PAGE)
    assert answer.headers["location"] == "/sign-in?next=%2Fplaces"


async def test_every_entry_of_the_header_leads_somewhere(as_person):
    for login in ("operator", "office", "manager", "cashier", "brand", "integrator"):
        person = as_person(login)
        page = await person.get("/places")
        header = page.text[page.text.index("<header") : page.text.index("</header>")]
        for address in re.findall(r'<a (?:class="\w+" )?href="(/[^"]*)"', header):
            answer = await person.get(address.replace("&amp;", "&"), headers=PAGE, follow_redirects=True)
            assert answer.status_code == 200, (login, address)


async def test_a_change_by_a_signed_in_browser_needs_the_sessions_own_token(clients, session_of, network, owner: psycopg.Connection):
    (token, _), (_, foreign) = session_of("office"), session_of("office-two")
    for headers in ({}, {"X-CSRF-Token": foreign}):
        browser: httpx.AsyncClient = clients(cookies={"hutong_session": token}, headers=headers)
        answer = await browser.post("/v1/retailers", json={"code": "x", "name_zh": "x", "name_en": "x", "kind": "supermarket"})
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert owner.execute("select count(*) from retailer").fetchone() == (2,)


async def test_the_description_is_whole(client):
    document = (await client.get("/openapi.json")).json()
    problem = {"$ref": "#/components/schemas/Problem"}
    assert {"key", "session"} == set(document["components"]["securitySchemes"])
    assert "post" in document["paths"]["/v1/sales"]
    assert "get" in document["paths"]["/v1/sales"]
    for path, methods in document["paths"].items():
        assert path.startswith("/v1/")
        for method, operation in methods.items():
            assert operation["responses"]["401"]["content"]["application/problem+json"]["schema"] == problem, (method, path)
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', str(document).replace("'", '"')):
        assert reference in document["components"]["schemas"], reference


async def test_the_reference_shows_every_operation(client):
    document = (await client.get("/openapi.json")).json()
    html = (await client.get("/docs?lang=en", headers=PAGE)).text
    for path in document["paths"]:
        assert f"<span>{path}</span>" in html


async def test_metrics_tell_an_operator_from_afar_and_nobody_else(app, network, session_of):
    for login, status in (("operator", 200), ("office", 404), (None, 404)):
        cookies = {"hutong_session": session_of(login)[0]} if login else {}
        transport = httpx.ASGITransport(app, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test", cookies=cookies) as far:
            assert (await far.get("/metrics")).status_code == status, login
