"""One payment's whole story: what was asked, heard and done, in order, with the books, the refunds and the sale it belongs to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hutong.directory import Permission, Principal
from hutong.kernel.errors import NotFound
from hutong.kernel.ids import time_of
from hutong.payments.ledger import posting_id, resolution_id
from hutong.payments.live_states import LIVE, first_id, refunds_since
from hutong.payments.refunds import give_back_id
from hutong.platform.database import Database, Reader
from hutong.platform.scope import Scope

MOST_EVENTS = 500
NUMBER = re.compile(r"S\d{1,9}T\d{1,9}_([0-9a-f]{32})")
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
TRADE = re.compile(r"[0-9]{10,64}")

ONE = """select p.*, s.gln, s.name_zh, s.name_en, s.zone, t.code as till, t.name as till_name, a.code as account, a.wallet, a.app_id,
        d.due_at
    from payment p join store s on s.id = p.store_id join till t on t.id = p.till_id
    left join wallet_account a on a.id = p.account_id
    left join payment_due d on d.retailer_id = p.retailer_id and d.payment_id = p.id and d.refund_id = '00000000-0000-0000-0000-000000000000'
    where p.id = :id"""
EVENTS = f"""select version, refund_id, at, source, kind, state, actor, body from payment_event
    where retailer_id = :retailer and payment_id = :id order by at, version limit {MOST_EVENTS}"""
POSTINGS = """select g.id, g.booked_on, g.kind, g.state, g.recorded_at,
        array(select a.code from unnest(g.accounts) with ordinality x (account, n) join account a on a.id = x.account order by n) as accounts, g.amounts
    from posting g where g.retailer_id = :retailer and g.id = any (:ids) order by g.recorded_at, g.id"""


@dataclass(slots=True)
class Chapter:
    """One or more events in a row that say the same."""

    source: str
    kind: str
    state: str
    actor: str
    refund_id: UUID | None
    first_at: datetime
    last_at: datetime
    facts: list[Any] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.facts)


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a payment."""

    payment: Mapping[str, Any]
    chapters: list[Chapter]
    refunds: Sequence[Any]
    notices: Sequence[Any]
    postings: Sequence[Any]
    others: Sequence[Any]
    alarms: Sequence[Any]
    actors: Mapping[str, str]


async def place_of(reader: Reader, by: Principal, payment_id: UUID, permission: Permission = Permission.READ_PAYMENTS) -> Any:
    """The row of a payment that ``by`` may do this with. Raises NotFound."""
    row = await reader.row(ONE, id=payment_id)
    if row is None:
        raise NotFound
    by.must(permission, retailer_id=row.retailer_id, store_id=row.store_id)
    return row


async def tell(db: Database, by: Principal, payment_id: UUID) -> Story:
    """A payment's story. Raises NotFound for what is absent or another's."""
    async with db.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        await place_of(reader, by, payment_id)
    # It is theirs to know; the wallet's account and the books behind it are kept for the retailer.
    async with db.read(Scope.of_network()) as reader:
        payment = await place_of(reader, by, payment_id)
        key = {"retailer": payment.retailer_id, "id": payment_id}
        events = await reader.rows(EVENTS, **key)
        refunds = await reader.rows(
            "select * from payment_refund where retailer_id = :retailer and payment_id = :id and id >= :since order by id",
            since=refunds_since(payment_id), **key,
        )  # fmt: skip
        notices = await reader.rows(
            "select notify_id, received_at, body from wallet_notice where retailer_id = :retailer and payment_id = :id order by received_at",
            **key,
        )
        postings = await reader.rows(POSTINGS, retailer=payment.retailer_id, ids=posting_ids(payment_id, [each.id for each in refunds]))
        others = await reader.rows(
            f"{LIVE} where p.retailer_id = :retailer and p.sale_id = :sale and p.id <> :id and p.id >= :since order by p.id desc limit 20",
            sale=payment.sale_id, since=first_id(time_of(payment_id) - timedelta(days=40)), **key,
        )  # fmt: skip
        alarms = await reader.rows(
            "select at, kind, message, detail from payment_alarm where retailer_id = :retailer and payment_id = :id and at >= :since order by at",
            since=payment.made_at, **key,
        )  # fmt: skip
        actors = await names_of(reader, {payment.actor, *(each.actor for each in events), *(each.actor for each in refunds)})
    return Story(payment._mapping, chapters_of(events), refunds, notices, postings, others, alarms, actors)


def chapters_of(events: Sequence[Any]) -> list[Chapter]:
    """Events in their order; what was heard again and again becomes one chapter with a count, the clock that made us ask with it."""
    told: list[Chapter] = []
    for place, event in enumerate(events):
        coming = events[place + 1] if place + 1 < len(events) else None
        if (
            event.source == "timer"
            and coming is not None
            and coming.source in ("query", "cancel", "refund")
            and coming.refund_id == event.refund_id
        ):
            continue
        last = told[-1] if told else None
        meaning = (event.source, event.kind, event.state, event.refund_id)
        again = last is not None and (last.source, last.kind, last.state, last.refund_id) == meaning and not event.kind.endswith("asked")
        if last is None or not again:
            last = Chapter(event.source, event.kind, event.state, event.actor, event.refund_id, event.at, event.at)
            told.append(last)
        last.last_at = event.at
        last.facts.append({"at": event.at.isoformat(), "version": event.version, **(event.body or {})})
    return told


def posting_ids(payment_id: UUID, refunds: Sequence[UUID]) -> list[UUID]:
    """The ids of everything that a payment and its refunds can have in the books."""
    ids = [posting_id(payment_id, f"{payment_id}:{step}") for step in ("paid", "late", "returned")]
    for refund in {*refunds, give_back_id(payment_id)}:
        reserved = posting_id(refund, f"{refund}:reserve")
        ids += [reserved, resolution_id(reserved)]
    return ids


async def names_of(reader: Reader, actors: set[str]) -> dict[str, str]:
    """The names of ``person:7``, ``till:3`` and ``key:4``, for those that have one."""
    names: dict[str, str] = {}
    for kind, table, column in (("person", "person", "name"), ("till", "till", "code"), ("key", "api_key", "name")):
        ids = [int(each.partition(":")[2]) for each in actors if each.startswith(f"{kind}:") and each.partition(":")[2].isdigit()]
        if ids:
            rows = await reader.rows(f"select id, {column} as name from {table} where id = any (:ids)", ids=ids)
            names |= {f"{kind}:{row.id}": row.name for row in rows}
    return names


async def search(db: Database, by: Principal, text: str, most: int = 20) -> list[UUID]:
    """The payments that a typed number may mean: ours at the wallet, the wallet's own, or the id of a payment, sale or refund."""
    sql = f"select p.id from payment p where %s order by p.id desc limit {most}"
    wanted = NUMBER.fullmatch(text)
    given = UUID(wanted[1]) if wanted else UUID(text) if UUID_TEXT.fullmatch(text) else None
    async with db.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        if given is not None:
            rows = [*await reader.rows(sql % "p.id = :id", id=given)]
            around = {"first": refunds_since(given), "last": first_id(time_of(given) + timedelta(days=33))} if given.version == 7 else None
            rows = rows or [
                *(await reader.rows(sql % "p.sale_id = :id and p.id between :first and :last", id=given, **around) if around else ())
            ]
            rows = rows or [*await reader.rows("select payment_id as id from payment_refund where id = :id", id=given)]
        elif TRADE.fullmatch(text):
            rows = [*await reader.rows(sql % "p.trade_no = :trade and p.trade_no <> ''", trade=text)]
        else:
            rows = []
    return [row.id for row in rows]
