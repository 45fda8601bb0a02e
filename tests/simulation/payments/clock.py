"""Virtual time: coroutines of the real program, stepped by a queue of moments instead of an event loop, in processes that can die."""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from heapq import heappop, heappush
from random import Random
from typing import Any


@types.coroutine
def pause(seconds: float) -> Generator[float, None, None]:
    """Where a coroutine lets time pass. With 0 none passes, and its process may die there all the same."""
    yield seconds


class Process:
    """A server or a worker process: what runs in it dies with it, at whichever await each of them stands."""

    __slots__ = ("name", "tasks")

    def __init__(self, name: str) -> None:
        self.name = name
        self.tasks: set[Task] = set()


class Clock:
    """The queue of moments of one story. ``now`` is in seconds from its beginning."""

    def __init__(self, random: Random) -> None:
        self.now = 0.0
        self.random = random
        self.points = 0
        """Awaits of processes so far."""
        self.crash_at: int | None = None
        self.stall_at: int | None = None
        self.crashes = self.stalls = 0
        self.trace: list[str] | None = None
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do ``action`` at that moment; actions of one moment keep their order."""
        self._order += 1
        heappush(self._queue, (when, self._order, action))

    def spawn(self, coroutine: Coroutine[Any, Any, Any], process: Process | None = None, after: float = 0.0) -> None:
        """Run a coroutine in a process, or, without one, where nothing dies (a till, a person)."""
        task = Task(self, coroutine, process)
        self.at(self.now + after, task.step)

    def run(self, until: float) -> bool:
        """Let time pass until nothing is left to happen; False if something still is at ``until``."""
        queue = self._queue
        while queue:
            when, _, action = heappop(queue)
            if when > until:
                return False
            if when > self.now:
                self.now = when
            action()
        return True

    def forget(self) -> None:
        """Let go of everything that would still happen."""
        self._queue.clear()

    def say(self, text: str) -> None:
        """A line of the story, kept only while it is being told."""
        if self.trace is not None:
            self.trace.append(f"{self.now:12.3f}  {text}")


class Task:
    """A coroutine on its way. At each await of a process's coroutine it may be this process's last, or take long."""

    __slots__ = ("clock", "coroutine", "dead", "process")

    def __init__(self, clock: Clock, coroutine: Coroutine[Any, Any, Any], process: Process | None) -> None:
        self.clock, self.coroutine, self.process, self.dead = clock, coroutine, process, False
        if process is not None:
            process.tasks.add(self)

    def step(self) -> None:
        if self.dead:
            return
        clock, process, send = self.clock, self.process, self.coroutine.send
        while True:
            try:
                seconds = send(None)
            except StopIteration:
                if process is not None:
                    process.tasks.discard(self)
                return
            if process is not None:
                clock.points += 1
                if clock.points == clock.crash_at:
                    self._die(process)
                    return
                if clock.points == clock.stall_at:
                    clock.stalls += 1
                    seconds += clock.random.uniform(5, 120)
                    clock.say(f"{process.name} stands still until {clock.now + seconds:.3f}")
            if seconds > 0.0:
                clock.at(clock.now + seconds, self.step)
                return

    def _die(self, process: Process) -> None:
        clock = self.clock
        clock.crashes += 1
        clock.say(f"{process.name} is killed with {len(process.tasks)} thing(s) under way")
        for task in process.tasks:
            task.dead = True
            if task is not self:
                task.coroutine.close()
        process.tasks.clear()
        self.coroutine.close()


def finish(awaitable: Awaitable[Any]) -> Any:
    """Run a coroutine that never waits to its end."""
    coroutine = awaitable.__await__()
    try:
        while True:
            next(coroutine)
    except StopIteration as stop:
        return stop.value
