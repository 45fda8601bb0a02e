"""What has been answered so far, kept beside the file so that an import goes on where it was ended, however it ended."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from hutong.importer.errors import StateDiffers

VERSION = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """What an import is of: it goes on only with the same file, mapping and server."""

    file: str
    mapping: str
    url: str

    @staticmethod
    def of(file: Path, mapping: Path, url: str) -> "Origin":
        """The origin of these files, by their content."""
        return Origin(_digest(file), _digest(mapping), url.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A sale that the server did not take: its place in the order, and the server's reason."""

    place: int
    status: int
    code: str
    detail: str

    @property
    def reason(self) -> str:
        """For the list of rows set aside."""
        return f"the server refused the sale ({self.status} {self.code}): {self.detail}"


@dataclass
class Answers:
    """Which places of the order were answered, and how."""

    done: set[int] = field(default_factory=set)
    captured: int = 0
    duplicate: int = 0
    refused: dict[int, Refusal] = field(default_factory=dict)

    def add(self, places: list[int], captured: int, duplicate: int, refused: list[Refusal]) -> None:
        """Take up the answers to one request."""
        self.done.update(places)
        self.captured += captured
        self.duplicate += duplicate
        self.refused.update((each.place, each) for each in refused)


class State:
    """The state file: a line of JSON for each answered request, on disk before the next request counts as done.

    Killed between the server's commit and our line, the request is sent again, and the server answers "duplicate": nothing is
    there twice. A torn last line is dropped. A finished state makes room for a new one.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        """Open or make the file. Raises StateDiffers if it is of another import that is not finished."""
        self.path = path
        self.answers = Answers()
        self.resumed = False
        header = {"version": VERSION, **asdict(origin)}
        if path.exists() and path.stat().st_size:
            self._take_up(header)
        self._file = path.open("ab" if self.resumed else "wb")
        if not self.resumed:
            self._write(header)
            _sync_folder(path)

    def __enter__(self) -> "State":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def record(self, places: list[int], captured: int, duplicate: int, refused: list[Refusal]) -> None:
        """Keep the answers to one request; on disk when this returns."""
        self.answers.add(places, captured, duplicate, refused)
        runs = list(_runs(places))
        self._write({"places": runs, "captured": captured, "duplicate": duplicate, "refused": [asdict(each) for each in refused]})

    def finish(self) -> None:
        """Say that everything was answered: the next import of this file starts anew."""
        self._write({"finished": True})

    def _take_up(self, header: dict[str, Any]) -> None:
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        lines = [json.loads(line) for line in whole.splitlines()]
        if not lines or lines[-1].get("finished"):
            return
        if lines[0] != header:
            differing = [name for name in header if lines[0].get(name) != header[name]]
            raise StateDiffers(
                f"{self.path} is of an unfinished import with another {' and '.join(differing)}. Run that one to its end, name another --state, "
                "or remove the file: sales that are there already are recognised and not added again."
            )
        for line in lines[1:]:
            places = [place for first, last in line["places"] for place in range(first, last + 1)]
            self.answers.add(places, line["captured"], line["duplicate"], [Refusal(**each) for each in line["refused"]])
        if len(whole) < len(raw):
            os.truncate(self.path, len(whole))
        self.resumed = True

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _runs(places: list[int]) -> Iterator[tuple[int, int]]:
    """Ascending places as runs of first and last."""
    first = last = None
    for place in places:
        if last is not None and place == last + 1:
            last = place
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = place
    if first is not None and last is not None:
        yield first, last


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
