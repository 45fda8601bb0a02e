-- What a late registration changes: sales that were rung up before anyone knew the product's brand join that brand.

-- Finds those lines in every day without reading the days; only lines without a brand pay for it.
create index sale_line_unattributed on sale_line (product_id) where brand_id is null;

-- Gives all lines of the product that have no brand to this brand, with the totals that monitors read, and answers how many.
-- The caller holds the lock 7406002 exclusively and works for the network: captures hold it shared, so none can add a
-- line without a brand meanwhile. Day by day and as dynamic SQL, so that each statement touches one partition only.
create or replace function attribute_product(the_product integer, the_brand integer) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare d date; moved bigint; total bigint := 0;
begin
    for d in select distinct l.business_date from sale_line l where l.product_id = the_product and l.brand_id is null order by 1 loop
        execute format($day$
            with moved as (
                update sale_line l set brand_id = %2$s
                where l.business_date = %3$L and l.product_id = %1$s and l.brand_id is null
                returning l.retailer_id, l.store_id, l.sale_id, l.amount, l.quantity),
            totals as (
                insert into brand_minute as t (brand_id, retailer_id, province_code, business_date, minute, value, quantity, lines)
                select %2$s, m.retailer_id, coalesce(p.province_code, 0), %3$L, s.minute, sum(m.amount), sum(m.quantity), count(*)
                from moved m
                join sale s on s.retailer_id = m.retailer_id and s.store_id = m.store_id and s.business_date = %3$L and s.id = m.sale_id
                join store p on p.retailer_id = m.retailer_id and p.id = m.store_id
                group by m.retailer_id, coalesce(p.province_code, 0), s.minute
                on conflict (brand_id, retailer_id, business_date, province_code, minute) do update
                set value = t.value + excluded.value, quantity = t.quantity + excluded.quantity, lines = t.lines + excluded.lines),
            days as (
                insert into brand_day as t (business_date, brand_id, retailer_id, value, quantity, lines)
                select %3$L, %2$s, retailer_id, sum(amount), sum(quantity), count(*) from moved group by retailer_id
                on conflict (business_date, brand_id, retailer_id) do update
                set value = t.value + excluded.value, quantity = t.quantity + excluded.quantity, lines = t.lines + excluded.lines)
            select count(*) from moved $day$, the_product, the_brand, d) into moved;
        total := total + moved;
        execute format('update product_hour set brand_id = %s where business_date = %L and product_id = %s and brand_id is null',
                       the_brand, d, the_product);
    end loop;
    return total;
end $$;
