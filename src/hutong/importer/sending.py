"""Posts sales to the network in batches, a few at a time, patient with a server that is busy or away."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from hutong.importer.errors import SendingStopped
from hutong.importer.receipts import Ready
from hutong.importer.state import Refusal

MAX_SALES = 200
MAX_LINES = 2_500
AGAIN = frozenset({429, 502, 503, 504})
LONGEST_PAUSE = 30.0
INSIDE = frozenset({"localhost", "127.0.0.1", "::1"})

Placed = tuple[int, Ready]
Recorder = Callable[[list[int], int, int, list[Refusal]], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to, and how long to bear with a server that does not answer (seconds without any progress)."""

    url: str
    key: str
    in_flight: int = 4
    patience: float = 600.0


class Sender:
    """Sends batches through one client. Raises SendingStopped when going on is pointless; what was answered stays recorded."""

    def __init__(self, client: httpx.AsyncClient, target: Target) -> None:
        self._client = client
        self._target = target
        self._progress_at = time.monotonic()
        self._proved = False

    async def send_all(self, sales: Iterable[Placed], record: Recorder) -> None:
        """Send everything, ``in_flight`` requests at once; ``record`` hears the answers to each request as they come."""
        waiting: set[asyncio.Task[None]] = set()
        try:
            for batch in batches(sales):
                while len(waiting) >= (self._target.in_flight if self._proved else 1):
                    waiting = await _first_done(waiting)
                waiting.add(asyncio.create_task(self.send(batch, record)))
            while waiting:
                waiting = await _first_done(waiting)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def send(self, batch: Sequence[Placed], record: Recorder) -> None:
        """Send one batch, as often as it takes until each of its sales has an answer that is final."""
        left = list(batch)
        tries = 0
        while left:
            response = await self._post(left, tries)
            tries += 1
            if response is None:
                continue
            if response.status_code == 413 and len(left) > 1:
                half = len(left) // 2
                await self.send(left[:half], record)
                left, tries = left[half:], 0
                continue
            outcomes = _outcomes(response, len(left))
            again = [placed for placed, outcome in zip(left, outcomes, strict=True) if outcome["status"] in AGAIN]
            self._note(left, outcomes, record)
            if again and len(again) == len(left):
                await self._pause(tries, None, "the server answers 'not now' to every sale")
            left = again

    async def _post(self, batch: Sequence[Placed], tries: int) -> httpx.Response | None:
        """One request; None after a pause where it is to be sent again."""
        body = msgspec.json.encode({"sales": [ready.document for _, ready in batch]})
        try:
            response = await self._client.post("/v1/sales:batch", content=body, headers={"Content-Type": "application/json"})
        except httpx.TransportError as error:
            await self._pause(tries, None, f"{self._target.url} cannot be reached ({type(error).__name__} {error})")
            return None
        if response.status_code in AGAIN:
            await self._pause(tries, response.headers.get("Retry-After"), f"the server answers {response.status_code}")
            return None
        if response.status_code != 413 and response.status_code != 200:
            raise SendingStopped(f"The server answered {response.status_code}: {_problem(response)}")
        return response

    def _note(self, batch: Sequence[Placed], outcomes: Sequence[dict[str, Any]], record: Recorder) -> None:
        places: list[int] = []
        captured = duplicate = 0
        refused: list[Refusal] = []
        for (place, _), outcome in zip(batch, outcomes, strict=True):
            if outcome["status"] in AGAIN:
                continue
            places.append(place)
            if outcome["status"] == 201:
                captured += 1
            elif outcome["status"] == 200:
                duplicate += 1
            else:
                problem = outcome.get("problem") or {}
                refused.append(Refusal(place, outcome["status"], problem.get("code", outcome["outcome"]), problem.get("detail", "")))
        if not self._proved and len(refused) > 4 and len(refused) == len(outcomes) and len({each.code for each in refused}) == 1:
            # A key or a store that is missing would set the whole file aside.
            raise SendingStopped(
                f"The server refuses every sale of the first {len(refused)}: {refused[0].detail} ({refused[0].code}). "
                "Does the retailer have these stores (hutong import setup), and the key sales:capture, sales:history and tills:register?"
            )
        if places:
            self._progress_at = time.monotonic()
            self._proved = self._proved or len(refused) < len(places)
            record(places, captured, duplicate, refused)

    async def _pause(self, tries: int, retry_after: str | None, why: str) -> None:
        wait = retry_seconds(retry_after)
        if wait is None:
            wait = min(LONGEST_PAUSE, 0.25 * 2 ** min(tries, 8)) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads tries, keeps no secret
        if time.monotonic() + wait - self._progress_at > self._target.patience:
            raise SendingStopped(f"Nothing could be sent for {self._target.patience:.0f} seconds: {why}.")
        await asyncio.sleep(wait)


@asynccontextmanager
async def open_sender(target: Target) -> AsyncIterator[Sender]:
    """A sender to the target. A proxy of the environment is not used for a server on this machine."""
    limits = httpx.Limits(max_connections=target.in_flight, max_keepalive_connections=target.in_flight)
    inside = httpx.URL(target.url).host in INSIDE
    async with httpx.AsyncClient(
        base_url=target.url.rstrip("/"), headers={"Authorization": f"Bearer {target.key}"}, timeout=httpx.Timeout(60, connect=5),
        limits=limits, trust_env=not inside,
    ) as client:  # fmt: skip
        yield Sender(client, target)


def batches(sales: Iterable[Placed]) -> Iterable[list[Placed]]:
    """The sales in groups that make good requests: neither too many sales nor too many lines."""
    batch: list[Placed] = []
    lines = 0
    for place, ready in sales:
        count = len(ready.document["lines"])
        if batch and (len(batch) >= MAX_SALES or lines + count > MAX_LINES):
            yield batch
            batch, lines = [], 0
        batch.append((place, ready))
        lines += count
    if batch:
        yield batch


def retry_seconds(header: str | None) -> float | None:
    """A Retry-After header, in seconds or as a date, as seconds from now (0 to 300); None if there is none to understand."""
    if not header:
        return None
    try:
        seconds = float(header) if header.strip().isdigit() else (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(300.0, max(0.0, seconds))


async def _first_done(waiting: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    waiting.difference_update(done)
    for task in done:
        task.result()
    return left


def _outcomes(response: httpx.Response, expected: int) -> list[dict[str, Any]]:
    try:
        outcomes: list[dict[str, Any]] = response.json()["outcomes"]
    except (ValueError, KeyError, TypeError):
        outcomes = []
    if len(outcomes) != expected:
        raise SendingStopped(f"The server's answer is not that of a batch of {expected} sales; is {response.url} hutong?")
    return outcomes


def _problem(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200] or response.reason_phrase
