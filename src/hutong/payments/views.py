"""Payments and refunds as the API answers them: read once, spelled in the caller's language."""

from typing import Any
from uuid import UUID

from hutong.directory import Permission, Principal
from hutong.kernel.errors import NotFound
from hutong.payments.machine import OPEN, Attempt
from hutong.payments.refunds import Refund
from hutong.payments.wire import PaymentView, RefundStateName, RefundView
from hutong.payments.words import REFUNDS, message_of
from hutong.platform.database import Database, Reader
from hutong.platform.web.i18n import translate

COLUMNS = """p.retailer_id, p.store_id, p.id, p.sale_id as sale, s.gln as store, t.code as till, p.state, p.amount, p.currency, p.method, p.number, p.version,
    p.made_at, p.code, p.who_fixes, p.trade_no, p.receipt_amount, p.buyer_paid, p.buyer, p.paid_at, p.qr, p.qr_expires_at, p.refunded,
    p.refund_pending, p.claimed_by"""
TABLES = "from payment p join store s on s.id = p.store_id join till t on t.id = p.till_id"
PAYMENT = f"select {COLUMNS} {TABLES}"
REFUND = (
    """select retailer_id, store_id, id, payment_id as payment, amount, state, reason, made_at, code, done_at, late from payment_refund"""
)


def payment_view(attempt: Attempt, store: str, till: str, locale: str) -> PaymentView:
    """An attempt that was just worked on."""
    return PaymentView(
        attempt.id, attempt.sale_id, store, till, attempt.state.value, attempt.state not in OPEN, attempt.amount, "CNY", attempt.method,
        attempt.number, attempt.version, attempt.made_at, translate(locale, message_of(attempt.state.value, attempt.who_fixes)), attempt.code,
        attempt.who_fixes, attempt.trade_no, attempt.receipt_amount, attempt.buyer_paid, attempt.buyer, attempt.paid_at, attempt.qr,
        attempt.qr_expires_at, attempt.refunded,
    )  # fmt: skip


def refund_view(refund: Refund, locale: str) -> RefundView:
    """A refund that was just worked on."""
    state: RefundStateName = refund.state.value
    return RefundView(
        refund.id, refund.payment_id, refund.amount, state, refund.reason, refund.made_at, translate(locale, REFUNDS[state]), refund.code,
        refund.done_at, refund.late,
    )  # fmt: skip


async def read_payment(db: Database, by: Principal, payment_id: UUID, locale: str) -> PaymentView:
    """A payment with its refunds. Raises NotFound for what is absent or another's."""
    async with db.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        row = await reader.row(f"{PAYMENT} where p.id = :id", id=payment_id)
        if row is None:
            raise NotFound
        by.must(Permission.READ_PAYMENTS, retailer_id=row.retailer_id, store_id=row.store_id)
        return await _whole(reader, dict(row._mapping), locale)


async def payments_of_sale(db: Database, by: Principal, sale_id: UUID, locale: str) -> list[PaymentView]:
    """All payments of a sale that the caller may see, the newest first: what a till that lost its memory asks for."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    async with db.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        rows = await reader.rows(
            f"{PAYMENT} where p.sale_id = :sale and p.id between :first and :last order by p.id desc limit 50",
            sale=sale_id, first=shifted(sale_id, -2), last=shifted(sale_id, 33),
        )  # fmt: skip
        seen = [row for row in rows if by.may(Permission.READ_PAYMENTS, retailer_id=row.retailer_id, store_id=row.store_id)]
        return [await _whole(reader, dict(row._mapping), locale) for row in seen]


async def read_refund(db: Database, by: Principal, refund_id: UUID, locale: str) -> RefundView:
    """A refund. Raises NotFound for what is absent or another's."""
    async with db.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        row = await reader.row(f"{REFUND} where id = :id", id=refund_id)
    if row is None:
        raise NotFound
    by.must(Permission.READ_PAYMENTS, retailer_id=row.retailer_id, store_id=row.store_id)
    return _refund(dict(row._mapping), locale)


async def _whole(reader: Reader, row: dict[str, Any], locale: str) -> PaymentView:
    refunds = await reader.rows(
        f"{REFUND} where retailer_id = :retailer and payment_id = :id and id >= :first order by id",
        retailer=row["retailer_id"], id=row["id"], first=shifted(row["id"], -2),
    )  # fmt: skip
    return whole_view(row, [dict(each._mapping) for each in refunds], locale)


def shifted(given: UUID, days: int) -> UUID:
    """The first id so many days from a UUIDv7's own time.

    Payments and refunds lie in the months of their ids, so this says which to look in: an id is made within a day of its payment or
    refund, and the sale's within a month (``check_id``).
    """
    return UUID(int=min(max((given.int >> 80) + days * 86_400_000, 0), (1 << 48) - 1) << 80)


def whole_view(row: dict[str, Any], refunds: list[dict[str, Any]], locale: str) -> PaymentView:
    """A payment from its row (``COLUMNS``) and those of its refunds (``REFUND``)."""
    shown = {key: value for key, value in row.items() if key not in ("retailer_id", "store_id")}
    state, who = str(row["state"]), str(row["who_fixes"])
    return PaymentView(
        **shown, decided=state not in OPEN, message=translate(locale, message_of(state, who)), refunds=[_refund(each, locale) for each in refunds]
    )  # fmt: skip


def _refund(row: dict[str, Any], locale: str) -> RefundView:
    row = {key: value for key, value in row.items() if key not in ("retailer_id", "store_id")}
    return RefundView(**row, message=translate(locale, REFUNDS[str(row["state"])]))
