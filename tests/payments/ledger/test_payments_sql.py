"""What the steps of payments book, in SQL, is what the plain functions say it must be."""

from typing import Any

import psycopg
import pytest

from hutong.kernel.ids import uuid7
from hutong.payments.ledger import Place, Posting, postings
from tests.payments.ledger.conftest import NOW, TODAY
from tests.support.network import Network

Owner = psycopg.Connection[Any]


@pytest.fixture
def paid_at(owner: Owner, network: Network, place: Place) -> tuple[Any, Any]:
    """A payment of 1000 fen, of which the wallet owes 900, and a refund of 400 that took 370 off that; nothing booked yet."""
    payment, refund, till = uuid7(), uuid7(), network.till.id
    owner.execute(
        """insert into wallet_account (id, retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets)
           values (7, 1, 'alipay', 'main', 'a', 's', 'http://g', 'key', '')"""
    )
    owner.execute(
        """insert into payment (retailer_id, id, store_id, till_id, account_id, sale_id, method, amount, currency, number, subject, digest, state,
                                receipt_amount, actor, made_at, paid_at)
           values (%s, %s, %s, %s, 7, %s, 'code', 1000, 'CNY', 'n', '', %s, 'paid', 900, 't', now(), %s)""",
        [place.retailer_id, payment, place.store_id, till, payment, payment, NOW],
    )
    owner.execute(
        """insert into payment_refund (retailer_id, id, payment_id, store_id, account_id, payment_number, amount, digest, state, from_receipt, done_at,
                                       actor, made_at)
           values (%s, %s, %s, %s, 7, 'n', 400, %s, 'done', 370, %s, 't', now())""",
        [place.retailer_id, refund, payment, place.store_id, refund, NOW],
    )
    return payment, refund


def stands(owner: Owner, made: Posting) -> tuple[Any, ...]:
    """The posting under this id, with its entries by account."""
    row = owner.execute(
        """select kind, idempotency, reference, state, pending_of, currency,
                  (select jsonb_object_agg(a.code, jsonb_build_array(a.kind, x.amount, x.store)) from unnest(accounts, amounts, stores) x (account, amount, store)
                   join account a on a.id = x.account)
           from posting where retailer_id = %s and id = %s""",
        [made.retailer_id, made.id],
    ).fetchone()
    assert row is not None
    return row


def wanted(made: Posting) -> tuple[Any, ...]:
    entries = {each.account: [each.kind, each.amount, each.store_id] for each in made.entries} or None
    return made.kind, made.idempotency, made.reference, made.state, made.pending_of, made.currency, entries


async def test_the_steps_of_payments_book_what_the_functions_say(owner: Owner, place: Place, paid_at: tuple[Any, Any]) -> None:
    payment, refund = paid_at
    for booking, make in (("paid", postings.paid), ("late", postings.late), ("returned", postings.returned)):
        owner.execute("select payment_book(p, %s) from payment p", [booking])
        made = make(place, payment, 1000, 900, NOW, TODAY)
        assert stands(owner, made) == wanted(made)
    for step, done in (
        ("reserve", postings.reserve(place, refund, 400, NOW, TODAY)), ("done", postings.refunded(place, refund, 400, 370, NOW, TODAY)),
    ):  # fmt: skip
        owner.execute("select refund_book(r, p, %s) from payment_refund r join payment p on p.id = r.payment_id", [step])
        assert stands(owner, done) == wanted(done)


async def test_a_refused_refund_of_a_late_success_is_voided(owner: Owner, place: Place, paid_at: tuple[Any, Any]) -> None:
    _, refund = paid_at
    owner.execute("update payment_refund set late = true")
    for step, made in (
        ("reserve", postings.reserve(place, refund, 400, NOW, TODAY, "long")), ("refused", postings.refund_void(place, refund, NOW, TODAY)),
    ):  # fmt: skip
        owner.execute("select refund_book(r, p, %s) from payment_refund r join payment p on p.id = r.payment_id", [step])
        assert stands(owner, made) == wanted(made)
