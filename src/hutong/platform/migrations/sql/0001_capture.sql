-- Writes a group of sales, whole or not at all: keys, sales, lines, tenders, returned quantities, events, audit rows and the
-- totals that monitors read. Called by sales/capture.py in a transaction of its own, with the sales ordered by (retailer, id).
--
-- Columns arrive as arrays: unnest of array text costs two thirds of json_to_recordset here (docs/adr/0002).
-- s_ are sales; l_ lines and t_ tenders, whose l_sale and t_sale are positions in the s_ arrays; a_ are audit rows.
-- Upserts run in key order and from the least to the most contended table, so two groups cannot deadlock on totals and the
-- hottest row (a retailer's day) is held only for the last statement and the commit.
-- Raises unique_violation for an id or a receipt that exists, HT001 for a return beyond what was sold, HT002 for a return of an
-- unknown sale or line; the caller then finds the sale at fault by halving the group.

create or replace function capture_sales(
    scope text,
    s_id uuid[], s_digest uuid[], s_retailer integer[], s_store integer[], s_province smallint[], s_till integer[], s_date date[],
    s_receipt text[], s_kind smallint[], s_completed timestamptz[], s_minute smallint[], s_total bigint[], s_discount bigint[],
    s_vat bigint[], s_change bigint[], s_items integer[], s_lines smallint[], s_original uuid[], s_cashier text[], s_detail jsonb[],
    l_sale integer[], l_line smallint[], l_product integer[], l_code text[], l_quantity numeric[], l_price bigint[],
    l_discount bigint[], l_amount bigint[], l_rate smallint[], l_vat bigint[], l_original smallint[],
    t_sale integer[], t_tender smallint[], t_type text[], t_amount bigint[], t_reference text[],
    a_actor text[], a_retailer integer[], a_store integer[], a_subject text[], a_detail jsonb[]
) returns timestamptz language plpgsql as $$
declare
    l_brand integer[];
begin
    perform set_config('hutong.network', '', true), set_config('hutong.retailers', scope, true),
            set_config('hutong.stores', '', true), set_config('hutong.brands', '', true);
    -- Shared with other captures; a late registration of a product takes it exclusively while it attributes past lines.
    perform pg_advisory_xact_lock_shared(7406002);

    insert into sale_key (retailer_id, id, digest, business_date, store_id)
    select * from unnest(s_retailer, s_id, s_digest, s_date, s_store);
    insert into sale (retailer_id, store_id, business_date, id, till_id, receipt, kind, completed_at, minute, total, discount, vat,
                      change, items, line_count, original_id, cashier, detail)
    select * from unnest(s_retailer, s_store, s_date, s_id, s_till, s_receipt, s_kind, s_completed, s_minute, s_total, s_discount,
                         s_vat, s_change, s_items, s_lines, s_original, s_cashier, s_detail);

    if cardinality(l_sale) > 0 then
        select array_agg(p.brand_id order by l.position) into l_brand
        from unnest(l_product) with ordinality as l (product_id, position) left join product p on p.id = l.product_id;
        insert into sale_line (retailer_id, sale_id, line, business_date, store_id, product_id, brand_id, code, quantity, unit_price,
                               discount, amount, vat_rate, vat, original_line)
        select s_retailer[s], s_id[s], line, s_date[s], s_store[s], product, brand, code, quantity, price, discount, amount, rate, vat, original
        from unnest(l_sale, l_line, l_product, l_brand, l_code, l_quantity, l_price, l_discount, l_amount, l_rate, l_vat, l_original)
             as l (s, line, product, brand, code, quantity, price, discount, amount, rate, vat, original);
        insert into sale_tender (retailer_id, sale_id, tender, business_date, store_id, type, amount, reference)
        select s_retailer[s], s_id[s], tender, s_date[s], s_store[s], type, amount, reference
        from unnest(t_sale, t_tender, t_type, t_amount, t_reference) as t (s, tender, type, amount, reference);
        perform count_returned(s_retailer, s_original, l_sale, l_original, l_quantity, l_amount);
    end if;

    insert into event (kind, retailer_id, store_id, business_date, subject)
    select 'sale.captured', * from unnest(s_retailer, s_store, s_date, s_id);
    insert into audit (actor, action, retailer_id, store_id, subject, detail)
    select actor, 'sale.capture', retailer, store, subject, detail
    from unnest(a_actor, a_retailer, a_store, a_subject, a_detail) as a (actor, retailer, store, subject, detail);

    insert into product_hour as t (retailer_id, store_id, business_date, hour, product_id, brand_id, value, quantity, lines)
    select s_retailer[s], s_store[s], s_date[s], s_minute[s] / 60, product, brand, sum(amount), sum(quantity), count(*)
    from unnest(l_sale, l_product, l_brand, l_amount, l_quantity) as l (s, product, brand, amount, quantity)
    group by 1, 2, 3, 4, 5, 6 order by 5, 1, 2, 4, 3, 6
    on conflict (product_id, retailer_id, store_id, hour, business_date, brand_id) do update
        set value = t.value + excluded.value, quantity = t.quantity + excluded.quantity, lines = t.lines + excluded.lines;
    insert into store_minute as t (retailer_id, store_id, business_date, minute, value, tickets, items, returns, return_value, voids)
    select retailer, store, date, minute, sum(total), count(*) filter (where kind = 1), coalesce(sum(items) filter (where kind = 1), 0),
           count(*) filter (where kind = 2), coalesce(-sum(total) filter (where kind = 2), 0), count(*) filter (where kind = 3)
    from unnest(s_retailer, s_store, s_date, s_minute, s_total, s_items, s_kind) as s (retailer, store, date, minute, total, items, kind)
    group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (retailer_id, store_id, business_date, minute) do update
        set value = t.value + excluded.value, tickets = t.tickets + excluded.tickets, items = t.items + excluded.items,
            returns = t.returns + excluded.returns, return_value = t.return_value + excluded.return_value, voids = t.voids + excluded.voids;
    insert into store_day as t (business_date, retailer_id, store_id, value, tickets, items, returns, return_value, voids, last_minute)
    select date, retailer, store, sum(total), count(*) filter (where kind = 1), coalesce(sum(items) filter (where kind = 1), 0),
           count(*) filter (where kind = 2), coalesce(-sum(total) filter (where kind = 2), 0), count(*) filter (where kind = 3), max(minute)
    from unnest(s_retailer, s_store, s_date, s_minute, s_total, s_items, s_kind) as s (retailer, store, date, minute, total, items, kind)
    group by 1, 2, 3 order by 1, 2, 3
    on conflict (business_date, retailer_id, store_id) do update
        set value = t.value + excluded.value, tickets = t.tickets + excluded.tickets, items = t.items + excluded.items,
            returns = t.returns + excluded.returns, return_value = t.return_value + excluded.return_value,
            voids = t.voids + excluded.voids, last_minute = greatest(t.last_minute, excluded.last_minute);
    insert into brand_minute as t (brand_id, retailer_id, business_date, province_code, minute, value, quantity, lines)
    select brand, s_retailer[s], s_date[s], s_province[s], s_minute[s], sum(amount), sum(quantity), count(*)
    from unnest(l_sale, l_brand, l_amount, l_quantity) as l (s, brand, amount, quantity)
    where brand is not null
    group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
    on conflict (brand_id, retailer_id, business_date, province_code, minute) do update
        set value = t.value + excluded.value, quantity = t.quantity + excluded.quantity, lines = t.lines + excluded.lines;
    insert into brand_day as t (business_date, brand_id, retailer_id, value, quantity, lines)
    select s_date[s], brand, s_retailer[s], sum(amount), sum(quantity), count(*)
    from unnest(l_sale, l_brand, l_amount, l_quantity) as l (s, brand, amount, quantity)
    where brand is not null
    group by 1, 2, 3 order by 1, 2, 3
    on conflict (business_date, brand_id, retailer_id) do update
        set value = t.value + excluded.value, quantity = t.quantity + excluded.quantity, lines = t.lines + excluded.lines;
    insert into retailer_minute as t (business_date, retailer_id, minute, value, tickets, items, returns, return_value, voids)
    select date, retailer, minute, sum(total), count(*) filter (where kind = 1), coalesce(sum(items) filter (where kind = 1), 0),
           count(*) filter (where kind = 2), coalesce(-sum(total) filter (where kind = 2), 0), count(*) filter (where kind = 3)
    from unnest(s_retailer, s_date, s_minute, s_total, s_items, s_kind) as s (retailer, date, minute, total, items, kind)
    group by 1, 2, 3 order by 1, 2, 3
    on conflict (business_date, retailer_id, minute) do update
        set value = t.value + excluded.value, tickets = t.tickets + excluded.tickets, items = t.items + excluded.items,
            returns = t.returns + excluded.returns, return_value = t.return_value + excluded.return_value, voids = t.voids + excluded.voids;
    insert into retailer_day as t (retailer_id, business_date, value, tickets, items, returns, return_value, voids)
    select retailer, date, sum(total), count(*) filter (where kind = 1), coalesce(sum(items) filter (where kind = 1), 0),
           count(*) filter (where kind = 2), coalesce(-sum(total) filter (where kind = 2), 0), count(*) filter (where kind = 3)
    from unnest(s_retailer, s_date, s_total, s_items, s_kind) as s (retailer, date, total, items, kind)
    group by 1, 2 order by 1, 2
    on conflict (retailer_id, business_date) do update
        set value = t.value + excluded.value, tickets = t.tickets + excluded.tickets, items = t.items + excluded.items,
            returns = t.returns + excluded.returns, return_value = t.return_value + excluded.return_value, voids = t.voids + excluded.voids;
    return now();
end $$;

-- Adds what is returned here to what was returned before, line by line in key order, never beyond what was sold: the condition
-- stands in the update itself, so parallel returns of the same line cannot both pass.
create or replace function count_returned(
    s_retailer integer[], s_original uuid[], l_sale integer[], l_original smallint[], l_quantity numeric[], l_amount bigint[]
) returns void language plpgsql as $$
declare
    wanted integer; counted integer := 0; step integer; day date;
begin
    if (select count(*) from unnest(s_original) as o where o is not null) = 0 then return; end if;
    select count(distinct (s_retailer[s], s_original[s], original)) into wanted
    from unnest(l_sale, l_original) as l (s, original) where s_original[s] is not null;
    -- One statement a day of sale, with the date written into it, so that only that day's partition is opened.
    for day in
        select distinct k.business_date from unnest(s_retailer, s_original) as o (retailer_id, id)
        join sale_key k using (retailer_id, id) where o.id is not null order by 1
    loop
        execute format($sql$
            insert into line_returned as t (retailer_id, sale_id, line, store_id, quantity, amount, sold_quantity, sold_amount)
            select r.retailer, r.sale, r.line, o.store_id, -r.quantity, -r.amount, o.quantity, o.amount
            from (select $1[s] as retailer, $2[s] as sale, original as line, sum(quantity) as quantity, sum(amount) as amount
                  from unnest($3, $4, $5, $6) as l (s, original, quantity, amount) where $2[s] is not null group by 1, 2, 3) as r
            join sale_line o on o.retailer_id = r.retailer and o.sale_id = r.sale and o.line = r.line
                 and o.business_date = %L and o.quantity > 0
            order by 1, 2, 3
            on conflict (retailer_id, sale_id, line) do update
                set quantity = t.quantity + excluded.quantity, amount = t.amount + excluded.amount
                where t.quantity + excluded.quantity <= t.sold_quantity and t.amount + excluded.amount <= t.sold_amount$sql$, day)
            using s_retailer, s_original, l_sale, l_original, l_quantity, l_amount;
        get diagnostics step = row_count;
        counted := counted + step;
    end loop;
    if counted < wanted then
        if exists (select from unnest(l_sale, l_original) as l (s, original)
                   join sale_key k on k.retailer_id = s_retailer[s] and k.id = s_original[s]
                   join line_returned t on t.retailer_id = s_retailer[s] and t.sale_id = s_original[s] and t.line = original
                   where s_original[s] is not null) then
            raise exception 'more is returned than was sold' using errcode = 'HT001';
        end if;
        raise exception 'the sale or line that is returned is not known' using errcode = 'HT002';
    end if;
end $$;
grant execute on all functions in schema public to hutong_app;
