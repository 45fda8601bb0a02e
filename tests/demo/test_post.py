import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hutong.demo.baskets import Rung
from hutong.demo.keys import Keys
from hutong.demo.post import Post, Tally
from tests.support.server import free_port

KEYS = Keys("secret", "password", {"baihe": "hk_baihe"})


def rungs(*ids: str) -> list[Rung]:
    return [Rung(0, {"id": each, "store": "9520100000010", "till": "01", "kind": "sale"}, 0.0) for each in ids]


@asynccontextmanager
async def network(answers: list[Response]) -> AsyncIterator[tuple[Post, list[tuple[str, str, Any]]]]:
    """A network that gives these answers one after the other and notes what it was asked."""
    asked: list[tuple[str, str, Any]] = []

    async def answer(request: Request) -> Response:
        asked.append((request.url.path, request.headers["authorization"], json.loads(await request.body())))
        return answers[len(asked) - 1]

    port = free_port()
    app = Starlette(routes=[Route("/v1/sales", answer, methods=["POST"]), Route("/v1/sales:batch", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve)
        while not server.started:
            await anyio.sleep(0.01)
        post = Post(f"http://127.0.0.1:{port}", KEYS, Tally())
        yield post, asked
        await post.close()
        server.should_exit = True


def outcomes(*statuses: int) -> JSONResponse:
    return JSONResponse({"outcomes": [{"status": status, "outcome": "x", "problem": {"code": "c"}} for status in statuses]})


async def test_a_sale_is_sent_again_with_the_same_id_until_the_network_can_take_it() -> None:
    busy = Response(status_code=503, headers={"retry-after": "0"})
    async with network([busy, Response(status_code=429), JSONResponse({"id": "a"}, 201)]) as (post, asked):
        assert await post.one(rungs("a")[0])
        assert [document["id"] for _, _, document in asked] == ["a", "a", "a"]
        assert {key for _, key, _ in asked} == {f"Bearer {KEYS.till('9520100000010', '01')}"}
        assert (post.tally.captured, post.tally.retries) == (1, 2)


async def test_of_a_batch_only_what_could_not_be_taken_is_sent_again() -> None:
    async with network([outcomes(201, 503, 422, 200), outcomes(201)]) as (post, asked):
        captured = await post.many(0, rungs("a", "b", "c", "d"))
        assert [rung.document["id"] for rung in captured] == ["a", "d", "b"]
        assert [document["id"] for document in asked[1][2]["sales"]] == ["b"]
        assert {key for _, key, _ in asked} == {"Bearer hk_baihe"}
        assert (post.tally.captured, post.tally.duplicate, post.tally.refused) == (2, 1, 1)


async def test_a_refusal_is_final_and_told_with_its_reason() -> None:
    problem = JSONResponse({"code": "sale_does_not_add_up", "detail": "Line 1"}, 422)
    async with network([problem]) as (post, asked):
        assert not await post.one(rungs("a")[0])
        assert len(asked) == 1
        assert list(post.tally.reasons) == ["422 sale_does_not_add_up: Line 1"]


async def test_a_network_that_is_not_there_yet_is_waited_for() -> None:
    async with network([JSONResponse({"id": "a"}, 201)]) as (post, _):
        away = Post(f"http://127.0.0.1:{free_port()}", KEYS, Tally())
        with anyio.move_on_after(0.6):
            await away.one(rungs("a")[0])
        assert away.tally.retries >= 1
        await away.close()
        assert await post.one(rungs("a")[0])
