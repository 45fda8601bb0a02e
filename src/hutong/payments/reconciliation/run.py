"""Works a day out: its bill against our books, in one transaction that may be repeated as often as one likes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any

from hutong.payments.alipay.bills import Bill, BillDamaged
from hutong.payments.ledger import Place
from hutong.payments.reconciliation.booking import book_fees, book_items, book_settlement
from hutong.payments.reconciliation.brands import sum_by_brand
from hutong.payments.reconciliation.files import Account, File, alarm, check_owner, keep_file, kept_file, reject_file
from hutong.payments.reconciliation.model import ACTOR, NOT_IN_BILL, Outcome, Sums, yuan
from hutong.payments.reconciliation.movements import MovementsDamaged, SecondLeg, second_leg, unsettled
from hutong.payments.reconciliation.staging import stage_trades
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

MOST_ITEMS = 20_000
"""Differences of one day: more, and the file is not this account's, or the day not this day's."""


async def reconcile(
    db: Database, account: Account, day: date, trades: File | None = None, movements: File | None = None, actor: str = ACTOR
) -> Outcome:
    """Work out ``day``, by the files given or by those kept last. Nothing is written if it comes to what it came to before.

    A file that is damaged or another's is kept with what is wrong with it, an alarm is given, and the day stays as it was.
    """
    try:
        return await _reconcile(db, account, day, trades, movements, actor)
    except _SameAsBefore:
        return await standing(db, account, day)
    except MovementsDamaged as damage:
        await reject_file(db, account, day, "movements", movements, str(damage))
        outcome = await reconcile(db, account, day, trades, None, actor) if trades is not None else await standing(db, account, day)
        return replace(outcome, movements_problem=str(damage))
    except BillDamaged as damage:
        await reject_file(db, account, day, "trade", trades, str(damage))
        return replace(await standing(db, account, day), problem=str(damage))


async def _reconcile(db: Database, account: Account, day: date, trades: File | None, movements: File | None, actor: str) -> Outcome:
    async with db.work(Scope.of_retailer(account.retailer_id)) as uow:
        await uow.execute("select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)")
        # One at a time for each account: a day looks at its neighbours.
        await uow.execute("select pg_advisory_xact_lock(7406040, :account)", account=account.id)
        trades = trades or await kept_file(uow, account, day, "trade")
        if trades is None:
            return Outcome(account.id, day)
        movements = movements or await kept_file(uow, account, day, "movements")
        bill = Bill(trades.content)
        lines = await stage_trades(uow, bill)
        check_owner(bill, account, day)
        file_id = await keep_file(uow, account, day, "trade", trades, lines)
        leg = await second_leg(uow, account, day, movements)
        next_known = bool(await uow.value(
            """select exists (select from recon_run where retailer_id = :r and account_id = :a and day = cast(:day as date) + 1)
                   or exists (select from bill_watch where retailer_id = :r and account_id = :a and day = cast(:day as date) + 1
                              and kind = 'trade' and done_at is not null)""",
            r=account.retailer_id, a=account.id, day=day,
        ))  # fmt: skip
        terms = await uow.value(
            """select fee_rate from recon_terms where retailer_id = :r and account_id = :a and from_day <= :day
               order by from_day desc, at desc limit 1""",
            r=account.retailer_id, a=account.id, day=day,
        )  # fmt: skip
        rate = await uow.value(
            "select recon_join(:r, :a, :day, :next, cast(:rate as integer))",
            r=account.retailer_id,
            a=account.id,
            day=day,
            next=next_known,
            rate=terms,
        )
        outcome = await _write(uow, account, day, _Found(file_id, leg, next_known, rate), actor)
        await uow.commit()
    return outcome


class _SameAsBefore(Exception):
    """The day comes to what it came to before: the transaction is rolled back, and nothing has changed."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What was used and learned on the way."""

    file_id: int
    leg: SecondLeg
    next_known: bool
    rate: int | None


async def _write(uow: UnitOfWork, account: Account, day: date, found: _Found, actor: str) -> Outcome:
    """Compare with the last working out; write sums, items and postings where something is new."""
    if (differences := await uow.value("select count(*) from recon_row where class <> 'matched'")) > MOST_ITEMS:
        raise BillDamaged(f"{differences:,} of its lines differ from the books: it is not this account's bill of this day")
    rows = await uow.rows(
        """select coalesce(store_id, 0) as store_id, kind, class as class_, count(*)::integer as lines,
                  sum(coalesce(amount, our_amount))::bigint as amount, sum(coalesce(receipt, our_receipt))::bigint as receipt,
                  sum(coalesce(fee, 0))::bigint as fee from recon_row group by 1, 2, 3 order by 1, 2, 3"""
    )
    sums = _sums(rows)
    digest = sha256(json.dumps([[*map(list, map(tuple, rows))], found.leg.settled, found.leg.moved, found.next_known]).encode()).digest()
    last = await uow.row(
        "select * from recon_run where retailer_id = :r and account_id = :a and day = :day order by id desc limit 1",
        r=account.retailer_id, a=account.id, day=day,
    )  # fmt: skip
    changed = _changes(last, sums, found)
    run_id = await uow.value(
        """insert into recon_run (retailer_id, account_id, day, file_id, movements_file_id, actor, payments, paid, refunds, refunded, fee, settled,
                                  moved, unsettled, next_known, fee_rate, changed, digest)
           values (:r, :a, :day, :file, :movements, :actor, :payments, :paid, :refunds, :refunded, :fee, :settled, :moved, cast(:unsettled as jsonb), :next, :rate,
                   cast(:changed as jsonb), :digest) returning id""",
        r=account.retailer_id, a=account.id, day=day, file=found.file_id, movements=found.leg.file_id, actor=actor, payments=sums.payments,
        paid=sums.paid, refunds=sums.refunds, refunded=sums.refunded, fee=sums.fee, settled=found.leg.settled, moved=found.leg.moved,
        unsettled=json.dumps(await unsettled(uow, found.leg, sums)), next=found.next_known,
        rate=found.rate, changed=json.dumps(changed), digest=digest,
    )  # fmt: skip
    items = await uow.rows(
        "select id, action, class as class_, kind, store_id, difference, step, payment_id, number, why from recon_items(:r, :a, :day, :run)",
        r=account.retailer_id, a=account.id, day=day, run=run_id,
    )  # fmt: skip
    if last is not None and not items and bytes(last.digest) == digest and last.file_id == found.file_id:
        raise _SameAsBefore
    await _write_sums(uow, account, day, run_id, rows)
    await sum_by_brand(uow, account.retailer_id, account.id, day, run_id)
    place = Place(account.retailer_id, 0, "", account.id, account.wallet)
    fees: dict[int, int] = {}
    for row in rows:
        if row.class_ not in NOT_IN_BILL:
            fees[row.store_id] = fees.get(row.store_id, 0) + row.fee
    await book_fees(uow, place, day, run_id, fees)
    if found.leg.settled is not None:
        await book_settlement(uow, place, day, run_id, found.leg.settled)
    await book_items(uow, place, day, items)
    await _alarm(uow, account, day, items)
    outcome = await _standing(uow, account, day)
    await uow.publish(
        "payment.books", retailer_id=account.retailer_id,
        body={"account": account.id, "day": str(day), "agrees": outcome.agrees, "open": outcome.open, "waiting": outcome.waiting},
    )  # fmt: skip
    return replace(outcome, fresh=True)


def _sums(rows: Sequence[Any]) -> Sums:
    lines = [row for row in rows if row.class_ not in NOT_IN_BILL]
    payments, refunds = [row for row in lines if row.kind == "payment"], [row for row in lines if row.kind == "refund"]
    return Sums(
        sum(row.lines for row in payments), sum(row.receipt for row in payments), sum(row.lines for row in refunds),
        sum(row.receipt for row in refunds), sum(row.fee for row in lines),
    )  # fmt: skip


def _changes(last: Any, sums: Sums, found: _Found) -> dict[str, Any]:
    """What people should know of the difference to the working out before: a corrected file, and by how much."""
    if last is None:
        return {}
    before = Sums(last.payments, last.paid, last.refunds, last.refunded, last.fee)
    changed: dict[str, Any] = {} if last.file_id == found.file_id else {"file": [last.file_id, found.file_id]}
    for name in Sums.__slots__:
        if getattr(before, name) != getattr(sums, name):
            changed[name] = [getattr(before, name), getattr(sums, name)]
    if last.settled != found.leg.settled:
        changed["settled"] = [last.settled, found.leg.settled]
    return changed


async def _write_sums(uow: UnitOfWork, account: Account, day: date, run_id: int, rows: Sequence[Any]) -> None:
    await uow.execute(
        """insert into recon_sum (retailer_id, run_id, account_id, day, store_id, kind, class, lines, amount, receipt, fee)
           select :r, :run, :a, :day, nullif(store, 0), kind, class, lines, amount, receipt, fee
           from unnest(cast(:store as integer[]), cast(:kind as text[]), cast(:class as text[]), cast(:lines as integer[]),
                       cast(:amount as bigint[]), cast(:receipt as bigint[]), cast(:fee as bigint[])) s (store, kind, class, lines, amount, receipt, fee)""",
        r=account.retailer_id, run=run_id, a=account.id, day=day, store=[row.store_id for row in rows], kind=[row.kind for row in rows],
        lines=[row.lines for row in rows], amount=[row.amount for row in rows], receipt=[row.receipt for row in rows],
        fee=[row.fee for row in rows], **{"class": [row.class_ for row in rows]},
    )  # fmt: skip
    # A store that the last working out had something of, and this one has nothing of, must not go on reading that.
    await uow.execute(
        """insert into recon_sum (retailer_id, run_id, account_id, day, store_id, kind, class, lines, amount, receipt, fee)
           select distinct :r, cast(:run as bigint), cast(:a as integer), cast(:day as date), s.store_id, 'payment', 'matched', 0, 0, 0, 0 from recon_sum s
           where s.retailer_id = :r and s.account_id = :a and s.day = :day and s.store_id is not null and s.run_id < :run and not exists (
               select from recon_sum n where n.retailer_id = :r and n.run_id = :run and n.store_id = s.store_id)""",
        r=account.retailer_id, run=run_id, a=account.id, day=day,
    )  # fmt: skip
    await uow.execute(
        """insert into recon_elsewhere (retailer_id, run_id, account_id, day, kind, payment_id, refund_id)
           select distinct :r, cast(:run as bigint), cast(:a as integer), cast(:day as date), kind, payment_id, refund_id from recon_row where elsewhere""",
        r=account.retailer_id, run=run_id, a=account.id, day=day,
    )  # fmt: skip


async def _alarm(uow: UnitOfWork, account: Account, day: date, items: Sequence[Any]) -> None:
    """People must look at once at money that nobody knows and at money that is missing; the rest waits on the page."""
    grave = [
        item for item in items if item.action != "settled" and item.class_ in ("short", "refund_long", "refund_short", "foreign", "long")
    ]
    if not grave:
        return
    classes = sorted({item.class_ for item in grave})
    said = ", ".join(f"{sum(item.class_ == each for item in grave)} {each.replace('_', ' ')}" for each in classes)
    amount = sum(abs(item.difference) for item in grave)
    await alarm(
        uow, account, f"The bill of {day} and the books differ: {said}, {yuan(amount)} yuan", {"day": str(day), "items": len(grave)}
    )


# How a day stands ----------------------------------------------------------------------------------------------------


async def standing(db: Database, account: Account, day: date) -> Outcome:
    """What a day has come to so far."""
    async with db.work(Scope.of_retailer(account.retailer_id)) as uow:
        return await _standing(uow, account, day)


async def _standing(uow: UnitOfWork, account: Account, day: date) -> Outcome:
    run = await uow.row(
        "select * from recon_run where retailer_id = :r and account_id = :a and day = :day order by id desc limit 1",
        r=account.retailer_id, a=account.id, day=day,
    )  # fmt: skip
    if run is None:
        return Outcome(account.id, day)
    items = await uow.rows(
        """select class as class_, count(*)::integer as number from recon_item_now
           where retailer_id = :r and account_id = :a and day = :day and open group by 1 order by 1""",
        r=account.retailer_id, a=account.id, day=day,
    )  # fmt: skip
    classes = tuple((item.class_, item.number) for item in items if item.class_ != "in_transit")
    waiting = sum(item.number for item in items if item.class_ == "in_transit")
    sums = Sums(run.payments, run.paid, run.refunds, run.refunded, run.fee)
    return Outcome(account.id, day, run.id, False, sums, sum(number for _, number in classes), waiting, classes)
