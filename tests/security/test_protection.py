"""Sessions, redirects, pages and uploads against those who would misuse them."""

from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutong.app import create_app
from hutong.directory.pages_account import safe_next
from hutong.platform.web.templating import environment
from tests.security.stage import sign_in
from tests.support.network import stored

EVIL = "<img src=x onerror=alert(1)>"


async def test_what_somebody_typed_is_neither_markup_nor_a_format_in_what_a_page_says(stage):
    """Jinja's own gettext takes the text of an error for both."""
    text = environment().from_string("{{ _(said) }} {{ _('Try again in %(minutes)s min.', minutes=said) }}").render(said=EVIL + " 100 %")
    assert "<img" not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt; 100 %") == 2
    for address, form in (
        ("/catalog/products/new", {"code": "7 100 %s", "retailer": EVIL, "name_en": "x"}),
        ("/catalog/products/new", {"code": "50 % off", "retailer": "one", "brand": EVIL, "name_en": "x"}),
        ("/directory/people", {"login": EVIL, "name": EVIL, "password": EVIL, "role": "store_manager", "store": EVIL}),
        ("/directory/keys", {"name": EVIL, "place": EVIL, "permissions": EVIL}),
        ("/webhooks", {"url": EVIL, "place": EVIL, "kinds": EVIL}),
    ):
        answer = await stage.clients["office"].post(address, data=form)
        assert answer.status_code < 500, (address, form)
        assert "<img src=x" not in answer.text, (address, form)


async def test_an_errors_page_says_what_was_asked_for_as_text(stage):
    for address in (f"/v1x/{EVIL}", f"/directory/stores/{EVIL}", f"/monitor/brands/{EVIL}", f"/directory/stores?cursor={EVIL}&q={EVIL}"):
        answer = await stage.clients["office"].get(address, headers={"Accept": "text/html"})
        assert "<img src=x" not in answer.text, address


async def test_signing_in_gives_a_new_session_whatever_cookie_came_along(stage):
    planted = "planted-by-somebody-else-00000000000000000000"
    async with stage.client(cookies={"hutong_session": planted}) as client:
        first = (await sign_in(stage, client, "office")).cookies["hutong_session"]
    async with stage.client(cookies={"hutong_session": first}) as client:
        row = stage.owner.execute("select csrf from browser_session where token_hash = %s", [stored(first)]).fetchone()
        again = await client.post(
            "/sign-in", data={"login": "manager", "password": "correct horse battery staple"}, headers={"X-CSRF-Token": row[0]}
        )
        second = again.cookies["hutong_session"]
    assert len({planted, first, second}) == 3
    assert min(len(first), len(second)) >= 43
    async with stage.client(cookies={"hutong_session": first}) as client:
        assert (await client.get("/v1/me")).status_code == 401
    assert stage.owner.execute("select count(*) from browser_session where token_hash = %s", [stored(planted)]).fetchone() == (0,)


async def test_cookies_are_kept_from_scripts_other_sites_and_open_lines(stage):
    async with stage.client() as client:
        cookie = (await sign_in(stage, client, "office")).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie and "domain" not in cookie and "; secure" not in cookie
    app = create_app(stage.settings.model_copy(update={"base_url": "https://hutong.example"}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://hutong.example") as client,
    ):
        answer = await client.post("/sign-in", data={"login": "office", "password": "correct horse battery staple"})
        assert "; secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


AWAY = [
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "https:evil.example", "javascript:alert(1)", "/\t/evil.example",
    "/\n/evil.example", " //evil.example", "\u00a0//evil.example", "///evil.example", "/%0d%0aSet-Cookie:x=1", "/\r\nSet-Cookie: x=1", "@evil.example",
    "/.//evil.example", "/..//evil.example", "", "?next=//evil.example", "/sign-out", "data:text/html,x", "\u2028//evil.example", "/\u2215/evil",
]  # fmt: skip


@pytest.mark.parametrize("address", AWAY)
async def test_signing_in_leads_to_a_page_of_ours_only(stage, address):
    person, _ = stage.person(login=stage.name("next"))
    login = stage.owner.execute("select login from person where id = %s", [person]).fetchone()[0]
    async with stage.client() as client:
        answers = [await sign_in(stage, client, login, next=address), await client.get("/sign-in", params={"next": address})]
    for answer in answers:
        assert answer.status_code == 303
        target = urlsplit(urljoin("http://test/sign-in", answer.headers["location"]))
        assert (target.scheme, target.netloc) == ("http", "test")
        assert "\n" not in answer.headers["location"] and "x" not in answer.cookies


@given(st.text(alphabet="/\\\t\n .:@%evil?#;\u00a0\u2028\x00", max_size=12))
def test_whatever_stands_in_next_a_browser_stays_here(address):
    target = safe_next(address)
    # A browser drops tabs and line ends wherever they stand, and takes a backslash for a slash.
    as_read = "".join(letter for letter in target if letter not in "\t\r\n").replace("\\", "/").strip()
    assert as_read.startswith("/") and not as_read.startswith("//")


async def test_a_page_never_links_to_another_host_by_its_own_address(stage):
    for path in ("//evil.example", "//evil.example/%2e%2e", "///evil.example"):
        request = httpx.Request("GET", httpx.URL("http://test").copy_with(raw_path=path.encode()), headers={"Accept": "text/html"})
        answer = await stage.clients["signed out"].send(request)
        assert 'href="//' not in answer.text and "evil.example" not in answer.headers.get("location", "")


async def test_files_are_served_from_their_folders_only(stage):
    client = stage.clients["signed out"]
    for path in (
        "/static/web/../templating.py",
        "/static/web/%2e%2e/templating.py",
        "/static/web/..%2f..%2fcsrf.py",
        "/static/web//etc/passwd",
    ):
        request = httpx.Request("GET", httpx.URL("http://test").copy_with(raw_path=path.encode()))
        assert (await client.send(request)).status_code in (400, 404), path


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer hk_",
        b"Bearer ht_\xff\xfe",
        b"Basic eDp5",
        b"Bearer " + b"h" * 5000,
        b"\x00",
        b"Bearer hk_' or 1=1 --",
    ],
)
async def test_a_strange_key_is_no_key(stage, header):
    async with stage.client() as client:
        answer = await client.get("/v1/me", headers={b"authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        answer = await client.post("/v1/sales", json={}, headers={b"authorization": header})
        assert answer.status_code == 401
        assert (await client.get("/v1/me", headers={b"cookie": b"hutong_session=" + header})).status_code == 401


async def test_a_key_beside_a_session_does_not_lend_the_session_its_form(stage):
    """With a key the form's token is not asked for: then the session must not count either."""
    network, token = stage.network, stage.session(stage.network.people["office"].id)[0]
    async with stage.client(cookies={"hutong_session": token}, headers={"Authorization": f"Bearer {network.two.key}"}) as client:
        assert (await client.patch(f"/v1/stores/{network.store.gln}", json={"address": "x"})).status_code in (403, 404)
    async with stage.client(cookies={"hutong_session": token}, headers={"Authorization": "Bearer hk_nothing"}) as client:
        assert (await client.patch(f"/v1/stores/{network.store.gln}", json={"address": "x"})).status_code == 401


async def test_methods_that_a_route_does_not_have_are_refused_before_anything_else(stage):
    for method in ("PUT", "DELETE", "TRACE", "PROPFIND", "CONNECT"):
        answer = await stage.clients["operator"].request(method, "/v1/retailers")
        assert answer.status_code in (403, 405), method


@pytest.mark.parametrize("path", ["/v1/people", "/v1/products", "/catalog/products/new", "/sign-in", "/v1/webhooks"])
async def test_a_body_beyond_the_limit_is_refused_before_it_is_read(stage, path):
    answer = await stage.clients["operator"].post(path, content=b"x" * (1024 * 1024 + 1), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("x.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("x.html", "text/html", b"<script>alert(1)</script>"),
        ("../../x.csv", "text/csv", b"code,name_en\n=cmd|' /C calc'!A0,@x\n"),
        ("x.xlsx", "application/zip", b"PK\x03\x04" + b"\0" * 200),
    ],
)
async def test_an_uploaded_file_comes_back_as_text_that_runs_nowhere(stage, name, kind, content):
    files = {"file": (name, content, kind)}
    for path in ("/catalog/import", "/catalog/import/bad-rows", "/v1/products:import"):
        answer = await stage.clients["office"].post(path, data={"retailer": "one"}, files=files)
        assert answer.status_code < 500, path
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script>alert" not in answer.text and "<svg xmlns" not in answer.text
        if answer.headers["content-type"].startswith("text/csv"):
            assert answer.headers["content-disposition"].startswith("attachment")
            assert not any(
                cell.strip('"\ufeff ').startswith(("=", "+", "-", "@")) for line in answer.text.splitlines() for cell in line.split('","')
            )


async def test_guessing_a_tills_code_is_held_up(stage):
    async with stage.client() as client:
        answers = [
            (await client.post("/v1/tills:enrol", json={"code": f"AAAA{number:04d}".translate(str.maketrans("01", "XY"))}))
            for number in range(25)
        ]
    assert [answer.status_code for answer in answers[-4:]] == [429] * 4
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers[-4:])


async def test_problems_tell_nothing_of_the_inside(stage):
    for who in ("operator", "nobody", "signed out"):
        for path in (
            "/v1/people/0",
            "/v1/stores/x",
            "/v1/sales?cursor=%00",
            "/v1/products?limit=x",
            "/v1/nowhere",
            "/v1/monitor/stores/1?date=x",
        ):
            text = (await stage.clients[who].get(path)).text
            assert not any(word in text for word in ("Traceback", "psycopg", "sqlalchemy", "/src/", "select ", "hutong_app", 'File "')), (
                path
            )
