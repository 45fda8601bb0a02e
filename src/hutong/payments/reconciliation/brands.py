"""A bill's receipts by the brands of the goods that they paid for."""

from datetime import date

from hutong.platform.database import UnitOfWork

# What a payment paid for is known once a sale has claimed it. The sale's lines are read here, below the floor of sales, because
# only the database can say it of a million payments at once; a payment is split by lines, cumulatively, so that parts sum to it.
BY_BRAND = """
with paid as materialized (
    select w.kind, w.payment_id, w.receipt, coalesce(case w.kind when 'payment' then p.claimed_by else r.claimed_by end, p.claimed_by) as sale_id
    from recon_row w
    left join payment p on p.retailer_id = :r and p.id = w.payment_id and p.id >= uuid_at(cast(:day as date) - interval '60 days') and p.claimed_by is not null
    left join payment_refund r on w.kind = 'refund' and r.retailer_id = :r and r.id = w.refund_id and r.claimed_by is not null
    where w.line is not null),
goods as materialized (
    select l.sale_id, coalesce(l.brand_id, 0) as brand_id, sum(abs(l.amount)) as amount from sale_line l
    where l.retailer_id = :r and l.business_date between cast(:day as date) - 60 and cast(:day as date) + 2
      and l.sale_id in (select p.sale_id from paid p where p.sale_id is not null)
    group by 1, 2 having sum(abs(l.amount)) > 0),
shares as (
    select sale_id, brand_id, sum(amount) over before_and_here as upto, sum(amount) over (partition by sale_id) as total, amount
    from goods window before_and_here as (partition by sale_id order by brand_id)),
parts as (
    select p.kind, s.brand_id, div(p.receipt * s.upto * 2 + s.total, s.total * 2) - div(p.receipt * (s.upto - s.amount) * 2 + s.total, s.total * 2) as receipt
    from paid p join shares s on s.sale_id = p.sale_id
    union all
    select p.kind, 0, p.receipt from paid p where p.sale_id is null or not exists (select from shares s where s.sale_id = p.sale_id))
insert into recon_brand_sum (retailer_id, run_id, day, account_id, brand_id, kind, lines, receipt)
select :r, cast(:run as bigint), cast(:day as date), cast(:a as integer), nullif(brand_id, 0), kind, count(*)::integer, sum(receipt)::bigint
from parts group by brand_id, kind"""


async def sum_by_brand(uow: UnitOfWork, retailer_id: int, account_id: int, day: date, run_id: int) -> None:
    """Write the sums by brand of the lines in ``recon_row``; brand null is what has no brand, or no sale that we know."""
    await uow.execute(BY_BRAND, r=retailer_id, a=account_id, day=day, run=run_id)
    # A brand that the last working out had something of, and this one has nothing of, must not go on reading that.
    await uow.execute(
        """insert into recon_brand_sum (retailer_id, run_id, day, account_id, brand_id, kind, lines, receipt)
           select distinct :r, cast(:run as bigint), cast(:day as date), cast(:a as integer), s.brand_id, 'payment', 0, 0 from recon_brand_sum s
           where s.retailer_id = :r and s.account_id = :a and s.day = :day and s.brand_id is not null and s.run_id < :run and not exists (
               select from recon_brand_sum n where n.retailer_id = :r and n.run_id = :run and n.brand_id = s.brand_id)""",
        r=retailer_id, a=account_id, day=day, run=run_id,
    )  # fmt: skip
