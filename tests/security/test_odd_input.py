"""Text that no person types, in every place of every route that takes text: refused or taken, never a defect."""

import copy
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import pytest
from fastapi.routing import iter_route_contexts

from tests.security.recipes import Ask, Things
from tests.security.recipes_pages import RECIPES
from tests.security.stage import Stage
from tests.security.test_every_route import ROUTES

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
ODD = [
    "\0",
    "\ud800",
    "9" * 40,
    "-1",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31",
    "²",
    "%",
    "x" * 5000,
    "', now())--",
    "\u202e\u0000\uffff",
    "1e400",
    "[]",
    "{}",
]
"""NUL, half a letter, numbers beyond any column, times beyond any calendar, a digit that is none, LIKE's own, long, SQL, numbers that overflow."""
TRIED = ODD if THOROUGH else ["\0\ud800", "9" * 40, "0001-01-01T00:00:00+23:59", "²'%"]
"""Of these each place of a request gets one, in turn; the thorough profile gives every place every one of ODD."""


JSON = {"Content-Type": "application/json"}


def quoted(text: str) -> str:
    return quote_plus(text.encode("utf-8", "surrogatepass"))


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every text and number of a JSON document."""
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from leaves(value, (*path, key))
    else:
        yield path


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def query_names(stage: Stage) -> dict[str, list[str]]:
    """The query parameters of every FastAPI route, by ``METHOD /path``."""
    found = {}
    for route in iter_route_contexts(stage.app.routes):
        dependant = getattr(route.original_route, "dependant", None)
        names = [each.alias for each in dependant.query_params] if dependant is not None else []
        found |= {f"{method} {route.path}": names for method in route.methods or ()}
    return found


def requests_with(route: str, ask: Ask, names: list[str], odd: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The recipe's request with one part after the other replaced by ``odd``."""
    address, _, query = ask.url.partition("?")
    template, parts = route.partition(" ")[2].split("/"), address.split("/")
    given = dict(parse_qsl(query, keep_blank_values=True))
    kept = {"json": ask.json, "data": ask.data, "files": ask.files}
    for place, part in enumerate(template):
        if part.startswith("{"):
            yield "/".join([*parts[:place], quoted(odd), *parts[place + 1 :]]) + (f"?{query}" if query else ""), kept
    for name in dict.fromkeys([*names, *given]):
        others = [f"{key}={quoted(value)}" for key, value in given.items() if key != name]
        yield f"{address}?{'&'.join([*others, f'{name}={quoted(odd)}'])}", kept
    for path in leaves(ask.json) if ask.json else ():
        for value in (odd, int(odd)) if odd.isascii() and odd.isdigit() else (odd,):
            changed = json.dumps(replaced(ask.json, path, value))
            yield ask.url, {"content": changed, "headers": JSON}
    for name in ask.data or {}:
        body = "&".join(f"{key}={quoted(odd if key == name else value)}" for key, value in (ask.data or {}).items())
        yield ask.url, {"content": body, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}


PUBLIC_ASKS = {
    "POST /sign-in": Ask("/sign-in", data={"login": "x", "password": "y", "next": "/"}),
    "GET /sign-in": Ask("/sign-in?next=/"),
    "POST /v1/tills:enrol": Ask("/v1/tills:enrol", {"code": "ABCDEFGH"}),
}


@pytest.mark.parametrize("route", [route for route in ROUTES if route in RECIPES or route in PUBLIC_ASKS])
async def test_odd_text_is_refused_or_taken_and_never_a_defect(stage, route):
    wrong, names = [], query_names(stage)
    ask = RECIPES[route].ask(stage, Things(stage)) if route in RECIPES else PUBLIC_ASKS[route]
    client = stage.clients["signed out" if route in PUBLIC_ASKS else "operator"]
    for number, odd in enumerate(TRIED):
        for place, (url, body) in enumerate(requests_with(route, ask, names.get(route, []), odd)):
            if not THOROUGH and place % len(TRIED) != number:
                continue
            answer = await client.request(route.partition(" ")[0], url, **body)
            if answer.status_code >= 500:
                wrong.append(f"{url[:200]} {str(body)[:300]}: {answer.status_code}")
            if answer.status_code == 401 and route not in PUBLIC_ASKS:  # a session that a request ended, such as by a new password
                client = stage.clients["operator"] = stage.as_person(stage.network.people["operator"].id)
    assert not wrong, "\n".join(wrong)


async def test_what_once_was_a_defect_is_refused(stage):
    sale = RECIPES["POST /v1/sales"].ask(stage, Things(stage)).json
    good = RECIPES["POST /v1/sales"].ask(stage, Things(stage)).json
    early = sale | {"completed_at": "0001-01-01T00:00:00+23:59"}
    answer = await stage.clients["key-one"].post("/v1/sales:batch", json={"sales": [early, good]})
    assert [each["status"] for each in answer.json()["outcomes"]] == [422, 201]  # and its neighbour is captured
    half = await stage.clients["operator"].put("/v1/brands/yunqi/prefixes", content=rb'{"prefixes": ["\ud800"]}', headers=JSON)
    assert (half.status_code, half.json()["given"]) == (422, "\ud800")
