"""The sandbox's own time: it runs from once to ten thousand times as fast as the machine's, stands still, or is moved forward by hand."""

import time
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
FASTEST = 10_000.0


class Clock:
    """``now()`` is virtual time. ``speed`` is how many virtual seconds pass in a real one; 0 is a clock that stands."""

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        self._real = time.time()
        self._virtual = self._real if start is None else start.timestamp()
        self.speed = checked_speed(speed)

    def now(self) -> datetime:
        """This virtual moment, in UTC."""
        return datetime.fromtimestamp(self._virtual + (time.time() - self._real) * self.speed, UTC)

    def set(self, moment: datetime) -> None:
        """Move to ``moment``, never back."""
        self._real, self._virtual = time.time(), max(moment.timestamp(), self.now().timestamp())

    def run_at(self, speed: float) -> None:
        """Go on from now at another speed. Raises ValueError if it is not from 0 to 10,000."""
        speed = checked_speed(speed)
        self.set(self.now())
        self.speed = speed

    def real_seconds_until(self, moment: datetime) -> float | None:
        """How long the machine has to wait for ``moment``; None while the clock stands and the moment has not come."""
        ahead = (moment - self.now()).total_seconds()
        if ahead <= 0:
            return 0.0
        return ahead / self.speed if self.speed else None

    def anchors(self) -> tuple[float, float, float]:
        """What a later process needs to go on with this clock: real seconds, virtual seconds, speed."""
        return self._real, self._virtual, self.speed

    def restore(self, real: float, virtual: float, speed: float) -> None:
        """Go on with a clock that an earlier process kept; it ran on meanwhile."""
        self._real, self._virtual, self.speed = real, virtual, speed


def checked_speed(speed: float) -> float:
    """The speed, if it is one that the clock can run at."""
    if not 0 <= speed <= FASTEST:
        raise ValueError(f"the clock's speed is from 0 (it stands) to {FASTEST:.0f}, not {speed}")
    return float(speed)


def beijing_text(moment: datetime) -> str:
    """``2026-03-01 09:30:00``, in Beijing time: how Alipay writes a moment."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def of_beijing_text(text: str) -> datetime:
    """Read what ``beijing_text`` writes. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING).astimezone(UTC)


def machine_now() -> datetime:
    """The machine's own time, in UTC: what clients stamp their requests with."""
    return datetime.now(UTC)
