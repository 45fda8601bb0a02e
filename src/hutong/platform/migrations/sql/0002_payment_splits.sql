-- Splits: shares of a payment that are passed on to brands through the wallet. Agreed with the payment, owed when it is paid, done when the
-- wallet says so. A brand's payable stays open until then, whatever fails.

create table brand_receiver (
    retailer_id integer not null references retailer, brand_id integer not null references brand, account_id integer not null,
    kind text not null check (kind in ('userId', 'loginName')), account text not null, name text not null default '',
    bound_at timestamptz not null default now(), primary key (retailer_id, brand_id, account_id));
comment on table brand_receiver is 'where a brand receives its shares of a retailer''s payments: an account that is bound at the wallet';

create table payment_split (
    retailer_id integer not null, payment_id uuid not null, store_id integer not null, account_id integer not null,
    brands text[] not null, amounts bigint[] not null, passed bigint[] not null default '{}',
    state text not null check (state in ('agreed', 'owed', 'sending', 'done', 'refused', 'void')),
    tries integer not null default 0, code text not null default '', due_at timestamptz, leased_until timestamptz,
    refunded_then bigint not null default 0, passed_at timestamptz,
    changed_at timestamptz not null default now(), check (cardinality(brands) between 1 and 5 and cardinality(brands) = cardinality(amounts)),
    primary key (retailer_id, payment_id)) partition by range (payment_id);
comment on column payment_split.passed is 'what was asked of the wallet for each brand: the agreed share less its part of refunds until then';
comment on column payment_split.refunded_then is 'of the payment, when that was fixed';
comment on column payment_split.passed_at is 'by the wallet''s clock: of refunds since then it takes the brands'' parts back; -infinity where none came between';
create index payment_split_due on payment_split (due_at) where due_at is not null;
do $$
declare own text := '(select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[])';
begin
    execute 'alter table payment_split enable row level security';
    execute format('create policy tenant on payment_split using (%s) with check (%1$s)', own);
    execute 'create policy of_store on payment_split for select using (store_id = any ((select scope_ids(''stores''))::integer[]))';
    -- A row with two owners is the network's to write: either would write into the other's.
    execute 'alter table brand_receiver enable row level security';
    execute format('create policy tenant on brand_receiver for select using (%s)', own);
    execute 'create policy network on brand_receiver using ((select scope_network())) with check ((select scope_network()))';
    execute 'create policy brand on brand_receiver for select using (brand_id = any ((select scope_ids(''brands''))::integer[]))';
end $$;
grant select, insert, update on brand_receiver, payment_split to hutong_app;

-- A brand's part of what is refunded of a payment: rounded from the total each time, so that all parts together are exact in the end.
create or replace function split_part_of(share bigint, refunded bigint, amount bigint) returns bigint language sql immutable
    as $$ select round(share::numeric * refunded / amount)::bigint $$;

-- Books what one brand is owed more, or less, or what was passed on to it, or taken back.
create or replace function split_book(s payment_split, brand text, amount bigint, idem text, kind text, from_code text, to_code text, from_kind text, to_kind text, reference uuid)
returns void language plpgsql as $$
declare zone text;
begin
    if amount = 0 then return; end if;
    select x.zone into zone from store x where x.retailer_id = s.retailer_id and x.id = s.store_id;
    perform ledger_post_one(s.retailer_id, ledger_id(reference, idem), (now() at time zone zone)::date, now(), kind, idem, reference, 'posted', null, 'CNY',
        array[from_code, to_code], array[from_kind, to_kind], array[s.store_id, s.store_id], array[amount, -amount]);
end $$;

-- In the payment's transaction: what was agreed is owed now, and is passed on after half a minute (the wallet wants 30 seconds).
create or replace function split_paid(p payment) returns void language plpgsql as $$
declare s payment_split; n integer;
begin
    update payment_split set state = 'owed', due_at = now() + interval '35 seconds', changed_at = now()
    where retailer_id = p.retailer_id and payment_id = p.id and state = 'agreed' returning * into s;
    if not found then return; end if;
    for n in 1..cardinality(s.brands) loop
        perform split_book(s, s.brands[n], s.amounts[n], p.id::text || ':owed:' || s.brands[n], 'split.owed',
            'brand_share:' || s.brands[n], 'brand_payable:' || s.brands[n], 'E', 'L', p.id);
    end loop;
end $$;

-- In a refund's transaction: the brands are owed less by their parts of it. Once a share is passed on, the wallet takes the refund's part of
-- what it passed on back by itself; that is less where refunds came before, and what the brand then has too much it owes.
create or replace function split_refunded(p payment, r payment_refund) returns void language plpgsql as $$
declare s payment_split; n integer;
begin
    select * into s from payment_split where retailer_id = p.retailer_id and payment_id = p.id for update;
    if not found or s.state in ('agreed', 'void') then return; end if;
    for n in 1..cardinality(s.brands) loop
        perform split_book(s, s.brands[n], split_part_of(s.amounts[n], p.refunded, p.amount) - split_part_of(s.amounts[n], p.refunded - r.amount, p.amount),
            r.id::text || ':returned:' || s.brands[n], 'split.returned', 'brand_payable:' || s.brands[n], 'brand_share:' || s.brands[n], 'L', 'E', r.id);
    end loop;
    if s.state = 'done' and coalesce(r.done_at, now()) >= s.passed_at then
        perform split_taken_back(s, p, p.refunded - r.amount, r.id::text || ':taken:', r.id);
    elsif s.state in ('owed', 'refused') and p.refunded = p.amount then
        update payment_split set state = 'void', due_at = null, changed_at = now() where retailer_id = p.retailer_id and payment_id = p.id;
    end if;
end $$;

-- What the wallet took back from the brands while the payment's refunds rose from p_before to what they are.
create or replace function split_taken_back(s payment_split, p payment, p_before bigint, idem text, reference uuid) returns void language plpgsql as $$
declare n integer; wallet text;
begin
    select a.wallet into wallet from wallet_account a where a.retailer_id = s.retailer_id and a.id = s.account_id;
    for n in 1..cardinality(s.brands) loop
        perform split_book(s, s.brands[n], split_part_of(s.passed[n], p.refunded, p.amount) - split_part_of(s.passed[n], p_before, p.amount),
            idem || s.brands[n], 'split.taken', wallet || ':clearing:' || s.account_id, 'brand_payable:' || s.brands[n], 'A', 'L', reference);
    end loop;
end $$;

-- What is to be asked of the wallet is fixed before it is asked: repeated, it is the same request. Answers what was fixed.
create or replace function split_send(p_retailer integer, p_payment uuid, p_due timestamptz) returns bigint[] language plpgsql as $$
declare s payment_split; p payment; fixed bigint[];
begin
    perform payment_scope(p_retailer);
    select * into p from payment where retailer_id = p_retailer and id = p_payment for update;
    select * into s from payment_split where retailer_id = p_retailer and payment_id = p_payment for update;
    if not found or s.state not in ('owed', 'sending', 'refused') then return null; end if;
    if s.state <> 'sending' and p.refunded = p.amount then -- nothing is left to be shared
        update payment_split set state = 'void', due_at = null, changed_at = now() where retailer_id = p_retailer and payment_id = p_payment;
        return null;
    elsif s.state <> 'sending' and p.refund_pending > 0 then -- wait until it is known what is left to be shared
        update payment_split set due_at = p_due, leased_until = null where retailer_id = p_retailer and payment_id = p_payment;
        return null;
    end if;
    fixed := s.passed;
    if s.state <> 'sending' then
        select array_agg(a - split_part_of(a, p.refunded, p.amount) order by n) into fixed from unnest(s.amounts) with ordinality x (a, n);
    end if;
    update payment_split set state = 'sending', passed = fixed, tries = tries + 1, due_at = p_due, leased_until = null, changed_at = now(),
        refunded_then = case s.state when 'sending' then refunded_then else p.refunded end
    where retailer_id = p_retailer and payment_id = p_payment;
    return fixed;
end $$;

-- The wallet's answer: done, refused (the payable stays open, and it is tried again later or by hand), or nothing clear (due again).
-- False, and nothing is written, where refunds came since the request was fixed and p_at, the wallet's time of the split, is not said:
-- only by that can be told of which refunds the wallet took the brands' parts back.
create or replace function split_answered(p_retailer integer, p_payment uuid, p_state text, p_code text, p_due timestamptz, p_at timestamptz)
returns boolean language plpgsql as $$
declare s payment_split; p payment; n integer; wallet text; since bigint; known text;
begin
    perform payment_scope(p_retailer);
    select * into p from payment where retailer_id = p_retailer and id = p_payment for update;
    select * into s from payment_split where retailer_id = p_retailer and payment_id = p_payment for update;
    if not found or not (s.state = 'sending' or s.state = 'refused' and p_state = 'done') then return true; end if;
    if p_state = 'done' and p_at is null and (p.refund_pending > 0 or p.refunded <> s.refunded_then) then return false; end if;
    known := s.code;
    update payment_split set state = p_state, code = case p_state when 'sending' then code else p_code end, due_at = p_due, leased_until = null, changed_at = now(),
        passed_at = case when p_state = 'done' then coalesce(p_at, '-infinity') end
    where retailer_id = p_retailer and payment_id = p_payment returning * into s;
    if p_state = 'done' then
        select a.wallet into wallet from wallet_account a where a.retailer_id = s.retailer_id and a.id = s.account_id;
        for n in 1..cardinality(s.brands) loop
            perform split_book(s, s.brands[n], s.passed[n], p_payment::text || ':split:' || s.brands[n], 'split.done',
                'brand_payable:' || s.brands[n], wallet || ':clearing:' || s.account_id, 'L', 'A', p_payment);
        end loop;
        if p_at is not null then
            select coalesce(sum(r.amount), 0) into since from payment_refund r
            where r.retailer_id = p_retailer and r.payment_id = p_payment and r.state = 'done' and r.done_at >= p_at;
            perform split_taken_back(s, p, p.refunded - since, p_payment::text || ':taken-since:', p_payment);
        end if;
    elsif p_state = 'refused' and p_code <> known then -- tried again and again, it is told once
        insert into payment_alarm (retailer_id, store_id, payment_id, kind, message)
        values (p_retailer, s.store_id, p_payment, 'split', 'the wallet refuses to pass shares on to brands: ' || p_code);
    end if;
    insert into payment_event (retailer_id, payment_id, version, store_id, source, kind, state, body)
    values (p_retailer, p_payment, p.version, s.store_id, 'answer', 'split', p_state, jsonb_build_object('code', p_code, 'amounts', s.passed));
    return true;
end $$;

-- Sales may be a month old when they are paid. Steps of a fortnight miss no month, however short.
select ensure_payment_months(array(select (current_date + 14 * n)::date from generate_series(-3, 3) n));
