"""Every route of the application, asked by everybody: whose it is not gets 401, 403 or 404, learns nothing, and changes nothing."""

import json
import re
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from psycopg import sql
from starlette.routing import Mount

from hutong.app import create_app
from hutong.platform.config import Settings
from tests.security.bookkeeping import FILLED
from tests.security.paying import account_of
from tests.security.recipes import PUBLIC, Ask, Recipe, Things
from tests.security.recipes_pages import RECIPES
from tests.security.stage import EVERYBODY, KEYS, Stage

NOT_COMPARED = {
    "sign_in_attempt": "counts tries, right or wrong",
    "usual_day": "counted in the background", "usual_brand": "counted in the background", "usual_state": "counted in the background",
    "launch_day": "counted in the background", "event_cursor": "moves in the background",
}  # fmt: skip
SIGNS_OF_LIFE = {"last_seen_at", "seen_at", "last_used_at"}
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")|javascript:", re.IGNORECASE)
REASON = "Write a recipe for it in tests/security/recipes.py: a request that its rightful owner makes with success, and who may."


def every_route() -> list[str]:
    """``METHOD /path`` of every route, Starlette's and FastAPI's; mounts serve files and nothing else."""
    found = []
    for route in iter_route_contexts(create_app(Settings(database_url="postgresql://nowhere/none")).routes):
        if isinstance(route.original_route, Mount):
            assert route.path.startswith("/static/"), route.path
            continue
        found += [f"{method} {route.path}" for method in sorted(route.methods or ())]
    return found


ROUTES = every_route()
PROTECTED = [route for route in ROUTES if route not in PUBLIC]


async def send(client: httpx.AsyncClient, route: str, ask: Ask) -> httpx.Response:
    return await client.request(route.partition(" ")[0], ask.url, json=ask.json, data=ask.data, files=ask.files)


def digest(stage: Stage) -> dict[str, Any]:
    """The number of rows of every table and a checksum of them, without signs of life."""
    tables = stage.owner.execute(
        """select c.relname, array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
           from pg_class c where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace"""
    ).fetchall()
    parts = []
    for name, columns in tables:
        if name in NOT_COMPARED:
            continue
        kept = sql.SQL(", ").join(sql.Identifier(each) for each in columns if each not in SIGNS_OF_LIFE)
        parts.append(
            sql.SQL("select {}, count(*), sum(hashtextextended(row({})::text, 0)) from {}").format(
                sql.Literal(name), kept, sql.Identifier(name)
            )
        )
    return {name: (rows, checksum) for name, rows, checksum in stage.owner.execute(sql.SQL(" union all ").join(parts)).fetchall()}


def is_sign_in(answer: httpx.Response) -> bool:
    return answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")


def worked(answer: httpx.Response, recipe: Recipe) -> bool:
    if recipe.outcomes and answer.status_code == 200:
        return all(each["status"] in (200, 201) for each in answer.json()["outcomes"])
    if answer.status_code == 303:
        return not is_sign_in(answer)
    return answer.is_success


def refused(answer: httpx.Response, recipe: Recipe, path: str, who: str) -> bool:
    if recipe.outcomes and answer.status_code == 200:
        return all(each["status"] in (403, 404) for each in answer.json()["outcomes"])
    if answer.status_code in (403, 404):
        return True
    return who in KEYS and not path.startswith("/v1") and (answer.status_code == 401 or is_sign_in(answer))


def shape(answer: httpx.Response, things: Things) -> Any:
    """What an answer says, without what it was asked about."""
    if not answer.headers.get("content-type", "").startswith("application/") or not answer.content:
        return answer.status_code, len(re.sub(r"\w*\d\w*", "", answer.text)) // 200  # a page: about as long
    text = json.dumps(answer.json(), sort_keys=True, ensure_ascii=False)
    for name in sorted(set(things.named), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text)
    return answer.status_code, re.sub(r'"(request_id|id)": "[^"]*"', "", text)


def looks_wrong(stage: Stage, who: str, answer: httpx.Response) -> str:
    """What no answer to anybody may have: a defect, another's secrets, a page that can run foreign script."""
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:200]}"
    told = [mark.text for mark in stage.marks if mark.text in answer.text and not mark.is_for(who) and mark.text not in str(answer.url)]
    if told:
        return f"tells {told}"
    policy = answer.headers.get("content-security-policy", "")
    if "script-src 'self';" not in policy or ("unsafe" not in policy.replace("unsafe-", "unsafe-") and "default-src 'none'" not in policy):
        return f"policy {policy!r}"
    if "text/html" in answer.headers.get("content-type", "") and (found := INLINE.search(answer.text)):
        return f"inline {answer.text[found.start() - 40 : found.end() + 40]!r}"
    return ""


def test_every_route_has_a_recipe_or_is_meant_for_everybody():
    assert [route for route in PROTECTED if route not in RECIPES] == [], REASON


async def test_what_must_not_be_told_is_told_to_whose_it_is(stage):
    """Or the search for it in the answers to others would prove nothing."""
    told = ""
    for who in ("office", "office-two"):
        for address in ("/v1/sales", "/v1/keys", "/v1/people", "/v1/webhooks", "/v1/products?retailer=one&q=apples"):
            told += (await stage.clients[who].get(address)).text
        for store in stage.network.stores:
            told += (await stage.clients[who].get(f"/v1/stores/{store.gln}/tills")).text
    for who in ("brand", "brand-two"):
        told += (await stage.clients[who].get("/v1/people")).text + (await stage.clients[who].get("/v1/webhooks")).text
    for payment in stage.payments:
        told += (await stage.clients["operator"].get(f"/v1/payments/{payment}")).text
    for store in stage.network.stores:
        told += (await stage.clients["operator"].get(f"/payments/books/{account_of(stage, store)}/{FILLED}")).text
    assert [mark.text for mark in stage.marks if mark.text not in told] == []


@pytest.mark.parametrize("route", PROTECTED)
async def test_whose_it_is_not_is_refused_and_changes_nothing(stage, route):
    recipe = RECIPES.get(route)
    assert recipe is not None, f"{route} has no recipe. {REASON}"
    path, wrong = route.partition(" ")[2], []
    things, absent = Things(stage), Things(stage, absent=True)
    there, nowhere = recipe.ask(stage, things), recipe.ask(stage, absent)
    before = digest(stage)
    signed_out = await send(stage.clients["signed out"], route, there)
    if signed_out.status_code != 401 and not is_sign_in(signed_out):
        wrong.append(f"signed out: {signed_out.status_code}")
    page = await stage.clients["signed out"].request(
        route.partition(" ")[0], there.url, json=there.json, data=there.data, headers={"Accept": "text/html"}
    )
    if not path.startswith("/v1") and path != "/metrics" and not is_sign_in(page):
        wrong.append(f"signed out in a browser: {page.status_code}")
    if path == "/metrics":
        wrong.remove(f"signed out: {signed_out.status_code}")
        assert signed_out.status_code == 404
    for who in EVERYBODY:
        if who in recipe.allowed:
            continue
        answer = await send(stage.clients[who], route, there)
        if not refused(answer, recipe, path, who):
            wrong.append(f"{who}: {answer.status_code} {answer.text[:300]}")
        if reason := looks_wrong(stage, who, answer):
            wrong.append(f"{who}: {reason}")
        if things.named:
            other = await send(stage.clients[who], route, nowhere)
            if shape(answer, things) != shape(other, absent):
                wrong.append(f"{who} can tell it from what is absent: {shape(answer, things)} {shape(other, absent)}")
    after = digest(stage)
    assert not wrong, "\n".join(wrong)
    assert {name for name in before if before[name] != after[name]} == set()


@pytest.mark.parametrize("route", PROTECTED)
async def test_whose_it_is_gets_what_is_theirs_and_no_more(stage, route):
    recipe, wrong = RECIPES[route], []
    for who in [each for each in EVERYBODY if each in recipe.allowed]:
        ask = recipe.ask(stage, Things(stage))
        client = stage.with_key(ask.key) if ask.key else stage.as_person(ask.person) if ask.person else stage.clients[who]
        answer = await send(client, route, ask)
        if not worked(answer, recipe):
            wrong.append(f"{who}: {answer.status_code} {answer.text[:300]}")
        if reason := looks_wrong(stage, who, answer):
            wrong.append(f"{who}: {reason}")
        if ask.key or ask.person:
            await client.aclose()
            break  # one does it for oneself: who else is asked makes no difference
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.startswith(("GET", "HEAD"))])
async def test_no_other_site_can_act_for_a_signed_in_person(stage, route):
    recipe = RECIPES.get(route)
    ask = recipe.ask(stage, Things(stage)) if recipe else Ask(route.partition(" ")[2], data={})
    signed_in = stage.clients["operator"]
    before = digest(stage)
    for headers in ({"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 43}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await signed_in.request(route.partition(" ")[0], ask.url, json=ask.json, data=ask.data, files=ask.files, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf"), headers
    assert digest(stage) == before
