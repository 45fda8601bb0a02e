"""What the pages of payments read: stores with their day's counts, a store's payments, alarms; each within the reader's scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from hutong.directory import Permission, Principal
from hutong.kernel.clock import now
from hutong.payments.live_states import LIVE, OLDEST_ID, UNCLAIMED_AFTER, first_id, hours_of
from hutong.platform.database import Reader

LOOK_BACK = timedelta(days=92)
"""How far back a list without a day goes."""
LATELY = timedelta(hours=24)
MOST_UNCLAIMED = 5_000
MOST_SKIPPED = 10_000

FILTERS = {
    "paid": "p.state = 'paid'", "open": "p.state in ('sending', 'waiting')", "unknown": "p.state in ('unknown', 'cancelling', 'refunding')",
    "cancelled": "p.state = 'cancelled'", "unpaid": "p.state in ('declined', 'closed')", "refunds": "(p.refunded > 0 or p.state = 'refunded')",
    "unclaimed": "p.state = 'paid' and p.claimed_by is null and p.refunded = 0 and p.refund_pending = 0 and p.changed_at < :late",
}  # fmt: skip
"""What a store's list can be narrowed to; the names stand in addresses."""

OWN = "(:everywhere or s.retailer_id = any (:retailers) or s.id = any (:stores))"
STORES = f"""select s.id, s.gln, s.code, s.name_zh, s.name_en, s.zone, s.retailer_id, r.name_zh as retailer_zh, r.name_en as retailer_en
    from store s join retailer r on r.id = s.retailer_id where {OWN}"""
COUNTS = """select count(*) filter (where state = 'paid') as paid, coalesce(sum(amount) filter (where state = 'paid'), 0)::bigint as paid_amount,
        count(*) filter (where state in ('sending', 'waiting')) as waiting, count(*) filter (where state in ('unknown', 'cancelling', 'refunding')) as unknown,
        count(*) filter (where state = 'cancelled') as cancelled, count(*) filter (where state in ('declined', 'closed')) as unpaid,
        count(*) filter (where refunded > 0 and state = 'paid') as refunds,
        coalesce(sum(refunded) filter (where state = 'paid'), 0)::bigint as refunded_amount
    from payment p where p.store_id = s.id and p.id >= :since
        and p.made_at >= date_trunc('day', cast(:now as timestamptz) at time zone s.zone) at time zone s.zone"""
OPEN_BY_STORE = """select store_id, count(*) filter (where state in ('sending', 'waiting')) as waiting,
        count(*) filter (where state in ('unknown', 'cancelling', 'refunding')) as unknown, min(made_at) as oldest
    from payment where state in ('sending', 'unknown', 'waiting', 'cancelling', 'refunding') group by store_id"""
UNCLAIMED_BY_STORE = f"""select store_id, count(*) as unclaimed, min(changed_at) as oldest from (
        select store_id, changed_at from payment where state = 'paid' and claimed_by is null and refunded = 0 and refund_pending = 0
            and id >= :since and changed_at < :before order by retailer_id, store_id, id limit {MOST_UNCLAIMED}) u group by store_id"""
ALARMS_BY_STORE = "select store_id, count(*) as alarms, max(at) as newest from payment_alarm where at >= :since and store_id is not null group by store_id"


@dataclass(slots=True)
class Trouble:
    """What somebody should look at in a store now."""

    store: Mapping[Any, Any]
    waiting: int = 0
    unknown: int = 0
    unclaimed: int = 0
    alarms: int = 0
    oldest: datetime | None = None

    @property
    def weight(self) -> tuple[int, int, int, int]:
        return (self.unknown, self.alarms, self.unclaimed, self.waiting)


def own_places(by: Principal) -> dict[str, Any]:
    """The parameters of ``OWN``: where ``by`` may read payments; brands open no store."""
    scope = by.scope_for(Permission.READ_PAYMENTS)
    return {"everywhere": scope.network, "retailers": sorted(scope.retailers), "stores": sorted(scope.stores)}


async def few_stores(reader: Reader, by: Principal, most: int = 2) -> Sequence[Any]:
    """The first few of the stores whose payments ``by`` may read."""
    return await reader.rows(f"{STORES} order by s.id limit :most", most=most, **own_places(by))


async def stores_today(reader: Reader, by: Principal, q: str, after: int, limit: int) -> Sequence[Any]:
    """Stores in the order of their ids from ``after`` on, each with what its payments of today came to; one more than ``limit``."""
    at = now()
    return await reader.rows(
        f"""select s.*, c.* from ({STORES} and s.id > :after and (:q = '' or s.gln = :q or s.code = :q or s.name_zh ilike :like or s.name_en ilike :like)
                order by s.id limit :most) s cross join lateral ({COUNTS}) c order by s.id""",
        q=q, like=f"%{q}%", after=after, most=limit + 1, now=at, since=first_id(at - OLDEST_ID - timedelta(days=1)), **own_places(by),
    )  # fmt: skip


async def troubles(reader: Reader, by: Principal, most: int = 30) -> list[Trouble]:
    """Stores where something stands out now, the gravest first. A payment that only waits for its customer is no trouble."""
    at = now()
    found: dict[int, dict[str, Any]] = {}
    for sql, parameters in (
        (OPEN_BY_STORE, {}),
        (UNCLAIMED_BY_STORE, {"since": first_id(at - LATELY), "before": at - UNCLAIMED_AFTER}),
        (ALARMS_BY_STORE, {"since": at - LATELY}),
    ):  # fmt: skip
        for row in await reader.rows(sql, **parameters):
            known = found.setdefault(row.store_id, {})
            fresh = dict(row._mapping)
            fresh["oldest"] = min(filter(None, (known.get("oldest"), fresh.get("oldest"))), default=None)
            known |= fresh
    grave = {key: each for key, each in found.items() if each.get("unknown") or each.get("unclaimed") or each.get("alarms")}
    places = await reader.rows(f"{STORES} and s.id = any (:ids)", ids=sorted(grave), **own_places(by))
    counts = ("waiting", "unknown", "unclaimed", "alarms")
    seen = [
        Trouble(row._mapping, oldest=grave[row.id]["oldest"], **{name: int(grave[row.id].get(name, 0)) for name in counts})
        for row in places
    ]
    return sorted(seen, key=lambda each: each.weight, reverse=True)[:most]


async def payments_of(
    reader: Reader, store_id: int, zone: str, *, day: date | None, kind: str, before: UUID | None, limit: int
) -> Sequence[Any]:
    """A store's payments, of one kind of ``FILTERS`` or all, the newest first; one more than ``limit``."""
    begins, ends = hours_of(day, zone) if day is not None else (now() - LOOK_BACK, now() + timedelta(days=1))
    return await reader.rows(
        f"""{LIVE} where p.store_id = :store and p.id >= :first and p.id < :beyond and p.made_at >= :begins and p.made_at < :ends
            and {FILTERS.get(kind, "true")} order by p.id desc limit :most""",
        store=store_id, first=first_id(begins - OLDEST_ID), beyond=before or first_id(ends + timedelta(minutes=10)), begins=begins, ends=ends,
        late=now() - UNCLAIMED_AFTER, most=limit + 1,
    )  # fmt: skip


async def tills_of(reader: Reader, store_id: int) -> Sequence[Any]:
    """The tills that payments can be taken at."""
    return await reader.rows("select code, name from till where store_id = :store and revoked_at is null order by code", store=store_id)


async def alarms(reader: Reader, before: int, limit: int) -> Sequence[Any]:
    """What people must look at, the newest first; one more than ``limit``."""
    return await reader.rows(
        """select a.id as page, a.at, a.kind, a.message, a.detail, a.payment_id, s.gln, s.name_zh, s.name_en, coalesce(s.zone, 'Asia/Shanghai') as zone,
                  r.name_zh as retailer_zh, r.name_en as retailer_en
           from payment_alarm a left join store s on s.id = a.store_id left join retailer r on r.id = a.retailer_id
           where :before = 0 or a.id < :before order by a.id desc limit :most""",
        before=before, most=limit + 1,
    )  # fmt: skip


async def agreements(reader: Reader, skipped: int, limit: int) -> Sequence[Any]:
    """Agreements, the newest first; one more than ``limit``. ``page`` is how many stand before the next page."""
    return await reader.rows(
        """select g.id, g.number, g.agreement_no, g.state, g.buyer, g.valid_until, g.made_at, g.changed_at, r.name_zh, r.name_en,
                  (:skipped + row_number() over (order by g.id desc))::integer as page
           from agreement g join retailer r on r.id = g.retailer_id order by g.id desc offset :skipped limit :most""",
        skipped=min(skipped, MOST_SKIPPED), most=limit + 1,
    )  # fmt: skip


async def authorisations(reader: Reader, skipped: int, limit: int) -> Sequence[Any]:
    """Held money, the newest first; one more than ``limit``. ``page`` is how many stand before the next page."""
    return await reader.rows(
        """select h.id, h.number, h.auth_no, h.state, h.amount, h.captured, h.released, h.currency, h.buyer, h.code, h.made_at, h.changed_at,
                  s.gln, s.name_zh, s.name_en, s.zone, t.code as till, (:skipped + row_number() over (order by h.id desc))::integer as page
           from authorisation h join store s on s.id = h.store_id join till t on t.id = h.till_id
           order by h.id desc offset :skipped limit :most""",
        skipped=min(skipped, MOST_SKIPPED), most=limit + 1,
    )  # fmt: skip
