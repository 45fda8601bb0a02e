"""Reads of the books for pages: days, one day with its differences, sums by store and brand. What the scope may not see is not there."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from hutong.platform.database import Reader

SHOWN_ITEMS = 200
"""Differences of one day on its page."""

# The newest working out of each day and account.
_LATEST = """select distinct on (retailer_id, account_id, day) * from recon_run
    where day between :first and :last and (cast(:account as integer) is null or account_id = :account) order by retailer_id, account_id, day, id desc"""
_ITEMS = """select retailer_id, account_id, day, count(*) filter (where open and class <> 'in_transit') as open,
    count(*) filter (where open and class = 'in_transit') as waiting from recon_item_now where day between :first and :last group by 1, 2, 3"""


async def account_days(reader: Reader, first: date, last: date) -> Sequence[Any]:
    """Each account's days with a bill, or awaiting one: for who sees whole accounts."""
    return await reader.rows(
        f"""select coalesce(r.retailer_id, w.retailer_id) as retailer_id, coalesce(r.account_id, w.account_id) as account_id, coalesce(r.day, w.day) as day,
                   r.id as run_id, r.payments, r.paid, r.refunds, r.refunded, r.fee, coalesce(i.open, 0) as open, coalesce(i.waiting, 0) as waiting,
                   w.said, w.tries, w.due_at, w.done_at, w.alarmed_at, a.code as account, t.code as retailer, t.name_zh, t.name_en
            from ({_LATEST}) r
            full join (select * from bill_watch where kind = 'trade' and day between :first and :last) w
                 on w.retailer_id = r.retailer_id and w.account_id = r.account_id and w.day = r.day
            left join ({_ITEMS}) i on i.account_id = coalesce(r.account_id, w.account_id) and i.day = coalesce(r.day, w.day)
            join wallet_account a on a.id = coalesce(r.account_id, w.account_id) join retailer t on t.id = a.retailer_id
            order by day desc, t.code, a.code limit 500""",
        first=first, last=last, account=None,
    )  # fmt: skip


async def store_days(reader: Reader, first: date, last: date) -> Sequence[Any]:
    """The days of the stores that the scope sees, summed: for who sees stores and not the account."""
    return await reader.rows(
        f"""select s.account_id, s.day, {SUMS}, coalesce(max(i.open), 0) as open, coalesce(max(i.waiting), 0) as waiting
            from ({_NEWEST_SUMS}) s left join ({_ITEMS}) i on i.account_id = s.account_id and i.day = s.day
            group by 1, 2 order by 2 desc, 1 limit 500""",
        first=first, last=last,
    )  # fmt: skip


async def brand_days(reader: Reader, first: date, last: date) -> Sequence[Any]:
    """What the bills of each day hold for the brands that the scope sees."""
    return await reader.rows(
        """select s.day, b.code, b.name_zh, b.name_en, coalesce(sum(s.lines) filter (where s.kind = 'payment'), 0)::bigint as payments,
                  coalesce(sum(s.receipt) filter (where s.kind = 'payment'), 0)::bigint as paid, coalesce(sum(s.lines) filter (where s.kind = 'refund'), 0)::bigint as refunds,
                  coalesce(sum(s.receipt) filter (where s.kind = 'refund'), 0)::bigint as refunded
           from recon_brand_sum s join brand b on b.id = s.brand_id
           where s.day between :first and :last and s.brand_id = any (cast(:brands as integer[]))
             and s.run_id = (select max(n.run_id) from recon_brand_sum n where n.retailer_id = s.retailer_id and n.account_id = s.account_id and n.day = s.day)
           group by 1, 2, 3, 4 order by 1 desc, 2 limit 500""",
        first=first, last=last, brands=sorted(reader.scope.brands),
    )  # fmt: skip


_NEWEST_SUMS = """select s.* from recon_sum s where s.day between :first and :last
    and s.run_id = (select max(n.run_id) from recon_sum n where n.retailer_id = s.retailer_id and n.account_id = s.account_id and n.day = s.day)"""
_IN_BILL = "s.class not in ('in_transit', 'short', 'refund_short')"
SUMS = f"""coalesce(sum(s.lines) filter (where s.kind = 'payment' and {_IN_BILL}), 0)::bigint as payments,
    coalesce(sum(s.receipt) filter (where s.kind = 'payment' and {_IN_BILL}), 0)::bigint as paid,
    coalesce(sum(s.lines) filter (where s.kind = 'refund' and {_IN_BILL}), 0)::bigint as refunds,
    coalesce(sum(s.receipt) filter (where s.kind = 'refund' and {_IN_BILL}), 0)::bigint as refunded,
    coalesce(sum(s.fee) filter (where {_IN_BILL}), 0)::bigint as fee"""


async def day_sums(reader: Reader, account_id: int, day: date) -> Any:
    """What the bill comes to, for the stores that the scope sees."""
    return await reader.row(f"select {SUMS} from ({_NEWEST_SUMS}) s where s.account_id = :account", first=day, last=day, account=account_id)


async def day_classes(reader: Reader, account_id: int, day: date) -> Sequence[Any]:
    """Counts and fen by class and kind."""
    return await reader.rows(
        f"""select s.class as class_, s.kind, sum(s.lines)::integer as lines, sum(s.receipt)::bigint as receipt, sum(s.fee)::bigint as fee,
                   {_IN_BILL} as in_bill
            from ({_NEWEST_SUMS}) s where s.account_id = :account group by 1, 2 having sum(s.lines) > 0""",
        first=day, last=day, account=account_id,
    )  # fmt: skip


async def day_stores(reader: Reader, account_id: int, day: date) -> Sequence[Any]:
    """The bill by stores; one row without a store is what is not ours. They sum to the bill."""
    return await reader.rows(
        f"""select s.store_id, t.gln, t.code, t.name_zh, t.name_en, {SUMS},
                   (select count(*) from recon_item_now i where i.account_id = :account and i.day = :first and i.open and i.class <> 'in_transit'
                    and i.store_id is not distinct from s.store_id) as open
            from ({_NEWEST_SUMS}) s left join store t on t.id = s.store_id where s.account_id = :account
            group by 1, 2, 3, 4, 5 having sum(s.lines) > 0 order by 9 desc, 2 limit 1000""",
        first=day, last=day, account=account_id,
    )  # fmt: skip


async def day_brands(reader: Reader, account_id: int, day: date) -> Sequence[Any]:
    """The bill by the brands of what was paid for; one row without a brand is the rest. They sum to the bill."""
    return await reader.rows(
        """select b.code, b.name_zh, b.name_en, coalesce(sum(s.lines) filter (where s.kind = 'payment'), 0)::bigint as payments,
                  coalesce(sum(s.receipt) filter (where s.kind = 'payment'), 0)::bigint as paid, coalesce(sum(s.lines) filter (where s.kind = 'refund'), 0)::bigint as refunds,
                  coalesce(sum(s.receipt) filter (where s.kind = 'refund'), 0)::bigint as refunded
           from recon_brand_sum s left join brand b on b.id = s.brand_id
           where s.account_id = :account and s.day = :day
             and s.run_id = (select max(id) from recon_run r where r.account_id = :account and r.day = :day)
           group by 1, 2, 3 order by 5 desc, 1 limit 1000""",
        account=account_id, day=day,
    )  # fmt: skip


async def day_items(reader: Reader, account_id: int, day: date, *, open_ones: bool) -> Sequence[Any]:
    """Differences with both sides, those that weigh most first."""
    return await reader.rows(
        """select i.id, i.class as class_, i.kind, i.why, i.number, i.refund_number, i.payment_id, i.bill, i.ours, i.difference, i.state, i.open, i.actor,
                  i.reason, i.note, i.changed_at, i.found_at, s.name_zh, s.name_en, s.gln,
                  to_char((i.ours->>'at')::timestamptz at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS') as ours_at
           from recon_item_now i left join store s on s.id = i.store_id
           where i.account_id = :account and i.day = :day and i.open = :open
           order by i.class = 'in_transit', abs(i.difference) desc, i.id limit :most""",
        account=account_id, day=day, open=open_ones, most=SHOWN_ITEMS,
    )  # fmt: skip


async def item_place(reader: Reader, item_id: int) -> Any:
    """The account and day of a difference that the scope sees."""
    return await reader.row("select account_id, day from recon_item where id = :id", id=item_id)


async def day_runs(reader: Reader, account_id: int, day: date) -> Sequence[Any]:
    """Every working out of a day, newest first, with the file that it used."""
    return await reader.rows(
        """select r.id, r.at, r.actor, r.settled, r.moved, r.unsettled, r.changed, r.next_known, r.fee_rate, f.fetched_at, f.source, f.lines, encode(f.sha256, 'hex') as sha256
           from recon_run r join bill_file f on f.retailer_id = r.retailer_id and f.id = r.file_id
           where r.account_id = :account and r.day = :day order by r.id desc limit 20""",
        account=account_id, day=day,
    )  # fmt: skip


async def rejected_files(reader: Reader, account_id: int, day: date) -> Sequence[Any]:
    """Files of a day that were not believed."""
    return await reader.rows(
        """select kind, problem, fetched_at, source from bill_file where account_id = :account and day = :day and problem <> '' order by id desc limit 20""",
        account=account_id, day=day,
    )  # fmt: skip
