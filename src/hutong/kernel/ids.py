"""UUIDv7 ids (RFC 9562): made by the caller, sortable by time."""

import os
import time
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

_VARIANT = 2 << 62


def uuid7(milliseconds: int | None = None, rest: bytes | None = None) -> UUID:
    """A UUIDv7 of this moment, or of ``milliseconds`` since 1970 with ``rest`` (10 bytes) in place of random bits."""
    at = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    bits = int.from_bytes(rest if rest is not None else os.urandom(10), "big")
    high, low = bits >> 62 & 0xFFF, bits & ((1 << 62) - 1)
    return UUID(int=(at & ((1 << 48) - 1)) << 80 | 7 << 76 | high << 64 | _VARIANT | low)


def uuid7_of(at: datetime, *parts: str) -> UUID:
    """The same UUIDv7 for the same time and parts, always: what makes an import idempotent."""
    return uuid7(int(at.timestamp() * 1000), blake2b("\x1f".join(parts).encode(), digest_size=10).digest())


def time_of(uuid: UUID) -> datetime:
    """The moment, UTC to the millisecond, that a UUIDv7 carries."""
    return datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC)
