-- What the monitor's pages read besides the totals of capture: totals of those totals, and what is usual.
--
-- A page must cost the same whatever a day holds: summing the 190,000 rows that a day of a million lines leaves in store_minute takes
-- 25 to 55 ms, and its 740,000 rows of brand_minute 50 ms, where these tables answer in 1 to 4 ms. capture_sales writes them with the
-- others, in the transaction of the sale (triggers on those totals would cost four times as much: measured).

create table store_day (
    business_date date not null, retailer_id integer not null, store_id integer not null,
    value bigint not null, tickets integer not null, items bigint not null,
    returns integer not null, return_value bigint not null, voids integer not null, last_minute smallint not null,
    primary key (business_date, retailer_id, store_id)) with (fillfactor = 60);
create table retailer_minute (
    business_date date not null, retailer_id integer not null, minute smallint not null,
    value bigint not null, tickets integer not null, items bigint not null,
    returns integer not null, return_value bigint not null, voids integer not null,
    primary key (business_date, retailer_id, minute)) with (fillfactor = 60);
create table brand_day (
    business_date date not null, brand_id integer not null, retailer_id integer not null,
    value bigint not null, quantity numeric(14,3) not null, lines integer not null,
    primary key (business_date, brand_id, retailer_id)) with (fillfactor = 50);
comment on column store_day.last_minute is 'the latest minute of the day in which anything was rung up';

-- Counts these totals of a day anew: after a fill that wrote past capture_sales (benchmarks).
create or replace function recount_day(day date) returns void language plpgsql as $$
begin
    execute format($sql$
        delete from store_day where business_date = %1$L; delete from retailer_minute where business_date = %1$L;
        delete from brand_day where business_date = %1$L;
        insert into store_day select business_date, retailer_id, store_id, sum(value), sum(tickets), sum(items), sum(returns),
            sum(return_value), sum(voids), max(minute) from store_minute where business_date = %1$L group by 1, 2, 3 order by 1, 2, 3;
        insert into retailer_minute select business_date, retailer_id, minute, sum(value), sum(tickets), sum(items), sum(returns),
            sum(return_value), sum(voids) from store_minute where business_date = %1$L group by 1, 2, 3 order by 1, 2, 3;
        insert into brand_day select business_date, brand_id, retailer_id, sum(value), sum(quantity), sum(lines)
            from brand_minute where business_date = %1$L group by 1, 2, 3 order by 1, 2, 3$sql$, day);
end $$;
revoke execute on function recount_day(date) from public;

-- What is usual: counted anew every night by hutong.monitor (refresh_usual).
create table usual_day (
    retailer_id integer not null, store_id integer not null, weekday smallint not null check (weekday between 1 and 7),
    habit json not null, primary key (retailer_id, weekday, store_id));
comment on table usual_day is 'A store''s trade on the last four same weekdays (ISO: 1 is Monday), ready to be sent: [store, days with trade, [value of hour 0, …, 23], [tickets of hour 0, …, 23]], sums over those days.';
create table usual_brand (
    brand_id integer not null, retailer_id integer not null, store_id integer not null,
    days smallint not null, value bigint not null, latest_start smallint not null, last_on date not null,
    primary key (brand_id, retailer_id, store_id));
comment on table usual_brand is 'Which stores sold a brand in the seven days before: on how many of them, value in all, the latest hour of a first line, the last day.';
create table launch_day (
    brand_id integer not null, product_id integer not null, business_date date not null,
    value bigint not null, quantity numeric(14,3) not null, primary key (brand_id, product_id, business_date));
comment on table launch_day is 'Value and quantity a day of products that came to the market in the last 90 days, for days that are over.';
create table usual_state (
    name text primary key, day date not null, counted_at timestamptz not null default now());
comment on table usual_state is 'The business date that what is usual was counted for.';

-- The network and (for what capture counts) a retailer write them; stores and brands read their own.
do $$
declare t text; own text;
begin
    foreach t in array array['store_day', 'retailer_minute', 'brand_day', 'usual_day', 'usual_brand', 'launch_day'] loop
        own := '(select scope_network())';
        if t <> 'launch_day' then own := own || ' or retailer_id = any ((select scope_ids(''retailers''))::integer[])'; end if;
        execute format('alter table %I enable row level security', t);
        execute format('create policy tenant on %I using (%s) with check (%2$s)', t, own);
        if t in ('store_day', 'usual_day') then
            execute format('create policy of_store on %I for select using (store_id = any ((select scope_ids(''stores''))::integer[]))', t);
        elsif t in ('brand_day', 'usual_brand', 'launch_day') then
            execute format('create policy brand on %I for select using (brand_id = any ((select scope_ids(''brands''))::integer[]))', t);
        end if;
    end loop;
end $$;
alter table usual_state enable row level security;
create policy network on usual_state using ((select scope_network())) with check ((select scope_network()));
grant select, insert, update on store_day, retailer_minute, brand_day to hutong_app;
grant select, insert, update, delete on usual_day, usual_brand, launch_day, usual_state to hutong_app;
