"""Values as Alipay writes them: yuan as decimal text, Beijing time without a zone; no input or output."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

BEIJING_TIME = timezone(timedelta(hours=8))
MOST_AMOUNT = 10_000_000_000
"""Fen: the largest amount that Alipay takes, a hundred million yuan."""
LONGEST_SUBJECT = 256

_YUAN = re.compile(r"(-?)([0-9]{1,13})(?:\.([0-9]{1,2}))?", re.ASCII)
# Alipay refuses / = & in subjects; control characters and halves of characters cannot be sent at all.
_NOT_IN_SUBJECT = re.compile(r"[/=&\x00-\x1f\x7f\ud800-\udfff]")
_NUMBER = re.compile(r"[0-9A-Za-z_]{1,64}", re.ASCII)


def yuan(fen: int) -> str:
    """Write fen as Alipay wants it: ``yuan(1230)`` is ``12.30``."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def fen(value: object) -> int | None:
    """Read an amount in yuan; None if it is not one in whole fen."""
    found = _YUAN.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None:
        return None
    sign, whole, part = found.groups()
    return (-1 if sign else 1) * (int(whole) * 100 + int((part or "0").ljust(2, "0")))


def moment(value: object) -> datetime | None:
    """Read a Beijing time (``yyyy-MM-dd HH:mm:ss``, with or without milliseconds) as UTC; None if it is not one."""
    if not isinstance(value, str) or len(value) < 19:
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=BEIJING_TIME).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def subject(text: str) -> str:
    """A subject that Alipay takes: what it refuses becomes a space."""
    return _NOT_IN_SUBJECT.sub(" ", text)[:LONGEST_SUBJECT].strip() or "-"


def check_number(number: str) -> str:
    """One of our numbers, unchanged. Raises ValueError unless it is 1 to 64 letters, digits and underscores, as Alipay demands."""
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"not a number that Alipay takes: {number[:80]!r}")
    return number


def check_amount(amount: int) -> int:
    """An amount in fen, unchanged. Raises ValueError unless Alipay takes it: 1 fen to a hundred million yuan."""
    if not 1 <= amount <= MOST_AMOUNT:
        raise ValueError(f"not an amount that Alipay takes: {amount} fen")
    return amount


def minutes(seconds: int) -> str:
    """A time-out as Alipay wants it, rounded up: ``minutes(120)`` is ``2m``."""
    return f"{max(1, -(-seconds // 60))}m"


def listed(value: object) -> list[Mapping[str, Any]]:
    """A list of objects that comes as such, or as JSON text (in notifications); empty if it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
