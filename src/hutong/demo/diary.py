"""What the player remembers from one start to the next: which days have trade, and when the day's product was launched."""

import json
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

from hutong.demo.keys import folder_of, write_whole
from hutong.demo.market import local


@dataclass(slots=True)
class Diary:
    """``days`` have had trade, history or live; ``started`` is a history that was begun and not finished: its end and rate."""

    days: list[str] = field(default_factory=list)
    started: dict[str, float] = field(default_factory=dict)
    launch: dict[str, float] = field(default_factory=dict)

    def missing(self, now: float) -> list[date]:
        """The days that pages compare with and that had no trade: the same weekday last week, yesterday, and today up to now."""
        today = local(now).date()
        return [day for day in (today - timedelta(days=7), today - timedelta(days=1), today) if day.isoformat() not in self.days]

    def traded(self, *days: date) -> None:
        """Note that these days have trade now; days that no page compares with any more are forgotten."""
        noted = sorted({*self.days, *(day.isoformat() for day in days)})
        self.days = noted[-40:]

    def launched_at(self, now: float) -> float:
        """When today's limited edition began to sell: at the first call of the day."""
        day = local(now).date().isoformat()
        if day not in self.launch:
            self.launch = {day: now}
        return self.launch[day]


def read_diary(data_dir: Path) -> Diary:
    """The diary of this data folder, empty at first."""
    file = folder_of(data_dir) / "diary.json"
    return Diary(**json.loads(file.read_text())) if file.exists() else Diary()


def write_diary(data_dir: Path, diary: Diary) -> None:
    """Keep the diary."""
    write_whole(folder_of(data_dir) / "diary.json", json.dumps(asdict(diary)))


def forget_player(data_dir: Path) -> None:
    """Forget diary and spool: they are of another database than the one that was just filled."""
    folder = folder_of(data_dir)
    for file in (folder / "diary.json", *(folder / "spool").glob("*.jsonl")):
        file.unlink(missing_ok=True)
