-- A day's bill against the day's payments and refunds: one full outer join, then a closer look at the few that are left over.
--
-- bill_stage is a temporary table of the caller's transaction (hutong.payments.reconciliation.staging): kind, line, number, refund_number,
-- trade_no, amount, receipt, fee (fen; positive for refunds too), at, store, and, where the numbers are of our form, number_store,
-- payment_id and refund_id (of a refund that names no id of ours: the payment's own id, as for one made by a cancel). The answer is
-- another temporary table, recon_row: one row for each line and for each payment or refund of ours that has none.

create or replace function recon_join(p_retailer integer, p_account integer, p_day date, p_next_known boolean, p_fee_rate integer)
returns integer language plpgsql set work_mem = '64MB' set plan_cache_mode = force_custom_plan as $$
declare
    starts timestamptz := p_day::timestamp at time zone 'Asia/Shanghai'; ends timestamptz := (p_day + 1)::timestamp at time zone 'Asia/Shanghai';
    -- Ids carry the time of their making by the till: a refund may be carried out long after it.
    low uuid := uuid_at(starts - interval '60 days'); high uuid := uuid_at(ends + interval '10 days');
    rate integer;
begin
    create temp table bill_repeat on commit drop as
        select kind, coalesce(payment_id::text, number) as number, coalesce(refund_id::text, refund_number) as refund_number, min(line) as first
        from bill_stage group by 1, 2, 3 having count(*) > 1;
    analyze bill_repeat;
    create temp table recon_row on commit drop as
    with ours as materialized (
        select 'payment' as kind, p.id as payment_id, p.id as refund_id, p.number, p.store_id, p.amount, p.receipt_amount as receipt,
               p.state = 'refunded' and not exists (select from payment_refund r where r.retailer_id = p.retailer_id and r.payment_id = p.id) as came_and_went
        from payment p
        where p.retailer_id = p_retailer and p.account_id = p_account and p.id >= low and p.id < high and p.state in ('paid', 'refunding', 'refunded')
          and (p.paid_at >= starts and p.paid_at < ends or p.paid_at is null and p.made_at >= starts and p.made_at < ends)
        union all
        select 'refund', r.payment_id, r.id, r.payment_number, r.store_id, r.amount, r.from_receipt, false from payment_refund r
        where r.retailer_id = p_retailer and r.account_id = p_account and r.id >= low and r.id < high and r.state = 'done'
          and (r.done_at >= starts and r.done_at < ends or r.done_at is null and r.changed_at >= starts and r.changed_at < ends)
        union all -- money that a cancel has given back: there is no refund of ours, and the bill shows one
        select 'refund', p.id, p.id, p.number, p.store_id, p.amount, p.receipt_amount, true from payment p
        where p.retailer_id = p_retailer and p.account_id = p_account and p.id >= low and p.id < high and p.state = 'refunded'
          and (p.paid_at >= starts and p.paid_at < ends or p.paid_at is null and p.made_at >= starts and p.made_at < ends)
          and not exists (select from payment_refund r where r.retailer_id = p.retailer_id and r.payment_id = p.id)),
    theirs as (
        select * from bill_stage b where not exists (
            select from bill_repeat r where r.kind = b.kind and r.number = coalesce(b.payment_id::text, b.number)
                                        and r.refund_number = coalesce(b.refund_id::text, b.refund_number) and b.line > r.first))
    select coalesce(b.kind, o.kind) as kind, b.line, coalesce(b.payment_id, o.payment_id) as payment_id, coalesce(b.refund_id, o.refund_id) as refund_id,
           o.store_id, b.amount, b.receipt, b.fee, o.amount as our_amount, o.receipt as our_receipt, coalesce(o.came_and_went, false) as came_and_went,
           false as elsewhere, '' as why,
           case when o.kind is null then 'left' when b.kind is null then 'absent'
                when b.amount <> o.amount or b.receipt <> o.receipt then 'amount' else 'matched' end as class
    from theirs b full join ours o on o.kind = b.kind and o.payment_id = b.payment_id and o.refund_id = b.refund_id and o.number = b.number;
    insert into recon_row (kind, line, payment_id, refund_id, amount, receipt, fee, came_and_went, elsewhere, why, class)
    select b.kind, b.line, b.payment_id, b.refund_id, b.amount, b.receipt, b.fee, false, false, 'stands there before', 'duplicate'
    from bill_stage b join bill_repeat r on r.kind = b.kind and r.number = coalesce(b.payment_id::text, b.number)
         and r.refund_number = coalesce(b.refund_id::text, b.refund_number) and b.line > r.first;
    analyze recon_row;
    perform recon_look_up(p_retailer, p_account);
    perform recon_absent(p_retailer, p_account, p_day, p_next_known);

    rate := coalesce(p_fee_rate, (
        select ((w.fee * 20000 + w.receipt) / (2 * w.receipt))::integer * 100 from recon_row w
        where w.class = 'matched' and w.kind = 'payment' and w.receipt >= 10000 group by 1 order by count(*) desc, 1 limit 1));
    -- A fee is rounded to the fen, whichever way; that of a refund is given back in part, in whole, or not at all.
    update recon_row set class = 'fee', why = 'not the usual rate' where class = 'matched' and receipt is not null and case kind
        when 'payment' then abs(fee * 1000000 - receipt * rate) >= 1000000
        else fee <> 0 and (fee > 0 or abs(fee * 1000000 + receipt * rate) >= 2000000) end;
    return rate;
end $$;

-- Lines whose payment or refund is not of this day: whose are they, and how does it stand?
create or replace function recon_look_up(p_retailer integer, p_account integer) returns void language plpgsql
set plan_cache_mode = force_custom_plan as $$
begin
    create temp table recon_left on commit drop as
        select b.line, b.kind, b.number, b.number_store, b.payment_id, b.refund_id, b.amount, b.receipt, w.class
        from recon_row w join bill_stage b on b.line = w.line where w.class in ('left', 'duplicate');
    analyze recon_left;
    update recon_row w set class = f.class, why = f.why, store_id = f.store_id, our_amount = f.our_amount, our_receipt = f.our_receipt,
                           elsewhere = f.class in ('matched', 'amount'), came_and_went = f.came_and_went, refund_id = f.refund_id
    from (
        select l.line, p.store_id, case when l.kind = 'payment' then p.amount when f.came_and_went then p.amount else r.amount end as our_amount,
               case when l.kind = 'payment' then p.receipt_amount when f.came_and_went then p.receipt_amount else r.from_receipt end as our_receipt,
               f.came_and_went, case when f.came_and_went then p.id else l.refund_id end as refund_id,
               case when l.class = 'duplicate' then 'duplicate'
                    when l.payment_id is null or (p.id is null and s.id is null) or p.number <> l.number or p.account_id <> p_account then 'foreign'
                    when p.id is null then case l.kind when 'payment' then 'long' else 'refund_long' end
                    when l.kind = 'payment' and p.state in ('declined', 'closed', 'cancelled') then 'long'
                    when l.kind = 'payment' and p.state not in ('paid', 'refunding', 'refunded') then 'status'
                    when l.kind = 'payment' then case when l.amount = p.amount and l.receipt = p.receipt_amount then 'matched' else 'amount' end
                    when f.came_and_went then case when l.amount = p.amount and l.receipt = p.receipt_amount then 'matched' else 'amount' end
                    when r.id is null then 'refund_long'
                    when r.state <> 'done' then 'status'
                    when l.amount = r.amount and l.receipt = r.from_receipt then 'matched' else 'amount' end as class,
               case when l.class = 'duplicate' then 'stands there before' when l.payment_id is null then 'not a number of ours'
                    when p.id is null and s.id is null then 'not a number of ours' when p.id is null then 'unknown number'
                    when p.number <> l.number then 'not a number of ours' when p.account_id <> p_account then 'another account'
                    when l.kind = 'refund' and r.id is null and not f.came_and_went then 'no such refund'
                    when l.kind = 'refund' and r.state <> 'done' then 'refund ' || r.state else p.state end as why
        from recon_left l
        left join lateral (select * from payment p where p.retailer_id = p_retailer and p.id = l.payment_id offset 0) p on true
        left join lateral (select * from payment_refund r where r.retailer_id = p_retailer and r.id = l.refund_id and r.payment_id = l.payment_id
                           and l.kind = 'refund' offset 0) r on true
        left join store s on s.retailer_id = p_retailer and s.id = l.number_store
        cross join lateral (select l.kind = 'refund' and r.id is null and p.state = 'refunded' and not exists (
            select from payment_refund x where x.retailer_id = p.retailer_id and x.payment_id = p.id) as came_and_went) f) f
    where w.line = f.line and w.class in ('left', 'duplicate');
    -- The refund of a cancel that has come under a name that only the wallet knows.
    delete from recon_row w using recon_row f
    where w.class = 'absent' and w.kind = 'refund' and w.came_and_went and f.line is not null and f.elsewhere and f.kind = 'refund' and f.payment_id = w.payment_id;
    delete from recon_row where class = 'left'; -- there are none: every line has been given a class
end $$;

-- What is ours and not in this bill: in another day's, on its way, or missing.
create or replace function recon_absent(p_retailer integer, p_account integer, p_day date, p_next_known boolean) returns void language plpgsql
set plan_cache_mode = force_custom_plan as $$
begin
    delete from recon_row w using recon_elsewhere e
    where w.class = 'absent' and e.retailer_id = p_retailer and e.account_id = p_account and e.day between p_day - 1 and p_day + 3 and e.day <> p_day
      and e.run_id = (select max(r.id) from recon_run r where r.retailer_id = p_retailer and r.account_id = p_account and r.day = e.day)
      and e.kind = w.kind and e.payment_id = w.payment_id and e.refund_id = w.refund_id;
    -- A wallet may leave out what came and went again within its day: both, or neither.
    delete from recon_row w using (
        select payment_id from recon_row where class = 'absent' and came_and_went group by payment_id having count(distinct kind) = 2) n
    where w.payment_id = n.payment_id and w.class = 'absent' and w.came_and_went;
    update recon_row set class = case when not p_next_known then 'in_transit' when kind = 'payment' then 'short' else 'refund_short' end,
        why = case when not p_next_known then 'the next bill tells' else 'in neither bill' end where class = 'absent';
end $$;

-- The items that recon_row comes to, compared with those that stand: answers each that is new, found again, or not there any more.
create or replace function recon_items(p_retailer integer, p_account integer, p_day date, p_run bigint)
returns table (id bigint, action text, class text, kind text, store_id integer, difference bigint, step integer, payment_id uuid, number text, why text)
language plpgsql set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
begin
    create temp table recon_candidate on commit drop as
    select w.class, w.kind, w.store_id, w.why, coalesce(b.number, p.number) as number,
           coalesce(b.refund_number, case when w.kind = 'refund' then replace(w.refund_id::text, '-', '') else '' end) as refund_number,
           w.payment_id, case when w.kind = 'refund' then w.refund_id end as refund_id,
           case when b.line is not null then jsonb_build_object('line', b.line, 'trade_no', b.trade_no, 'amount', b.amount, 'receipt', b.receipt, 'fee', b.fee,
                                                               'at', b.at, 'store', b.store, 'till', b.till) end as bill,
           case when w.our_amount is not null then jsonb_build_object('amount', w.our_amount, 'receipt', w.our_receipt, 'state', coalesce(r.state, p.state),
                                                                     'at', coalesce(r.done_at, p.paid_at, p.made_at), 'trade_no', p.trade_no) end as ours,
           case w.kind when 'payment' then 1 else -1 end * case when w.class in ('status', 'fee') then 0 when w.class = 'duplicate' then w.receipt
                else coalesce(w.receipt, 0) - case when w.class in ('long', 'refund_long', 'foreign') then 0 else coalesce(w.our_receipt, 0) end end as difference,
           row_number() over (partition by w.class, w.kind, w.payment_id, w.refund_id, b.number, b.refund_number order by w.line) as nth
    from recon_row w left join bill_stage b on b.line = w.line
    left join lateral (select * from payment p where p.retailer_id = p_retailer and p.id = w.payment_id offset 0) p on true
    left join lateral (select * from payment_refund r where r.retailer_id = p_retailer and r.id = w.refund_id and w.kind = 'refund' offset 0) r on true
    where w.class <> 'matched';
    alter table recon_candidate add digest bytea;
    -- Not the line, which moves when another is put in; nor how ours stands by now, which moves by itself.
    update recon_candidate c set digest = sha256(convert_to(concat_ws(E'\x1f', c.class, c.kind, c.number, c.refund_number, c.nth,
        (c.bill - 'line')::text, c.ours->>'amount', c.ours->>'receipt', c.payment_id), 'UTF8'));
    return query
    with fresh as (
        insert into recon_item (retailer_id, account_id, day, run_id, store_id, kind, class, why, number, refund_number, payment_id, refund_id, bill, ours,
                                difference, digest)
        select p_retailer, p_account, p_day, p_run, c.store_id, c.kind, c.class, c.why, c.number, c.refund_number, c.payment_id, c.refund_id, c.bill, c.ours,
               c.difference, c.digest from recon_candidate c
        where not exists (select from recon_item i where i.retailer_id = p_retailer and i.account_id = p_account and i.day = p_day and i.digest = c.digest)
        order by c.class, c.number
        returning recon_item.*),
    turned as (
        select i.*, case when c.digest is null then 'settled' else 'found' end as turn from recon_item_now i
        left join recon_candidate c on c.digest = i.digest
        where i.retailer_id = p_retailer and i.account_id = p_account and i.day = p_day
          and case when c.digest is null then i.state <> 'settled' else i.state = 'settled' end),
    stepped as (
        insert into recon_step (retailer_id, item_id, step, store_id, action, actor, reason)
        select p_retailer, t.id, t.steps + 1, t.store_id, t.turn, 'system:reconciliation', case t.turn when 'settled' then 'agrees now' else '' end
        from turned t returning item_id)
    select f.id, 'new', f.class, f.kind, f.store_id, f.difference, 0, f.payment_id, f.number, f.why from fresh f
    union all
    select t.id, t.turn, t.class, t.kind, t.store_id, t.difference, t.steps + 1, t.payment_id, t.number, t.why from turned t
    join stepped s on s.item_id = t.id;
end $$;

grant execute on function recon_join, recon_look_up, recon_absent, recon_items to hutong_app;
