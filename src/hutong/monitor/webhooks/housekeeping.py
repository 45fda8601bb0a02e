"""What is done about webhooks by the clock: switch off those that drown, and delete what nobody needs any more."""

from datetime import timedelta

from hutong.kernel.clock import now
from hutong.kernel.ids import uuid7
from hutong.monitor.webhooks.delivery import bury, switch_off
from hutong.monitor.webhooks.model import KEEP_DEAD_DAYS, KEEP_DELIVERED_DAYS, MOST_WAITING, OFF_BACKLOG, OFF_BY_OWNER
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import Job
from hutong.platform.scope import Scope

BATCH = 5_000
"""Rows that one transaction deletes or changes."""
MOST_BATCHES = 400


async def mind_webhooks(database: Database, _settings: Settings) -> None:
    """Switch off webhooks for which too much waits, and bury what waits for those that the network switched off."""
    async with database.work(Scope.of_network()) as uow:
        crowded = await uow.rows(
            """select w.id from webhook w where w.disabled_at is null and w.deleted_at is null and :most < (
                   select count(*) from (select from webhook_delivery where webhook_id = w.id and status = 'pending' limit :most + 1) d)""",
            most=MOST_WAITING,
        )
        for row in crowded:
            await switch_off(uow, row.id, OFF_BACKLOG)
        await uow.commit()
    async with database.read(Scope.of_network()) as reader:
        off = await reader.rows(
            """select w.id from webhook w where w.disabled_at is not null and w.disabled_reason <> :owner and w.deleted_at is null
               and exists (select from webhook_delivery d where d.webhook_id = w.id and d.status = 'pending')""",
            owner=OFF_BY_OWNER,
        )
    for row in off:
        for _ in range(MOST_BATCHES):
            async with database.work(Scope.of_network()) as uow:
                buried = await bury(uow, row.id, BATCH)
                await uow.commit()
            if buried < BATCH:
                break


async def purge_webhooks(database: Database, _settings: Settings) -> None:
    """Delete deliveries that arrived or died long ago, and deleted webhooks with all that is theirs."""
    async with database.read(Scope.of_network()) as reader:
        webhooks = await reader.rows("select id, deleted_at is not null as deleted from webhook")
    for webhook in webhooks:
        conditions = ["true"] if webhook.deleted else [_older("delivered", KEEP_DELIVERED_DAYS), _older("dead", KEEP_DEAD_DAYS)]
        for condition in conditions:
            await _delete(database, webhook.id, condition)
        if webhook.deleted:
            async with database.work(Scope.of_network()) as uow:
                await uow.execute(
                    """delete from webhook w where id = :id and deleted_at is not null
                       and not exists (select from webhook_delivery d where d.webhook_id = w.id)""",
                    id=webhook.id,
                )
                await uow.commit()


def _older(status: str, days: int) -> str:
    """A condition on deliveries: of this status, and made before so many days ago (their ids carry the time)."""
    first = uuid7(int((now() - timedelta(days=days)).timestamp() * 1000), b"\0" * 10)
    return f"status = '{status}' and id < '{first}'"


async def _delete(database: Database, webhook_id: object, condition: str) -> None:
    for _ in range(MOST_BATCHES):
        async with database.work(Scope.of_network()) as uow:
            deleted = await uow.execute(
                f"""delete from webhook_delivery where id in (
                        select id from webhook_delivery where webhook_id = :id and {condition} order by id limit :most)""",
                id=webhook_id, most=BATCH,
            )  # fmt: skip
            await uow.commit()
        if deleted.rowcount < BATCH:
            return


WEBHOOK_JOBS = (Job("webhooks.mind", "*/10 * * * *", mind_webhooks), Job("webhooks.purge", "41 * * * *", purge_webhooks))
