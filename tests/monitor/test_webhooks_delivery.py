"""Deliveries reach a real receiver, signed; what fails is retried, then dead, then replayed; nobody holds up anybody else."""

import asyncio
import time
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from hutong.kernel.clock import now
from hutong.kernel.ids import uuid7
from hutong.monitor.webhooks import commands
from hutong.monitor.webhooks.delivery import Claimed, Deliverer, claim, retry_after, signed_headers
from hutong.monitor.webhooks.housekeeping import mind_webhooks, purge_webhooks
from hutong.monitor.webhooks.model import MOST_AT_ONCE, new_secret
from hutong.platform.outbound import BAD_PORT, NOT_PUBLIC, Outbound
from hutong.platform.scope import Scope
from tests.monitor.webhooking import deliver_all, fan_out_all, make_days, ring, rung, statuses, subscribe, until, verified
from tests.support.receiver import http, receiving

QUICK = (0.05, 0.05)


@pytest.fixture
async def outbound():
    async with Outbound(allow_private=True) as client:
        yield client


@pytest.fixture
def by(network):
    from hutong.directory import Grant, Principal

    return Principal("person:1", "Office", "en", (Grant.of_role("head_office", network.one.id),))


def waiting(owner, webhook, count=1, at="now()"):
    """Deliveries written past the fan-out; their ids in order."""
    ids = [uuid7() for _ in range(count)]
    for each in ids:
        owner.execute(
            f"insert into webhook_delivery (id, webhook_id, kind, payload, next_at) values (%s, %s, 'sale.captured', '{{\"n\": 1}}', {at})",
            [each, webhook],
        )
    return ids


def row_of(owner, delivery):
    return owner.execute(
        "select status, attempts, last_status, last_error, leased_until is null from webhook_delivery where id = %s", [delivery]
    ).fetchone()


async def test_a_captured_sale_arrives_signed_so_that_the_library_verifies_it(database, network, owner, outbound):
    make_days(owner)
    async with receiving() as receiver:
        _, secret = subscribe(owner, receiver.url, retailer=network.one.id)
        sale = rung(network, network.products[0])
        ring(owner, [sale])
        await fan_out_all(database)
        await deliver_all(Deliverer(database, outbound), owner)
    [request] = receiver.requests
    message = verified(request, secret)
    assert message["data"]["id"] == str(sale.id)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == str(owner.execute("select id from webhook_delivery").fetchone()[0])
    with pytest.raises(WebhookVerificationError):
        verified(request, new_secret())
    assert statuses(owner) == {"delivered": 1}


def test_after_a_rotation_both_secrets_verify():
    old, new = new_secret(), new_secret()
    headers = signed_headers(Claimed(uuid7(), uuid7(), 1, '{"名": 1}', "https://x.example/", new, old))
    for secret in (old, new):
        assert Webhook(secret).verify('{"名": 1}'.encode(), headers) == {"名": 1}


async def test_what_fails_is_retried_then_dead_and_arrives_when_replayed(database, network, owner, outbound, by):
    async with receiving(http(500)) as receiver:
        webhook, _ = subscribe(owner, receiver.url, retailer=network.one.id)
        owner.execute("update webhook set retailer_id = %s where id = %s", [network.one.id, webhook])
        [delivery] = waiting(owner, webhook)
        owner.execute("update webhook_delivery set retailer_id = %s", [network.one.id])
        deliverer = Deliverer(database, outbound, retry_seconds=QUICK)
        await deliver_all(deliverer, owner)
        assert row_of(owner, delivery) == ("dead", 3, 500, "It answered with an error.", True)
        assert [each.headers["webhook-id"] for each in receiver.requests] == [str(delivery)] * 3
        receiver.reply = http(200)
        assert (await commands.replay(database, by, webhook)).replayed == 1
        await deliver_all(Deliverer(database, outbound), owner)
        assert row_of(owner, delivery)[:3] == ("delivered", 1, 200)
    assert owner.execute("select failures, failing_since from webhook").fetchone() == (0, None)


@pytest.mark.parametrize(
    ("reply", "error"),
    [(http(302, "Location: http://127.0.0.1/\r\n"), "It answered with a redirect; redirects are not followed."), (b"nonsense\r\n\r\n", "The connection was broken off, or the answer was not HTTP.")],
)  # fmt: skip
async def test_a_redirect_and_nonsense_are_failures(database, network, owner, outbound, reply, error):
    async with receiving(reply) as receiver:
        webhook, _ = subscribe(owner, receiver.url, retailer=network.one.id)
        [delivery] = waiting(owner, webhook)
        await deliver_all(Deliverer(database, outbound, retry_seconds=()), owner)
    assert row_of(owner, delivery)[3] == error
    assert statuses(owner) == {"dead": 1}


async def test_an_inside_address_is_refused_at_the_call_though_it_was_accepted_before(database, network, owner):
    async def changed(_host, _port):
        return ["127.0.0.1"]

    async with receiving() as receiver, Outbound(resolve=changed) as guarded:
        webhook, _ = subscribe(owner, f"https://hooks.example:{receiver.port}/", retailer=network.one.id)
        [delivery] = waiting(owner, webhook)
        await deliver_all(Deliverer(database, guarded, retry_seconds=()), owner)
        assert receiver.connections == 0
    assert row_of(owner, delivery)[3] == NOT_PUBLIC
    owner.execute("update webhook set url = 'https://hooks.example:22/'")
    [second] = waiting(owner, webhook)
    async with Outbound(resolve=changed) as guarded:
        await deliver_all(Deliverer(database, guarded, retry_seconds=()), owner)
    assert row_of(owner, second)[3] == BAD_PORT


async def test_an_endpoint_that_is_gone_is_switched_off_and_what_waited_is_dead(database, network, owner, outbound):
    async with receiving(http(410)) as receiver:
        webhook, _ = subscribe(owner, receiver.url, retailer=network.one.id)
        waiting(owner, webhook, 1)
        waiting(owner, webhook, 3, "now() + interval '1 second'")
        await deliver_all(Deliverer(database, outbound), owner)
        assert len(receiver.requests) == 1
    assert owner.execute("select disabled_reason from webhook").fetchone() == ("gone",)
    assert statuses(owner) == {"dead": 4}
    assert owner.execute("select actor, retailer_id from audit where action = 'webhook.disable'").fetchall() == [
        ("system:webhooks", network.one.id)
    ]


async def test_an_endpoint_that_failed_for_days_is_switched_off(database, network, owner, outbound):
    async with receiving(http(500)) as receiver:
        webhook, _ = subscribe(owner, receiver.url, retailer=network.one.id)
        owner.execute("update webhook set failing_since = now() - interval '4 days', failures = 3")
        waiting(owner, webhook)
        await deliver_all(Deliverer(database, outbound), owner)
    assert owner.execute("select disabled_reason from webhook").fetchone() == ("failing",)


async def test_an_endpoint_that_keeps_failing_is_tried_by_one_call_at_a_time_with_pauses(database, network, owner, outbound):
    webhook, _ = subscribe(owner, "http://127.0.0.1:1025/", retailer=network.one.id)
    owner.execute("update webhook set failures = 9, failing_since = now()")
    waiting(owner, webhook, 5)
    deliverer = Deliverer(database, outbound)
    await deliverer.step()
    await until(lambda: deliverer._results)
    assert not await deliverer.step()
    assert owner.execute("select sum(attempts), max(failures) from webhook_delivery, webhook").fetchone() == (1, 10)
    assert owner.execute("select resume_at > now() + interval '20 seconds' from webhook").fetchone() == (True,)
    await asyncio.gather(*deliverer._calls)


async def test_a_slow_endpoint_holds_up_nobody_else_and_has_a_bound(database, network, owner, outbound):
    released = asyncio.Event()

    async def slow(_request):
        await released.wait()
        return http(204)

    async with receiving(slow) as sluggish, receiving() as quick:
        first, _ = subscribe(owner, sluggish.url, retailer=network.one.id)
        second, _ = subscribe(owner, quick.url, retailer=network.two.id)
        waiting(owner, first, 100)
        deliverers = [Deliverer(database, outbound) for _ in range(2)]  # as in two processes
        tasks = [asyncio.create_task(each.run()) for each in deliverers]
        await until(lambda: sluggish.together == MOST_AT_ONCE)
        began = time.monotonic()
        waiting(owner, second, 40)
        await until(lambda: len(quick.requests) == 40)
        assert time.monotonic() - began < 5
        assert sluggish.most_together <= MOST_AT_ONCE
        released.set()
        await until(lambda: statuses(owner) == {"delivered": 140})
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sluggish.most_together <= MOST_AT_ONCE
        assert len({each.headers["webhook-id"] for each in sluggish.requests}) == 100 == len(sluggish.requests)


async def test_what_a_killed_process_had_claimed_is_sent_by_another_when_the_lease_ends(database, network, owner, outbound):
    async with receiving() as receiver:
        webhook, _ = subscribe(owner, receiver.url, retailer=network.one.id)
        [delivery] = waiting(owner, webhook)
        async with database.work(Scope.of_network()) as uow:
            assert [each.id for each in await claim(uow, 10, 100)] == [delivery]
            await uow.commit()
        async with database.work(Scope.of_network()) as uow:
            assert await claim(uow, 10, 100) == [], "it is leased"
        owner.execute("update webhook_delivery set leased_until = now() - interval '1 second', next_at = now() - interval '1 second'")
        await deliver_all(Deliverer(database, outbound), owner)
        assert row_of(owner, delivery)[:2] == ("delivered", 2)
        assert len(receiver.requests) == 1


async def test_a_process_that_ends_gives_back_what_it_could_not_send(database, network, owner, outbound, monkeypatch):
    monkeypatch.setattr("hutong.monitor.webhooks.delivery.GRACE_SECONDS", 0.1)

    async def never(_request):
        await asyncio.sleep(60)
        return b""

    async with receiving(never) as receiver:
        webhook, _ = subscribe(owner, receiver.url, retailer=network.one.id)
        [delivery] = waiting(owner, webhook)
        task = asyncio.create_task(Deliverer(database, outbound).run())
        await until(lambda: receiver.requests)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert row_of(owner, delivery) == ("pending", 0, None, "", True)


async def test_a_busy_endpoint_may_say_when_to_come_again(database, network, owner, outbound):
    async with receiving(http(429, "Retry-After: 120\r\n")) as receiver:
        webhook, _ = subscribe(owner, receiver.url, retailer=network.one.id)
        waiting(owner, webhook)
        await deliver_all(Deliverer(database, outbound, retry_seconds=QUICK), owner)
    assert owner.execute("select next_at > now() + interval '100 seconds' from webhook_delivery").fetchone() == (True,)


def test_retry_after_is_read_as_seconds_or_a_date_and_bounded():
    assert retry_after("7") == 7
    assert retry_after("999999") == 3600
    assert retry_after("") == retry_after("soon") == retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


async def test_old_deliveries_and_deleted_webhooks_go(database, settings, network, owner, by):
    kept, _ = subscribe(owner, "https://x.example/", retailer=network.one.id)
    gone, _ = subscribe(owner, "https://y.example/", retailer=network.one.id)
    old = int((now() - timedelta(days=4)).timestamp() * 1000)
    for webhook in (kept, gone):
        waiting(owner, webhook)
        for status in ("delivered", "dead"):
            owner.execute(
                "insert into webhook_delivery (id, webhook_id, kind, payload, status) values (%s, %s, 'ping', '', %s)", [uuid7(old), webhook, status]
            )  # fmt: skip
    await commands.delete_webhook(database, by, gone)
    await purge_webhooks(database, settings)
    assert statuses(owner) == {"pending": 1, "dead": 1}
    assert owner.execute("select id from webhook").fetchall() == [(kept,)]


async def test_a_webhook_for_which_too_much_waits_is_switched_off(database, settings, network, owner, monkeypatch):
    monkeypatch.setattr("hutong.monitor.webhooks.housekeeping.MOST_WAITING", 3)
    drowning, _ = subscribe(owner, "https://x.example/", retailer=network.one.id)
    well, _ = subscribe(owner, "https://y.example/", retailer=network.one.id)
    waiting(owner, drowning, 4)
    waiting(owner, well, 3)
    await mind_webhooks(database, settings)
    assert owner.execute("select id, disabled_reason from webhook where disabled_at is not null").fetchall() == [(drowning, "backlog")]
    assert statuses(owner) == {"dead": 4, "pending": 3}
