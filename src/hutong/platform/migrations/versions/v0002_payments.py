"""Payments: the ledger, attempts and refunds, reconciliation."""

from hutong.platform.migrations import SQL, run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FILES = (
    "0002_ledger.sql",
    "0002_ledger_post.sql",
    "0002_ledger_days.sql",
    "0002_payments.sql",
    "0002_payment_splits.sql",
    "0002_payment_holds.sql",
    "0002_payment_steps.sql",
    "0002_reconciliation.sql",
    "0002_reconciliation_join.sql",
)


def upgrade() -> None:
    run_sql(*(name for name in FILES if (SQL / name).exists()))


def downgrade() -> None:
    raise NotImplementedError("restore the back-up that was taken before the upgrade")
