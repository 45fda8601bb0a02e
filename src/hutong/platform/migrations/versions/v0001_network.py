"""The network's first schema."""

from procrastinate.schema import SchemaManager

from hutong.platform.migrations import run_sql, run_text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0001_network.sql", "0001_security.sql", "0001_capture.sql", "0001_catalog.sql", "0001_monitor.sql")
    run_text(SchemaManager.get_schema())
    run_sql("0001_jobs.sql")


def downgrade() -> None:
    raise NotImplementedError("restore the back-up that was taken before the upgrade")
