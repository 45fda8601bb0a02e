"""Reconciliation: every morning the wallets' bills against our books, to the fen; what differs waits for people, with both sides."""

from hutong.payments.reconciliation.evidence import ask_about_short, give_back_long
from hutong.payments.reconciliation.fetching import Awaited, fetch_day, fetch_due
from hutong.payments.reconciliation.files import Account, File
from hutong.payments.reconciliation.jobs import jobs, reconcile_now
from hutong.payments.reconciliation.model import Outcome, Sums, bill_day
from hutong.payments.reconciliation.run import reconcile, standing

__all__ = [
    "Account", "Awaited", "File", "Outcome", "Sums", "ask_about_short", "bill_day", "fetch_day", "fetch_due", "give_back_long", "jobs", "reconcile",
    "reconcile_now",    "standing",
]  # fmt: skip
