"""Why the ledger refuses a posting; each is a defect of whoever made the posting, or an attempt to change what stands written."""

from typing import ClassVar, Self

import psycopg

from hutong.kernel.errors import Conflict


class LedgerRefuses(Conflict):
    """The ledger does not take this posting; nothing of the transaction is kept. ``reason`` says which rule it breaks."""

    code, title = "ledger_refuses", "The ledger does not take this posting"

    REASONS: ClassVar[dict[str, str]] = {
        "HT010": "unchanged", "HT011": "differs", "HT012": "account", "HT013": "closed", "HT014": "pending",
        "posting_balances": "balance", "posting_id_of_idempotency": "id", "posting_idempotency_is_plain": "id",
        "posting_resolves_once": "pending", "posting_state": "state",
    }  # fmt: skip
    """By SQLSTATE or constraint: unchanged (append-only), differs (written before with another meaning), account (of another kind,
    retailer or currency), closed (the day is), pending (what is resolved is not pending, or less), balance (the entries do not sum to
    zero), id (not that of the idempotency text), state."""

    @classmethod
    def of(cls, error: BaseException | None) -> Self | None:
        """This error for what PostgreSQL says, or None if it says something else."""
        if not isinstance(error, psycopg.Error):
            return None
        reason = cls.REASONS.get(error.sqlstate or "") or cls.REASONS.get(error.diag.constraint_name or "")
        return cls(str(error.diag.message_primary), reason=reason) if reason else None
