-- The steps of payments and refunds, each one statement and one transaction: state, evidence, ledger, event and audit row stand or
-- fall together. What a step leads to was decided by payments/machine.py; here it is only written, and only if nothing else was
-- written since (the version), so two workers on one attempt are harmless. Called in the scope of the retailer.

create or replace function payment_scope(p_retailer integer) returns void language sql as $$
    select set_config('hutong.network', '', true), set_config('hutong.retailers', '{' || p_retailer || '}', true),
           set_config('hutong.stores', '', true), set_config('hutong.brands', '', true) $$;

-- The intent to pay, committed before anything is sent. Answers what is there now: outcome is new, same, differs, busy (another
-- attempt of the sale is open) or paid (the sale is, and the caller did not say that it pays in parts); other is that attempt.
create or replace function payment_begin(
    p_retailer integer, p_id uuid, p_store integer, p_till integer, p_account integer, p_sale uuid, p_method text, p_amount bigint,
    p_currency text, p_number text, p_subject text, p_digest uuid, p_actor text, p_made timestamptz, p_due timestamptz, p_parts boolean,
    p_source uuid, p_body jsonb, out outcome text, out other uuid) language plpgsql as $$
declare found_digest uuid;
begin
    perform payment_scope(p_retailer);
    select digest into found_digest from payment where retailer_id = p_retailer and id = p_id;
    if found then outcome := case when found_digest = p_digest then 'same' else 'differs' end; other := p_id; return; end if;
    insert into payment_sale as s (retailer_id, sale_id, open_payment) values (p_retailer, p_sale, p_id)
    on conflict (retailer_id, sale_id) do update set open_payment = excluded.open_payment
        where s.open_payment is null and (p_parts or s.paid = 0);
    if not found then
        select case when s.open_payment is null then 'paid' else 'busy' end,
               coalesce(s.open_payment, (select p.id from payment p where p.retailer_id = p_retailer and p.sale_id = p_sale and p.state = 'paid'
                                         and p.id >= uuid_at(p_made - interval '40 days') order by p.id desc limit 1))
        into outcome, other from payment_sale s where s.retailer_id = p_retailer and s.sale_id = p_sale;
        if other = p_id then -- the same id, sent twice at once
            select case when digest = p_digest then 'same' else 'differs' end into outcome from payment where retailer_id = p_retailer and id = p_id;
        end if;
        return;
    end if;
    insert into payment (retailer_id, id, store_id, till_id, account_id, sale_id, method, amount, currency, number, subject, digest, state, actor,
                         made_at, source, release_rest, split)
    values (p_retailer, p_id, p_store, p_till, p_account, p_sale, p_method, p_amount, p_currency, p_number, p_subject, p_digest, 'sending', p_actor,
            p_made, p_source, coalesce((p_body->>'release_rest')::boolean, false), p_body ? 'shares');
    if p_body ? 'shares' then
        insert into payment_split (retailer_id, payment_id, store_id, account_id, brands, amounts, state)
        select p_retailer, p_id, p_store, p_account, array_agg(x->>'brand' order by n), array_agg((x->>'amount')::bigint order by n), 'agreed'
        from jsonb_array_elements(p_body->'shares') with ordinality s (x, n);
    end if;
    insert into payment_due (retailer_id, payment_id, due_at) values (p_retailer, p_id, p_due);
    insert into payment_event (retailer_id, payment_id, version, store_id, source, kind, state, actor, body)
    values (p_retailer, p_id, 0, p_store, 'till', 'asked', 'sending', p_actor, p_body);
    insert into audit (actor, action, retailer_id, store_id, subject) values (p_actor, 'payment.take', p_retailer, p_store, p_id::text);
    outcome := 'new'; other := p_id;
end $$;

-- One step of an attempt; false if the attempt is not at the version that the step was worked out from. p_bookings are what it writes
-- into the ledger; p_back is the refund that gives a late success back.
create or replace function payment_advance(
    p_retailer integer, p_id uuid, p_expected integer, p_state text, p_tries integer, p_watched integer, p_settling text, p_code text,
    p_who text, p_trade text, p_receipt bigint, p_paid bigint, p_buyer text, p_paid_at timestamptz, p_qr text, p_qr_expires timestamptz,
    p_refunded bigint, p_due timestamptz, p_source text, p_kind text, p_actor text, p_body jsonb, p_alarm text,
    p_back uuid, p_back_digest uuid, p_bookings text[]) returns boolean language plpgsql as $$
declare before payment; after payment; changed boolean; booking text;
begin
    perform payment_scope(p_retailer);
    select * into before from payment where retailer_id = p_retailer and id = p_id for update;
    if not found or before.version <> p_expected then return false; end if;
    changed := before.state <> p_state or before.qr <> p_qr;
    update payment set state = p_state, version = p_expected + 1, tries = p_tries, watched = p_watched, settling = p_settling, code = p_code,
        who_fixes = p_who, trade_no = p_trade, receipt_amount = p_receipt, buyer_paid = p_paid, buyer = p_buyer, paid_at = p_paid_at, qr = p_qr,
        qr_expires_at = p_qr_expires, refunded = greatest(refunded, p_refunded), changed_at = now(),
        refund_pending = refund_pending + case when p_back is null then 0 else amount end
    where retailer_id = p_retailer and id = p_id returning * into after;
    insert into payment_event (retailer_id, payment_id, version, store_id, source, kind, state, actor, body)
    values (p_retailer, p_id, p_expected + 1, before.store_id, p_source, p_kind, p_state, p_actor, p_body);
    if p_due is null then
        delete from payment_due where retailer_id = p_retailer and payment_id = p_id and refund_id = '00000000-0000-0000-0000-000000000000';
    else
        insert into payment_due as d (retailer_id, payment_id, due_at) values (p_retailer, p_id, p_due)
        on conflict (retailer_id, payment_id, refund_id) do update set due_at = excluded.due_at, leased_until = null;
    end if;
    if before.state in ('sending', 'unknown', 'waiting', 'cancelling') and p_state not in ('sending', 'unknown', 'waiting', 'cancelling') then
        update payment_sale set open_payment = null, paid = paid + case when p_state = 'paid' then before.amount else 0 end
        where retailer_id = p_retailer and sale_id = before.sale_id and open_payment = p_id;
    end if;
    if p_state = 'paid' and before.state <> 'paid' and before.method = 'authorisation' then
        perform hold_captured(p_retailer, before.source, before.amount, before.release_rest);
    end if;
    foreach booking in array p_bookings loop
        perform payment_book(after, booking);
    end loop;
    if p_state = 'paid' and before.state <> 'paid' and before.split then perform split_paid(after); end if;
    if p_back is not null then
        insert into payment_refund (retailer_id, id, payment_id, store_id, account_id, payment_number, amount, reason, digest, late, state, actor, made_at)
        values (p_retailer, p_back, p_id, before.store_id, before.account_id, before.number, before.amount, 'late success', p_back_digest, true,
                'sending', 'system:payments', now()) on conflict do nothing;
        perform refund_book(r, after, 'reserve') from payment_refund r where r.retailer_id = p_retailer and r.id = p_back;
        insert into payment_due (retailer_id, payment_id, refund_id, due_at) values (p_retailer, p_id, p_back, now()) on conflict do nothing;
    end if;
    if p_alarm <> '' then
        insert into payment_alarm (retailer_id, store_id, payment_id, kind, message) values (p_retailer, before.store_id, p_id, 'payment', p_alarm);
    end if;
    if p_source = 'operator' then
        insert into audit (actor, action, retailer_id, store_id, subject, detail)
        values (p_actor, 'payment.' || p_kind, p_retailer, before.store_id, p_id::text, p_body);
    end if;
    if changed then
        insert into event (kind, retailer_id, store_id, subject, body)
        values ('payment.' || p_state, p_retailer, before.store_id, p_id, jsonb_build_object('version', p_expected + 1, 'amount', before.amount));
    end if;
    return true;
end $$;

-- Reserves a refund: the one place where refunds are held against what was paid, in one conditional update. outcome is new, same,
-- differs, missing, unpaid, busy (the attempt is not settled) or exceeds; left is what could still be refunded.
create or replace function refund_begin(
    p_retailer integer, p_id uuid, p_payment uuid, p_store integer, p_amount bigint, p_reason text, p_digest uuid, p_actor text,
    p_made timestamptz, p_due timestamptz, out outcome text, out remaining bigint) language plpgsql as $$
declare found_digest uuid; p payment;
begin
    perform payment_scope(p_retailer);
    -- One refund of a payment at a time: the same one, sent twice at once, must be seen as the same.
    perform 1 from payment where retailer_id = p_retailer and id = p_payment for update;
    select digest into found_digest from payment_refund where retailer_id = p_retailer and id = p_id;
    if found then outcome := case when found_digest = p_digest then 'same' else 'differs' end; return; end if;
    update payment set refund_pending = refund_pending + p_amount
    where retailer_id = p_retailer and id = p_payment and state = 'paid' and refunded + refund_pending + p_amount <= amount
    returning * into p;
    if not found then
        select * into p from payment where retailer_id = p_retailer and id = p_payment;
        outcome := case when not found then 'missing' when p.state = 'paid' then 'exceeds'
                        when p.state in ('sending', 'unknown', 'waiting', 'cancelling') then 'busy' else 'unpaid' end;
        remaining := p.amount - p.refunded - p.refund_pending;
        return;
    end if;
    insert into payment_refund (retailer_id, id, payment_id, store_id, account_id, payment_number, amount, reason, digest, state, actor, made_at)
    values (p_retailer, p_id, p_payment, p_store, p.account_id, p.number, p_amount, p_reason, p_digest, 'sending', p_actor, p_made);
    insert into payment_due (retailer_id, payment_id, refund_id, due_at) values (p_retailer, p_payment, p_id, p_due);
    insert into payment_event (retailer_id, payment_id, version, refund_id, store_id, source, kind, state, actor, body)
    values (p_retailer, p_payment, p.version, p_id, p.store_id, 'till', 'refund asked', 'sending', p_actor, jsonb_build_object('amount', p_amount));
    insert into audit (actor, action, retailer_id, store_id, subject, detail)
    values (p_actor, 'payment.refund', p_retailer, p_store, p_payment::text, jsonb_build_object('refund', p_id, 'amount', p_amount, 'reason', p_reason));
    insert into event (kind, retailer_id, store_id, subject, body)
    values ('payment.refund', p_retailer, p.store_id, p_payment, jsonb_build_object('refund', p_id, 'state', 'sending', 'amount', p_amount));
    perform refund_book(r, p, 'reserve') from payment_refund r where r.retailer_id = p_retailer and r.id = p_id;
    outcome := 'new'; remaining := p.amount - p.refunded - p.refund_pending;
end $$;

-- One step of a refund; false if it is not at the version that the step was worked out from. When the refund of a late success is
-- done, its attempt is refunded.
create or replace function refund_advance(
    p_retailer integer, p_id uuid, p_expected integer, p_state text, p_tries integer, p_code text, p_from_receipt bigint, p_done timestamptz,
    p_due timestamptz, p_source text, p_kind text, p_body jsonb, p_alarm text) returns boolean language plpgsql as $$
declare before payment_refund; after payment_refund; p payment;
begin
    perform payment_scope(p_retailer);
    -- The payment first, then its refund: the one order in which both are ever locked.
    select y.* into p from payment_refund r join payment y on y.retailer_id = r.retailer_id and y.id = r.payment_id
        where r.retailer_id = p_retailer and r.id = p_id for update of y;
    select * into before from payment_refund where retailer_id = p_retailer and id = p_id for update;
    if not found or before.version <> p_expected then return false; end if;
    update payment_refund set state = p_state, version = p_expected + 1, tries = p_tries, code = p_code, from_receipt = p_from_receipt,
        done_at = p_done, changed_at = now() where retailer_id = p_retailer and id = p_id returning * into after;
    if p_state in ('done', 'refused') then
        update payment set refund_pending = refund_pending - before.amount, changed_at = now(),
            refunded = refunded + case p_state when 'done' then before.amount else 0 end,
            state = case when p_state = 'done' and before.late and state = 'refunding' then 'refunded' else state end,
            version = version + case when p_state = 'done' and before.late and state = 'refunding' then 1 else 0 end
        where retailer_id = p_retailer and id = before.payment_id returning * into p;
        perform refund_book(after, p, p_state);
        if p_state = 'done' and p.split then perform split_refunded(p, after); end if;
        if p_state = 'done' and before.late and p.state = 'refunded' then
            insert into event (kind, retailer_id, store_id, subject, body) values ('payment.refunded', p_retailer, p.store_id, p.id,
                jsonb_build_object('version', p.version, 'amount', p.amount));
        end if;
        if p_state = 'done' and not before.late then -- the sale may be paid anew
            update payment_sale set paid = greatest(0, paid - before.amount) where retailer_id = p_retailer and sale_id = p.sale_id;
        end if;
    end if;
    insert into payment_event (retailer_id, payment_id, version, refund_id, store_id, source, kind, state, body)
    values (p_retailer, before.payment_id, p.version, p_id, p.store_id, p_source, p_kind, p_state, p_body);
    if p_due is null then
        delete from payment_due where retailer_id = p_retailer and payment_id = before.payment_id and refund_id = p_id;
    else
        insert into payment_due as d (retailer_id, payment_id, refund_id, due_at) values (p_retailer, before.payment_id, p_id, p_due)
        on conflict (retailer_id, payment_id, refund_id) do update set due_at = excluded.due_at, leased_until = null;
    end if;
    if p_alarm <> '' then
        insert into payment_alarm (retailer_id, store_id, payment_id, kind, message)
        values (p_retailer, before.store_id, before.payment_id, 'refund', p_alarm);
    end if;
    if before.state <> p_state then
        insert into event (kind, retailer_id, store_id, subject, body)
        values ('payment.refund', p_retailer, p.store_id, before.payment_id, jsonb_build_object('refund', p_id, 'state', p_state, 'amount', before.amount));
    end if;
    return true;
end $$;

-- A sale names payments as its tenders: each must be paid, of the same store, of the same amount, and not another sale's already; what
-- was given back, in part or whole, pays for the sale alone that it was taken for (which may be captured after its return). A
-- return names refunds in the same way. Part of the sale's own transaction, before anything that others wait for. Raises HT003; the
-- conditions stand in the update, so two sales cannot both pass. One place an array: a tender that names something. The first
-- and the last id stand in every step, so that only the months from one to the other are opened however the planner joins.
create or replace function claim_payments(scope text, c_retailer integer[], c_store integer[], c_sale uuid[], c_kind smallint[], c_amount bigint[], c_payment uuid[])
returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare claimed integer; back integer; low uuid; high uuid;
begin
    perform set_config('hutong.network', '', true), set_config('hutong.retailers', scope, true),
            set_config('hutong.stores', '', true), set_config('hutong.brands', '', true);
    select x[1], x[cardinality(x)] into low, high from (select array_agg(id order by id) as x from unnest(c_payment) id) ids;
    with locked as materialized (
        select p.retailer_id, p.id, c.sale from unnest(c_retailer, c_store, c_sale, c_kind, c_amount, c_payment) as c (retailer, store, sale, kind, amount, payment)
        join payment p on p.retailer_id = c.retailer and p.id = c.payment
        where p.id between low and high and c.kind = 1 and p.store_id = c.store and p.amount = c.amount and p.state = 'paid' and p.claimed_by is null
            and (p.sale_id = c.sale or p.refunded + p.refund_pending = 0)
        order by p.retailer_id, p.id for update of p)
    update payment p set claimed_by = l.sale from locked l where p.retailer_id = l.retailer_id and p.id = l.id and p.id between low and high;
    get diagnostics claimed = row_count;
    with locked as materialized (
        select r.retailer_id, r.id, c.sale from unnest(c_retailer, c_sale, c_kind, c_amount, c_payment) as c (retailer, sale, kind, amount, payment)
        join payment_refund r on r.retailer_id = c.retailer and r.id = c.payment
        where r.id between low and high and c.kind = 2 and r.amount = c.amount and r.state <> 'refused' and not r.late and r.claimed_by is null
        order by r.retailer_id, r.id for update of r)
    update payment_refund r set claimed_by = l.sale from locked l where r.retailer_id = l.retailer_id and r.id = l.id and r.id between low and high;
    get diagnostics back = row_count;
    if claimed + back < cardinality(c_payment) then raise exception 'a payment that the sale names cannot be claimed' using errcode = 'HT003'; end if;
end $$;

-- The ledger's side of an attempt: money that came and is waiting for its sale (paid), money that came when nobody was waiting for it
-- any more (late), and that it had all gone back by itself (returned). Accounts are those of docs/ledger.md.
create or replace function payment_book(p payment, booking text) returns void language plpgsql as $$
declare gln text; zone text; wallet text; clearing text; other text; sign integer := 1; codes text[]; kinds text[]; amounts bigint[]; happened timestamptz;
begin
    select s.gln, s.zone, a.wallet into gln, zone, wallet from store s join wallet_account a on a.retailer_id = s.retailer_id
    where s.retailer_id = p.retailer_id and s.id = p.store_id and a.id = p.account_id;
    clearing := wallet || ':clearing:' || p.account_id;
    other := case booking when 'paid' then 'received:' || gln else 'suspense:long' end;
    if booking = 'returned' then sign := -1; end if;
    codes := array[clearing, other]; kinds := array['A', 'L']; amounts := array[p.receipt_amount, -p.amount];
    if p.receipt_amount <> p.amount then
        codes := codes || ('discount:' || gln); kinds := kinds || 'E'::text; amounts := amounts || (p.amount - p.receipt_amount);
    end if;
    select array_agg(x.amount * sign order by n), array_agg(x.code order by n), array_agg(x.kind order by n) into amounts, codes, kinds
    from unnest(amounts, codes, kinds) with ordinality x (amount, code, kind, n) where x.amount <> 0;
    happened := coalesce(p.paid_at, now());
    perform ledger_post_one(p.retailer_id, ledger_id(p.id, p.id::text || ':' || booking), (happened at time zone zone)::date, happened,
        'payment.' || booking, p.id::text || ':' || booking, p.id, 'posted', null, p.currency, codes, kinds,
        array_fill(p.store_id, array[cardinality(codes)]), amounts);
end $$;

-- The ledger's side of a refund: reserved before it is sent (pending), then posted or voided. What comes back of the retailer's own
-- discount is what the payer gets beyond what leaves the receipts.
create or replace function refund_book(r payment_refund, p payment, step text) returns void language plpgsql as $$
declare gln text; zone text; wallet text; codes text[]; kinds text[]; amounts bigint[]; pending uuid := ledger_id(r.id, r.id::text || ':reserve');
begin
    select s.gln, s.zone, a.wallet into gln, zone, wallet from store s join wallet_account a on a.retailer_id = s.retailer_id
    where s.retailer_id = p.retailer_id and s.id = p.store_id and a.id = r.account_id;
    codes := array[case when r.late then 'suspense:long' else 'received:' || gln end, wallet || ':clearing:' || r.account_id];
    kinds := array['L', 'A'];
    amounts := array[r.amount, case step when 'done' then -r.from_receipt else -r.amount end];
    if step = 'done' and r.from_receipt <> r.amount then
        codes := codes || ('discount:' || gln); kinds := kinds || 'E'::text; amounts := amounts || (r.from_receipt - r.amount);
    elsif step = 'refused' then
        codes := '{}'; kinds := '{}'; amounts := '{}';
    end if;
    select coalesce(array_agg(x.amount order by n), '{}'), coalesce(array_agg(x.code order by n), '{}'), coalesce(array_agg(x.kind order by n), '{}')
    into amounts, codes, kinds from unnest(amounts, codes, kinds) with ordinality x (amount, code, kind, n) where x.amount <> 0;
    perform ledger_post_one(
        r.retailer_id, case step when 'reserve' then pending else ledger_resolution(pending) end, (coalesce(r.done_at, now()) at time zone zone)::date,
        coalesce(r.done_at, now()), 'refund.' || step, case step when 'reserve' then r.id::text || ':reserve' else pending::text || ':resolved' end, r.id,
        case step when 'reserve' then 'pending' when 'done' then 'post' else 'void' end, case when step <> 'reserve' then pending end,
        p.currency, codes, kinds, case when cardinality(codes) = 0 then '{}' else array_fill(p.store_id, array[cardinality(codes)]) end, amounts);
end $$;
-- A proven notification about an agreement or an authorisation: what the customer did about what was asked. known if it says nothing new.
create or replace function wallet_other_notice(p_retailer integer, p_account integer, p_kind text, p_number text, p_body jsonb) returns text
language plpgsql as $$
declare changed integer := 0;
begin
    perform payment_scope(p_retailer);
    if p_kind = 'agreement' then
        update agreement set agreement_no = coalesce(p_body->>'agreement_no', agreement_no), changed_at = now(),
            state = case p_body->>'status' when 'NORMAL' then 'active' when 'UNSIGN' then 'ended' when 'STOP' then 'ended' else state end,
            valid_until = case when p_body ? 'invalid_time' then (p_body->>'invalid_time')::timestamp at time zone 'Asia/Shanghai' else valid_until end
        where retailer_id = p_retailer and account_id = p_account and number = p_number and state in ('signing', 'active');
        get diagnostics changed = row_count;
    elsif p_kind = 'authorisation' then
        -- Money that is set aside after all was given up goes back: it is undone once more.
        update authorisation set due_at = now(), leased_until = null, changed_at = now(),
            version = version + case when state in ('declined', 'cancelled') then 1 else 0 end, tries = 0,
            state = case when state in ('declined', 'cancelled') then 'cancelling' else state end
        where retailer_id = p_retailer and account_id = p_account and number = p_number
            and (state in ('sending', 'unknown', 'waiting', 'cancelling', 'releasing', 'held')
                 or state in ('declined', 'cancelled') and p_body->>'notify_type' = 'fund_auth_freeze' and p_body->>'status' = 'SUCCESS');
        get diagnostics changed = row_count;
    end if;
    return case when changed > 0 then 'new' else 'known' end;
end $$;

