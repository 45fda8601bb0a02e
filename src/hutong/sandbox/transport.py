"""The wire under the gateway: reading requests, answering, and answering badly (cut, torn, slow, somebody else's page)."""

import asyncio
import contextlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from hutong.sandbox.agenda import Agenda
from hutong.sandbox.state import World

PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr><center>proxy</center></body></html>"
TITLES = {"http_500": (500, "500 Internal Server Error"), "http_502": (502, "502 Bad Gateway"), "html": (200, "系统繁忙")}
CHARSET = re.compile(r"(?:^|&)charset=([\w-]+)")
PluggedHow = Literal["cut", "silent"]


class Plug:
    """The line between merchants and the wallet. Pulled, every request is cut, or gets no answer until the line is back."""

    def __init__(self, world: World) -> None:
        self.world = world
        kept = world.kept("plug")
        self.how: PluggedHow | None = kept if kept in ("cut", "silent") else None
        self._back = asyncio.Event()

    @property
    def plugged(self) -> bool:
        """Whether the line is there."""
        return self.how is None

    def pull(self, how: PluggedHow) -> None:
        """Take the line away."""
        self.how = how
        self._back.clear()
        self.world.keep("plug", how)

    def put_back(self) -> None:
        """The line is there again."""
        self.how = None
        self._back.set()
        self.world.keep("plug", None)

    async def stopped(self, send: Send, receive: Receive) -> bool:
        """Whether the plug is out; then the request has been dealt with and was not executed."""
        if self.how is None:
            return False
        if self.how == "silent":
            gone = asyncio.ensure_future(receive())
            back = asyncio.ensure_future(self._back.wait())
            await asyncio.wait([gone, back], return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            back.cancel()
        await cut(send, receive)
        return True


def later(world: World, seconds: float) -> datetime:
    """A moment so many virtual seconds ahead."""
    return world.clock.now() + timedelta(seconds=seconds)


async def read_body(receive: Receive, most: int) -> bytes | None:
    """The request's body; None if it is larger than ``most`` bytes."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            return None
    return body


def parameters_of(scope: Scope, body: bytes) -> dict[str, str]:
    """Query and body in one: the official SDK sends the common parameters in one and the business content in the other."""
    text = b"&".join((scope["query_string"], body.strip())).decode("latin-1")
    named = CHARSET.search(text)
    charset = "gb18030" if named is not None and named[1].lower() in ("gbk", "gb2312", "gb18030") else "utf-8"
    return dict(parse_qsl(text, keep_blank_values=True, encoding=charset))


async def json_text(send: Send, body: bytes, charset: str) -> None:
    """A whole answer."""
    await _answer(send, 200, body, f"application/json;charset={charset}")


async def plain(send: Send, status: int, text: str) -> None:
    """A few words."""
    await _answer(send, status, text.encode(), "text/plain;charset=utf-8")


async def page(send: Send, kind: str) -> None:
    """A page of somebody on the way."""
    status, title = TITLES[kind]
    await _answer(send, status, PAGE.format(title).encode(), "text/html;charset=utf-8")


async def redirect(send: Send, address: str) -> None:
    """Elsewhere."""
    headers = [(b"location", address.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 302, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def download(send: Send, body: bytes, name: str) -> None:
    """A file."""
    headers = [
        (b"content-type", b"application/octet-stream"), (b"content-length", str(len(body)).encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer(send: Send, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def cut(send: Send, receive: Receive) -> None:
    """End the connection without a word. Without a real connection beneath (a test in the same process) it is a ConnectionResetError."""
    wire: asyncio.Transport | None = getattr(getattr(send, "__self__", None), "transport", None)
    if wire is None:
        raise ConnectionResetError("the sandbox cut the connection")
    wire.abort()
    for _ in range(100):  # the server takes note of it in its own time; until then it would take our silence for a mistake
        if (await receive())["type"] == "http.disconnect":
            return


async def truncated(send: Send, body: bytes, receive: Receive) -> None:
    """Promise the whole, send two thirds, and cut."""
    headers = [(b"content-type", b"application/json;charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body[: len(body) * 2 // 3], "more_body": True})
    wire: asyncio.Transport | None = getattr(getattr(send, "__self__", None), "transport", None)
    if wire is None:
        raise ConnectionResetError("the sandbox cut the connection")
    wire.close()
    await receive()


async def slow(send: Send, body: bytes, seconds: float, agenda: Agenda) -> None:
    """One byte at a time, for so many virtual seconds in all."""
    headers = [(b"content-type", b"application/json;charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    with contextlib.suppress(OSError):
        for index in range(len(body)):
            await agenda.sleep(seconds / len(body))
            await send({"type": "http.response.body", "body": body[index : index + 1], "more_body": index + 1 < len(body)})


def page_address(node: bytes) -> str:
    """Where the page of a page method is, from its answer's node; empty where it was refused."""
    fields: Mapping[str, str] = json.loads(node)
    return fields.get("pageRedirectionData", "")
