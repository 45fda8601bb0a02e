"""Errors are problem documents for programs and pages for people, and never tell what is inside."""

import httpx
import pytest

from tests.platform.web_probe import client_of, probe_app

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def probe() -> httpx.AsyncClient:
    return client_of(probe_app())


async def test_a_known_error_is_a_problem_document_whose_extra_members_never_replace_the_standard_ones(probe):
    answer = await probe.get("/fails/known")
    problem = answer.json()
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:hutong:problem:conflict"
    assert problem["code"] == "conflict"
    assert problem["status"] == 409
    assert problem["detail"] == "The receipt is taken."
    assert problem["receipt"] == "000123"
    assert problem["request_id"] == answer.headers["x-request-id"]


async def test_an_error_that_passes_says_when_to_come_back(probe):
    answer = await probe.get("/fails/busy")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_a_database_that_is_away_is_503_with_retry_after(probe):
    answer = await probe.get("/fails/outage")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_defect_is_500_with_the_requests_id_and_no_internals(probe):
    for headers in ({}, PAGE):
        answer = await probe.get("/fails/defect", headers={"X-Request-ID": "till-0001-abc", **headers})
        assert answer.status_code == 500
        assert "hunter2" not in answer.text
        assert "till-0001-abc" in answer.text
        assert answer.headers["x-request-id"] == "till-0001-abc"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_request_id_that_could_forge_a_log_line_is_replaced(probe):
    answer = await probe.get("/page", headers={"X-Request-ID": "x y=<script>"})
    assert answer.headers["x-request-id"].isalnum()


async def test_a_body_that_does_not_fit_lists_each_place_without_the_values_sent(probe):
    answer = await probe.post("/orders", json={"lines": ["secret-value", 2]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "body.lines.0"
    assert "secret-value" not in answer.text


async def test_a_body_that_is_not_json_is_400(probe):
    answer = await probe.post("/orders", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(probe):
    absent, wrong = await probe.get("/nowhere"), await probe.delete("/page")
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]


async def test_people_get_a_page_in_their_own_language(probe):
    chinese = await probe.get("/nowhere", headers=PAGE | {"Accept-Language": "zh-CN,zh;q=0.9"})
    english = await probe.get("/nowhere", headers=PAGE | {"Accept-Language": "en-US,en;q=0.9"})
    assert chinese.status_code == english.status_code == 404
    assert "这里没有您要找的内容" in chinese.text
    assert 'lang="zh-Hans-CN"' in chinese.text
    assert "There is no such thing here" in english.text


async def test_a_program_reads_english_unless_it_asks_otherwise(probe):
    plain = await probe.get("/fails/known")
    chinese = await probe.get("/fails/known", headers={"Accept-Language": "zh-CN"})
    assert plain.json()["title"] == "This contradicts what is already recorded"
    assert chinese.json()["title"] == "与已有记录冲突"


async def test_an_address_below_v1_never_answers_with_a_page(probe):
    answer = await probe.get("/v1/nothing", headers=PAGE)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_stranger_is_sent_to_sign_in_and_back_to_the_page(probe):
    page = await probe.get("/fails/stranger?day=2026-11-22&x=%2F%2Fevil", headers=PAGE)
    program = await probe.get("/fails/stranger")
    part_of_page = await probe.get("/fails/stranger", headers={"HX-Request": "true"})
    assert page.status_code == 303
    assert page.headers["location"] == "/sign-in?next=%2Ffails%2Fstranger%3Fday%3D2026-11-22%26x%3D%252F%252Fevil"
    assert (program.status_code, program.headers["www-authenticate"]) == (401, 'Bearer realm="hutong"')
    assert part_of_page.headers["hx-redirect"] == "/sign-in"
