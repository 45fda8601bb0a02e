"""Who is behind an open stream, asked for again while it runs: a revoked key or an ended session must not go on watching."""

import asyncio
import time

from starlette.requests import HTTPConnection

from hutong.directory.access import authenticate
from hutong.directory.permissions import Principal

SHARE_SECONDS = 2.0


class Rechecks:
    """Who is behind the open streams, asked for anew: once for all streams of the same session or key that ask within a moment."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], tuple[float, asyncio.Task[Principal]]] = {}

    async def principal(self, request: HTTPConnection) -> Principal:
        """Who sent this request, as of at most ``SHARE_SECONDS`` ago. Raises Unauthenticated when it is nobody any more."""
        key = (request.headers.get("authorization", ""), request.headers.get("cookie", ""))
        at = time.monotonic()
        known = self._asked.get(key)
        if known is None or at - known[0] > SHARE_SECONDS:
            for old in [each for each, (asked, _) in self._asked.items() if at - asked > SHARE_SECONDS]:
                del self._asked[old]
            again = HTTPConnection({**request.scope, "state": {}})  # nothing remembered from the first time
            known = self._asked[key] = (at, asyncio.create_task(authenticate(again)))
        return await asyncio.shield(known[1])
