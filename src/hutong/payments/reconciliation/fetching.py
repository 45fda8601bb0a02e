"""Fetches the bills that are due and works their days out: a job that may be killed anywhere, and run by several at once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import structlog

from hutong.kernel.errors import HutongError
from hutong.payments.reconciliation.files import Account, File, alarm
from hutong.payments.reconciliation.model import Outcome, bill_day, start_of
from hutong.payments.reconciliation.run import reconcile
from hutong.payments.reconciliation.times import LOOK_BACK_DAYS, first_look, is_empty, is_late, next_look
from hutong.payments.wallet import WalletUnreachable
from hutong.platform.database import Database
from hutong.platform.scope import Scope

TRANSIT_DAYS = 3
"""So many days later a payment that stood in no bill may still turn up in one."""
MOST_DAYS = 50
"""Bills that one turn fetches, so that a long pause is caught up with in several."""

log = structlog.get_logger(__name__)


class Biller(Protocol):
    """A wallet that makes bills; Alipay's does."""

    async def fetch_bill(self, day: date, kind: str = "trade") -> bytes | None: ...


WalletFor = Callable[[int], Awaitable[Biller]]
KINDS = {"trade": "trade", "movements": "signcustomer"}
"""Our two kinds of bill and Alipay's names of them."""

# A row for each bill that should exist by now; accounts are awaited from the day they were made on.
AWAIT = """insert into bill_watch (retailer_id, account_id, day, kind, due_at)
    select a.retailer_id, a.id, d.day::date, k.kind, (d.day::timestamp at time zone 'Asia/Shanghai') + interval '33 hours 5 minutes'
    from wallet_account a
    cross join generate_series(greatest(cast(:first as date), (a.created_at at time zone 'Asia/Shanghai')::date), cast(:last as date), interval '1 day') d (day)
    cross join (values ('trade'), ('movements')) k (kind)
    where a.wallet = 'alipay' and (a.disabled_at is null or a.disabled_at > d.day - interval '3 months')
    on conflict do nothing"""
# Taken for ten minutes: should this process die, another asks again then.
CLAIM = """update bill_watch w set due_at = cast(:now as timestamptz) + interval '10 minutes', tries = w.tries + 1, tried_at = :now
    from (select retailer_id, account_id, day, kind from bill_watch
          where due_at <= :now and done_at is null order by day, account_id limit :most for update skip locked) c
    where w.retailer_id = c.retailer_id and w.account_id = c.account_id and w.day = c.day and w.kind = c.kind
    returning w.retailer_id, w.account_id, w.day, w.kind, w.alarmed_at is not null as alarmed"""


@dataclass(slots=True)
class Awaited:
    """The bills of one day of one account that are due."""

    account: Account
    day: date
    kinds: dict[str, bool]
    """Which kinds, and whether people know already that they are late."""


async def fetch_due(db: Database, wallet_for: WalletFor, now: datetime) -> list[Outcome]:
    """Fetch what is due at ``now`` and work out the days; answers what became of each that brought a bill."""
    outcomes = []
    for awaited in await _claim(db, now):
        try:
            outcome = await fetch_day(db, wallet_for, awaited, now)
            if outcome is not None:
                outcomes.append(outcome)
            if outcome is not None and outcome.fresh:
                outcomes += await _look_back(db, wallet_for, awaited.account, awaited.day)
        except Exception:  # whatever it was, the other accounts must have their turn; this one comes again in ten minutes
            log.exception("bill_not_worked_out", account=awaited.account.id, day=str(awaited.day))
    return outcomes


async def fetch_day(db: Database, wallet_for: WalletFor, awaited: Awaited, now: datetime) -> Outcome | None:
    """Fetch a day's bills and work it out; None if there was none. What was said is written down, and when to ask again."""
    files: dict[str, File] = {}
    said: dict[str, str] = {}
    for kind in awaited.kinds:
        try:
            content = await _fetch(wallet_for, awaited.account, awaited.day, KINDS[kind])
        except WalletUnreachable as error:
            said[kind] = str(error)[:500]
            continue
        if content is None:
            said[kind] = "not there yet"
        else:
            files[kind] = File(content)
    outcome = await reconcile(db, awaited.account, awaited.day, files.get("trade"), files.get("movements")) if files else None
    if outcome is not None:
        for kind, problem in (("trade", outcome.problem), ("movements", outcome.movements_problem)):
            if problem and kind in files:
                said[kind] = problem[:500]
        if "movements" in files and (outcome.problem or outcome.run_id is None):
            said["movements"] = "comes with the bill of payments"
        log.info("books", line=outcome.line, account=awaited.account.id)
    for kind, alarmed in awaited.kinds.items():
        await _note(db, awaited, kind, said.get(kind, ""), now, alarmed=alarmed)
    return outcome


async def _fetch(wallet_for: WalletFor, account: Account, day: date, kind: str) -> bytes | None:
    """The bill, or None while there is none. Raises WalletUnreachable, also for an account whose keys cannot be used."""
    try:
        wallet = await wallet_for(account.id)
    except HutongError as error:
        raise WalletUnreachable(error.detail) from error
    return await wallet.fetch_bill(day, kind)


async def _note(db: Database, awaited: Awaited, kind: str, said: str, now: datetime, *, alarmed: bool) -> None:
    """Write down what became of one try, and tell people, once, when the bill is late."""
    account, day = awaited.account, awaited.day
    async with db.work(Scope.of_retailer(account.retailer_id)) as uow:
        late = bool(said) and is_late(day, now)
        empty = late and not await uow.value(
            TAKEN, r=account.retailer_id, a=account.id, starts=start_of(day), ends=start_of(day + timedelta(days=1))
        )
        due = next_look(day, now) if said else None
        if empty and is_empty(day, now):
            due, said = None, "no bill: nothing was taken"
        tell = late and not empty and not alarmed and kind == "trade"
        await uow.execute(
            """update bill_watch set said = :said, due_at = coalesce(:due, due_at), done_at = case when cast(:due as timestamptz) is null then cast(:now as timestamptz) end,
                                     alarmed_at = case when :tell then cast(:now as timestamptz) else alarmed_at end
               where retailer_id = :r and account_id = :a and day = :day and kind = :kind""",
            r=account.retailer_id, a=account.id, day=day, kind=kind, said=said, due=due, now=now, tell=tell,
        )  # fmt: skip
        if tell:
            await alarm(uow, account, f"The bill of {day} is late: {said}", {"day": str(day)})
        await uow.commit()


TAKEN = """select exists (select from payment where retailer_id = :r and account_id = :a and paid_at >= :starts and paid_at < :ends
        and id >= uuid_at(cast(:starts as timestamptz) - interval '60 days') and id < uuid_at(cast(:ends as timestamptz) + interval '10 days'))
    or exists (select from payment_refund where retailer_id = :r and account_id = :a and done_at >= :starts and done_at < :ends
        and id >= uuid_at(cast(:starts as timestamptz) - interval '60 days') and id < uuid_at(cast(:ends as timestamptz) + interval '10 days'))"""


async def _claim(db: Database, now: datetime) -> list[Awaited]:
    today = bill_day(now)
    last = today - timedelta(days=1)
    if now < first_look(last):
        last -= timedelta(days=1)
    async with db.work(Scope.of_network()) as uow:
        await uow.execute(AWAIT, first=today - timedelta(days=LOOK_BACK_DAYS), last=last)
        rows = await uow.rows(CLAIM, now=now, most=MOST_DAYS)
        known = await uow.rows("select id, retailer_id, wallet, seller_id from wallet_account")
        await uow.commit()
    accounts = {row.id: Account(row.id, row.retailer_id, row.wallet, row.seller_id) for row in known}
    found: dict[tuple[date, int], Awaited] = {}
    for row in sorted(rows, key=lambda row: (row.day, row.account_id, row.kind)):
        awaited = found.setdefault((row.day, row.account_id), Awaited(accounts[row.account_id], row.day, {}))
        awaited.kinds[row.kind] = row.alarmed
    return list(found.values())


async def _look_back(db: Database, wallet_for: WalletFor, account: Account, day: date) -> list[Outcome]:
    """Days before whose payments this bill may have: work them out again, by a fresh copy of their bill should it have been corrected."""
    outcomes = []
    async with db.read(Scope.of_retailer(account.retailer_id)) as reader:
        rows = await reader.rows(
            """select day, bool_or(class = 'in_transit') as waits from recon_item_now
               where retailer_id = :r and account_id = :a and day >= cast(:day as date) - cast(:days as integer) and day < :day and open
                 and class in ('in_transit', 'short', 'refund_short') group by day order by day""",
            r=account.retailer_id, a=account.id, day=day, days=TRANSIT_DAYS,
        )  # fmt: skip
    for row in rows:
        try:
            content = await _fetch(wallet_for, account, row.day, KINDS["trade"]) if row.waits else None
        except WalletUnreachable:
            content = None
        outcome = await reconcile(db, account, row.day, File(content) if content is not None else None)
        if outcome.problem:  # the copy that is kept still stands
            outcome = await reconcile(db, account, row.day)
        outcomes.append(outcome)
    return outcomes
