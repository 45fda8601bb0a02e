"""Fills a database with a network of 4,700 stores and days of trade, far faster than by capture and with the same totals."""

import asyncio
import random
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psycopg

from benchmarks._support import SHANGHAI, Bench, say
from hutong.demo.keys import Keys
from hutong.demo.seed import seed_network
from hutong.demo.stores import stores
from hutong.kernel.ids import uuid7
from hutong.kernel.money import included_vat
from hutong.monitor import refresh_usual
from hutong.platform.database import Database
from hutong.platform.embedded import EmbeddedPostgres
from hutong.platform.migrate import migrate

LINES_A_SALE = 5
TOTALS = ("product_hour", "store_minute", "brand_minute")
DAILY = ("sale", "sale_line", "sale_tender", *TOTALS)
"""The tables with a partition a day."""
Connection = psycopg.Connection[Any]
KEY_PERMISSIONS = ["sales:capture", "sales:read", "sales:history", "monitor:read", "tills:register"]
FILLING = {"wal_level": "minimal", "max_wal_senders": "0", "synchronous_commit": "off", "max_wal_size": "16GB", "work_mem": "128MB"}
"""Settings of the server while it is filled: what is written into a day's new partitions needs no log then. Taken back afterwards."""


@dataclass(frozen=True)
class Outlet:
    """A store with the one till that rings, by its retailer."""

    id: int
    retailer_id: int
    gln: str
    till: str


@dataclass
class Network:
    """The demonstration's network in one database of a benchmark's server, with keys of the benchmark's own."""

    bench: Bench
    outlets: dict[int, list[Outlet]]
    """By retailer."""
    retailers: dict[int, str]
    brands: dict[int, str]
    codes: list[str]

    @property
    def url(self) -> str:
        return self.bench.url

    def key(self, retailer_id: int, number: int = 0) -> str:
        """An API key of a retailer."""
        return f"hk_{sha256(f'retailer {retailer_id} {number}'.encode()).hexdigest()[:43]}"

    def brand_key(self, brand_id: int, number: int = 0) -> str:
        """An API key of a brand."""
        return f"hk_{sha256(f'brand {brand_id} {number}'.encode()).hexdigest()[:43]}"

    def session(self, number: int = 0) -> str:
        """The session cookie of a network operator."""
        return sha256(f"operator {number}".encode()).hexdigest()[:43]

    def add_keys(self, a_retailer: int = 1, a_brand: int = 1, operators: int = 1) -> None:
        """Make these keys and signed-in operators, as many as wanted."""
        keys = [("retailer_id", each, self.key(each, n)) for each in self.retailers for n in range(a_retailer)]
        keys += [("brand_id", each, self.brand_key(each, n)) for each in self.brands for n in range(a_brand)]
        with psycopg.connect(self.url) as owner:
            for column, place, key in keys:
                owner.execute(
                    f"insert into api_key (name, hint, key_hash, {column}, permissions) values ('bench', 'hk_b', %s, %s, %s) on conflict do nothing",  # type: ignore[arg-type]
                    [sha256(key.encode()).digest(), place, KEY_PERMISSIONS],
                )
            for number in range(operators):
                person = owner.execute(
                    "insert into person (login, name, password_hash) values (%s, 'Operator', '') on conflict (login) do nothing returning id",
                    [f"bench-{number}"],
                ).fetchone()
                if person is None:
                    continue
                owner.execute("insert into role_grant (person_id, role) values (%s, 'network_operator')", person)
                owner.execute(
                    "insert into browser_session (token_hash, person_id, csrf, expires_at) values (%s, %s, 'c', now() + interval '1 day')",
                    [sha256(self.session(number).encode()).digest(), *person],
                )

    def invent(self, chance: random.Random, at: datetime, receipt: int, outlet: Outlet, lines: int = LINES_A_SALE) -> dict[str, Any]:
        """A sale at a moment that adds up."""
        rung = []
        for _ in range(lines):
            price, quantity = chance.randrange(100, 9900), chance.choice((1, 1, 1, 2))
            amount = price * quantity
            rung.append(
                {"code": self.codes[int(len(self.codes) * chance.random() ** 2)], "quantity": str(quantity), "unit_price": price,
                 "amount": amount, "vat_rate": "13", "vat": included_vat(amount, 1300)}
            )  # fmt: skip
        total = sum(line["amount"] for line in rung)
        return {
            "id": str(uuid7(int(at.timestamp() * 1000))), "store": outlet.gln, "till": outlet.till, "receipt": f"{receipt:09d}",
            "business_date": str(at.date()), "completed_at": at.isoformat(), "lines": rung, "total": total,
            "vat": sum(line["vat"] for line in rung), "tenders": [{"type": "alipay", "amount": total}],
        }  # fmt: skip


def network_in(bench: Bench) -> Network:
    """Migrate the bench's database, write the demonstration's directory and catalogue into it, and read them back."""
    migrate(bench.url)
    asyncio.run(_seed(bench.url))
    with psycopg.connect(bench.url, autocommit=True) as owner:
        outlets: dict[int, list[Outlet]] = {}
        for row in owner.execute(
            "select s.id, s.retailer_id, gln, min(t.code) from store s join till t on t.store_id = s.id group by 1, 2, 3"
        ):
            outlets.setdefault(row[1], []).append(Outlet(*row))
        network = Network(
            bench, outlets,
            dict(owner.execute("select id, code from retailer").fetchall()), dict(owner.execute("select id, code from brand").fetchall()),
            [row[0] for row in owner.execute("select ltrim(gtin, '0') from product where gtin is not null order by md5(gtin)")],
        )  # fmt: skip
    network.add_keys()
    return network


async def _seed(url: str) -> None:
    database = Database(url)
    try:
        await seed_network(database, stores(), Keys("bench", "bench-password"), datetime.now(SHANGHAI).date())
    finally:
        await database.close()


@contextmanager
def benches(*names: str) -> Iterator[list[Bench]]:
    """Empty databases on one server in a temporary folder, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hutong-bench-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "pg")
    try:
        postgres.start()
        with psycopg.connect(postgres.database_url("postgres"), autocommit=True) as owner:
            for name in names:
                owner.execute(f'create database "{name}"')  # type: ignore[arg-type]
        yield [Bench(postgres, folder, postgres.database_url(name), [], []) for name in names]
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def settings(bench: Bench, values: dict[str, str]) -> Iterator[None]:
    """Run the server with other settings for a while."""
    _restart(bench, [f"alter system set {name} = '{value}'" for name, value in values.items()])
    try:
        yield
    finally:
        _restart(bench, [f"alter system reset {name}" for name in values])


def _restart(bench: Bench, statements: Sequence[str]) -> None:
    with psycopg.connect(bench.postgres.database_url("postgres"), autocommit=True) as owner:
        for statement in statements:
            owner.execute(statement)  # type: ignore[arg-type]
        owner.execute("checkpoint")
    bench.postgres.stop()
    bench.postgres.start()


def fill(url: str, lines: int, days: Sequence[date], workers: int = 2) -> None:
    """Lay ``lines`` lines evenly over ``days``; the last is meant to be today. Days are whole, also the one that is running.

    Everything is as capture leaves it: keys, sales, lines, tenders and all totals, in the order of time, with every index; the
    event log only of the last day, for that of earlier days lies in partitions that nothing reads. What is usual is counted at the end.
    """
    started, sales = time.monotonic(), lines // len(days) // LINES_A_SALE
    with psycopg.connect(url, autocommit=True) as owner:
        tomorrow = days[-1] + timedelta(days=1)
        owner.execute("select ensure_key_months(%s), ensure_log_days()", [sorted({day.replace(day=1) for day in (*days, tomorrow)})])
    waiting: SimpleQueue[date] = SimpleQueue()
    for day in days:
        waiting.put(day)
    failures: list[BaseException] = []
    done: list[date] = []

    def progress(day: date) -> None:
        done.append(day)
        if len(done) % max(1, len(days) // 10) == 0:
            say(f"filled {len(done)} of {len(days)} days, {len(done) * sales * LINES_A_SALE:,} lines, {time.monotonic() - started:.0f} s")

    threads = [threading.Thread(target=_fill_days, args=(url, waiting, sales, days[-1], progress, failures)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("vacuum (analyze) retailer_day, store_day, retailer_minute, brand_day, sale_key, event")
    asyncio.run(_count_usual(url, days[-1]))
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("vacuum (analyze) usual_day, usual_brand, launch_day")
        stored = sum(row[0] for row in owner.execute("select lines from brand_day"))
        say(f"filled {owner.info.dbname}: {stored:,} lines on {len(days)} days in {time.monotonic() - started:.0f} s")


async def _count_usual(url: str, day: date) -> None:
    database = Database(url)
    try:
        await refresh_usual(database, day)
    finally:
        await database.close()


def last_days(count: int) -> list[date]:
    """So many business dates, today (in China) the last."""
    today = datetime.now(SHANGHAI).date()
    return [today - timedelta(days=back) for back in reversed(range(count))]


def _fill_days(
    url: str, waiting: "SimpleQueue[date]", sales: int, today: date, progress: Callable[[date], None], failures: list[BaseException]
) -> None:
    try:
        with psycopg.connect(url, autocommit=True) as owner:
            run(owner, PLACES)
            while not failures:
                day = waiting.get_nowait()
                parts = {table: f"{table}_{day:%Y%m%d}" for table in DAILY}
                with owner.transaction():
                    if day == today:
                        run(owner, f"select ensure_days(array[date '{day}'])")
                        run(owner, DAY.format(day=day, sales=sales, lines=LINES_A_SALE, **{table: table for table in DAILY}))
                        run(owner, EVENTS)
                    else:
                        for table, part in parts.items():  # as ensure_days makes them, but for the indexes
                            room = "with (fillfactor = 75)" if table in TOTALS else ""
                            run(owner, f"create table {part} (like {table} including all excluding indexes excluding identity) {room}")
                        run(owner, DAY.format(day=day, sales=sales, lines=LINES_A_SALE, **parts))
                        for table, part in parts.items():
                            _attach(owner, table, part, day)
                run(owner, f"select recount_day(date '{day}')")
                run(owner, "vacuum (analyze) " + ", ".join(parts.values()))
                progress(day)
    except Empty:
        return
    except BaseException as error:  # noqa: BLE001 - raised again by who waits
        failures.append(error)


def _attach(owner: Connection, table: str, part: str, day: date) -> None:
    """Make a filled table a partition, its indexes first: built of what is there they cost a fifth of being kept row by row."""
    for (definition,) in owner.execute(
        "select pg_get_constraintdef(oid) from pg_constraint where conrelid = %s::regclass and contype in ('p', 'u')", [table]
    ).fetchall():
        run(owner, f"alter table {part} add {definition}")
    for (definition,) in owner.execute(
        "select pg_get_indexdef(indexrelid) from pg_index where indrelid = %s::regclass "
        "and not exists (select from pg_constraint where conindid = indexrelid)", [table]
    ).fetchall():  # fmt: skip
        run(owner, re.sub(r"INDEX \S+ ON ONLY \S+", f"INDEX ON {part}", definition))
    run(owner, f"alter table {part} add check (business_date >= date '{day}' and business_date < date '{day + timedelta(days=1)}')")
    run(owner, f"alter table {table} attach partition {part} for values from ('{day}') to ('{day + timedelta(days=1)}')")


def run(owner: Connection, sql: str) -> None:
    """Run statements of our own."""
    for statement in sql.split(";"):
        owner.execute(statement)  # type: ignore[arg-type]


PLACES = """
create temp table place as
    select row_number() over (order by md5(gln)) as n, s.retailer_id, s.id as store_id, coalesce(province_code, 0)::smallint as province,
           (select min(t.id) from till t where t.retailer_id = s.retailer_id and t.store_id = s.id) as till_id from store s;
create temp table goods as
    select row_number() over (order by md5(gtin)) as n, id as product_id, brand_id, ltrim(gtin, '0') as code, 100 + abs(hashint4(id)) % 9800 as price
    from product where gtin is not null;
analyze place; analyze goods"""

# A day of trade between eight and ten at night, most of it in the middle; some products sell far more than others. Totals are
# put in by the first moment that something happened, as capture does, so that the rows of a page lie as scattered as in life.
DAY = """
create temp table rung on commit drop as
    select x.n, x.at, x.minute::smallint as minute, p.retailer_id, p.store_id, p.province, p.till_id, (lpad(to_hex((extract(epoch from x.at) * 1000)::bigint), 12, '0')
               || '7' || substr(x.noise, 1, 3) || '8' || substr(x.noise, 4, 15))::uuid as id
    from (select row_number() over (order by t.minute, t.n) as n, t.minute, t.place, md5('{day}' || t.n) as noise,
                 (date '{day}' + make_interval(secs => t.minute * 60 + t.second)) at time zone 'Asia/Shanghai' as at
          from (select n, 480 + floor(420 * (random() + random())) as minute, floor(random() * 60) as second,
                       1 + floor((select count(*) from place) * random())::integer as place
                from generate_series(1, {sales}) n offset 0) t) x
    join place p on p.n = x.place order by x.n;
create temp table rung_line on commit drop as
    select r.n, r.at, r.minute, r.retailer_id, r.store_id, r.province, r.id, l.line::smallint as line, g.product_id, g.brand_id, g.code, l.quantity, g.price,
           g.price * l.quantity as amount
    from (select n, line, 1 + floor((select count(*) from goods) * random() ^ 2)::integer as goods, 1 + (random() < 0.25)::integer as quantity
          from generate_series(1, {sales}) n cross join generate_series(1, {lines}) line offset 0) l
    join rung r on r.n = l.n join goods g on g.n = l.goods order by r.n, l.line;
create temp table rung_total on commit drop as
    select n, sum(amount) as total, sum((2 * amount * 1300 + 11300) / 22600) as vat, sum(quantity) as items from rung_line group by n;
insert into sale_key (retailer_id, id, digest, business_date, store_id, captured_at)
    select retailer_id, id, md5(id::text)::uuid, date '{day}', store_id, at from rung order by n;
insert into {sale} (retailer_id, store_id, business_date, id, till_id, receipt, kind, completed_at, captured_at, minute, total, discount, vat, items, line_count)
    select r.retailer_id, r.store_id, date '{day}', r.id, r.till_id, 'f' || lpad(r.n::text, 9, '0'), 1, r.at, r.at, r.minute, t.total, 0, t.vat, t.items, {lines}
    from rung r join rung_total t using (n) order by n;
insert into {sale_line} (retailer_id, sale_id, line, business_date, store_id, product_id, brand_id, code, quantity, unit_price, discount, amount, vat_rate, vat)
    select retailer_id, id, line, date '{day}', store_id, product_id, brand_id, code, quantity, price, 0, amount, 1300, (2 * amount * 1300 + 11300) / 22600
    from rung_line;
insert into {sale_tender} (retailer_id, sale_id, tender, business_date, store_id, type, amount)
    select r.retailer_id, r.id, 1, date '{day}', r.store_id, 'alipay', t.total from rung r join rung_total t using (n) order by n;
insert into {product_hour} (retailer_id, store_id, business_date, hour, product_id, brand_id, value, quantity, lines)
    select retailer_id, store_id, date '{day}', minute / 60, product_id, brand_id, sum(amount), sum(quantity), count(*)
    from rung_line group by retailer_id, store_id, minute / 60, product_id, brand_id order by min(n);
insert into {store_minute} (retailer_id, store_id, business_date, minute, value, tickets, items, returns, return_value, voids)
    select retailer_id, store_id, date '{day}', minute, sum(total), count(*), sum(items), 0, 0, 0
    from rung join rung_total using (n) group by retailer_id, store_id, minute order by min(n);
insert into {brand_minute} (brand_id, retailer_id, business_date, province_code, minute, value, quantity, lines)
    select brand_id, retailer_id, date '{day}', province, minute, sum(amount), sum(quantity), count(*)
    from rung_line where brand_id is not null group by brand_id, retailer_id, province, minute order by min(n);
insert into retailer_day (retailer_id, business_date, value, tickets, items, returns, return_value, voids)
    select retailer_id, date '{day}', sum(total), count(*), sum(items), 0, 0, 0 from rung join rung_total using (n) group by retailer_id"""
EVENTS = """insert into event (kind, retailer_id, store_id, business_date, subject)
    select 'sale.captured', retailer_id, store_id, (at at time zone 'Asia/Shanghai')::date, id from rung order by n"""
