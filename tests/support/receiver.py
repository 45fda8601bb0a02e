"""A small HTTP server that receives webhooks in a test and answers as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reply = bytes | Callable[["Received"], Awaitable[bytes]]


def http(status: int, headers: str = "", body: bytes = b"") -> bytes:
    """An answer as it goes over the wire; ``headers`` are whole lines that end in CRLF."""
    return f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


FINE = http(204)


@dataclass
class Received:
    """One request: its path, headers (names in lower case) and body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came in, in order, and what is answered."""

    port: int = 0
    scheme: str = "http"
    reply: Reply = FINE
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    together: int = 0
    most_together: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name}
                request = Received(lines[0].split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0"))))
                self.requests.append(request)
                self.together += 1
                self.most_together = max(self.most_together, self.together)
                try:
                    writer.write(await self.reply(request) if callable(self.reply) else self.reply)
                finally:
                    self.together -= 1
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(reply: Reply = FINE, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = Receiver(reply=reply, scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
