"""Payments and refunds of a past day, written as the machine would have left them, and the bill's lines that fit."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from hutong.kernel.ids import uuid7
from hutong.payments.reconciliation import Account
from tests.payments.reconciliation.writer import Row
from tests.support.network import Network

DAY = date(2026, 11, 28)
NOON = datetime(2026, 11, 28, 4, tzinfo=UTC)
"""Noon of that day in Beijing."""
SELLER = "2088021109625633"


@dataclass
class Books:
    """Writes as owner, straight into the tables: what these tests need comes from many states of the machine."""

    owner: psycopg.Connection[Any]
    network: Network
    account: Account
    made: int = field(default=0)

    def payment(self, amount: int = 1_990, state: str = "paid", at: datetime = NOON, receipt: int | None = None, store: int = 0) -> Row:
        """A payment, and the line that a bill has of it (fee 0.6 %)."""
        place = self.network.stores[store]
        payment_id = uuid7(int(at.timestamp() * 1000))
        number = f"S{place.id}T{place.tills[0].id}_{payment_id.hex}"
        received = amount if receipt is None else receipt
        paid = state in ("paid", "refunding", "refunded")
        self.owner.execute(
            """insert into payment (retailer_id, id, store_id, till_id, account_id, sale_id, method, amount, currency, number, subject, digest, state,
                                    receipt_amount, paid_at, refunded, actor, made_at)
               values (%s, %s, %s, %s, %s, %s, 'code', %s, 'CNY', %s, 'x', %s, %s, %s, %s, %s, 'till:1', %s)""",
            [self.account.retailer_id, payment_id, place.id, place.tills[0].id, self.account.id, uuid7(), amount, number, uuid7(), state,
             received if paid else 0, at if paid else None, amount if state == "refunded" else 0, at],
        )  # fmt: skip
        return Row(number, amount, received, fee_of(received), at=beijing(at), store=place.gln, discount=amount - received)

    def refund(self, paid: Row, amount: int, state: str = "done", at: datetime = NOON + timedelta(hours=1)) -> Row:
        """A refund of a payment, and the line that a bill has of it."""
        refund_id = uuid7(int(at.timestamp() * 1000))
        self.owner.execute(
            """insert into payment_refund (retailer_id, id, payment_id, store_id, account_id, payment_number, amount, digest, state, from_receipt,
                                           done_at, actor, made_at)
               select retailer_id, %s, id, store_id, account_id, number, %s, %s, %s, %s, %s, 'till:1', %s from payment where number = %s""",
            [refund_id, amount, uuid7(), state, amount if state == "done" else 0, at if state == "done" else None, at, paid.number],
        )  # fmt: skip
        return Row(paid.number, -amount, -amount, 0, refund_id.hex, at=beijing(at), store=paid.store)

    def items(self, *columns: str) -> list[tuple[Any, ...]]:
        """The open items, as these columns (``class`` unless given)."""
        what = ", ".join(columns or ("class",))
        return sorted(self.owner.execute(f"select {what} from recon_item_now where open").fetchall())  # type: ignore[arg-type]

    def balances(self) -> dict[str, int]:
        """Accounts of the ledger that are not at zero."""
        rows = self.owner.execute(
            "select a.code, sum(e.amount)::bigint from entry e join account a on a.id = e.account_id where not e.pending group by 1"
        ).fetchall()
        return {code: amount for code, amount in rows if amount}


def fee_of(receipt: int) -> int:
    """0.6 %, rounded half up, as it stands in a bill."""
    return -((receipt * 6 + 500) // 1000)


def beijing(at: datetime) -> str:
    return (at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")


def number_of(store: int, till: int, payment_id: UUID | None = None) -> str:
    """A number of our form."""
    return f"S{store}T{till}_{(payment_id or uuid7()).hex}"
