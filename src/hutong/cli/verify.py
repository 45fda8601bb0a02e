"""``hutong verify``: do the books add up? Compares every total that the monitors read with the sales it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import typer

from hutong.cli.running import with_database
from hutong.cli.say import fail, notes, said
from hutong.platform.database import Database, Reader
from hutong.platform.scope import Scope

SHOWN = 20
"""Differences of one kind that are listed; the rest is counted."""


@dataclass(frozen=True)
class Check:
    """One rule: its query answers a row (``place``, ``expected``, ``found``) for each thing that breaks it on ``:day``."""

    name: str
    sql: str


# Every query fixes business_date, so that PostgreSQL opens that day's partitions alone. Both sides are compared as rows of
# text by a full join: a total without sales is as wrong as sales without a total.
_TOTALS = """select coalesce(e.key, f.key) as place, e.sums as expected, f.sums as found
    from (select concat_ws('/', {key}) as key, concat_ws(' ', {made}) as sums from {source} group by {key}) e
    full join (select concat_ws('/', {kept_key}) as key, concat_ws(' ', {kept}) as sums from {table} t where t.business_date = :day) f using (key)
    where e.sums is distinct from f.sums order by 1"""
_OF_SALES = """sum(s.total), count(*) filter (where s.kind = 1), coalesce(sum(s.items) filter (where s.kind = 1), 0),
    count(*) filter (where s.kind = 2), coalesce(-sum(s.total) filter (where s.kind = 2), 0), count(*) filter (where s.kind = 3)"""
_KEPT_OF_SALES = "t.value, t.tickets, t.items, t.returns, t.return_value, t.voids"
_OF_LINES = "sum(l.amount), sum(l.quantity)::numeric(18,3), count(*)"
_KEPT_OF_LINES = "t.value, t.quantity::numeric(18,3), t.lines"
_LINES = """(select l.*, s.minute, st.province_code from sale_line l
    join sale s on s.retailer_id = l.retailer_id and s.store_id = l.store_id and s.business_date = l.business_date and s.id = l.sale_id
    join store st on st.retailer_id = l.retailer_id and st.id = l.store_id
    where l.business_date = :day and s.business_date = :day) l"""

CHECKS = [
    Check(
        "each sale's lines sum to it (total, discount, VAT, lines)",
        """select s.id::text as place, concat_ws(' ', s.total, s.discount, s.vat, s.line_count) as expected,
                  concat_ws(' ', coalesce(l.total, 0), coalesce(l.discount, 0), coalesce(l.vat, 0), coalesce(l.lines, 0)) as found
           from sale s left join (select retailer_id, sale_id, sum(amount) as total, sum(discount) as discount, sum(vat) as vat, count(*) as lines
                                  from sale_line where business_date = :day group by 1, 2) l
                on l.retailer_id = s.retailer_id and l.sale_id = s.id
           where s.business_date = :day and s.kind <> 3
             and (s.total, s.discount, s.vat, s.line_count)
                 is distinct from (coalesce(l.total, 0), coalesce(l.discount, 0), coalesce(l.vat, 0), coalesce(l.lines, 0)) order by 1""",
    ),
    Check(
        "each sale's tenders less its change are its total",
        """select s.id::text as place, s.total::text as expected, (coalesce(t.paid, 0) - s.change)::text as found
           from sale s left join (select retailer_id, sale_id, sum(amount) as paid from sale_tender where business_date = :day group by 1, 2) t
                on t.retailer_id = s.retailer_id and t.sale_id = s.id
           where s.business_date = :day and s.kind <> 3 and s.total <> coalesce(t.paid, 0) - s.change order by 1""",
    ),
    Check(
        "each line and tender belongs to a sale",
        """select l.sale_id::text as place, 'a sale' as expected, 'none' as found
           from (select retailer_id, sale_id from sale_line where business_date = :day
                 union select retailer_id, sale_id from sale_tender where business_date = :day) l
           left join sale s on s.business_date = :day and s.retailer_id = l.retailer_id and s.id = l.sale_id where s.id is null order by 1""",
    ),
    Check(
        "each sale has its key, and each key its sale",
        """select coalesce(s.id, k.id)::text as place, case when s.id is null then 'no key' else 'a key' end as expected,
                  case when k.id is null then 'no key' else 'a key' end as found
           from (select retailer_id, id, store_id from sale where business_date = :day) s
           full join (select retailer_id, id, store_id from sale_key where business_date = :day) k using (retailer_id, id, store_id)
           where s.id is null or k.id is null order by 1""",
    ),
    Check(
        "totals by store and minute (value, tickets, items, returns, returned value, voids)",
        _TOTALS.format(
            key="s.retailer_id, s.store_id, s.minute", made=_OF_SALES, source="(select * from sale where business_date = :day) s",
            kept_key="t.retailer_id, t.store_id, t.minute", kept=_KEPT_OF_SALES, table="store_minute",
        ),
    ),
    Check(
        "totals by retailer and day (value, tickets, items, returns, returned value, voids)",
        _TOTALS.format(
            key="s.retailer_id", made=_OF_SALES, source="(select * from sale where business_date = :day) s",
            kept_key="t.retailer_id", kept=_KEPT_OF_SALES, table="retailer_day",
        ),
    ),
    Check(
        "totals by store and day (value, tickets, items, returns, returned value, voids, last minute)",
        _TOTALS.format(
            key="s.retailer_id, s.store_id", made=f"{_OF_SALES}, max(s.minute)", source="(select * from sale where business_date = :day) s",
            kept_key="t.retailer_id, t.store_id", kept=f"{_KEPT_OF_SALES}, t.last_minute", table="store_day",
        ),
    ),
    Check(
        "totals by retailer and minute (value, tickets, items, returns, returned value, voids)",
        _TOTALS.format(
            key="s.retailer_id, s.minute", made=_OF_SALES, source="(select * from sale where business_date = :day) s",
            kept_key="t.retailer_id, t.minute", kept=_KEPT_OF_SALES, table="retailer_minute",
        ),
    ),
    Check(
        "totals by product, store and hour (value, quantity, lines)",
        _TOTALS.format(
            key="l.retailer_id, l.store_id, l.product_id, coalesce(l.brand_id, 0), l.minute / 60", made=_OF_LINES, source=_LINES,
            kept_key="t.retailer_id, t.store_id, t.product_id, coalesce(t.brand_id, 0), t.hour", kept=_KEPT_OF_LINES, table="product_hour",
        ),
    ),
    Check(
        "totals by brand, province and minute (value, quantity, lines)",
        _TOTALS.format(
            key="l.brand_id, l.retailer_id, coalesce(l.province_code, 0), l.minute", made=_OF_LINES,
            source=f"{_LINES} where l.brand_id is not null",
            kept_key="t.brand_id, t.retailer_id, t.province_code, t.minute", kept=_KEPT_OF_LINES, table="brand_minute",
        ),
    ),
    Check(
        "totals by brand and day (value, quantity, lines)",
        _TOTALS.format(
            key="l.brand_id, l.retailer_id", made=_OF_LINES, source=f"{_LINES} where l.brand_id is not null",
            kept_key="t.brand_id, t.retailer_id", kept=_KEPT_OF_LINES, table="brand_day",
        ),
    ),
]  # fmt: skip
RETURNS = Check(
    "what was returned of each line, over all days (quantity, amount)",
    """select concat_ws('/', coalesce(e.sale_id, f.sale_id), coalesce(e.line, f.line)) as place,
              concat_ws(' ', e.quantity, e.amount) as expected, concat_ws(' ', f.quantity, f.amount) as found
       from (select l.retailer_id, s.original_id as sale_id, l.original_line as line, -sum(l.quantity) as quantity, -sum(l.amount) as amount
             from sale s join sale_line l on l.retailer_id = s.retailer_id and l.sale_id = s.id and l.business_date = s.business_date
             where s.kind = 2 and s.original_id is not null group by 1, 2, 3) e
       full join line_returned f using (retailer_id, sale_id, line)
       where (e.quantity, e.amount) is distinct from (f.quantity, f.amount) or f.quantity > f.sold_quantity order by 1""",
)


def verify(
    first: datetime | None = typer.Option(
        None, "--from", formats=["%Y-%m-%d"], help="First business date; default: the earliest there is."
    ),
    last: datetime | None = typer.Option(None, "--to", formats=["%Y-%m-%d"], help="Last business date; default: the latest there is."),
) -> None:
    """
    Check that the books add up.

    Compares sales with their lines and tenders, and every total that the monitors read with the sales behind it, day by day, each
    day in one snapshot. May run while sales come in. Ends with 1 and lists the differences if there are any.

    Examples:

      hutong verify

      hutong verify --from 2026-11-22 --to 2026-11-22
    """
    days, differences = with_database(lambda database: verify_books(database, first and first.date(), last and last.date(), _say_day))
    for line in differences:
        said(line)
    if differences:
        fail(f"{len(differences)} differences on {days} days.")
    said(f"The books add up: {days} days, {len(CHECKS)} checks each.")


async def verify_books(
    database: Database, first: date | None = None, last: date | None = None, progress: Any = None
) -> tuple[int, list[str]]:
    """The number of days looked at, and a line for each difference found (of one kind and day, the first 20)."""
    async with database.read(Scope.of_network()) as reader:
        days = [day for day in await days_with_sales(reader) if (first is None or day >= first) and (last is None or day <= last)]
    differences: list[str] = []
    for day in days:
        if progress is not None:
            progress(day)
        async with database.read(Scope.of_network()) as reader:
            await reader.execute("select set_config('statement_timeout', '0', true)")
            for check in CHECKS:
                differences += _lines(str(day), check, await reader.rows(check.sql, day=day))
    if first is None and last is None:
        async with database.read(Scope.of_network()) as reader:
            await reader.execute("select set_config('statement_timeout', '0', true)")
            differences += _lines("all days", RETURNS, await reader.rows(RETURNS.sql))
    return len(days), differences


async def days_with_sales(reader: Reader) -> list[date]:
    """The business dates that have partitions or totals."""
    rows = await reader.rows(
        """select to_date(right(c.relname, 8), 'YYYYMMDD') as day from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'sale'::regclass and c.relname ~ '^sale_[0-9]{8}$'
           union select business_date from retailer_day order by 1"""
    )
    return [row.day for row in rows]


def _lines(day: str, check: Check, rows: Sequence[Any]) -> list[str]:
    shown = [f"{day}  {check.name}: {row.place}: by the sales {row.expected}, kept {row.found}" for row in rows[:SHOWN]]
    return shown + ([f"{day}  {check.name}: and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else [])


def _say_day(day: date) -> None:
    if notes.is_terminal and day.toordinal() % 10 == 0:
        notes.print(f"{day:%Y-%m-%d} … {day + timedelta(days=9):%Y-%m-%d}", style="dim")
