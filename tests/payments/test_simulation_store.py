"""The stories' store in memory and the real one in PostgreSQL commit the same, story by story, row by row, fen by fen."""

import asyncio

import pytest

from hutong.payments.store import PostgresStore
from hutong.platform.database import Database
from tests.simulation.payments import judge
from tests.simulation.payments.mirror import MirroredStore, Place, differences
from tests.simulation.payments.run import muted
from tests.simulation.payments.story import Setting, Story

pytestmark = pytest.mark.slow


def arrange(owner, network):
    """Room for the stories' months, and an account to take payments by."""
    owner.execute("select ensure_payment_months(array[date '2026-03-01']), ensure_ledger_months(array[date '2026-03-01'])")
    account = owner.execute(
        """insert into wallet_account (retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets)
            values (%s, 'alipay', 'main', '2021', '2088', 'http://127.0.0.1:9/', 'key', '') returning id""",
        [network.one.id],
    ).fetchone()
    return Place(network.one.id, network.store.id, network.till.id, account[0])


def test_the_real_store_commits_what_the_stories_store_commits(database_url, owner, network):
    loop = asyncio.new_event_loop()
    database = Database(database_url)
    real = PostgresStore(database)
    loop.run_until_complete(real.open())
    MirroredStore.real, MirroredStore.loop, MirroredStore.place = real, loop, arrange(owner, network)
    setting = Setting(times=8.0, store=MirroredStore, refunds=0.5, methods=("code", "agreement", "qr"), cancels=0.2)
    late = refunds = 0
    try:
        with muted():
            for number in range(300):
                story = Story(11, number, setting)
                ended = story.run()
                assert judge.faults(story, ended=ended) == []
                assert differences(story.store, owner) == []
                late += sum(refund.late for refund in story.store.refunds.values())
                refunds += len(story.store.refunds)
    finally:
        loop.run_until_complete(real.close())
        loop.run_until_complete(database.close())
        loop.close()
    assert MirroredStore.commits > 3_000 and late > 3 and refunds > 100
