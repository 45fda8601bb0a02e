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
do $$
declare t text; seen text;
begin
    foreach t in array array['store', 'till', 'till_enrolment', 'sale', 'sale_line', 'sale_tender', 'sale_key',
                             'product_hour', 'store_minute'] loop
        seen := format('(select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[]) or %I = any ((select scope_ids(''stores''))::integer[])',
                       case t when 'store' then 'id' else 'store_id' end);
        execute format('alter table %I enable row level security', t);
        execute format('create policy tenant on %I using (%s) with check (%s)', t, seen, seen);
        if t in ('sale_line', 'product_hour') then
            execute format('create policy brand on %I for select using (brand_id = any ((select scope_ids(''brands''))::integer[]))', t);
        elsif t = 'store' then
            execute 'create policy brand on store for select using ((select scope_ids(''brands'')) <> ''{}'')';
        end if;
    end loop;
    foreach t in array array['chain', 'retailer_day', 'price', 'line_returned'] loop
        execute format('alter table %I enable row level security', t);
        seen := '(select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[])';
        execute format('create policy tenant on %I using (%s) with check (%s)', t, seen, seen);
    end loop;
    foreach t in array array['brand_minute', 'api_key', 'webhook', 'webhook_delivery', 'event', 'audit'] loop
        execute format('alter table %I enable row level security', t);
        seen := '(select scope_network()) or retailer_id = any ((select scope_ids(''retailers''))::integer[]) or brand_id = any ((select scope_ids(''brands''))::integer[])';
        execute format('create policy tenant on %I using (%s) with check (%s)', t, seen, seen);
    end loop;
end $$;
create policy store_reads_prices on price for select using (
    retailer_id in (select s.retailer_id from store s where s.id = any ((select scope_ids('stores'))::integer[])));
create policy store_reads_chain on chain for select using (
    retailer_id in (select s.retailer_id from store s where s.id = any ((select scope_ids('stores'))::integer[])));
create policy store_logs on event for insert with check (store_id = any ((select scope_ids('stores'))::integer[]));
create policy store_audits on audit for insert with check (store_id = any ((select scope_ids('stores'))::integer[]));

-- Registered GTINs are the network's; a retailer's own numbers are its own.
alter table product enable row level security;
create policy readable on product for select using (
    (select scope_network()) or (retailer_id is null and (select scope_any()))
    or retailer_id = any ((select scope_ids('retailers'))::integer[])
    or brand_id = any ((select scope_ids('brands'))::integer[])
    or retailer_id in (select s.retailer_id from store s where s.id = any ((select scope_ids('stores'))::integer[])));
create policy writable on product using (
    (select scope_network()) or retailer_id = any ((select scope_ids('retailers'))::integer[])
    or brand_id = any ((select scope_ids('brands'))::integer[]))
    with check ((select scope_network()) or retailer_id = any ((select scope_ids('retailers'))::integer[])
    or brand_id = any ((select scope_ids('brands'))::integer[]));

grant select, insert, update on store, till, till_enrolment, chain, price, product, api_key, webhook, webhook_delivery to hutong_app;
grant delete on webhook to hutong_app;
-- Append-only: nothing here may be updated or deleted by the program, save what a late registration attributes to a brand.
grant select, insert on sale, sale_line, sale_tender, sale_key, event, audit to hutong_app;
grant update (brand_id) on sale_line to hutong_app;
grant select, insert, update on product_hour, store_minute, brand_minute, retailer_day, line_returned to hutong_app;
grant usage on all sequences in schema public to hutong_app;
