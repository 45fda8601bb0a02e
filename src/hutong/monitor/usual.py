"""Counts what is usual, every night: each store's weekdays, who sells which brand, and the days of new products."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hutong.kernel.clock import now
from hutong.monitor.topics import COUNTED
from hutong.platform.config import Settings
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

WEEKS = 4
LAUNCH_DAYS = 90
LOCK = 7406010

# The last four same weekdays of each weekday, hour by hour. Dates are written into the statement, a partition each.
STORES = """
insert into usual_day (retailer_id, store_id, weekday, habit)
select retailer_id, store_id, {weekday}, json_build_array(store_id, max(days), json_agg(value order by hour), json_agg(tickets order by hour))
from (select d.retailer_id, d.store_id, d.days, h.hour, coalesce(m.value, 0) as value, coalesce(m.tickets, 0) as tickets
      from (select retailer_id, store_id, count(*) as days from store_day where business_date in ({days}) group by 1, 2) d
      cross join generate_series(0, 23) h (hour)
      left join (select retailer_id, store_id, minute / 60 as hour, sum(value) as value, sum(tickets) as tickets
                 from store_minute where business_date in ({days}) group by 1, 2, 3) m
           on m.retailer_id = d.retailer_id and m.store_id = d.store_id and m.hour = h.hour) x
group by retailer_id, store_id"""

BRANDS = """
insert into usual_brand (brand_id, retailer_id, store_id, days, value, latest_start, last_on)
select brand_id, retailer_id, store_id, count(*), sum(value), max(first_hour), max(business_date)
from (select brand_id, retailer_id, store_id, business_date, sum(value) as value, min(hour) as first_hour
      from product_hour where business_date in ({days}) and brand_id is not null and lines > 0 group by 1, 2, 3, 4) d
group by 1, 2, 3"""

LAUNCHES = """
insert into launch_day (brand_id, product_id, business_date, value, quantity)
select p.brand_id, h.product_id, h.business_date, sum(h.value), sum(h.quantity)
from product_hour h join product p on p.id = h.product_id and p.brand_id = h.brand_id and p.launched_on > cast(:day as date) - :launch_days
where h.business_date in ({days}) and h.business_date >= p.launched_on group by 1, 2, 3
on conflict (brand_id, product_id, business_date) do update set value = excluded.value, quantity = excluded.quantity"""


def literals(days: list[date]) -> str:
    """Dates as an SQL list."""
    return ", ".join(f"date '{each.isoformat()}'" for each in days)


async def refresh_usual(database: Database, day: date) -> None:
    """Count what is usual for ``day`` from the days before it. Safe to call from many processes: the later ones wait and repeat it.

    Launched products' days are counted for the last eight days (late sales), or for 90 when none were counted before.
    """
    async with database.work(Scope.of_network()) as uow:
        await uow.execute("select set_config('statement_timeout', '600000', true), set_config('lock_timeout', '600000', true)")
        await uow.execute("select pg_advisory_xact_lock(:lock)", lock=LOCK)
        await uow.execute("delete from usual_day")  # a store that no longer trades has no habit
        for weekday in range(7):
            same = [day - timedelta(days=back) for back in range(1, WEEKS * 7 + 1) if (day - timedelta(days=back)).weekday() == weekday]
            await uow.execute(STORES.format(days=literals(same), weekday=weekday + 1))
        await uow.execute("delete from usual_brand")
        await uow.execute(BRANDS.format(days=literals([day - timedelta(days=back) for back in range(1, 8)])))
        await _count_launches(uow, day)
        await uow.execute(
            """insert into usual_state (name, day) values ('brands', :day)
               on conflict (name) do update set day = excluded.day, counted_at = now()""",
            day=day,
        )
        await uow.publish(COUNTED, body={"day": day.isoformat()})
        await uow.commit()


async def _count_launches(uow: UnitOfWork, day: date) -> None:
    await uow.execute("delete from launch_day where business_date < :first", first=day - timedelta(days=LAUNCH_DAYS))
    launched = "select exists (select from product where brand_id is not null and launched_on > :first)"
    if not await uow.value(launched, first=day - timedelta(days=LAUNCH_DAYS)):
        return
    for start in range(1, LAUNCH_DAYS + 1, 8):
        days = [day - timedelta(days=back) for back in range(start, start + 8)]
        if start > 1 and await uow.value("select exists (select from launch_day where business_date < :first)", first=days[0]):
            break
        await uow.execute(LAUNCHES.format(days=literals(days)), day=day, launch_days=LAUNCH_DAYS)


async def is_stale(database: Database, day: date) -> bool:
    """Whether what is usual was last counted for another day."""
    async with database.read(Scope.of_network()) as reader:
        counted: date | None = await reader.value("select day from usual_state where name = 'brands'")
    return counted != day


async def count_usual(database: Database, settings: Settings) -> None:
    """Count what is usual if it was last counted for another day than the network's today: a job, due every few minutes."""
    day = now().astimezone(ZoneInfo(settings.network_zone)).date()
    if await is_stale(database, day):
        await refresh_usual(database, day)
