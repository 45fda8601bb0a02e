"""What the directory does by the clock."""

from hutong.directory.sessions import sweep
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import Job


async def sweep_sessions(database: Database, _settings: Settings) -> None:
    """Delete ended sessions, and tries of signing in that no limit counts any more."""
    await sweep(database)


DIRECTORY_JOBS = (Job("directory.sweep", "13 * * * *", sweep_sessions),)
