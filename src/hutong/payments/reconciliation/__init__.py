"""Reconciliation: every morning the wallets' bills against our books, to the fen; what differs waits for people, with both sides."""

from hutong.payments.reconciliation.model import Outcome, Sums, bill_day
from hutong.payments.reconciliation.run import Account, File, reconcile, standing

__all__ = ["Account", "File", "Outcome", "Sums", "bill_day", "reconcile", "standing"]
