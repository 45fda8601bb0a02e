"""A whole import: opens the files, sends what is left to send, keeps the rows set aside, and closes with an account."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hutong.importer.aside import write_aside
from hutong.importer.mapping import Mapping, load_mapping
from hutong.importer.plan import Plan, Progress, make_plan
from hutong.importer.sending import Placed, Target, open_sender
from hutong.importer.source import Source
from hutong.importer.state import Answers, Origin, Refusal, State
from hutong.importer.summary import Summary, all_asides, summarise

ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

Hear = Callable[[Answers], None]


@dataclass
class Import:
    """A file and its mapping, opened and read through."""

    path: Path
    mapping_path: Path
    mapping: Mapping
    source: Source
    plan: Plan
    limit: int | None = None
    answers: Answers = field(default_factory=Answers)

    @property
    def count(self) -> int:
        """How many receipts are to be sent, those of earlier runs included."""
        return len(self.plan.receipts) if self.limit is None else min(self.limit, len(self.plan.receipts))

    def places(self) -> Iterator[Placed]:
        """What is still to be sent, in order, each made when it is asked for."""
        for place in range(self.count):
            if place not in self.answers.done:
                yield place, self.plan.document(place)

    def beside(self, suffix: str) -> Path:
        """A file beside the input, or in the working folder where the input's is not to be written to."""
        parent = self.path.parent
        # The mode counts for the administrator too, who could write, and would, into a folder that was closed on purpose.
        writable = bool(parent.stat().st_mode & ANY_WRITE) and os.access(parent, os.W_OK)
        return (parent if writable else Path.cwd()) / (self.path.name + suffix)


def open_import(path: Path, mapping_path: Path, *, limit: int | None = None, progress: Progress | None = None) -> Import:
    """Read a file by its mapping. Raises MappingInvalid and SourceUnreadable; nothing is sent yet."""
    mapping = load_mapping(mapping_path)
    source = Source(path, mapping.file)
    return Import(path, mapping_path, mapping, source, make_plan(mapping, source, progress), limit)


async def send(job: Import, target: Target, state_path: Path, hear: Hear | None = None) -> bool:
    """Send what the state file does not know as answered; answers whether an earlier run was gone on with.

    Raises StateDiffers and SendingStopped; what was answered until then is kept in the state file.
    """
    with State(state_path, Origin.of(job.path, job.mapping_path, target.url)) as state:
        job.answers = state.answers

        def record(places: list[int], captured: int, duplicate: int, refused: list[Refusal]) -> None:
            state.record(places, captured, duplicate, refused)
            if hear is not None:
                hear(state.answers)

        async with open_sender(target) as sender:
            await sender.send_all(job.places(), record)
        if job.count == len(job.plan.receipts):
            state.finish()
        return state.resumed


def close(job: Import, aside_path: Path, *, dry_run: bool = False) -> Summary:
    """Write the list of rows set aside, and draw up the account."""
    write_aside(aside_path, job.source, all_asides(job.plan, job.answers))
    return summarise(job.plan, job.answers, imported=(lambda place: place < job.count) if dry_run else None)
