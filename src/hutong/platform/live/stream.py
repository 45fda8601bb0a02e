"""A stream of server-sent events: one watcher of one topic over HTTP."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError, TooManyRequests, Unavailable
from hutong.platform.live.frames import server_sent
from hutong.platform.live.hub import Hub
from hutong.platform.live.topic import Topic, Watcher
from hutong.platform.tasks import cancel

LIMIT_SECONDS = 600.0
"""A stream ends itself after at most this long, up to a tenth earlier so that not all come back at once."""
CHECK_SECONDS = 3.0
"""How often it is asked whether the watcher may still watch."""
STALL_SECONDS = 10.0
"""How long after its limit a stream is waited for whose watcher keeps the line but has stopped reading."""
MOST_STREAMS = 20
RETRY_MS = 2_000


class EventStream(Response):
    """The answer to a request for a topic's events.

    ``last`` is ``epoch:seq`` of what the watcher has. ``check`` answers None while the watcher may go on, else the reason to end; it
    is asked now and then, and a database that cannot be reached ends nothing. Raises TooManyRequests, before anything is sent,
    when ``who`` has too many streams open. ``over``, where there is one, tells after each sending whether the topic has come to its
    end: the stream then says the reason that it answers, and closes.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        hub: Hub,
        topic: Topic,
        *,
        who: str,
        last: str = "",
        check: Callable[[], Awaitable[str | None]],
        limit_seconds: float = LIMIT_SECONDS,
        over: Callable[[], str | None] | None = None,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.hub = hub
        self.topic = topic
        self.who = who
        self.last = last
        self.check = check
        self.over = over
        self.limit_seconds = limit_seconds * (1 - secrets.randbelow(100) / 1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams = self.hub.streams
        if streams[self.who] >= MOST_STREAMS:
            raise TooManyRequests(f"At most {MOST_STREAMS} streams may be open at once; close one first.", retry_after=10)
        streams[self.who] += 1
        loop = asyncio.get_running_loop()
        watcher = Watcher(self.topic, self.last)
        self.hub.watch(self.topic, watcher)
        timer = loop.call_later(self.limit_seconds, watcher.end, "limit")
        tasks = [asyncio.create_task(_gone(receive, watcher)), asyncio.create_task(self._checks(watcher))]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.limit_seconds + STALL_SECONDS):
                    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                    await self._send(watcher, send)
        finally:
            timer.cancel()
            self.hub.unwatch(self.topic, watcher)
            streams[self.who] -= 1
            if not streams[self.who]:
                del streams[self.who]
            await cancel(*tasks)

    async def _send(self, watcher: Watcher, send: Send) -> None:
        data = [f"retry: {RETRY_MS}\n\n".encode(), *self._take(watcher)]
        with suppress(OSError):  # the line broke: nobody is there to be told
            while True:
                if data:
                    await send({"type": "http.response.body", "body": data[0] if len(data) == 1 else b"".join(data), "more_body": True})
                if watcher.ended is not None:
                    break
                await watcher.wait()
                data = self._take(watcher) if watcher.ended != "gone" else []
            if watcher.ended != "gone":
                await send({"type": "http.response.body", "body": server_sent("end", {"reason": watcher.ended}), "more_body": False})

    def _take(self, watcher: Watcher) -> list[bytes]:
        """What to send now. With the last of it the stream ends: whether it is the last is asked in the same moment."""
        data = watcher.take(now())
        if self.over is not None and not self.topic.dirty and (reason := self.over()) is not None:
            watcher.end(reason)
        return data

    async def _checks(self, watcher: Watcher) -> None:
        pause = CHECK_SECONDS * (0.5 + secrets.randbelow(100) / 100)  # those who came together do not all ask together
        while True:
            await asyncio.sleep(pause)
            try:
                reason = await self.check()
            except Unavailable:
                continue
            except HutongError:
                reason = "revoked"
            if reason is not None:
                watcher.end(reason)
                return


async def _gone(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.end("gone")
