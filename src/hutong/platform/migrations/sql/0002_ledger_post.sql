-- Writing into the ledger: ledger_post_one for a posting of few entries inside a larger function, ledger_post for many at once.
--
-- Both work with their caller's rights and scope (the network's or the retailer's), make accounts and partitions that are missing, book
-- what comes for a closed day on the first open one, and leave a posting alone that is there already. If it is there with another
-- meaning they raise HT011. Accounts are named by their codes; whether a store or brand belongs to one stands in its code.

-- The ids of these accounts, made where missing. Raises HT012 if one is known as another kind of account.
create or replace function ledger_accounts(retailers integer[], codes text[], kinds text[], currencies text[]) returns integer[]
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare ids integer[]; odd text;
begin
    for attempt in 1..2 loop
        select array_agg(a.id order by w.n) into ids
        from unnest(retailers, codes, kinds, currencies) with ordinality w (retailer, code, kind, currency, n)
        left join account a on a.retailer_id = w.retailer and a.code = w.code and a.currency = w.currency::char(3) and a.kind = w.kind;
        exit when ids is null or array_position(ids, null) is null;
        if attempt = 2 then
            select w.code || ' is of kind ' || a.kind || ', not ' || w.kind into odd
            from unnest(retailers, codes, kinds, currencies) w (retailer, code, kind, currency)
            join account a on a.retailer_id = w.retailer and a.code = w.code and a.currency = w.currency::char(3) and a.kind <> w.kind limit 1;
            raise exception 'the account %', coalesce(odd, 'cannot be made in this scope') using errcode = 'HT012';
        end if;
        insert into account (retailer_id, code, kind, currency, store_id, brand_id, wallet)
        select distinct on (w.retailer, w.code, w.currency) w.retailer, w.code, w.kind, w.currency, s.id, b.id,
               case when w.code like '%:clearing:%' or w.code like '%:balance:%' then split_part(w.code, ':', 1) end
        from unnest(retailers, codes, kinds, currencies) w (retailer, code, kind, currency)
        left join store s on s.retailer_id = w.retailer and s.gln = right(w.code, 13)
             and split_part(w.code, ':', 1) in ('received', 'tender', 'sales', 'vat', 'discount', 'rounding')
        left join brand b on w.code = 'brand_payable:' || b.code
        order by w.retailer, w.code, w.currency
        on conflict (retailer_id, code, currency) do nothing;
    end loop;
    return coalesce(ids, '{}');
end $$;

-- The day to book on: this one, or, if it is closed for the retailer, the first that is open. Holds the close off until the commit.
create or replace function ledger_open_day(retailer integer, day date) returns date language plpgsql as $$
declare closed date;
begin
    perform pg_advisory_xact_lock_shared(7406030);
    select max(d.day) into closed from ledger_day d where d.retailer_id = retailer and d.step = 'closed';
    return case when closed >= day then closed + 1 else day end;
end $$;

-- Writes one posting; answers whether it is new. The arrays run in parallel, one place an entry, and are empty for a void.
create or replace function ledger_post_one(
    retailer integer, posting_id uuid, booked date, happened timestamptz, what text, idem text, refers_to uuid, in_state text, resolves uuid,
    in_currency text, codes text[], kinds text[], entry_stores integer[], entry_amounts bigint[]
) returns boolean language plpgsql set plan_cache_mode = force_generic_plan as $$
declare n integer := cardinality(codes); ids integer[]; found_one posting;
begin
    if to_regclass('entry_' || to_char(ledger_month(posting_id), 'YYYYMM')) is null then
        perform ensure_ledger_months(array[ledger_month(posting_id)]);
    end if;
    ids := ledger_accounts(array_fill(retailer, array[n]), codes, kinds, array_fill(in_currency, array[n]));
    insert into posting (retailer_id, id, booked_on, event_at, kind, idempotency, reference, state, pending_of, currency, accounts, amounts, stores)
    values (retailer, posting_id, ledger_open_day(retailer, booked), happened, what, idem, refers_to, in_state, resolves, in_currency,
            ids, entry_amounts, entry_stores)
    on conflict do nothing;
    if found then return true; end if;
    select * into found_one from posting p where p.retailer_id = retailer and p.id = posting_id;
    if (found_one.idempotency, found_one.kind, found_one.state, found_one.currency, found_one.reference, found_one.accounts, found_one.amounts)
       is distinct from (idem, what, in_state, in_currency::char(3), refers_to, ids, entry_amounts) then
        raise exception 'posting % is in the ledger already, with another meaning', idem using errcode = 'HT011';
    end if;
    return false;
end $$;

-- Writes many postings; answers how many are new. p_ are postings; e_ their entries, whose e_posting are positions in p_.
-- Postings that resolve others may come in the same call as these, behind or before them.
create or replace function ledger_post(
    p_id uuid[], p_retailer integer[], p_booked date[], p_at timestamptz[], p_kind text[], p_idem text[], p_ref uuid[], p_state text[],
    p_pending_of uuid[], p_currency text[],
    e_posting integer[], e_account text[], e_kind text[], e_store integer[], e_amount bigint[]
) returns integer language plpgsql set enable_mergejoin = off as $$
declare
    months date[]; ids integer[]; fresh integer; odd text;
    e_retailer integer[]; e_currency text[];
begin
    select array_agg(distinct ledger_month(id)) into months from unnest(p_id) id;
    select array_agg(m) into months from unnest(months) m where to_regclass('entry_' || to_char(m, 'YYYYMM')) is null;
    if months is not null then perform ensure_ledger_months(months); end if;
    perform pg_advisory_xact_lock_shared(7406030);
    ids := ledger_accounts_of(p_retailer, p_currency, e_posting, e_account, e_kind);

    with closed as materialized (
        select retailer_id, max(day) as day from ledger_day where step = 'closed' and retailer_id = any (p_retailer) group by 1),
    e as materialized (
        select posting, array_agg(account order by n) as accounts, array_agg(amount order by n) as amounts, array_agg(store order by n) as stores
        from unnest(e_posting, ids, e_amount, e_store) with ordinality e (posting, account, amount, store, n) group by 1)
    insert into posting (retailer_id, id, booked_on, event_at, kind, idempotency, reference, state, pending_of, currency, accounts, amounts, stores)
    select p.retailer, p.id, case when c.day >= p.booked then c.day + 1 else p.booked end, p.at, p.kind, p.idem, p.ref, p.state, p.pending_of,
           p.currency, coalesce(e.accounts, '{}'), coalesce(e.amounts, '{}'), coalesce(e.stores, '{}')
    from unnest(p_id, p_retailer, p_booked, p_at, p_kind, p_idem, p_ref, p_state, p_pending_of, p_currency)
         with ordinality p (id, retailer, booked, at, kind, idem, ref, state, pending_of, currency, n)
    left join e on e.posting = p.n left join closed c on c.retailer_id = p.retailer
    order by p.retailer, p.id
    on conflict do nothing;
    get diagnostics fresh = row_count;
    if fresh < cardinality(p_id) then
        perform ledger_same_meaning(p_id, p_retailer, p_kind, p_idem, p_ref, p_state, p_currency, e_posting, ids, e_amount);
    end if;
    return fresh;
end $$;

-- The accounts of the entries of ledger_post: each code is looked up once.
create or replace function ledger_accounts_of(p_retailer integer[], p_currency text[], e_posting integer[], e_account text[], e_kind text[])
returns integer[] language plpgsql as $$
declare retailers integer[]; codes text[]; kinds text[]; currencies text[]; ids integer[]; each_id integer[];
begin
    select array_agg(retailer), array_agg(code), array_agg(kind), array_agg(currency) into retailers, codes, kinds, currencies
    from (select distinct p_retailer[e.posting] as retailer, e.code, e.kind, p_currency[e.posting] as currency
          from unnest(e_posting, e_account, e_kind) e (posting, code, kind)) d;
    if retailers is null then return '{}'; end if;
    ids := ledger_accounts(retailers, codes, kinds, currencies);
    select array_agg(a.id order by e.n) into each_id
    from unnest(e_posting, e_account, e_kind) with ordinality e (posting, code, kind, n)
    join unnest(retailers, codes, currencies, kinds, ids) a (retailer, code, currency, kind, id)
         on a.retailer = p_retailer[e.posting] and a.code = e.code and a.currency = p_currency[e.posting] and a.kind = e.kind;
    return each_id;
end $$;

-- Raises HT011 unless each of these postings stands in the ledger with this meaning.
create or replace function ledger_same_meaning(
    p_id uuid[], p_retailer integer[], p_kind text[], p_idem text[], p_ref uuid[], p_state text[], p_currency text[],
    e_posting integer[], e_id integer[], e_amount bigint[]
) returns void language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare odd text;
begin
    with e as materialized (
        select posting, array_agg(account order by n) as accounts, array_agg(amount order by n) as amounts
        from unnest(e_posting, e_id, e_amount) with ordinality e (posting, account, amount, n) group by 1)
    select w.idem into odd
    from unnest(p_id, p_retailer, p_kind, p_idem, p_ref, p_state, p_currency) with ordinality w (id, retailer, kind, idem, ref, state, currency, n)
    left join e on e.posting = w.n
    left join posting p on p.retailer_id = w.retailer and p.id = w.id
    where (p.idempotency, p.kind, p.state, p.currency::text, p.reference, p.accounts, p.amounts)
          is distinct from (w.idem, w.kind, w.state, w.currency, w.ref, coalesce(e.accounts, '{}'), coalesce(e.amounts, '{}'))
    limit 1;
    if odd is not null then
        raise exception 'posting % is in the ledger already, with another meaning', odd using errcode = 'HT011';
    end if;
end $$;
