"""Frames: what changed in a topic's document, how a client applies it, and how both are written as server-sent events."""

from datetime import datetime
from typing import Any

import msgspec


class Frame(msgspec.Struct, frozen=True):
    """What changed since the frame before: the data of an SSE event ``frame``. Without changes it only moves ``as_of`` on."""

    epoch: str
    seq: int
    as_of: datetime
    newest: datetime | None
    set: dict[str, Any]
    """Section to its whole new value."""
    cells: dict[str, dict[str, Any]]
    """Map section to changed cells; null takes a cell away."""


def apply_frame(document: dict[str, Any], frame: dict[str, Any]) -> dict[str, Any]:
    """The document after a frame, both as decoded JSON: the reference for every client."""
    after = {**document, **frame["set"]}
    for section, cells in frame["cells"].items():
        merged = {**after[section], **cells}
        after[section] = {key: cell for key, cell in merged.items() if cell is not None}
    return after
