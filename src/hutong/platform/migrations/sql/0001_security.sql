-- Who may see and write which rows. The program works as the role hutong_app, which owns nothing and bypasses nothing.

do $$ begin
    if not exists (select from pg_roles where rolname = 'hutong_app') then create role hutong_app nologin; end if;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin execute format('grant hutong_app to %I', current_user); exception when others then
    if not pg_has_role(current_user, 'hutong_app', 'member') then raise; end if;
end $$;
grant usage on schema public to hutong_app;

-- The network itself and nobody else: reached by sign-in and by key look-up before a tenant is known.
do $$
declare t text;
begin
    foreach t in array array['person', 'role_grant', 'browser_session', 'sign_in_attempt', 'event_cursor'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy network on %I using ((select scope_network())) with check ((select scope_network()))', t);
        execute format('grant select, insert, update, delete on %I to hutong_app', t);
    end loop;
end $$;

-- The network's shared reference: everyone with a scope reads it; the network and (for products) commands of catalog write it.
do $$
declare t text;
begin
    foreach t in array array['province', 'city', 'category', 'brand', 'brand_prefix', 'retailer'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy readable on %I for select using ((select scope_any()))', t);
        execute format('create policy network on %I using ((select scope_network())) with check ((select scope_network()))', t);
        execute format('grant select, insert, update, delete on %I to hutong_app', t);
    end loop;
end $$;

-- Rows of a retailer, or of one of its stores. A brand may look stores up: it must know where its goods were sold.
-- A store's scope reads its own rows. It writes those of its tills alone, whose foreign keys hold the pair of retailer and store
-- together; elsewhere nothing would keep a store from writing its rows under another retailer's id.
do $$
declare t text; own text; stores text;
begin
    foreach t in array array['store', 'till', 'till_enrolment', 'sale', 'sale_line', 'sale_tender', 'sale_key',
                             'product_hour', 'store_minute', 'line_returned'] loop
        own := '(select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[])';
        stores := format('%I = any ((select scope_ids(''stores''))::integer[])', case t when 'store' then 'id' else 'store_id' end);
        execute format('alter table %I enable row level security', t);
        if t in ('till', 'till_enrolment') then
            execute format('create policy tenant on %I using (%s or %s) with check (%2$s or %3$s)', t, own, stores);
        else
            execute format('create policy tenant on %I using (%s) with check (%2$s)', t, own);
            execute format('create policy of_store on %I for select using (%s)', t, stores);
        end if;
        if t in ('sale_line', 'product_hour') then
            execute format('create policy brand on %I for select using (brand_id = any ((select scope_ids(''brands''))::integer[]))', t);
        elsif t = 'store' then
            execute 'create policy brand on store for select using ((select scope_ids(''brands'')) <> ''{}'')';
        end if;
    end loop;
    foreach t in array array['chain', 'retailer_day', 'price'] loop
        execute format('alter table %I enable row level security', t);
        own := '(select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[])';
        execute format('create policy tenant on %I using (%s) with check (%2$s)', t, own);
    end loop;
    execute 'alter table brand_minute enable row level security';
    own := '(select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[])';
    execute format('create policy tenant on brand_minute using (%s) with check (%1$s)', own);
    execute 'create policy brand on brand_minute for select using (brand_id = any ((select scope_ids(''brands''))::integer[]))';
    -- Seen by both whose ids they carry, but a row with two owners is the network's to write: either would write into the other's.
    foreach t in array array['api_key', 'webhook', 'webhook_delivery', 'event', 'audit'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy tenant on %I using ((select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[])
                            or brand_id = any ((select scope_ids(''brands''))::integer[]))
                        with check ((select scope_network())
                            or (brand_id is null and retailer_id = any ((select scope_ids(''retailers''))::integer[]))
                            or (retailer_id is null and brand_id = any ((select scope_ids(''brands''))::integer[])))', t);
    end loop;
end $$;
create policy store_reads_prices on price for select using (
    retailer_id in (select s.retailer_id from store s where s.id = any ((select scope_ids('stores'))::integer[])));
create policy store_reads_chain on chain for select using (
    retailer_id in (select s.retailer_id from store s where s.id = any ((select scope_ids('stores'))::integer[])));
create policy store_logs on event for insert with check (store_id = any ((select scope_ids('stores'))::integer[])
    and retailer_id = (select s.retailer_id from store s where s.id = store_id) and brand_id is null);
create policy store_audits on audit for insert with check (store_id = any ((select scope_ids('stores'))::integer[])
    and retailer_id = (select s.retailer_id from store s where s.id = store_id) and brand_id is null);

-- Registered GTINs are the network's; a retailer's own numbers are its own to see. Commands of catalog write both as the network.
alter table product enable row level security;
create policy readable on product for select using (
    (select scope_network()) or (retailer_id is null and (select scope_any()))
    or retailer_id = any ((select scope_ids('retailers'))::integer[])
    or brand_id = any ((select scope_ids('brands'))::integer[])
    or retailer_id in (select s.retailer_id from store s where s.id = any ((select scope_ids('stores'))::integer[])));
create policy network on product using ((select scope_network())) with check ((select scope_network()));

grant select, insert, update on store, till, till_enrolment, chain, product, api_key, webhook, webhook_delivery to hutong_app;
grant delete on webhook to hutong_app;
-- Append-only: nothing here may be updated or deleted by the program, save what a late registration attributes to a brand.
grant select, insert on sale, sale_line, sale_tender, sale_key, price, event, audit to hutong_app;
grant update (brand_id) on sale_line to hutong_app;
grant select, insert, update on product_hour, store_minute, brand_minute, retailer_day, line_returned to hutong_app;
grant usage on all sequences in schema public to hutong_app;
