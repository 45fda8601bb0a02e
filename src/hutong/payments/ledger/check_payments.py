"""What must be true between the ledger and the payments that it books: every attempt, every refund, every open item."""

from hutong.payments.ledger.check import Invariant

_PAYMENTS = "`hutong ledger balances` and the payment's own story tell which side is wrong; mend it by a posting, never by changing a row."
_AMOUNTS = """cross join lateral (
    select coalesce(sum(x.amount) filter (where a.code like '%\\:clearing\\:%'), 0) as receipt,
           coalesce(-sum(x.amount) filter (where a.code like 'received\\:%' or a.code like 'suspense\\:%'), 0) as amount
    from unnest(p.accounts, p.amounts) x (account, amount) join account a on a.id = x.account) m"""
_COUNTS = "('paid', 'refunding', 'refunded')"

PAYMENT_INVARIANTS = (
    Invariant(
        "every payment that was paid has its one posting, of its amount and receipt, and no other has",
        "select count(*) from payment",
        f"""with made as (
                select p.retailer_id, p.reference as id, string_agg(concat_ws(' ', p.kind, m.amount, m.receipt), ', ' order by p.kind) as says
                from posting p {_AMOUNTS} where p.kind in ('payment.paid', 'payment.late') group by 1, 2),
            wanted as (
                select retailer_id, id, concat_ws(' ', case state when 'paid' then 'payment.paid' else 'payment.late' end, amount, receipt_amount) as says
                from payment where state in {_COUNTS})
            select 'payment ' || id as place, coalesce(wanted.says, 'none') as expected, coalesce(made.says, 'none') as found
            from wanted full join made using (retailer_id, id) where wanted.says is distinct from made.says""",
        _PAYMENTS,
        "payment",
    ),
    Invariant(
        "a late success was given back once: by itself or by one refund",
        "select count(*) from payment where state in ('refunding', 'refunded')",
        """select 'payment ' || p.id as place, case p.state when 'refunded' then '1' else '0' end as expected, (b.itself + b.refunds)::text as found
           from payment p cross join lateral (
               select (select count(*) from posting o where o.retailer_id = p.retailer_id and o.id = ledger_id(p.id, p.id || '\\:returned')) as itself,
                      (select count(*) from payment_refund r where r.retailer_id = p.retailer_id and r.payment_id = p.id and r.state = 'done') as refunds) b
           where p.state in ('refunding', 'refunded') and b.itself + b.refunds <> case p.state when 'refunded' then 1 else 0 end""",
        _PAYMENTS,
        "payment_refund",
    ),
    Invariant(
        "every refund is reserved once, and posted or voided as it ended",
        "select count(*) from payment_refund",
        f"""with made as (
                select p.retailer_id, p.reference as id,
                       string_agg(concat_ws(' ', p.state, case when p.state <> 'void' then concat_ws(' ', -m.amount, -m.receipt) end), ', ' order by p.state) as says
                from posting p {_AMOUNTS} where p.kind like 'refund.%' group by 1, 2),
            wanted as (
                select retailer_id, id, concat_ws(', ', concat_ws(' ', 'pending', amount, amount), case state when 'refused' then 'void'
                       when 'done' then concat_ws(' ', 'post', amount, from_receipt) end) as says from payment_refund)
            select 'refund ' || id as place, coalesce(wanted.says, 'none') as expected, coalesce(made.says, 'none') as found
            from wanted full join made using (retailer_id, id) where wanted.says is distinct from made.says""",
        _PAYMENTS,
        "payment_refund",
    ),
    Invariant(
        "no payment is refunded, or reserved to be, beyond what was paid",
        "select count(*) from payment_refund",
        f"""select 'payment ' || r.payment_id as place, 'at most ' || coalesce(max(t.amount), 0) as expected, sum(-m.amount)::text as found
            from payment_refund r
            join posting p on p.retailer_id = r.retailer_id and (p.id = ledger_resolution(ledger_id(r.id, r.id || '\\:reserve')) and p.state = 'post'
                 or p.id = ledger_id(r.id, r.id || '\\:reserve') and not exists (
                     select from posting o where o.retailer_id = r.retailer_id and o.id = ledger_resolution(p.id)))
            {_AMOUNTS}
            left join lateral (
                select m.amount from posting p {_AMOUNTS} where p.retailer_id = r.retailer_id and p.kind in ('payment.paid', 'payment.late')
                    and p.id in (ledger_id(r.payment_id, r.payment_id || '\\:paid'), ledger_id(r.payment_id, r.payment_id || '\\:late'))) t on true
            group by r.retailer_id, r.payment_id having sum(-m.amount) > coalesce(max(t.amount), 0)""",
        _PAYMENTS,
        "payment_refund",
    ),
    Invariant(
        "what each wallet owes is the sum of its open items: receipts less refunds, and what bills and people have booked",
        "select count(*) from wallet_account",
        f"""select code as place, owed::text as expected, booked::text as found from (
                select a.code, ledger_balance(a.id) as booked,
                       coalesce((select sum(p.receipt_amount) from payment p where p.retailer_id = w.retailer_id and p.account_id = w.id
                                 and p.currency = a.currency and p.state in {_COUNTS}
                                 and not exists (select from posting o where o.retailer_id = p.retailer_id and o.id = ledger_id(p.id, p.id || '\\:returned'))), 0)
                       - coalesce((select sum(r.from_receipt) from payment_refund r join payment p on p.retailer_id = r.retailer_id and p.id = r.payment_id
                                   where r.retailer_id = w.retailer_id and r.account_id = w.id and p.currency = a.currency and r.state = 'done'), 0)
                       + coalesce((select sum(e.amount) from entry e join posting p on p.retailer_id = e.retailer_id and p.id = e.posting_id
                                   where e.account_id = a.id and not e.pending and p.kind not like 'payment.%' and p.kind not like 'refund.%'), 0) as owed
                from wallet_account w join account a on a.retailer_id = w.retailer_id and a.code = w.wallet || '\\:clearing\\:' || w.id) c
            where owed <> booked""",
        _PAYMENTS,
        "wallet_account",
    ),
    Invariant(
        "what each store has received and not sold is its payments and refunds that no booked sale claims",
        "select count(*) from account where code like 'received\\:%'",
        """with claims as (
               select p.retailer_id, p.store_id, p.currency, -p.amount as amount, p.claimed_by from payment p where p.state = 'paid'
               union all
               select p.retailer_id, p.store_id, p.currency, r.amount, r.claimed_by from payment_refund r
               join payment p on p.retailer_id = r.retailer_id and p.id = r.payment_id where r.state = 'done' and not r.late
               -- a return that is booked before its refund is done waits for it on the other side; if it is refused, for another one
               union all
               select p.retailer_id, p.store_id, p.currency, -r.amount, null from payment_refund r
               join payment p on p.retailer_id = r.retailer_id and p.id = r.payment_id
               join posting o on o.retailer_id = r.retailer_id and o.id = ledger_id(r.claimed_by, r.claimed_by || '\\:captured')
               where r.state <> 'done' and not r.late),
           items as (
               select c.retailer_id, c.store_id, c.currency, sum(c.amount) as amount from claims c
               where c.claimed_by is null or not exists (
                   select from posting o where o.retailer_id = c.retailer_id and o.id = ledger_id(c.claimed_by, c.claimed_by || '\\:captured'))
               group by 1, 2, 3),
           booked as (select retailer_id, store_id, currency, code, ledger_balance(id) as amount from account where code like 'received\\:%')
           select coalesce(b.code, 'received of store ' || store_id) as place, coalesce(i.amount, 0)::text as expected, coalesce(b.amount, 0)::text as found
           from items i full join booked b using (retailer_id, store_id, currency) where coalesce(i.amount, 0) <> coalesce(b.amount, 0)""",
        _PAYMENTS,
        "payment_refund",
    ),
)
