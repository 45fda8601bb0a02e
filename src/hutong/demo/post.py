"""Sends sales as tills and integrators do: over HTTP, with their own keys, again and again with the same ids until answered."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from hutong.demo.baskets import Rung
from hutong.demo.groups import RETAILERS
from hutong.demo.keys import Keys

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Tally:
    """What became of what was sent; ``seconds`` are the last answers' times."""

    captured: int = 0
    duplicate: int = 0
    refused: int = 0
    retries: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))

    def latency(self, share: float) -> float:
        """The time in milliseconds within which this share of the last requests was answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0


class Post:
    """The way to the network. Every call goes on until each of its sales is captured or refused for good."""

    def __init__(self, url: str, keys: Keys, tally: Tally) -> None:
        self._keys = keys
        self.tally = tally
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
        self._client = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=limits)

    async def close(self) -> None:
        await self._client.aclose()

    async def one(self, rung: Rung) -> bool:
        """One sale with its till's own key, as ``POST /v1/sales``; whether the network has it now."""
        document = rung.document
        key = self._keys.till(document["store"], document["till"])
        answer = await self._send("/v1/sales", key, _encode(document))
        return self._settle(answer.status_code, _json(answer))

    async def many(self, retailer: int, rungs: Sequence[Rung]) -> list[Rung]:
        """Up to 1,000 sales of one retailer with its integrator's key, as ``POST /v1/sales:batch``; those that the network has now."""
        key, waiting = self._keys.retailers[RETAILERS[retailer].code], list(rungs)
        captured: list[Rung] = []
        pause = FIRST_PAUSE
        while waiting:
            body = b'{"sales":[' + b",".join([_encode(rung.document) for rung in waiting]) + b"]}"
            answer = await self._send("/v1/sales:batch", key, body)
            if answer.status_code != 200:
                for _ in waiting:
                    self._settle(answer.status_code, _json(answer))
                return captured
            again = []
            for rung, outcome in zip(waiting, _json(answer)["outcomes"], strict=True):
                if outcome["status"] in (429, 503):
                    again.append(rung)
                elif self._settle(outcome["status"], outcome.get("problem") or {}):
                    captured.append(rung)
            if again:
                self.tally.retries += 1
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            waiting = again
        return captured

    async def _send(self, path: str, key: str, body: bytes) -> httpx.Response:
        """Send until the network answers something else than "not now"; the pause is the one it asks for, or grows."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        pause = FIRST_PAUSE
        while True:
            began = time.perf_counter()
            asked = 0.0
            try:
                answer = await self._client.post(path, content=body, headers=headers)
                if answer.status_code < 500 and answer.status_code != 429:
                    self.tally.seconds.append(time.perf_counter() - began)
                    return answer
                asked = _seconds(answer.headers.get("retry-after", ""))
            except httpx.TransportError:
                pass
            self.tally.retries += 1
            await asyncio.sleep(min(max(asked, pause), LONGEST_PAUSE))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _settle(self, status: int, problem: dict[str, Any]) -> bool:
        if status == 201:
            self.tally.captured += 1
        elif status == 200:
            self.tally.duplicate += 1
        else:
            self.tally.refused += 1
            self.tally.reasons[f"{status} {problem.get('code', '')}: {problem.get('detail', '')}"[:200]] += 1
        return status in (200, 201)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0
