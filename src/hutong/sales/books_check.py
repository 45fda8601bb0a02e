"""What must be true between captured sales and the ledger; ``hutong ledger check`` asks it with the ledger's own rules."""

from hutong.payments import Invariant

# A sale is captured when its transaction begins, and seen by the follower once it has committed, within a statement's time.
_SEEN = "(select moved_at - interval '1 minute' from event_cursor where name = 'books')"
_TENDERED = (
    "exists (select from sale_tender t where t.retailer_id = s.retailer_id and t.sale_id = s.id and t.business_date = s.business_date)"
)

SALE_INVARIANTS = (
    Invariant(
        "every captured sale is booked, net and VAT, and nothing else is",
        "select count(*) from sale",
        f"""with made as (
                select p.retailer_id, p.reference as id, concat_ws(' ', 'net',
                           -coalesce(sum(x.amount) filter (where a.code like 'sales\\:%'), 0), 'VAT',
                           -coalesce(sum(x.amount) filter (where a.code like 'vat\\:%'), 0)) as says
                from posting p cross join lateral unnest(p.accounts, p.amounts) x (account, amount) join account a on a.id = x.account
                where p.kind = 'sale.captured' group by p.retailer_id, p.id, p.reference),
            wanted as (
                select s.retailer_id, s.id, concat_ws(' ', 'net', s.total - s.vat, 'VAT', s.vat) as says,
                       s.captured_at < {_SEEN} and (s.total <> 0 or {_TENDERED}) as due
                from sale s where s.kind <> 3)
            select 'sale ' || id as place, coalesce(wanted.says, 'no such sale') as expected, coalesce(made.says, 'not booked') as found
            from wanted full join made using (retailer_id, id)
            where case when made.says is null then wanted.due else made.says is distinct from wanted.says end""",
        "`hutong ledger book` books what is missing, such as after a restore; what differs has been changed by hand.",
    ),
    Invariant(
        "the tenders of every booked sale are what it came to",
        "select count(*) from posting where kind = 'sale.captured'",
        """select 'sale ' || p.reference as place, 'nothing in suspense' as expected, x.amount::text as found
           from posting p cross join lateral unnest(p.accounts, p.amounts) x (account, amount) join account a on a.id = x.account
           where p.kind = 'sale.captured' and a.code = 'suspense:difference'""",
        "`hutong verify` tells what the sale's tenders and total are; it came past the capture. Book the difference where it belongs.",
    ),
)
