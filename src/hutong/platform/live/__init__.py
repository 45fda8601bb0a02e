"""Live topics: one state a topic, snapshots and frames of it, and the streams that carry them to many watchers."""

from hutong.platform.live.frames import Frame, Whole, apply_frame
from hutong.platform.live.hub import Hub, News, Source
from hutong.platform.live.stream import EventStream
from hutong.platform.live.topic import Item, State

__all__ = ["EventStream", "Frame", "Hub", "Item", "News", "Source", "State", "Whole", "apply_frame"]
