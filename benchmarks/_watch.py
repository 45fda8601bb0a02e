"""Many watchers of streams in one process: plain sockets, each frame looked at for its number, its time and how much it counts."""

import contextlib
import multiprocessing
import selectors
import socket
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

READ = 262_144
OPENED_AT_ONCE = 4


class Wanted(NamedTuple):
    """A stream to open: its topic's kind and id, its path, and the header that says who asks."""

    kind: str
    id: int
    path: str
    header: str


@dataclass
class Seen:
    """What one watcher saw. ``at`` and ``counts`` are the moments when its document's count went up, and what it came to."""

    kind: str
    id: int
    frames: int = 0
    snapshots: int = 0
    first_count: int = -1
    count: int = -1
    at: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    counts: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    newest_lags: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    """Seconds from the capture of the newest sale in a frame (the start of its transaction) until the frame was here."""
    bytes: int = 0
    faults: list[str] = field(default_factory=list)


class Line:
    """One open stream."""

    def __init__(self, address: tuple[str, int], wanted: Wanted) -> None:
        self.seen = Seen(wanted.kind, wanted.id)
        self.marker = b'"lines":' if wanted.kind == "brand" else b'"tickets":'
        self.epoch, self.seq = "", -1
        self.rest = b""
        self.begun = False
        self.socket = socket.create_connection(address)
        self.socket.sendall(f"GET {wanted.path} HTTP/1.1\r\nHost: bench\r\n{wanted.header}\r\n\r\n".encode())
        self.socket.setblocking(False)

    def read(self) -> bool:
        """Take what has come; False when the line has ended."""
        try:
            data = self.socket.recv(READ)
        except BlockingIOError:
            return True
        at = time.time()
        if not data:
            self.seen.faults.append("the line broke")
            return False
        self.seen.bytes += len(data)
        data = self.rest + data if self.rest else data
        if not self.begun:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self.rest = head
                return True
            self.begun = True
            if b" 200 " not in head[:20]:
                self.seen.faults.append(head[:20].decode())
                return False
        self.rest = self.chunks(data, at)
        return True

    def chunks(self, data: bytes, at: float) -> bytes:
        """Take each whole chunk; answers what is not whole yet. The server sends whole events in a chunk."""
        position = 0
        while (end := data.find(b"\r\n", position)) >= 0:
            size = int(data[position:end], 16)
            if len(data) < end + size + 4:
                break
            for event in data[end + 2 : end + 2 + size].split(b"\n\n"):
                if event.startswith(b"id: "):
                    self.event(event, at)
                elif event.startswith(b"event: end"):
                    self.seen.faults.append("the stream ended itself")
            position = end + size + 4
        return data[position:]

    def event(self, event: bytes, at: float) -> None:
        """A frame or a snapshot. Frames must be numbered without a gap; a snapshot may skip, and is counted."""
        seen = self.seen
        identity, kind, _ = event.split(b"\n", 2)
        epoch, _, number = identity[4:].decode().rpartition(":")
        seq = int(number)
        count = self.count(event)
        if kind == b"event: snapshot":
            if epoch == self.epoch and seq < self.seq:
                seen.faults.append(f"a snapshot {seq} after {self.seq}")
            seen.snapshots += 1
            if seen.first_count < 0:
                seen.first_count = seen.count = count
        else:
            if epoch != self.epoch or seq != self.seq + 1:
                seen.faults.append(f"frame {epoch}:{seq} after {self.epoch}:{self.seq}")
            seen.frames += 1
        self.epoch, self.seq = epoch, seq
        if count > seen.count:
            seen.count = count
            seen.at.append(at)
            seen.counts.append(count)
            start = event.find(b'"newest":"') + 10
            seen.newest_lags.append(at - datetime.fromisoformat(event[start : event.index(b'"', start)].decode()).timestamp())
        elif 0 <= count < seen.count:
            seen.faults.append(f"counted {count} after {seen.count}")

    def count(self, event: bytes) -> int:
        """Tickets (of a brand: lines) of the day so far, -1 if they are not in this frame."""
        today = event.find(b'"today":{')
        if today < 0:
            return -1
        start = event.index(self.marker, today) + len(self.marker)
        end = start
        while event[end : end + 1].isdigit():
            end += 1
        return int(event[start:end])


def _follow(address: tuple[str, int], wanted: Sequence[Wanted], pipe: Connection) -> None:
    """Open all streams, say so when each has its document, read until told to stop, and hand over what was seen."""
    selector = selectors.DefaultSelector()
    selector.register(pipe, selectors.EVENT_READ, None)
    waiting, lines, ready = list(wanted), [], False
    while True:
        for each in waiting[:OPENED_AT_ONCE]:
            line = Line(address, each)
            lines.append(line)
            selector.register(line.socket, selectors.EVENT_READ, line)
        del waiting[:OPENED_AT_ONCE]
        for key, _ in selector.select(0.01 if waiting else 0.5):
            if key.data is None:
                pipe.recv()
                pipe.send([line.seen for line in lines])
                return
            if not key.data.read():
                selector.unregister(key.data.socket)
        if not ready and not waiting and all(line.seen.snapshots or line.seen.faults for line in lines):
            ready = True
            pipe.send([line.seen.faults for line in lines if line.seen.faults])


@contextlib.contextmanager
def watching(address: str, wanted: Sequence[Wanted], processes: int = 1) -> Iterator[list[tuple[Any, Connection]]]:
    """Watch all that is wanted in processes of their own; each has its first document when this is entered."""
    host, port = address.removeprefix("http://").split(":")
    context = multiprocessing.get_context("fork")
    children = []
    for number in range(processes):
        ours, theirs = context.Pipe()
        child = context.Process(target=_follow, args=((host, int(port)), wanted[number::processes], theirs), daemon=True)
        child.start()
        children.append((child, ours))
    try:
        for _, pipe in children:
            if not pipe.poll(180):
                raise RuntimeError("the watchers did not all get their first document")
            if faults := pipe.recv():
                raise RuntimeError(f"{len(faults)} watchers could not watch: {faults[:3]}")
        yield children
    finally:
        for child, _ in children:
            child.terminate()
            child.join(10)


def seen_by(children: Sequence[tuple[Any, Connection]]) -> list[Seen]:
    """End the watching, and answer what each watcher saw."""
    seen: list[Seen] = []
    for _, pipe in children:
        pipe.send("stop")
        seen += pipe.recv()
    return seen
