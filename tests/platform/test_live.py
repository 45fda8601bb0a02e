"""Live topics over HTTP's own protocol: frames, resuming, slow watchers, limits; with a topic that only counts events."""

import asyncio
from collections.abc import AsyncIterator, Collection, Hashable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
import pytest

from hutong.kernel.clock import now
from hutong.kernel.errors import TooManyRequests, Unauthenticated, Unavailable
from hutong.platform.database import Database
from hutong.platform.live import EventStream, Hub, News
from hutong.platform.live import stream as streaming
from hutong.platform.live.topic import MOST_BEHIND, RING, Topic, Watcher
from hutong.platform.scope import Scope
from hutong.platform.tail import Event, Horizon
from tests.monitor.watching import Client, events_of


class Happened(NamedTuple):
    xid: int
    kind: str


class CountState:
    """Counts events of a kind: a map section with one cell, and a whole section with the parity."""

    def __init__(self, kind: str, count: int, horizon: str, as_of: datetime) -> None:
        self.kind, self.total = kind, count
        self.horizon, self.as_of, self.newest = Horizon.of(horizon), as_of, None
        self.touched = False

    def document(self, _now: datetime) -> dict[str, Any]:
        return {"counts": {self.kind: self.total}, "parity": self.total % 2}

    def apply(self, item: Happened) -> None:
        self.total += 1
        self.touched = True

    def changes(self, _now: datetime) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        touched, self.touched = self.touched, False
        return ({"parity": self.total % 2}, {"counts": {self.kind: self.total}}) if touched else ({}, {})


class CountSource:
    """Topics are kinds of events."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.loads = 0

    def name(self, key: Hashable) -> str:
        return str(key)

    async def load(self, key: Hashable) -> CountState:
        self.loads += 1
        async with self.database.read(Scope.of_network()) as reader:
            row = await reader.row(
                "select count(*) as count, pg_current_snapshot()::text as horizon, statement_timestamp() as as_of from event where kind = :kind",
                kind=key,
            )
        assert row is not None
        return CountState(str(key), row.count, row.horizon, row.as_of)

    async def read(self, connection: psycopg.AsyncConnection[Any], events: list[Event], live: Collection[Hashable]) -> News:
        return News([Happened(each.xid, each.kind) for each in events])

    async def pulse(self, live: Collection[Hashable]) -> Collection[Hashable]:
        return ()

    def keys_of(self, item: Any) -> Iterable[Hashable]:
        return [item.kind]


@asynccontextmanager
async def running_hub(database: Database, frame_seconds: float = 0.02) -> AsyncIterator[Hub]:
    hub = Hub(database, CountSource(database), frame_seconds=frame_seconds)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.close()


async def happen(hub: Hub, owner: psycopg.Connection[Any], kind: str, count: int = 1) -> None:
    owner.execute("insert into event (kind) select %s from generate_series(1, %s)", [kind, count])
    hub.poke()


class Line:
    """A stream as an ASGI server carries it: what was sent, and a line that a test can block or break."""

    def __init__(
        self, hub: Hub, topic: Topic, *, who: str = "person:1", last: str = "", limit_seconds: float = 600, reason: Any = None
    ) -> None:
        self.sent: list[bytes] = []
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.clear = asyncio.Event()
        self.clear.set()
        self.broken = asyncio.Event()
        self.ended = False

        async def check() -> str | None:
            if isinstance(reason, Exception):
                raise reason
            return reason() if callable(reason) else reason

        stream = EventStream(hub, topic, who=who, last=last, check=check, limit_seconds=limit_seconds)
        self.task = asyncio.create_task(stream({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self.broken.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.clear.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.sent.append(message["body"])
            self.ended = not message.get("more_body", False)

    @property
    def events(self) -> list[dict[str, Any]]:
        return events_of(b"".join(self.sent))

    async def until(self, condition: Any, within: float = 15) -> None:
        async with asyncio.timeout(within):
            while not condition(self.events):
                await asyncio.sleep(0.005)

    async def counted(self, kind: str, count: int) -> None:
        await self.until(lambda events: events and last_count(events, kind) == count)

    async def hang_up(self) -> None:
        self.broken.set()
        self.clear.set()
        await asyncio.wait_for(self.task, 10)


def last_count(events: list[dict[str, Any]], kind: str) -> int | None:
    counts = [
        each["data"]["document"]["counts"][kind] if each["event"] == "snapshot" else each["data"]["cells"].get("counts", {}).get(kind)
        for each in events
    ]
    return next((each for each in reversed(counts) if each is not None), None)


async def test_a_stream_begins_with_the_whole_document_and_goes_on_with_numbered_frames(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    async with running_hub(database) as hub:
        await happen(hub, owner, "a", 3)
        line = Line(hub, await hub.open("a"))
        await line.counted("a", 3)
        for count in (4, 5):
            await happen(hub, owner, "a")
            await line.counted("a", count)
        assert line.status == 200
        assert line.headers["content-type"].startswith("text/event-stream")
        assert line.headers["cache-control"] == "no-store"
        assert b"retry: " in line.sent[0]
        events = line.events
        assert [each["event"] for each in events][:1] == ["snapshot"]
        assert [each["data"]["seq"] for each in events] == list(range(events[0]["data"]["seq"], events[0]["data"]["seq"] + len(events)))
        assert all(each["id"] == f"{each['data']['epoch']}:{each['data']['seq']}" for each in events)
        moments = [each["data"]["as_of"] for each in events]
        assert moments == sorted(moments)
        await line.hang_up()


async def test_one_who_comes_back_is_sent_exactly_the_frames_it_missed(database: Database, owner: psycopg.Connection[Any]) -> None:
    async with running_hub(database, frame_seconds=0) as hub:
        topic = await hub.open("a")
        stays, goes = Line(hub, topic), Line(hub, topic)
        await happen(hub, owner, "a")
        await stays.counted("a", 1)
        await goes.counted("a", 1)
        await goes.hang_up()
        last = goes.events[-1]["id"]
        for count in range(2, MOST_BEHIND + 6):  # more frames than one who is merely slow would be sent
            await happen(hub, owner, "a")
            await stays.counted("a", count)
        back = Line(hub, topic, last=last)
        await back.counted("a", MOST_BEHIND + 5)
        missed = [each for each in stays.events if each["event"] == "frame" and each["data"]["seq"] > goes.events[-1]["data"]["seq"]]
        assert back.events[: len(missed)] == missed
        assert len(missed) > MOST_BEHIND


async def test_one_who_comes_back_from_elsewhere_is_sent_the_whole_document(database: Database) -> None:
    async with running_hub(database) as hub:
        for last in ("", "other:1", "x", "a:b:c", ":", "9" * 39, "e:-1", "e:٣"):
            line = Line(hub, await hub.open("a"), last=last)
            await line.counted("a", 0)
            assert line.events[0]["event"] == "snapshot", last


async def test_one_who_was_away_for_longer_than_frames_are_kept_is_sent_the_whole_document(database: Database) -> None:
    async with running_hub(database) as hub:
        topic = await hub.open("a")
        client = Client(topic)
        client.read()
        for _ in range(RING + 1):
            topic.emit(now(), 0.0)
        back = Client(topic, f"{topic.epoch}:{client.seq}")
        back.read()
        assert (back.wholes, back.frames) == (1, 0)
        recent = Watcher(topic, f"{topic.epoch}:{topic.seq - RING}")
        assert len(recent.take(now())) == RING


async def test_a_slow_watcher_skips_to_the_whole_document_and_then_keeps_up(database: Database, owner: psycopg.Connection[Any]) -> None:
    async with running_hub(database, frame_seconds=0) as hub:
        topic = await hub.open("a")
        quick, slow = Line(hub, topic), Line(hub, topic)
        await slow.counted("a", 0)
        slow.clear.clear()
        for count in range(1, MOST_BEHIND + 10):
            await happen(hub, owner, "a")
            await quick.counted("a", count)
        slow.clear.set()
        await slow.counted("a", MOST_BEHIND + 9)
        await happen(hub, owner, "a")
        await slow.counted("a", MOST_BEHIND + 10)
        assert [each["event"] for each in slow.events].count("snapshot") == 2
        assert [each["event"] for each in quick.events].count("snapshot") == 1
        assert len(slow.events) < len(quick.events)


async def test_the_first_change_goes_out_at_once_and_many_become_few_frames(database: Database, owner: psycopg.Connection[Any]) -> None:
    async with running_hub(database, frame_seconds=0.25) as hub:
        line = Line(hub, await hub.open("a"))
        await line.counted("a", 0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(60):
            await happen(hub, owner, "a")
            await asyncio.sleep(0.01)
        await line.counted("a", 60)
        frames = [each for each in line.events if each["event"] == "frame"]
        assert len(frames) <= 2 + (loop.time() - began) / 0.25
        assert len(frames) >= 2


async def test_frames_are_encoded_once_for_all_watchers(database: Database, owner: psycopg.Connection[Any]) -> None:
    async with running_hub(database) as hub:
        topic = await hub.open("a")
        lines = [Line(hub, topic, who=f"person:{number}") for number in range(5)]
        for line in lines:
            await line.counted("a", 0)
        await happen(hub, owner, "a")
        for line in lines:
            await line.counted("a", 1)
        assert len({id(line.sent[1]) for line in lines}) == 1


async def test_a_person_has_at_most_so_many_streams_open(database: Database) -> None:
    async with running_hub(database) as hub:
        topic = await hub.open("a")
        lines = [Line(hub, topic) for _ in range(streaming.MOST_STREAMS)]
        for line in lines:
            await line.counted("a", 0)
        with pytest.raises(TooManyRequests):
            await Line(hub, topic).task
        await Line(hub, topic, who="person:2").counted("a", 0)
        await lines[0].hang_up()
        again = Line(hub, topic)
        await again.counted("a", 0)


async def test_a_stream_ends_itself_at_its_limit_and_says_so(database: Database) -> None:
    async with running_hub(database) as hub:
        line = Line(hub, await hub.open("a"), limit_seconds=0.3)
        await asyncio.wait_for(line.task, 10)
        assert line.ended
        assert line.events[-1]["event"] == "end"
        assert line.events[-1]["data"] == {"reason": "limit"}
        assert not hub.streams


async def test_a_stream_ends_though_its_watcher_has_stopped_reading(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STALL_SECONDS", 0.2)
    async with running_hub(database) as hub:
        line = Line(hub, await hub.open("a"), limit_seconds=0.3)
        line.clear.clear()
        async with asyncio.timeout(15):
            await line.task
        assert not hub.streams


@pytest.mark.parametrize(("reason", "said"), [("date", "date"), (Unauthenticated(), "revoked")])
async def test_a_stream_ends_within_seconds_when_its_watcher_may_no_longer_watch(
    database: Database, monkeypatch: pytest.MonkeyPatch, reason: Any, said: str
) -> None:
    monkeypatch.setattr("hutong.platform.live.stream.CHECK_SECONDS", 0.05)
    async with running_hub(database) as hub:
        line = Line(hub, await hub.open("a"), reason=reason)
        await asyncio.wait_for(line.task, 10)
        assert line.events[-1]["data"] == {"reason": said}


async def test_an_outage_ends_no_stream(database: Database, monkeypatch: pytest.MonkeyPatch, owner: psycopg.Connection[Any]) -> None:
    monkeypatch.setattr("hutong.platform.live.stream.CHECK_SECONDS", 0.02)
    async with running_hub(database) as hub:
        line = Line(hub, await hub.open("a"), reason=Unavailable())
        await line.counted("a", 0)
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        await happen(hub, owner, "a")
        await line.counted("a", 1)
        assert not line.ended
        await line.hang_up()


async def test_all_streams_are_told_when_the_process_ends(database: Database) -> None:
    async with running_hub(database) as hub:
        line = Line(hub, await hub.open("a"))
        await line.counted("a", 0)
        hub.end_streams("closing")
        await asyncio.wait_for(line.task, 10)
        assert line.events[-1]["data"] == {"reason": "closing"}


async def test_a_topic_is_loaded_once_for_all_who_come_and_kept_while_watched(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hutong.platform.live.hub.KEEP_SECONDS", 0.2)
    async with running_hub(database) as hub:
        await asyncio.gather(*(hub.open("a") for _ in range(20)))
        assert isinstance(hub.source, CountSource)
        assert hub.source.loads == 1
        line = Line(hub, await hub.open("a"))
        await line.counted("a", 0)
        await asyncio.sleep(1.5)
        assert "a" in hub.topics
        await line.hang_up()
        async with asyncio.timeout(10):
            while hub.topics or hub.tail.running:
                await asyncio.sleep(0.05)


async def test_a_topic_that_cannot_be_loaded_leaves_nothing_behind(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_hub(database) as hub:

        async def fail(_key: Hashable) -> CountState:
            raise Unavailable

        monkeypatch.setattr(hub.source, "load", fail)
        with pytest.raises(Unavailable):
            await hub.open("a")
        assert not hub.topics
        monkeypatch.undo()
        assert (await hub.open("a")).state is not None


async def test_quiet_topics_go_on_saying_up_to_when_they_are_complete(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hutong.platform.live.hub.HEARTBEAT_SECONDS", 0.5)
    async with running_hub(database) as hub:
        line = Line(hub, await hub.open("a"))
        await line.until(lambda events: len(events) >= 3)
        frames = [each["data"] for each in line.events if each["event"] == "frame"]
        assert all(not each["set"] and not each["cells"] for each in frames)
        assert frames[-1]["as_of"] > line.events[0]["data"]["as_of"]


async def test_a_hub_closes_while_its_tail_is_being_stopped(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hutong.platform.live.hub.KEEP_SECONDS", 0.0)
    for _ in range(3):
        hub = Hub(database, CountSource(database))
        await hub.start()
        await hub.open("a")
        async with asyncio.timeout(10):
            while hub.topics:  # the keeper drops the topic, and stops the tail next
                await asyncio.sleep(0)
        await asyncio.wait_for(hub.close(), 10)


async def test_a_state_that_cannot_count_an_item_is_loaded_afresh_and_others_go_on(
    database: Database, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_state: CountState, _item: Happened) -> None:
        raise ValueError("cannot be counted")

    async with running_hub(database) as hub:
        broken, sound = Line(hub, await hub.open("a")), Line(hub, await hub.open("b"))
        await broken.counted("a", 0)
        await sound.counted("b", 0)
        monkeypatch.setattr(hub.topics["a"].state, "apply", stumble.__get__(hub.topics["a"].state))
        await happen(hub, owner, "a")
        await happen(hub, owner, "b")
        await sound.counted("b", 1)
        await broken.counted("a", 1)
        await happen(hub, owner, "a")
        await broken.counted("a", 2)
        assert [each["event"] for each in broken.events].count("snapshot") == 2
