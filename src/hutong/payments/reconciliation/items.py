"""What people do with differences: resolve one with a reason, open it again. Each is a further row, and audited."""

from hutong.directory import Permission, Principal
from hutong.kernel.errors import Conflict, Invalid, NotFound
from hutong.payments.reconciliation.words import REASONS
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.platform.web.i18n import mark

LONGEST_NOTE = 1000


class ItemChanged(Conflict):
    """Somebody else was quicker, or the difference has settled by itself; ``state`` says what the item is now."""

    code, title = "item_changed", mark("This difference has changed in the meantime")


class ReasonMissing(Invalid):
    """A reason from the list is needed, and for another one a note that says which."""

    code, title = "reason_missing", mark("Say why the difference is settled")


async def resolve_item(db: Database, by: Principal, item_id: int, reason: str, note: str) -> None:
    """Settle a difference by hand. It stays in the books as it is booked. Raises NotFound, ItemChanged, ReasonMissing."""
    note = note.strip()
    if reason not in REASONS or (reason == "other" and not note) or len(note) > LONGEST_NOTE:
        raise ReasonMissing
    await _step(db, by, item_id, "solved", reason, note)


async def reopen_item(db: Database, by: Principal, item_id: int, note: str = "") -> None:
    """Take a resolution back. Raises NotFound, ItemChanged."""
    await _step(db, by, item_id, "reopened", "", note.strip()[:LONGEST_NOTE])


async def _step(db: Database, by: Principal, item_id: int, action: str, reason: str, note: str) -> None:
    async with db.read(by.scope_for(Permission.RECONCILE)) as reader:
        retailer_id = await reader.value("select retailer_id from recon_item where id = :id", id=item_id)
    if retailer_id is None:
        raise NotFound
    by.must(Permission.RECONCILE, retailer_id=retailer_id)
    async with db.work(Scope.of_retailer(retailer_id)) as uow:
        # The number of the step is its key: of two people at once, one is told that it has changed.
        item = await uow.row(
            """insert into recon_step (retailer_id, item_id, step, store_id, action, actor, reason, note)
               select retailer_id, id, steps + 1, store_id, :action, :actor, :reason, :note from recon_item_now
               where retailer_id = :r and id = :id and case when :action = 'solved' then open else state = 'solved' end
               on conflict do nothing returning store_id""",
            r=retailer_id, id=item_id, action=action, actor=by.actor, reason=reason, note=note,
        )  # fmt: skip
        if item is None:
            state = await uow.value("select state from recon_item_now where retailer_id = :r and id = :id", r=retailer_id, id=item_id)
            raise ItemChanged(state=state)
        await uow.record(
            by.actor, f"books.{'resolve' if action == 'solved' else 'reopen'}", retailer_id=retailer_id, store_id=item.store_id,
            subject=f"difference:{item_id}", detail={"reason": reason, "note": note},
        )  # fmt: skip
        await uow.commit()
