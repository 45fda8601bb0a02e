"""For the pages of the books: a request that its rightful owner makes with success, and who those owners are."""

from datetime import date

from tests.security.paying import account_of
from tests.security.recipes import MANAGERS, OFFICE, OPERATOR, Ask, R, Recipe, Things, who
from tests.security.stage import Stage

DAY = date(2026, 11, 28)
OWN = MANAGERS | who("cashier", "integrator")
ANYBODY_OF_PAYMENTS = OWN | who("manager-2", "office-two", "manager-two", "brand", "brand-two")
PERIOD = f"from={DAY}&to={DAY}"


def difference(stage: Stage, things: Things, state: str = "") -> str:
    """A difference of the first store in a day that was worked out; ``solved`` if that is its state."""

    def make() -> int:
        store = stage.network.store
        run = stage.id(
            """insert into recon_run (retailer_id, account_id, day, file_id, actor, payments, paid, refunds, refunded, fee, next_known, digest)
               values (%s, %s, %s, 0, 'test', 1, 700, 0, 0, 0, false, '') returning id""",
            store.retailer_id, account_of(stage, store), DAY,
        )  # fmt: skip
        stage.owner.execute(
            """insert into recon_sum (retailer_id, run_id, account_id, day, store_id, kind, class, lines, amount, receipt, fee)
               values (%s, %s, %s, %s, %s, 'payment', 'amount', 1, 700, 700, 0)""",
            [store.retailer_id, run, account_of(stage, store), DAY, store.id],
        )  # fmt: skip
        item = stage.id(
            """insert into recon_item (retailer_id, account_id, day, run_id, store_id, kind, class, number, refund_number, difference, digest)
               values (%s, %s, %s, %s, %s, 'payment', 'amount', 'n', '', 700, sha256(%s::text::bytea)) returning id""",
            store.retailer_id, account_of(stage, store), DAY, run, store.id, run,
        )  # fmt: skip
        if state:
            stage.owner.execute(
                "insert into recon_step (retailer_id, item_id, step, store_id, action, actor) values (%s, %s, 1, %s, %s, 'test')",
                [store.retailer_id, item, store.id, state],
            )  # fmt: skip
        return item

    return str(things._thing("difference " + state, make, 2**40))


def day(stage: Stage, things: Things) -> str:
    """The page of a day in whose books the first store has something."""
    difference(stage, things)
    return f"/payments/books/{things._thing('account', lambda: account_of(stage, stage.network.store), 2**30)}/{DAY}"


def resolve(stage: Stage, things: Things) -> Ask:
    return Ask(f"/payments/books/items/{difference(stage, things)}/resolve", data={"reason": "agreed", "note": ""})


BOOKS: dict[str, Recipe] = {
    "GET /payments/books": R(ANYBODY_OF_PAYMENTS, lambda s, t: Ask("/payments/books")),
    "GET /payments/books/statements": R(ANYBODY_OF_PAYMENTS, lambda s, t: Ask("/payments/books/statements")),
    "GET /payments/books/statements/{kind}/{code}.{form}": R(
        OWN, lambda s, t: Ask(f"/payments/books/statements/store/{t.gln}.csv?{PERIOD}")
    ),
    "GET /payments/books/{account_id}/{day}": R(OWN, lambda s, t: Ask(day(s, t))),
    "POST /payments/books/items/{item_id}/resolve": R(OFFICE | OPERATOR, resolve),
    "POST /payments/books/items/{item_id}/reopen": R(
        OFFICE | OPERATOR, lambda s, t: Ask(f"/payments/books/items/{difference(s, t, 'solved')}/reopen", data={})
    ),
}
"""Who works in a store reads its part of the day; head office alone resolves."""
