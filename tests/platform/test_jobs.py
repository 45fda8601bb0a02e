"""Periodic jobs run in one process at a time, go on after an outage, and old days of the event log go when nobody needs them."""

import asyncio
import time
from types import ModuleType

import pytest

from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import Job, drop_log_days, ensure_log_days, jobs_of, working
from hutong.platform.scope import Scope

EVERY_SECOND = "* * * * * */1"


async def until(condition, within=20.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


def counting(name="test.count", fails=0):
    ran: list[tuple[str, int]] = []

    async def work(database: Database, _settings: Settings) -> None:
        async with database.work(Scope.of_network()) as uow:
            ran.append((await uow.value("select current_user"), await uow.value("select extract(epoch from clock_timestamp())::bigint")))
        if len(ran) <= fails:
            raise RuntimeError("this time it goes wrong")

    return ran, Job(name, EVERY_SECOND, work)


async def test_two_workers_share_the_runs_of_a_job(database, settings):
    ran, job = counting()
    async with working(database, settings, [job]), working(database, settings, [job]):
        await until(lambda: len(ran) >= 3)
        began = ran[0][1]
        await until(lambda: ran[-1][1] >= began + 4)
    assert len(ran) <= ran[-1][1] - began + 2, "more runs than seconds"
    assert {role for role, _ in ran} == {"hutong_app"}


async def test_a_job_that_fails_comes_again(database, settings, owner):
    ran, job = counting(fails=1)
    async with working(database, settings, [job]):
        await until(lambda: len(ran) >= 2)
    left = owner.execute("select status::text from procrastinate_jobs where status not in ('todo', 'doing')").fetchall()
    assert set(left) <= {("failed",)}


@pytest.mark.slow
async def test_jobs_go_on_after_the_database_ended_every_connection(database, settings, owner):
    ran, job = counting()
    async with working(database, settings, [job]):
        await until(lambda: len(ran) >= 1)
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        seen = len(ran)
        await until(lambda: len(ran) > seen + 1, within=40)


async def test_what_a_killed_worker_left_running_does_not_stand_in_the_way(database, settings, owner):
    ran, job = counting()
    owner.execute(
        """insert into procrastinate_jobs (queue_name, task_name, queueing_lock, args, status)
           values ('default', 'test.count', 'test.count', '{"timestamp": 1}', 'doing')"""
    )
    async with working(database, settings, [job]):
        await until(lambda: len(ran) >= 1)
    assert owner.execute("select count(*) from procrastinate_jobs where status = 'doing'").fetchone() == (0,)


async def test_nobody_but_the_network_sees_jobs(database, owner):
    owner.execute("insert into procrastinate_jobs (queue_name, task_name) values ('default', 'secret')")
    async with database.read(Scope.of_retailer(1)) as reader:
        assert await reader.value("select count(*) from procrastinate_jobs") == 0
    async with database.read(Scope.of_network()) as reader:
        assert await reader.value("select count(*) from procrastinate_jobs") == 1


async def test_days_of_the_event_log_go_when_they_are_old_and_every_cursor_has_passed_them(database, settings, owner):
    def days():
        return [row[0] for row in owner.execute("select relname from pg_class where relname ~ '^event_[0-9]{8}$' order by 1")]

    coming = days()
    owner.execute("select add_partition('event', '20240101', 'at', '2024-01-01 00:00:00+00', '2024-01-02 00:00:00+00')")
    owner.execute("insert into event (kind, at) values ('test', '2024-01-01 12:00:00+00')")
    owner.execute("update event_cursor set moved_at = '2024-01-02 23:00:00+00'")
    await drop_log_days(database, settings)
    assert days() == ["event_20240101", *coming], "a cursor may still need that day"
    owner.execute("update event_cursor set moved_at = now()")
    await drop_log_days(database, settings)
    assert days() == coming
    await ensure_log_days(database, settings)
    assert days() == coming


def test_jobs_of_modules_are_collected_and_names_are_unique():
    module = ModuleType("some")
    module.jobs = (Job("some.job", "1 * * * *", ensure_log_days),)
    assert [job.name for job in jobs_of([module])] == ["platform.log_days", "platform.drop_log_days", "some.job"]
    with pytest.raises(ValueError, match="same name"):
        jobs_of([module, module])
