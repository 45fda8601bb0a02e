"""Days as people and programs write them in addresses."""

from datetime import UTC, date, timedelta

from hutong.kernel.clock import now
from hutong.kernel.errors import Invalid


def written_day(text: str) -> date:
    """An ISO date within the days that can hold payments. Raises Invalid."""
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None or not date(2000, 1, 1) <= day <= now().astimezone(UTC).date() + timedelta(days=2):
        raise Invalid("A date is written 2026-11-22, or `today`.", field="date")
    return day
