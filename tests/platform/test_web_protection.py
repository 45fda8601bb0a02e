"""Every answer carries the safe headers, bodies are bounded, and other sites cannot act for a signed-in person."""

from collections.abc import AsyncIterator

import httpx
import pytest

from hutong.platform.config import Settings
from hutong.platform.telemetry import configure_logging
from tests.platform.web_probe import client_of, probe_app

MEBIBYTE = 1024 * 1024
SIGNED_IN = {"hutong_session": "valid"}


@pytest.fixture
def probe() -> httpx.AsyncClient:
    return client_of(probe_app())


@pytest.fixture
def browser() -> httpx.AsyncClient:
    return client_of(probe_app(), cookies=SIGNED_IN)


async def test_every_answer_carries_the_safe_headers_once(probe):
    for path in ("/page", "/nowhere", "/fails/defect", "/static/web/hutong.css", "/stream"):
        answer = await probe.get(path)
        policy = answer.headers.get_list("content-security-policy")
        assert len(policy) == 1, path
        assert "script-src 'self';" in policy[0]
        assert "unsafe" not in policy[0]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "strict-transport-security" not in answer.headers


async def test_an_address_with_https_is_pinned_to_https():
    answer = await client_of(probe_app("https://hutong.example")).get("/page")
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


async def test_pages_have_no_script_or_style_of_their_own(probe):
    html = (await probe.get("/page")).text
    assert "style=" not in html
    assert "<style" not in html
    assert " onclick" not in html
    assert html.count("<script") == html.count('<script type="application/json"') + html.count('<script type="module" src="/static/')


async def test_what_is_not_said_to_be_kept_is_not_kept(probe):
    assert (await probe.get("/page")).headers["cache-control"] == "no-store"


async def test_a_body_beyond_the_limit_is_413_whether_declared_or_in_chunks(probe):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * (MEBIBYTE // 10)

    declared = await probe.post("/read", content=b"x" * (MEBIBYTE + 1))
    chunked = await probe.post("/read", content=chunks())
    parsed = await probe.post("/orders", content=chunks(), headers={"Content-Type": "application/json"})
    for answer in (declared, chunked, parsed):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.json()["limit_bytes"] == MEBIBYTE
    assert (await probe.post("/read", content=b"x" * MEBIBYTE)).text == str(MEBIBYTE)


async def test_a_batch_of_sales_may_be_sixteen_times_as_large(probe):
    assert (await probe.post("/v1/sales:batch", content=b"x" * (15 * MEBIBYTE))).status_code == 200
    assert (await probe.post("/v1/sales:batch", content=b"x" * (17 * MEBIBYTE))).status_code == 413


async def test_a_form_passes_with_the_sessions_token_and_reaches_the_route_whole(browser):
    urlencoded = await browser.post("/form", data={"csrf": "right", "note": "好"})
    multipart = await browser.post("/form", data={"csrf": "right", "note": "好"}, files={"file": ("a.csv", b"1,2")})
    script = await browser.post("/form", data={"note": "好"}, headers={"X-CSRF-Token": "right"})
    assert [answer.text for answer in (urlencoded, multipart, script)] == ["好"] * 3


@pytest.mark.parametrize("fields", [{}, {"csrf": ""}, {"csrf": "wrong"}, {"csrf": "ünïcode"}])
async def test_a_form_without_the_sessions_token_changes_nothing(browser, fields):
    answer = await browser.post("/form", data={"note": "x"} | fields)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


async def test_json_from_a_signed_in_browser_needs_the_header(browser):
    assert (await browser.post("/orders", json={"lines": []})).status_code == 403
    assert (await browser.post("/orders", json={"lines": []}, headers={"X-CSRF-Token": "right"})).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
async def test_another_site_is_refused_even_with_the_token_and_even_before_signing_in(browser, probe, headers):
    for client in (browser, probe):
        answer = await client.post("/form", data={"csrf": "right", "note": "x"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


async def test_our_own_origin_passes(browser):
    for headers in ({"Origin": "http://test"}, {"Sec-Fetch-Site": "same-origin", "Origin": "http://test:80"}):
        assert (await browser.post("/form", data={"csrf": "right", "note": "x"}, headers=headers)).status_code == 200


async def test_a_key_needs_no_token_and_a_dead_session_none_either():
    with_key = client_of(probe_app(), cookies=SIGNED_IN, headers={"Authorization": "Bearer hk_x"})
    stale = client_of(probe_app(), cookies={"hutong_session": "long gone"})
    assert (await with_key.post("/orders", json={"lines": [1]})).status_code == 200
    assert (await stale.post("/orders", json={"lines": [1]})).status_code == 200  # the route's own check sees nobody signed in


async def test_a_broken_multipart_form_is_a_clear_error(browser):
    answer = await browser.post("/form", content=b"--nonsense", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code in (400, 403)


async def test_metrics_are_for_this_machine_and_for_operators():
    near, far = client_of(probe_app()), client_of(probe_app(), peer="203.0.113.9")
    assert (await near.get("/metrics")).status_code == 200
    assert (await far.get("/metrics")).status_code == 404
    assert (await near.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})).status_code == 404
    assert (await client_of(probe_app(operator=True), peer="203.0.113.9").get("/metrics")).status_code == 200


async def test_metrics_count_by_route_and_never_by_address(probe):
    for number in range(3):
        await probe.get(f"/by/token-{number}/anna")
        await probe.get(f"/nowhere/{number}")
    text = (await probe.get("/metrics")).text
    assert 'route="/by/{token}/{name}"' in text
    assert "token-1" not in text
    assert 'route="unmatched",status="404"' in text
    assert "nowhere" not in text


async def test_the_log_has_no_query_and_no_secret_of_the_path(probe, caplog):
    configure_logging(Settings())
    await probe.get("/by/sesame-open/anna?key=hk_12345")
    written = str([record.msg for record in caplog.records if record.name == "hutong.access"])
    assert "/by/•••/anna" in written
    assert "sesame" not in written
    assert "hk_12345" not in written


async def test_a_stream_passes_message_by_message_and_its_break_is_not_papered_over(probe):
    assert (await probe.get("/stream")).text == "data: 1\n\ndata: 2\n\n"
    with pytest.raises(RuntimeError, match="in the middle"):
        await httpx.AsyncClient(transport=httpx.ASGITransport(probe_app()), base_url="http://test").get("/breaks")
