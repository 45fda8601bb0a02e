"""Brings a database to this program's schema, and mends what a restore into another server leaves behind."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from hutong.platform.database import plain_url

LOCK = 7406000


def migrate(url: str) -> list[str]:
    """Run every version that is missing, and answer a line for each thing done. Safe to call from many processes at once."""
    engine = create_engine(plain_url(url).replace("postgresql://", "postgresql+psycopg://", 1), connect_args={"options": "-c timezone=UTC"})
    done: list[str] = []
    try:
        with engine.connect() as guard:
            guard.execute(text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
            guard.commit()
            before = _version(guard)
            guard.commit()
            with engine.connect() as connection:
                config = Config()
                config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
            after = _version(guard)
            if before != after:
                done.append(f"schema {before or 'empty'} -> {after}")
            guard.execute(text("select ensure_log_days()"))
            done += _settle_foreign_events(guard)
            guard.commit()
    finally:
        engine.dispose()
    return done


def _version(connection) -> str | None:  # type: ignore[no-untyped-def]
    if connection.scalar(text("select to_regclass('alembic_version')")) is None:
        return None
    version: str | None = connection.scalar(text("select version_num from alembic_version"))
    return version


def _settle_foreign_events(connection) -> list[str]:  # type: ignore[no-untyped-def]
    """After a restore into another server, events carry transaction numbers that this server has yet to reach.

    Such an event would look new to every tail, for ever; it is marked as long committed (transaction 3 is always past), and
    cursors start from now.
    """
    settled = connection.execute(text("update event set xid = '3' where xid >= pg_snapshot_xmax(pg_current_snapshot())")).rowcount
    cursors = connection.execute(
        text(
            "update event_cursor set snapshot = pg_current_snapshot() where pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot())"
        )
    ).rowcount
    return [f"{settled} events and {cursors} cursors of another server settled"] if settled or cursors else []
