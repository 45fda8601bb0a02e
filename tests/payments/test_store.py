"""The store's own promises: a step is written from the version it was worked out from or not at all; outages come out as such."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from hutong.kernel.errors import NotFound, Unavailable
from hutong.kernel.ids import uuid7
from hutong.payments.driver import Due, Origin
from hutong.payments.machine import Queried, State, Step, TimePassed
from hutong.payments.store import PostgresStore
from hutong.payments.wallet import Waiting
from tests.conftest import Person
from tests.payments.support import payment
from tests.support.network import Network
from tests.support.postgres import with_database

pytestmark = pytest.mark.usefixtures("wallet")


@pytest.fixture
async def open_payment(with_key: Person, network: Network, sandbox, payer) -> UUID:
    """A payment whose answer was lost."""
    sandbox.fault("drop_before", method="alipay.trade.pay", times=1)
    answer = (await with_key(network.till.key).post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    assert answer["state"] == "unknown"
    return UUID(answer["id"])


def rows(owner: psycopg.Connection[Any], payment_id: UUID) -> Any:
    return owner.execute(
        "select (select state || version from payment where id = %(id)s), (select count(*) from payment_event where payment_id = %(id)s)",
        {"id": payment_id},
    ).fetchone()


async def test_of_two_steps_from_one_version_one_is_written(app, network, owner, open_payment: UUID):
    store: PostgresStore = app.state.payments.store
    attempt = await store.load(network.one.id, open_payment)
    step = Step(replace(attempt, state=State.WAITING))
    event = Queried(Waiting("1"), attempt.version)
    saved = await asyncio.gather(*(store.save(step, event, Origin("query")) for _ in range(5)))
    assert sorted(saved) == [False] * 4 + [True]
    assert rows(owner, open_payment) == (f"waiting{attempt.version + 1}", 3)
    assert await store.save(step, event, Origin("query")) is False


async def test_a_payment_is_there_for_its_retailer_alone(app, network, open_payment: UUID):
    store: PostgresStore = app.state.payments.store
    assert (await store.load(network.one.id, open_payment)).id == open_payment
    for retailer, wanted in ((network.two.id, open_payment), (network.one.id, uuid7())):
        with pytest.raises(NotFound):
            await store.load(retailer, wanted)
    with pytest.raises(NotFound):
        await store.load_refund(network.one.id, uuid7())


async def test_what_is_settled_is_forgotten_and_its_story_goes_on(app, network, owner, open_payment: UUID):
    store: PostgresStore = app.state.payments.store
    attempt = await store.load(network.one.id, open_payment)
    await store.note(attempt, TimePassed(), Origin("timer"))
    assert rows(owner, open_payment)[1] == 3
    await store.forget(Due(network.two.id, open_payment))  # another's forgetting is nothing to it
    assert owner.execute("select count(*) from payment_due").fetchone() == (1,)
    await store.forget(Due(network.one.id, open_payment))
    assert owner.execute("select count(*) from payment_due").fetchone() == (0,)


async def test_a_database_that_is_away_is_unavailable_and_one_that_is_back_is_used(
    database, database_url, owner, network, open_payment: UUID
):
    store = PostgresStore(database, 2)
    store._pool.timeout = 0.3
    await store.open()
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    with psycopg.connect(with_database(database_url, "postgres"), autocommit=True) as above:

        def allow(connections: bool) -> None:
            above.execute(f'alter database "{owner.info.dbname}" allow_connections {connections}')

        try:
            await store.load(network.one.id, open_payment)
            allow(False)
            owner.execute(cut)
            for call in (store.load(network.one.id, open_payment), store.claim(1), store.alarm(None, "notice", "x", {})):
                with pytest.raises(Unavailable):
                    await call
            allow(True)
            store._pool.timeout = 10
            assert (await store.load(network.one.id, open_payment)).state == "unknown"
            assert owner.execute("select count(*) from payment_alarm").fetchone() == (0,)
        finally:
            allow(True)
            await store.close()


async def test_a_database_that_says_nothing_is_given_up(database, owner, network, open_payment: UUID, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hutong.payments.store.LONGEST_WORK", 0.3)
    store = PostgresStore(database, 2)
    await store.open()
    try:
        attempt = await store.load(network.one.id, open_payment)
        with owner.transaction():
            owner.execute("select 1 from payment where id = %s for update", [open_payment])
            with pytest.raises(Unavailable):
                await store.save(Step(attempt), TimePassed(), Origin("timer"))
        monkeypatch.setattr("hutong.payments.store.LONGEST_WORK", 20.0)
        assert await store.save(Step(attempt), TimePassed(), Origin("timer"))
    finally:
        await store.close()
