"""The schema's versions: SQL in files, run in order by Alembic."""

from pathlib import Path

from alembic import op

SQL = Path(__file__).parent / "sql"


def run_sql(*names: str) -> None:
    """Run whole SQL files of this folder as they stand, in one transaction with the version's row."""
    for name in names:
        run_text((SQL / name).read_text())


def run_text(sql: str) -> None:
    """Run SQL as it stands, in one transaction with the version's row."""
    op.get_bind().exec_driver_sql(sql.replace("%", "%%"))
