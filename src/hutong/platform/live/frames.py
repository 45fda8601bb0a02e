"""Frames: what changed in a topic's document, how a client applies it, and how both are written as server-sent events."""

from datetime import datetime
from typing import Any

import msgspec

encoder = msgspec.json.Encoder()


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


class Whole(msgspec.Struct, frozen=True):
    """The whole document as of a frame: the data of an SSE event ``snapshot``, and the answer to a plain GET."""

    topic: str
    epoch: str
    """Which numbering ``seq`` belongs to: one topic of one process."""
    seq: int
    as_of: datetime
    """Everything committed up to this time is included."""
    newest: datetime | None
    """When the newest of what was folded in here was captured."""
    document: Any


def apply_frame(document: dict[str, Any], frame: dict[str, Any]) -> dict[str, Any]:
    """The document after a frame, both as decoded JSON: the reference for every client."""
    after = {**document, **frame["set"]}
    for section, cells in frame["cells"].items():
        merged = {**after[section], **cells}
        after[section] = {key: cell for key, cell in merged.items() if cell is not None}
    return after


def server_sent(event: str, data: Any, identity: str = "") -> bytes:
    """One server-sent event; ``data`` is written as JSON, which never holds a line break."""
    head = f"id: {identity}\nevent: {event}\ndata: " if identity else f"event: {event}\ndata: "
    return head.encode() + encoder.encode(data) + b"\n\n"
