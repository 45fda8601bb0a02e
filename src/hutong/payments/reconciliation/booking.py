"""What a bill puts into the ledger: fees by store, what was paid out, and differences, into suspense until they are explained."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from hutong.payments.ledger import Place, Posting, accounts, post, postings
from hutong.platform.database import UnitOfWork

# What the bill's postings of this day and kind have moved so far on an account that begins so, by store. Their ids carry the day's
# start (of UTC), so they are found by key.
BOOKED = """select coalesce(e.store_id, 0) as store_id, sum(e.amount)::bigint as amount
    from posting p join entry e on e.retailer_id = p.retailer_id and e.posting_id = p.id join account a on a.id = e.account_id
    where p.retailer_id = :retailer and p.id >= uuid_at(cast(:day as timestamp) at time zone 'UTC')
      and p.id < uuid_at(cast(:day as timestamp) at time zone 'UTC' + interval '1 millisecond')
      and e.posting_id >= uuid_at(cast(:day as timestamp) at time zone 'UTC')
      and e.posting_id < uuid_at(cast(:day as timestamp) at time zone 'UTC' + interval '1 millisecond')
      and p.kind = :kind and a.code = :clearing group by 1"""


async def book_fees(uow: UnitOfWork, place: Place, day: date, run_id: int, fees: dict[int, int]) -> int:
    """Book what the fees of the day's stores (0: of no store) have come to beyond what is booked already; answers how many postings."""
    booked = await _booked(uow, place, day, "bill.fee")
    new = []
    for store in sorted(fees.keys() | booked.keys()):
        amount = fees.get(store, 0) + booked.get(store, 0)  # booked is a credit on clearing
        if amount:
            new.append(postings.fee(_at(place, store), f"bill:{place.account}:{day:%Y%m%d}:fee:{store}:{run_id}", amount, day))
    return await post(uow, new)


async def book_settlement(uow: UnitOfWork, place: Place, day: date, run_id: int, amount: int) -> int:
    """Book what the wallet has put to the retailer's balance on this day, beyond what is booked already."""
    booked = await _booked(uow, place, day, "bill.settled")
    rest = amount + sum(booked.values())
    text = f"bill:{place.account}:{day:%Y%m%d}:settled:{run_id}"
    return await post(uow, [postings.settlement(place, text, rest, day)] if rest else [])


async def book_items(uow: UnitOfWork, place: Place, day: date, changed: Sequence[Any]) -> int:
    """Put the differences of new items into suspense, and take out those of items that are not there any more."""
    new: list[Posting] = []
    for item in changed:
        suspense = suspense_of(item)
        if suspense is None or not item.difference:
            continue
        sign = -1 if item.action == "settled" else 1
        text = f"bill:{place.account}:{day:%Y%m%d}:item:{item.id}:{item.step}"
        new.append(postings.difference(_at(place, item.store_id or 0), text, sign * item.difference, day, suspense))
    return await post(uow, new)


def suspense_of(item: Any) -> accounts.Account | None:
    """Where an item's difference waits. A success on an attempt that is not paid is booked when the wallet confirms it, not here."""
    match item.class_:
        case "amount":
            return accounts.SUSPENSE_DIFFERENCE
        case "in_transit" | "status" | "fee":
            return None
        case "long" if item.why != "unknown number":
            return None
    return accounts.SUSPENSE_LONG if item.difference > 0 else accounts.SUSPENSE_SHORT


async def _booked(uow: UnitOfWork, place: Place, day: date, kind: str) -> dict[int, int]:
    clearing, _ = accounts.clearing(place.wallet, place.account)
    rows = await uow.rows(BOOKED, retailer=place.retailer_id, day=day, kind=kind, clearing=clearing)
    return {row.store_id: row.amount for row in rows}


def _at(place: Place, store: int) -> Place:
    return Place(place.retailer_id, store, place.gln, place.account, place.wallet, place.currency)
