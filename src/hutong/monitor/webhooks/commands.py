"""What owners of webhooks do: create, change, delete, rotate the secret, ping, replay."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from hutong.directory import Permission, Principal
from hutong.kernel.clock import now
from hutong.kernel.errors import Invalid, NotFound
from hutong.kernel.ids import uuid7
from hutong.monitor.webhooks.errors import TooManyWebhooks, WebhookAddress, WebhookOff
from hutong.monitor.webhooks.model import (
    BOTH_SECRETS_HOURS,
    MOST_REPLAYED,
    MOST_WEBHOOKS,
    OFF_BY_OWNER,
    PAYMENT_KINDS,
    PING,
    Kind,
    Status,
    new_secret,
)
from hutong.monitor.webhooks.payloads import message
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.outbound import Outbound, OutboundError
from hutong.platform.scope import Scope

LOCK = 7406021


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A webhook's id and its secret, which is shown this once."""

    id: UUID
    secret: str
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries wait to be sent again, and whether there are more that were asked for."""

    replayed: int
    more: bool


async def create_webhook(
    db: Database,
    outbound: Outbound,
    by: Principal,
    *,
    url: str,
    kinds: Iterable[str],
    retailer_id: int | None = None,
    brand_id: int | None = None,
) -> NewSecret:
    """Make a webhook of one retailer or brand; it is told of what happens from now on.

    Raises NotFound unless ``by`` manages webhooks there, Invalid, WebhookAddress, TooManyWebhooks.
    """
    if (retailer_id is None) == (brand_id is None):
        raise Invalid("A webhook belongs to one retailer or to one brand.", field="retailer")
    by.must(Permission.MANAGE_WEBHOOKS, retailer_id=retailer_id, brand_id=brand_id)
    wanted, address, made = (
        checked_kinds(kinds, of_brand=brand_id is not None),
        await checked_address(outbound, url),
        NewSecret(uuid7(), new_secret()),
    )
    async with db.work(Scope.of_retailer(retailer_id) if retailer_id is not None else Scope.of_brand(brand_id or 0)) as uow:
        await uow.execute("select pg_advisory_xact_lock(:lock, :owner)", lock=LOCK, owner=retailer_id or -(brand_id or 0))
        if await uow.value("select count(*) from webhook where deleted_at is null") >= MOST_WEBHOOKS:
            raise TooManyWebhooks
        await uow.execute(
            """insert into webhook (id, retailer_id, brand_id, url, kinds, secret, created_by)
               values (:id, :retailer_id, :brand_id, :url, :kinds, :secret, :by)""",
            id=made.id, retailer_id=retailer_id, brand_id=brand_id, url=address, kinds=wanted, secret=made.secret, by=by.actor,
        )  # fmt: skip
        await uow.record(
            by.actor, "webhook.create", subject=str(made.id), retailer_id=retailer_id, brand_id=brand_id, detail={"url": address, "kinds": wanted}
        )  # fmt: skip
        await uow.commit()
    return made


async def update_webhook(
    db: Database,
    outbound: Outbound,
    by: Principal,
    webhook_id: UUID,
    *,
    url: str | None = None,
    kinds: Iterable[str] | None = None,
    enabled: bool | None = None,
) -> None:
    """Change what is given. Switched off, a webhook is told of nothing new, and what waits for it waits; switched on, it starts afresh.

    Raises NotFound, Invalid, WebhookAddress.
    """
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    address = None if url is None else await checked_address(outbound, url)
    async with db.work(scope_of(by)) as uow:
        webhook = await held(uow, by, webhook_id)
        wanted = None if kinds is None else checked_kinds(kinds, of_brand=webhook.brand_id is not None)
        await uow.execute(
            """update webhook set url = coalesce(:url, url), kinds = coalesce(cast(:kinds as text[]), kinds) where id = :id""",
            url=address, kinds=wanted, id=webhook_id,
        )  # fmt: skip
        if enabled is True:
            await uow.execute(
                """update webhook set disabled_at = null, disabled_reason = '', failures = 0, failing_since = null, resume_at = null
                   where id = :id""",
                id=webhook_id,
            )
        elif enabled is False and webhook.disabled_at is None:
            await uow.execute(
                "update webhook set disabled_at = now(), disabled_reason = :off where id = :id", off=OFF_BY_OWNER, id=webhook_id
            )
        given = {"url": address, "kinds": wanted, "enabled": enabled}
        await _record(uow, by, "webhook.update", webhook, {name: value for name, value in given.items() if value is not None})
        await uow.commit()


async def delete_webhook(db: Database, by: Principal, webhook_id: UUID) -> None:
    """End a webhook; what still waited for it is not sent. Raises NotFound.

    Its rows go in the background: there may be millions.
    """
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    async with db.work(scope_of(by)) as uow:
        webhook = await held(uow, by, webhook_id)
        await uow.execute(
            "update webhook set deleted_at = now(), secret = '', previous_secret = null, previous_until = null where id = :id",
            id=webhook_id,
        )
        await _record(uow, by, "webhook.delete", webhook, {"url": webhook.url})
        await uow.commit()


async def rotate_secret(db: Database, by: Principal, webhook_id: UUID) -> NewSecret:
    """Make a new secret. For a day messages carry signatures of both, so that the receiver can change over. Raises NotFound."""
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    made = NewSecret(webhook_id, new_secret(), now() + timedelta(hours=BOTH_SECRETS_HOURS))
    async with db.work(scope_of(by)) as uow:
        webhook = await held(uow, by, webhook_id)
        await uow.execute(
            "update webhook set secret = :secret, previous_secret = secret, previous_until = :until where id = :id",
            secret=made.secret, until=made.previous_until, id=webhook_id,
        )  # fmt: skip
        await _record(uow, by, "webhook.rotate", webhook, {})
        await uow.commit()
    return made


async def ping_webhook(db: Database, by: Principal, webhook_id: UUID) -> UUID:
    """Send a test message; answers its delivery. Raises NotFound, WebhookOff."""
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    delivery = uuid7()
    async with db.work(scope_of(by)) as uow:
        webhook = await held(uow, by, webhook_id)
        if webhook.disabled_at is not None:
            raise WebhookOff
        await uow.execute(
            """insert into webhook_delivery (id, webhook_id, retailer_id, brand_id, kind, payload)
               values (:id, :webhook, :retailer, :brand, :kind, :payload)""",
            id=delivery, webhook=webhook_id, retailer=webhook.retailer_id, brand=webhook.brand_id, kind=PING,
            payload=message(PING, now(), {"webhook": str(webhook_id)}),
        )  # fmt: skip
        await _record(uow, by, "webhook.ping", webhook, {"delivery": str(delivery)})
        await uow.commit()
    return delivery


async def replay_one(db: Database, by: Principal, webhook_id: UUID, delivery_id: UUID) -> None:
    """Send one delivery again, dead or delivered; one that waits is sent anyway. Raises NotFound, WebhookOff."""
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    async with db.work(scope_of(by)) as uow:
        webhook = await held(uow, by, webhook_id)
        if webhook.disabled_at is not None:
            raise WebhookOff
        found = await uow.row(
            "select status from webhook_delivery where webhook_id = :webhook and id = :id", webhook=webhook_id, id=delivery_id
        )
        if found is None:
            raise NotFound
        await uow.execute(f"{AGAIN} where webhook_id = :webhook and id = :id and status <> 'pending'", webhook=webhook_id, id=delivery_id)
        await _record(uow, by, "webhook.replay", webhook, {"delivery": str(delivery_id)})
        await uow.commit()


AGAIN = "update webhook_delivery set status = 'pending', attempts = 0, next_at = now(), last_error = '', last_status = null, delivered_at = null"


async def replay(
    db: Database, by: Principal, webhook_id: UUID, *, since: datetime | None = None, delivered: bool = False, most: int = MOST_REPLAYED
) -> Replayed:
    """Send again what is dead, and with ``delivered`` also what arrived, of all that was made since then; the oldest first.

    Raises NotFound, WebhookOff; Invalid for everything that ever arrived, without a time.
    """
    if delivered and since is None:
        raise Invalid("Say since when what has arrived is to be sent again.", field="since")
    by.must_somewhere(Permission.MANAGE_WEBHOOKS)
    # Words of ours, written out: what is dead has an index of its own, so that it is found without reading what arrived.
    chosen_status = "status <> 'pending'" if delivered else f"status = '{Status.DEAD.value}'"
    # An id carries its time (UUIDv7), so that the index finds what was made since then.
    first = uuid7(int(since.timestamp() * 1000), b"\0" * 10) if since is not None else UUID(int=0)
    async with db.work(scope_of(by)) as uow:
        webhook = await held(uow, by, webhook_id)
        if webhook.disabled_at is not None:
            raise WebhookOff
        found = await uow.rows(
            f"select id from webhook_delivery where webhook_id = :webhook and {chosen_status} and id >= :first order by id limit :most",
            webhook=webhook_id, first=first, most=most + 1,
        )  # fmt: skip
        chosen = [row.id for row in found[:most]]
        await uow.execute(f"{AGAIN} where id = any (cast(:ids as uuid[])) and status <> 'pending'", ids=chosen)
        detail: dict[str, Any] = {"deliveries": len(chosen), "since": since, "delivered": delivered}
        await _record(uow, by, "webhook.replay", webhook, detail)
        await uow.commit()
    return Replayed(len(chosen), len(found) > most)


def checked_kinds(kinds: Iterable[str], *, of_brand: bool) -> list[str]:
    """The kinds, each once. Raises Invalid for none, for unknown ones, and for those that only a retailer is told of."""
    wanted = sorted(set(kinds))
    allowed = [each.value for each in Kind if not (of_brand and each in PAYMENT_KINDS)]
    if not wanted or set(wanted) - set(Kind):
        raise Invalid("A webhook is told of at least one kind of event.", field="kinds", allowed=allowed)
    if set(wanted) - set(allowed):
        raise Invalid("A brand is told nothing of payments: they are the retailer's.", field="kinds", allowed=allowed)
    return wanted


async def checked_address(outbound: Outbound, url: str) -> str:
    """The address as it will be called. Raises WebhookAddress; calls check again, since a name's address may change."""
    try:
        return await outbound.check(url.strip())
    except OutboundError as error:
        raise WebhookAddress(error.detail, field="url") from error


def scope_of(by: Principal) -> Scope:
    """The retailers and brands where ``by`` manages webhooks."""
    scope = by.scope_for(Permission.MANAGE_WEBHOOKS)
    return Scope(scope.network, scope.retailers, frozenset(), scope.brands)


async def held(uow: UnitOfWork, by: Principal, webhook_id: UUID) -> Row[Any]:
    """The webhook, locked until the unit of work ends, if ``by`` manages it. Raises NotFound."""
    found = await uow.row(
        "select id, retailer_id, brand_id, url, disabled_at from webhook where id = :id and deleted_at is null for update", id=webhook_id
    )
    if found is None:
        raise NotFound
    by.must(Permission.MANAGE_WEBHOOKS, retailer_id=found.retailer_id, brand_id=found.brand_id)
    return found


async def _record(uow: UnitOfWork, by: Principal, action: str, webhook: Row[Any], detail: dict[str, Any]) -> None:
    await uow.record(by.actor, action, subject=str(webhook.id), retailer_id=webhook.retailer_id, brand_id=webhook.brand_id, detail=detail)
