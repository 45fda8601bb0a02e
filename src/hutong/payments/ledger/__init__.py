"""The ledger: double entry, append-only, in minor units; every fen of every sale, payment, fee, refund and split."""

from hutong.payments.ledger import accounts, postings
from hutong.payments.ledger.check import INVARIANTS, Finding, Invariant, Offender
from hutong.payments.ledger.check import check as check_ledger
from hutong.payments.ledger.check_payments import PAYMENT_INVARIANTS
from hutong.payments.ledger.days import close_days, jobs
from hutong.payments.ledger.errors import LedgerRefuses
from hutong.payments.ledger.model import Entry, Posting, posting_id, resolution_id
from hutong.payments.ledger.postings import Place
from hutong.payments.ledger.queries import Balance, Line, balance, balances, held, statement
from hutong.payments.ledger.writing import post

LEDGER_INVARIANTS = (*INVARIANTS, *PAYMENT_INVARIANTS)

__all__ = [
    "LEDGER_INVARIANTS",
    "Balance",
    "Entry",
    "Finding",
    "Invariant",
    "LedgerRefuses",
    "Line",
    "Offender",
    "Place",
    "Posting",
    "accounts",
    "balance",
    "balances",
    "check_ledger",
    "close_days",
    "held",
    "jobs",
    "post",
    "posting_id",
    "postings",
    "resolution_id",
    "statement",
]
