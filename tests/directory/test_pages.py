"""The directory's pages: they open for whom they should, in both languages, and do what their buttons say."""

import csv
import io

import pytest

from hutong.directory import Principal, csv_line, safe_cell, start_enrolment

PAGES = ["/account", "/directory/stores", "/directory/people", "/directory/keys", "/directory/audit"]


async def test_pages_open_in_both_languages(as_person, client, network):
    office = as_person("office")
    for path in [*PAGES, f"/directory/stores/{network.store.gln}", f"/directory/people/{network.people['manager'].id}"]:
        for language, tag in (("en", "en"), ("zh", "zh-Hans-CN")):
            answer = await office.get(path, params={"lang": language})
            assert answer.status_code == 200, path
            assert f'<html lang="{tag}"' in answer.text
    assert (await client.get("/sign-in")).status_code == 200


async def test_without_a_session_pages_lead_to_the_sign_in(client, network):
    for path in PAGES:
        answer = await client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=")


async def test_a_code_is_shown_large_with_its_picture_until_the_till_is_enrolled(as_person, client, network):
    manager = as_person("manager")
    till = (await manager.post(f"/v1/stores/{network.store.gln}/tills", json={"code": "77"})).json()
    page = await manager.post(f"/directory/tills/{till['id']}/code", params={"lang": "en"})
    assert page.status_code == 200
    assert 'src="data:image/svg+xml' in page.text
    code = page.text.split('data-copy="')[1].split('"')[0]
    state = page.text.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    assert "Waiting" in (await manager.get(state, params={"lang": "en"})).text
    assert (await client.post("/v1/tills:enrol", json={"code": code})).status_code == 201
    assert "is enrolled" in (await manager.get(f"{state}&lang=en")).text
    assert (await as_person("manager-two").get(state)).status_code == 404


async def test_a_key_made_on_the_page_is_shown_once(as_person, with_key, network):
    office = as_person("office")
    form = {"name": "<b>ERP</b>", "place": f"retailer:{network.one.id}", "permissions": ["sales:read", "stores:read"], "days": "90"}
    page = await office.post("/directory/keys", data=form)
    assert page.status_code == 201
    assert "<b>ERP</b>" not in page.text
    key = page.text.split('data-copy="')[1].split('"')[0]
    assert (await with_key(key).get("/v1/me")).json()["name"] == "<b>ERP</b>"
    assert key not in (await office.get("/directory/keys")).text
    for wrong in ({"place": ""}, {"place": "store:1"}, {"permissions": []}, {"name": " "}, {"place": f"retailer:{network.two.id}"}):
        assert (await office.post("/directory/keys", data=form | wrong)).status_code in (404, 422)


async def test_a_person_made_on_the_page_gets_the_role_chosen(as_person, network):
    office = as_person("office")
    form = {
        "login": "new-one",
        "name": "新人",
        "password": "a good long password",
        "role": "cashier",
        "retailer": "one",
        "store": network.store.gln,
    }
    made = await office.post("/directory/people", data=form)
    assert made.status_code == 303
    page = await office.get(made.headers["location"], params={"lang": "en"})
    assert "Cashier" in page.text
    again = await office.post("/directory/people", data=form, params={"lang": "en"})
    assert again.status_code == 409
    assert "in use already" in again.text


async def test_the_audit_file_holds_no_formulas(as_person, network):
    office = as_person("office")
    await office.post("/v1/keys", json={"name": "=HYPERLINK(1)", "permissions": ["sales:read"], "retailer": "one"})
    answer = await office.get("/directory/audit.csv?action=key.")
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0]["action"] == "key.create"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "＝1", "\n=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(text):
    assert safe_cell(text) == "'" + text


def test_a_line_of_csv_reads_back_as_it_was():
    cells = ['a "b"', "c,d", "两\n行", "", "7"]
    assert next(csv.reader(io.StringIO(csv_line(cells), newline=""))) == cells


async def test_a_stores_name_never_runs_as_script(as_person, network):
    office = as_person("office")
    name = "<script>alert(1)</script>"
    assert (
        await office.patch(f"/v1/stores/{network.store.gln}", json={"name_zh": name, "name_en": name, "address": '"><img src=x>'})
    ).status_code == 200
    for path in ("/directory/stores", f"/directory/stores/{network.store.gln}", "/directory/audit"):
        text = (await office.get(path)).text
        assert name not in text
        assert "<img src=x>" not in text


async def test_the_address_in_the_qr_code_enrols_the_browser_that_opens_it(page, server, network, database):
    by = Principal.system("test")
    made = await start_enrolment(database, by, network.till.id)
    await page.goto(f"/till/enrol#{made.code}")
    assert made.code not in page.url
    await page.click("button[type=submit]")
    key = page.locator("[data-key]")
    await key.wait_for(state="visible")
    answer = await page.request.get("/v1/me", headers={"Authorization": f"Bearer {await key.text_content()}"})
    assert (await answer.json())["actor"] == f"till:{network.till.id}"
