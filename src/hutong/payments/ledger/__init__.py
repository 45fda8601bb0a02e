"""The ledger: double entry, append-only, in minor units; every fen of every sale, payment, fee, refund and split."""

from hutong.payments.ledger import accounts, postings
from hutong.payments.ledger.days import close_days, jobs
from hutong.payments.ledger.errors import LedgerRefuses
from hutong.payments.ledger.model import Entry, Posting, posting_id, resolution_id
from hutong.payments.ledger.postings import Place
from hutong.payments.ledger.queries import Balance, Line, balance, balances, held, statement
from hutong.payments.ledger.writing import post

__all__ = [
    "Balance",
    "Entry",
    "LedgerRefuses",
    "Line",
    "Place",
    "Posting",
    "accounts",
    "balance",
    "balances",
    "close_days",
    "held",
    "jobs",
    "post",
    "posting_id",
    "postings",
    "resolution_id",
    "statement",
]
