"""What a till writes down before it sends: sales on disk until the network has them, so that a crash sends the same ids again."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from hutong.demo.baskets import SaleDocument

SEGMENT = 2_000

_encode = msgspec.json.Encoder().encode


class Spool:
    """Sales that the network has not acknowledged, one JSON document a line, in files that go when all of theirs are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._left_over = sorted(folder.glob("*.jsonl"))
        self._number = 1 + max((int(file.stem) for file in self._left_over), default=0)
        self._file: IO[bytes] | None = None
        self._written = 0
        self._open: dict[int, int] = {}
        self._segment_of: dict[str, int] = {}

    def left_over(self) -> Iterator[SaleDocument]:
        """What an earlier player did not bring through, oldest first; ``forget_left_over`` once the network has it."""
        for file in self._left_over:
            for line in file.read_bytes().splitlines():
                try:
                    yield msgspec.json.decode(line)
                except msgspec.DecodeError:  # the crash came in the middle of the last line: that sale was never sent
                    continue

    def forget_left_over(self) -> None:
        """Remove the files of the earlier player."""
        for file in self._left_over:
            file.unlink(missing_ok=True)
        self._left_over = []

    def write(self, documents: Iterable[SaleDocument]) -> None:
        """Write sales down; when this returns they outlive the process."""
        lines = []
        for document in documents:
            lines.append(_encode(document))
            self._segment_of[document["id"]] = self._number
        if not lines:
            return
        if self._file is None:
            self._file = self._path(self._number).open("ab", buffering=0)
        self._file.write(b"\n".join(lines) + b"\n")
        self._written += len(lines)
        self._open[self._number] = self._open.get(self._number, 0) + len(lines)
        if self._written >= SEGMENT:
            self._turn_over()

    def done(self, document: SaleDocument) -> None:
        """The network has it, or has refused it for good."""
        segment = self._segment_of.pop(document["id"], None)
        if segment is None:
            return
        self._open[segment] -= 1
        if self._open[segment] == 0 and segment != self._number:
            self._remove(segment)

    def close(self) -> None:
        """End with the process: what is not acknowledged stays for the next player."""
        self._turn_over()

    def _turn_over(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            finished, self._number, self._written = self._number, self._number + 1, 0
            if self._open.get(finished) == 0:
                self._remove(finished)

    def _remove(self, segment: int) -> None:
        del self._open[segment]
        self._path(segment).unlink(missing_ok=True)

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:08d}.jsonl"
