"""Live topics: one state a topic, snapshots and frames of it, and the streams that carry them to many watchers."""

from hutong.platform.live.frames import Frame, apply_frame

__all__ = ["Frame", "apply_frame"]
