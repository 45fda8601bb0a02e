-- Authorisations: money held by the wallet for a purchase to come. Each step one transaction, only from the version it was worked out from.

create or replace function hold_begin(
    p_retailer integer, p_id uuid, p_store integer, p_till integer, p_account integer, p_method text, p_amount bigint, p_number text, p_digest uuid,
    p_actor text, p_made timestamptz, p_due timestamptz) returns text language plpgsql as $$
declare found_digest uuid;
begin
    perform payment_scope(p_retailer);
    insert into authorisation (retailer_id, id, store_id, till_id, account_id, method, amount, currency, number, digest, state, actor, made_at, due_at)
    values (p_retailer, p_id, p_store, p_till, p_account, p_method, p_amount, 'CNY', p_number, p_digest, 'sending', p_actor, p_made, p_due)
    on conflict do nothing;
    if not found then
        select digest into found_digest from authorisation where retailer_id = p_retailer and id = p_id;
        return case when found_digest = p_digest then 'same' else 'differs' end;
    end if;
    insert into payment_event (retailer_id, payment_id, version, store_id, source, kind, state, actor, body)
    values (p_retailer, p_id, 0, p_store, 'till', 'hold asked', 'sending', p_actor, jsonb_build_object('amount', p_amount));
    insert into audit (actor, action, retailer_id, store_id, subject) values (p_actor, 'payment.hold', p_retailer, p_store, p_id::text);
    return 'new';
end $$;

create or replace function hold_advance(
    p_retailer integer, p_id uuid, p_expected integer, p_state text, p_tries integer, p_code text, p_auth text, p_buyer text, p_qr text,
    p_released bigint, p_due timestamptz, p_source text, p_kind text, p_actor text, p_body jsonb) returns boolean language plpgsql as $$
declare before authorisation;
begin
    perform payment_scope(p_retailer);
    select * into before from authorisation where retailer_id = p_retailer and id = p_id for update;
    if not found or before.version <> p_expected then return false; end if;
    update authorisation set state = p_state, version = p_expected + 1, tries = p_tries, code = p_code, auth_no = p_auth, buyer_ref = p_buyer, qr = p_qr,
        released = case when p_state = 'finished' then amount - captured else released end, due_at = p_due, leased_until = null, changed_at = now()
    where retailer_id = p_retailer and id = p_id;
    insert into payment_event (retailer_id, payment_id, version, store_id, source, kind, state, actor, body)
    values (p_retailer, p_id, p_expected + 1, before.store_id, p_source, p_kind, p_state, p_actor, p_body);
    if p_state <> before.state then
        perform hold_book(before, p_state);
        insert into event (kind, retailer_id, store_id, subject, body)
        values ('payment.hold', p_retailer, before.store_id, p_id, jsonb_build_object('state', p_state, 'amount', before.amount));
    end if;
    return true;
end $$;

-- In the ledger an authorisation is pending and nothing else: posted when held, void when it is over. Captures are payments.
create or replace function hold_book(h authorisation, state text) returns void language plpgsql as $$
declare pending uuid := ledger_id(h.id, h.id::text || ':authorised'); wallet text; zone text;
begin
    select a.wallet, s.zone into wallet, zone from store s join wallet_account a on a.retailer_id = s.retailer_id
    where s.retailer_id = h.retailer_id and s.id = h.store_id and a.id = h.account_id;
    if state = 'held' then
        perform ledger_post_one(h.retailer_id, pending, (now() at time zone zone)::date, now(), 'authorisation.frozen', h.id::text || ':authorised', h.id, 'pending',
            null, h.currency, array['authorised:' || h.account_id, 'authorised:contra:' || h.account_id], array['A', 'L'],
            array[h.store_id, h.store_id], array[h.amount, -h.amount]);
    elsif state = 'finished' and exists (select from posting p where p.retailer_id = h.retailer_id and p.id = pending) then
        perform ledger_post_one(h.retailer_id, ledger_resolution(pending), (now() at time zone zone)::date, now(), 'authorisation.ended',
            pending::text || ':resolved', h.id, 'void', pending, h.currency, '{}', '{}', '{}', '{}');
    end if;
end $$;

-- A payment took its part of what was held; with p_rest the wallet gives what is left back by itself. In the payment's transaction.
-- It may be known only when the rest was released: then that was less than it seemed.
create or replace function hold_captured(p_retailer integer, p_id uuid, p_amount bigint, p_rest boolean) returns void language plpgsql as $$
declare before authorisation;
begin
    select * into before from authorisation where retailer_id = p_retailer and id = p_id for update;
    if not found then return; end if;
    update authorisation set captured = captured + p_amount, changed_at = now(), version = version + 1,
        released = case when p_rest or state = 'finished' then amount - captured - p_amount else released end,
        state = case when p_rest or captured + p_amount = amount then 'finished' else state end,
        due_at = case when p_rest or captured + p_amount = amount then null else due_at end
    where retailer_id = p_retailer and id = p_id and captured + case state when 'finished' then 0 else released end + p_amount <= amount;
    if found and (p_rest or before.captured + p_amount = before.amount) then perform hold_book(before, 'finished'); end if;
end $$;
