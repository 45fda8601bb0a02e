"""Compares the totals with the lines they were made of, straight in the database."""

from typing import Any

import psycopg

UNEQUAL = """
with lines as (
    select l.*, s.minute, o.province_code from sale_line l
    join sale s on s.retailer_id = l.retailer_id and s.store_id = l.store_id and s.business_date = l.business_date and s.id = l.sale_id
    join store o on o.id = l.store_id)
select 'sale' as total, count(*) from sale s
where s.total <> coalesce((select sum(amount) from sale_line l where l.retailer_id = s.retailer_id and l.sale_id = s.id and l.business_date = s.business_date), 0)
union all
select 'store_minute', count(*) from (
    select retailer_id, store_id, business_date, minute, value, tickets, items, returns, return_value, voids from store_minute
    except select retailer_id, store_id, business_date, minute, sum(total), count(*) filter (where kind = 1), coalesce(sum(items) filter (where kind = 1), 0),
        count(*) filter (where kind = 2), coalesce(-sum(total) filter (where kind = 2), 0), count(*) filter (where kind = 3) from sale group by 1, 2, 3, 4) x
union all
select 'product_hour', count(*) from (
    select retailer_id, store_id, business_date, hour, product_id, brand_id, value, quantity, lines from product_hour
    except select retailer_id, store_id, business_date, minute / 60, product_id, brand_id, sum(amount), sum(quantity), count(*) from lines group by 1, 2, 3, 4, 5, 6) x
union all
select 'brand_minute', count(*) from (
    select brand_id, retailer_id, business_date, province_code, minute, value, quantity, lines from brand_minute
    except select brand_id, retailer_id, business_date, province_code, minute, sum(amount), sum(quantity), count(*) from lines where brand_id is not null group by 1, 2, 3, 4, 5) x
union all
select 'retailer_day', count(*) from (
    select retailer_id, business_date, value, tickets, returns, return_value, voids from retailer_day
    except select retailer_id, business_date, sum(total), count(*) filter (where kind = 1), count(*) filter (where kind = 2),
        coalesce(-sum(total) filter (where kind = 2), 0), count(*) filter (where kind = 3) from sale group by 1, 2) x
union all
select 'store_day', count(*) from (
    select retailer_id, store_id, business_date, value, tickets, items, returns, return_value, voids, last_minute from store_day
    except select retailer_id, store_id, business_date, sum(value), sum(tickets), sum(items), sum(returns), sum(return_value), sum(voids), max(minute)
        from store_minute group by 1, 2, 3) x
union all
select 'retailer_minute', count(*) from (
    select retailer_id, business_date, minute, value, tickets, items, returns, return_value, voids from retailer_minute
    except select retailer_id, business_date, minute, sum(value), sum(tickets), sum(items), sum(returns), sum(return_value), sum(voids)
        from store_minute group by 1, 2, 3) x
union all
select 'brand_day', count(*) from (
    select brand_id, retailer_id, business_date, value, quantity, lines from brand_day
    except select brand_id, retailer_id, business_date, sum(value), sum(quantity), sum(lines) from brand_minute group by 1, 2, 3) x
union all
select 'value', count(*) from (select (select coalesce(sum(amount), 0) from sale_line) a, (select coalesce(sum(value), 0) from store_minute) b,
    (select coalesce(sum(value), 0) from product_hour) c, (select coalesce(sum(value), 0) from retailer_day) d,
    (select coalesce(sum(total), 0) from sale) e, (select coalesce(sum(value), 0) from store_day) f,
    (select coalesce(sum(value), 0) from retailer_minute) g) x where not (a = b and b = c and c = d and d = e and e = f and f = g)
union all
select 'keys', count(*) from (select retailer_id, id from sale_key except select retailer_id, id from sale
    union all select retailer_id, id from sale except select retailer_id, id from sale_key) x
union all
select 'events', count(*) from (select retailer_id, id from sale except select retailer_id, subject from event where kind = 'sale.captured') x
union all
select 'events twice', count(*) from (select subject from event where kind = 'sale.captured' group by subject, retailer_id having count(*) > 1) x
union all
select 'orphans', count(*) from (select retailer_id, sale_id from sale_line union select retailer_id, sale_id from sale_tender except select retailer_id, id from sale) x
"""


def differences(owner: psycopg.Connection[Any]) -> dict[str, int]:
    """What does not agree, by name, with how many rows; empty when every total equals its lines."""
    return {name: count for name, count in owner.execute(UNEQUAL).fetchall() if count}


def counts(owner: psycopg.Connection[Any]) -> tuple[int, int]:
    """How many sales and lines are stored."""
    row = owner.execute("select (select count(*) from sale), (select count(*) from sale_line)").fetchone()
    assert row is not None
    return row[0], row[1]
