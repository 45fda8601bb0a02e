"""The hub: all live topics of one process, fed by one tail, and the clock that their frames go by."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
import psycopg
import structlog

from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError, Unavailable
from hutong.platform.database import Database
from hutong.platform.live.frames import Whole
from hutong.platform.live.topic import Item, State, Topic, Watcher
from hutong.platform.tail import Event, Notifier, Step, Tail
from hutong.platform.tasks import cancel

FRAME_SECONDS = 0.25
"""Frames of a topic are at least this far apart; the first change after a pause goes out at once."""
HEARTBEAT_SECONDS = 5.0
"""A watched topic without changes sends a frame that only moves ``as_of`` on this often."""
PULSE_SECONDS = 5.0
KEEP_SECONDS = 60.0
"""How long a topic that nobody watches is kept."""
RELOAD_SECONDS = 1.0
"""Loads of the same topic are at least this far apart."""
MOST_TOPICS = 3_000
MOST_IDLE = 500
LOADS_AT_ONCE = 3
"""A load takes up to two of the process's connections."""

log = structlog.get_logger()


class News(msgspec.Struct, frozen=True):
    """What a step of the tail means to topics: items to count, and topics that only a new load can bring up to date."""

    items: Sequence[Item] = ()
    reload: Collection[Hashable] = ()


class Source(Protocol):
    """What the hub does not know: what topics there are and how events change them."""

    def name(self, key: Hashable) -> str:
        """What a topic is called in its documents."""
        ...

    async def load(self, key: Hashable) -> State:
        """The state of a topic as of one snapshot of the database."""
        ...

    async def read(self, connection: psycopg.AsyncConnection[Any], events: list[Event], live: Collection[Hashable]) -> News:
        """What events mean to the topics that are live; changes nothing."""
        ...

    async def pulse(self, live: Collection[Hashable]) -> Collection[Hashable]:
        """What is no event but changes documents is looked up here, every few seconds; answers the topics that changed."""
        ...

    def keys_of(self, item: Any) -> Iterable[Hashable]:
        """The topics that an item counts for."""
        ...


class Hub:
    """Serves topics of ``source`` from memory, exactly up to date with the database.

    The tail runs only while there are topics, and topics live only while somebody watches (and ``KEEP_SECONDS`` longer).
    """

    def __init__(self, database: Database, source: Source, *, frame_seconds: float = FRAME_SECONDS) -> None:
        self.database = database
        self.source = source
        self.frame_seconds = frame_seconds
        self.topics: dict[Hashable, Topic] = {}
        self.streams: Counter[str] = Counter()
        """How many streams each person or key has open here."""
        self.tail = Tail(database, self._step)
        self.notifier = Notifier(database)
        self.epoch = secrets.token_hex(3)
        self._numbers = 0
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)
        self._loading: dict[Hashable, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Begin to serve. Touches no database until the first topic is opened."""
        self.notifier.start()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End all streams and stop."""
        self.end_streams("closing")
        await cancel(*self._loading.values(), *([self._keeper] if self._keeper else []))
        await self.tail.stop()
        await self.notifier.stop()
        for topic in list(self.topics.values()):
            self._drop(topic)

    def end_streams(self, reason: str) -> None:
        """Let every stream say ``reason`` and close; watchers come back by themselves."""
        for topic in self.topics.values():
            for watcher in topic.watchers:
                watcher.end(reason)

    def poke(self) -> None:
        """This process committed something: look now, and tell the other processes. Never waits, never fails."""
        if self.tail.running:
            self.tail.poke()
        self.notifier.poke()

    async def open(self, key: Hashable) -> Topic:
        """The live topic of this key, loaded. Raises what the load raises; Unavailable when there are too many topics."""
        topic = self.topics.get(key)
        if topic is None:
            self._make_room()
            self._numbers += 1
            topic = Topic(key, self.source.name(key), f"{self.epoch}{self._numbers:x}")
            self.topics[key] = topic
            self._begin_load(topic)
        while topic.state is None:
            await asyncio.shield(self._loading[key])
        topic.used_at = self._loop.time()
        return topic

    async def whole(self, key: Hashable) -> Whole:
        """The document of a topic as it is now, with the place in its frames to go on from."""
        return (await self.open(key)).whole(now())[1]

    def watch(self, topic: Topic, watcher: Watcher) -> None:
        """Let a watcher follow the topic; what it does not know yet is sent soon.

        A topic that was let go meanwhile is fed no more: its watcher is sent away, and comes back to the one in its place.
        """
        if self.topics.get(topic.key) is not topic:
            watcher.end("closing")
        topic.watchers.add(watcher)
        if topic.dirty:
            self._touch(topic)

    def unwatch(self, topic: Topic, watcher: Watcher) -> None:
        """The watcher is gone."""
        topic.watchers.discard(watcher)
        topic.used_at = self._loop.time()

    # loading -------------------------------------------------------------------------------------------------------

    def _begin_load(self, topic: Topic) -> None:
        topic.stale = False
        topic.pending = []
        task = asyncio.create_task(self._load(topic))
        self._loading[topic.key] = task
        task.add_done_callback(lambda done: self._loaded(topic, done))

    async def _load(self, topic: Topic) -> None:
        if topic.state is not None:
            await asyncio.sleep(RELOAD_SECONDS)
            topic.stale = False  # what was asked for meanwhile is in this load too
            topic.pending = []
        await self.tail.start()
        async with self._loads:
            state = await self.source.load(topic.key)
        topic.settle(state)
        topic.used_at = self._loop.time()  # whoever waits for it comes only after whatever else the loop has to do
        self._touch(topic)

    def _loaded(self, topic: Topic, task: asyncio.Task[None]) -> None:
        self._loading.pop(topic.key, None)
        failed = task.cancelled() or task.exception() is not None
        if failed and topic.state is None:
            self.topics.pop(topic.key, None)
        elif (failed or topic.stale) and not task.cancelled() and self.topics.get(topic.key) is topic:
            self._begin_load(topic)

    def _reload(self, topic: Topic) -> None:
        topic.stale = True
        if topic.key not in self._loading:
            self._begin_load(topic)

    def _make_room(self) -> None:
        idle = sorted(
            (each for each in self.topics.values() if not each.watchers and each.state is not None), key=lambda each: each.used_at
        )
        for topic in idle[: max(len(idle) - MOST_IDLE + 1, len(self.topics) - MOST_TOPICS + 1, 0)]:
            self._drop(topic)
        if len(self.topics) >= MOST_TOPICS:
            raise Unavailable("Too much is being watched here; try again in a moment.")

    def _drop(self, topic: Topic) -> None:
        if topic.timer is not None:
            topic.timer.cancel()
        self.topics.pop(topic.key, None)
        if topic.key in self._loading:
            self._loading[topic.key].cancel()

    # feeding -------------------------------------------------------------------------------------------------------

    async def _step(self, connection: psycopg.AsyncConnection[Any], step: Step) -> None:
        """One step of the tail. All that can fail comes first; what follows happens at once, between two awaits."""
        news = await self.source.read(connection, step.events, self.topics.keys()) if step.events else News()
        topics = self.topics
        for item in news.items:
            for key in self.source.keys_of(item):
                topic = topics.get(key)
                if topic is not None:
                    self._feed(topic, item)
        for key in list(topics) if step.overrun else news.reload:
            if key in topics:
                self._reload(topics[key])
        for topic in topics.values():
            if topic.state is None or topic.as_of is None or topic.key in self._loading:
                continue
            topic.as_of = max(topic.as_of, step.as_of)
            if topic.dirty:
                self._touch(topic)

    def _feed(self, topic: Topic, item: Item) -> None:
        """Count an item; a state that cannot is loaded afresh, and stops nobody else."""
        try:
            topic.feed(item)
        except Exception:
            log.exception("a state could not count an item; the topic is loaded afresh", topic=topic.name)
            self._reload(topic)

    # frames --------------------------------------------------------------------------------------------------------

    def _touch(self, topic: Topic) -> None:
        """There is something to send: now, or when the last frame is old enough."""
        if topic.timer is None and topic.watchers:
            due = topic.sent_at + self.frame_seconds
            if due <= self._loop.time():
                self._emit(topic)
            else:
                topic.timer = self._loop.call_at(due, self._emit, topic)

    def _emit(self, topic: Topic) -> None:
        topic.timer = None
        if topic.watchers and topic.state is not None:
            try:
                topic.emit(now(), self._loop.time())
            except Exception:
                log.exception("a frame could not be made; the topic is loaded afresh", topic=topic.name)
                self._reload(topic)

    async def _keep(self) -> None:
        """Moves quiet topics on, and lets go of what nobody watches."""
        pulsed = self._loop.time()
        while True:
            await asyncio.sleep(1.0)
            at = self._loop.time()
            if at - pulsed >= PULSE_SECONDS:
                pulsed = at
                await self._pulse()
            for topic in list(self.topics.values()):
                if topic.watchers:
                    topic.used_at = at
                    if topic.timer is None and at - topic.sent_at >= HEARTBEAT_SECONDS:
                        self._emit(topic)
                elif topic.state is not None and at - topic.used_at > KEEP_SECONDS:
                    self._drop(topic)
            if not self.topics and self.tail.running:
                await self.tail.stop()

    async def _pulse(self) -> None:
        watched = [key for key, topic in self.topics.items() if topic.watchers]
        try:
            changed = await self.source.pulse(watched) if watched else ()
        except HutongError:
            return  # the database is not reachable: the next pulse tells
        except Exception:
            log.exception("what is no event could not be looked up")
            return
        for key in changed:
            if key in self.topics:
                self.topics[key].dirty = True
                self._touch(self.topics[key])
