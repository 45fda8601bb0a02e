"""A client that watches as a browser does: a whole document first, then frames applied by the reference."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from hutong.kernel.clock import now
from hutong.platform.database import Database
from hutong.platform.live import Hub, apply_frame
from hutong.platform.live.topic import Topic, Watcher


def events_of(data: bytes) -> list[dict[str, Any]]:
    """Server-sent events: ``id``, ``event`` and ``data`` (decoded)."""
    events = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            events.append(fields | {"data": msgspec.json.decode(fields["data"])})
    return events


class Client:
    """Holds what a browser would hold."""

    def __init__(self, topic: Topic, last: str = "") -> None:
        self.topic = topic
        self.watcher = Watcher(topic, last)
        self.document: dict[str, Any] = {}
        self.seq: int | None = None
        self.frames = 0
        self.wholes = 0

    def read(self) -> None:
        """Take what there is to take; a gap in the numbering fails."""
        for data in self.watcher.take(now()):
            for event in events_of(data):
                self.take(event)

    def take(self, event: dict[str, Any]) -> None:
        value = event["data"]
        assert event["id"] == f"{value['epoch']}:{value['seq']}"
        if event["event"] == "snapshot":
            self.wholes += 1
            self.document = value["document"]
        else:
            self.frames += 1
            assert self.seq is not None
            assert value["seq"] == self.seq + 1
            self.document = apply_frame(self.document, value)
        self.seq = value["seq"]


async def caught_up(hub: Hub, database: Database, within: float = 15.0) -> datetime:
    """Wait until every topic holds all that is committed now, and has sent it."""
    connection = await database.connect()
    row = await (await connection.execute("select clock_timestamp()")).fetchone()
    await connection.close()
    assert row is not None
    target: datetime = row[0]
    async with asyncio.timeout(within):
        while not all(ready(each, target) for each in hub.topics.values()):
            hub.tail.poke()
            await asyncio.sleep(0.005)
    return target


def ready(topic: Topic, target: datetime) -> bool:
    """Whether a topic holds everything up to ``target`` and owes its watchers nothing."""
    return topic.as_of is not None and topic.as_of >= target and (not topic.watchers or (not topic.dirty and topic.timer is None))
