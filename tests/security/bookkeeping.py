"""What the security tests need of the books: for two stores of one retailer and one of another, rows of every table of reconciliation."""

from datetime import date
from typing import TYPE_CHECKING

from tests.security.paying import account_of

if TYPE_CHECKING:
    from tests.security.stage import Stage

FILLED = date(2026, 11, 20)


def fill_books(stage: "Stage") -> None:
    """A bill, what it came to, and a difference with a step, whose numbers are one store's alone."""
    from tests.security.stage import Mark

    execute = stage.owner.execute
    for code, store in (("S01", stage.network.one.stores[0]), ("S02", stage.network.one.stores[1]), ("T01", stage.network.two.stores[0])):
        retailer, account = store.retailer_id, account_of(stage, store)
        key = {"retailer": retailer, "account": account, "day": FILLED, "store": store.id, "number": f"number-{code}"}
        execute(
            """insert into bill_file (retailer_id, account_id, day, kind, sha256, content, source)
               values (%(retailer)s, %(account)s, %(day)s, 'trade', sha256(%(number)s::bytea), '', 'test')""",
            key,
        )
        execute(
            """insert into bill_watch (retailer_id, account_id, day, kind, due_at, done_at) values (%(retailer)s, %(account)s, %(day)s, 'trade', now(), now())
               on conflict do nothing""",
            key,
        )
        key["run"] = stage.id(
            """insert into recon_run (retailer_id, account_id, day, file_id, actor, payments, paid, refunds, refunded, fee, next_known, digest)
               values (%s, %s, %s, 0, 'test', 1, 700, 0, 0, 0, false, '') returning id""",
            retailer, account, FILLED,
        )  # fmt: skip
        key["item"] = stage.id(
            """insert into recon_item (retailer_id, account_id, day, run_id, store_id, kind, class, number, refund_number, difference, digest)
               values (%s, %s, %s, %s, %s, 'payment', 'amount', %s, '', 700, sha256(%s::bytea)) returning id""",
            retailer, account, FILLED, key["run"], store.id, key["number"], key["number"],
        )  # fmt: skip
        for sql in (
            """insert into recon_sum (retailer_id, run_id, account_id, day, store_id, kind, class, lines, amount, receipt, fee)
               values (%(retailer)s, %(run)s, %(account)s, %(day)s, %(store)s, 'payment', 'amount', 1, 700, 700, 0)""",
            """insert into recon_brand_sum (retailer_id, run_id, day, account_id, brand_id, kind, lines, receipt)
               select %(retailer)s, %(run)s, %(day)s, %(account)s, id, 'payment', 1, 700 from brand""",
            """insert into recon_elsewhere (retailer_id, run_id, account_id, day, kind, payment_id, refund_id)
               values (%(retailer)s, %(run)s, %(account)s, %(day)s, 'payment', gen_random_uuid(), gen_random_uuid())""",
            """insert into recon_step (retailer_id, item_id, step, store_id, action, actor, note)
               values (%(retailer)s, %(item)s, 1, %(store)s, 'reopened', 'test', '')""",
            "insert into recon_terms (retailer_id, account_id, from_day, fee_rate, actor) values (%(retailer)s, %(account)s, %(day)s, 6000, 'test')",
        ):
            execute(sql, key)
        stage.marks.append(Mark(key["number"], "one" if code.startswith("S") else "two", code))
