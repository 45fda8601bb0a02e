"""The postings of payments, as plain functions: facts in, a balanced posting out. Amounts are minor units and positive."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID

from hutong.payments.ledger import accounts
from hutong.payments.ledger.accounts import Account
from hutong.payments.ledger.model import Entry, Posting, State, posting_id, resolution_id, resolution_text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a payment was taken: the store with its GLN, and the retailer's account at the wallet (the id of ``wallet_account``)."""

    retailer_id: int
    store_id: int
    gln: str
    account: int
    wallet: str = "alipay"
    currency: str = "CNY"


Against = Literal["received", "long"]
"""What a refund gives back: a payment as it was received, or a late success that was put into suspense."""


def paid(place: Place, payment_id: UUID, amount: int, receipt: int, at: datetime, booked_on: date) -> Posting:
    """A payment of ``amount``, for which the wallet owes ``receipt``; the rest is the retailer's own discount."""
    return _taken(place, payment_id, amount, receipt, at, booked_on, "payment.paid", accounts.received(place.gln))


def late(place: Place, payment_id: UUID, amount: int, receipt: int, at: datetime, booked_on: date) -> Posting:
    """A payment that succeeded after the till was told otherwise; it waits in suspense until it is given back."""
    return _taken(place, payment_id, amount, receipt, at, booked_on, "payment.late", accounts.SUSPENSE_LONG)


def reserve(place: Place, refund_id: UUID, amount: int, at: datetime, booked_on: date, against: Against = "received") -> Posting:
    """A refund before it is sent: pending, so in no balance, but counted among what may not be refunded again."""
    entries = _entries(place.store_id, [(_given(place, against), amount), (accounts.clearing(place.wallet, place.account), -amount)])
    return _posting(place, refund_id, "refund.reserve", f"{refund_id}:reserve", refund_id, at, booked_on, entries, "pending")


def reserve_id(refund_id: UUID) -> UUID:
    """The id of a refund's reservation."""
    return posting_id(refund_id, f"{refund_id}:reserve")


def refunded(
    place: Place, refund_id: UUID, amount: int, from_receipt: int, at: datetime, booked_on: date, against: Against = "received"
) -> Posting:
    """A refund that the wallet has carried out: it takes ``from_receipt`` off what it owes, the rest off the discount."""
    moved = [
        (_given(place, against), amount),
        (accounts.clearing(place.wallet, place.account), -from_receipt),
        (accounts.discount(place.gln), from_receipt - amount),
    ]
    return _resolution(place, reserve_id(refund_id), "refund.done", refund_id, at, booked_on, _entries(place.store_id, moved), "post")


def refund_void(place: Place, refund_id: UUID, at: datetime, booked_on: date) -> Posting:
    """A refund that the wallet has refused: its reservation is given up."""
    return _resolution(place, reserve_id(refund_id), "refund.refused", refund_id, at, booked_on, (), "void")


def returned(place: Place, payment_id: UUID, amount: int, receipt: int, at: datetime, booked_on: date) -> Posting:
    """A late success that has gone back by itself, such as by the cancel: the mirror image of ``late``."""
    moved = _moved(place, -amount, -receipt, accounts.SUSPENSE_LONG)
    return _posting(
        place, payment_id, "payment.returned", f"{payment_id}:returned", payment_id, at, booked_on, _entries(place.store_id, moved)
    )


def authorised(place: Place, authorisation_id: UUID, amount: int, at: datetime, booked_on: date) -> Posting:
    """Money that a payer has put aside: pending only, for it is the payer's until a payment takes it (see ``paid``)."""
    entries = _entries(place.store_id, [(accounts.authorised(place.account), amount), (accounts.authorised_contra(place.account), -amount)])
    text = f"{authorisation_id}:authorised"
    return _posting(place, authorisation_id, "authorisation.frozen", text, authorisation_id, at, booked_on, entries, "pending")


def authorisation_ended(place: Place, authorisation_id: UUID, at: datetime, booked_on: date) -> Posting:
    """The rest of an authorisation was released, or all of it was taken by payments."""
    pending = posting_id(authorisation_id, f"{authorisation_id}:authorised")
    return _resolution(place, pending, "authorisation.ended", authorisation_id, at, booked_on, (), "void")


# By the bill: ``text`` names the line or file, such as ``20261128:fee:<trade number>``; the time is the start of the bill's day ---------


def fee(place: Place, text: str, amount: int, bill_day: date, *, reference: UUID | None = None) -> Posting:
    """The wallet's fee; a fee given back (with a refund) is negative."""
    moved: list[tuple[Account, int]] = [
        (accounts.fee(place.wallet), amount),
        (accounts.clearing(place.wallet, place.account), -amount),
    ]
    return _of_bill(place, "bill.fee", text, bill_day, moved, reference, place.store_id or None)


def settlement(place: Place, text: str, amount: int, bill_day: date) -> Posting:
    """What the wallet has paid out to the retailer's balance or bank."""
    moved = [(accounts.settled(place.wallet, place.account), amount), (accounts.clearing(place.wallet, place.account), -amount)]
    return _of_bill(place, "bill.settled", text, bill_day, moved, None, None)


def difference(place: Place, text: str, amount: int, bill_day: date, suspense: Account = accounts.SUSPENSE_DIFFERENCE) -> Posting:
    """The wallet owes ``amount`` more than our books say (less, if negative), for a reason that people are to find."""
    moved = [(accounts.clearing(place.wallet, place.account), amount), (suspense, -amount)]
    return _of_bill(place, "bill.difference", text, bill_day, moved, None, place.store_id or None)


# Passed on to brands --------------------------------------------------------------------------------------------------


def split_owed(place: Place, brand: str, payment_id: UUID, amount: int, at: datetime, booked_on: date) -> Posting:
    """A brand's share of a payment, to be passed on to it."""
    entries = _entries(place.store_id, [(accounts.brand_share(brand), amount), (accounts.brand_payable(brand), -amount)])
    return _posting(place, payment_id, "split.owed", f"{payment_id}:owed:{brand}", payment_id, at, booked_on, entries)


def split_done(place: Place, brand: str, payment_id: UUID, text: str, amount: int, at: datetime, booked_on: date) -> Posting:
    """The wallet has passed a share on to a brand; ``text`` is the number of that request."""
    entries = _entries(place.store_id, [(accounts.brand_payable(brand), amount), (accounts.clearing(place.wallet, place.account), -amount)])
    return _posting(place, payment_id, "split.done", f"{text}:split:{brand}", payment_id, at, booked_on, entries)


# --------------------------------------------------------------------------------------------------------------------


def _taken(
    place: Place, payment_id: UUID, amount: int, receipt: int, at: datetime, booked_on: date, kind: str, other: Account
) -> Posting:  # fmt: skip
    text = f"{payment_id}:{kind.removeprefix('payment.')}"
    return _posting(
        place, payment_id, kind, text, payment_id, at, booked_on, _entries(place.store_id, _moved(place, amount, receipt, other))
    )


def _moved(place: Place, amount: int, receipt: int, other: Account) -> list[tuple[Account, int]]:
    return [(accounts.clearing(place.wallet, place.account), receipt), (other, -amount), (accounts.discount(place.gln), amount - receipt)]


def _given(place: Place, against: Against) -> Account:
    return accounts.SUSPENSE_LONG if against == "long" else accounts.received(place.gln)


def _entries(store_id: int | None, moved: Iterable[tuple[Account, int]]) -> tuple[Entry, ...]:
    return tuple(Entry(code, amount, kind, store_id) for (code, kind), amount in moved if amount)


def _posting(
    place: Place, of: UUID, kind: str, text: str, reference: UUID, at: datetime, booked_on: date, entries: tuple[Entry, ...],
    state: State = "posted",
) -> Posting:  # fmt: skip
    return Posting(
        posting_id(of, text), place.retailer_id, booked_on, at, kind, text, reference, entries, state, currency=place.currency
    )  # fmt: skip


def _resolution(
    place: Place, pending: UUID, kind: str, reference: UUID, at: datetime, booked_on: date, entries: tuple[Entry, ...], state: State
) -> Posting:  # fmt: skip
    text = resolution_text(pending)
    return Posting(resolution_id(pending), place.retailer_id, booked_on, at, kind, text, reference, entries, state, pending, place.currency)


def _of_bill(
    place: Place, kind: str, text: str, day: date, moved: list[tuple[Account, int]], reference: UUID | None, store_id: int | None
) -> Posting:  # fmt: skip
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Posting(
        posting_id(day, text), place.retailer_id, day, at, kind, text, reference, _entries(store_id, moved), currency=place.currency
    )
