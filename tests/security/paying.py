"""What the security tests need of payments: accounts at a gateway that nobody serves, and payments in every state that one can ask about."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from hutong.directory import Principal
from hutong.kernel.ids import uuid7
from hutong.payments import AlipayAccount, add_alipay_account
from tests.support.network import Store
from tests.support.sandbox import app_keys, wallet_key

if TYPE_CHECKING:
    from tests.security.stage import Stage

NOBODY_THERE = "http://127.0.0.1:9/gateway.do"
"""The port "discard", which answers nobody: every call ends at once with an unknown outcome."""
CODE = "281234567890123456"
APPS = {"one": "2021000000000001", "two": "2021000000000002"}


async def open_accounts(stage: "Stage") -> None:
    """An Alipay account for both retailers."""
    private, theirs = app_keys()[0], public_key_of_wallet()
    for name, retailer in (("one", stage.network.one), ("two", stage.network.two)):
        account = AlipayAccount(
            app_id=APPS[name],
            seller_id=f"208800000000000{name == 'two':d}",
            gateway=NOBODY_THERE,
            private_key=private,
            alipay_public_key=theirs,
        )
        await add_alipay_account(stage.app.state.database, Principal.system("test"), stage.settings, retailer.id, "main", account)


def public_key_of_wallet() -> str:
    """What stands in an account as the wallet's key."""
    from hutong.sandbox import signing

    return signing.public_text(signing.private_key(wallet_key()).public_key())


def fill_payments(stage: "Stage") -> None:
    """For S01, S02 and T01 a payment that is paid and one that is open, with all that belongs to them and a text that is theirs alone."""
    from tests.security.stage import Mark

    for code, store in (("S01", stage.network.one.stores[0]), ("S02", stage.network.one.stores[1]), ("T01", stage.network.two.stores[0])):
        retailer = "one" if code.startswith("S") else "two"
        ids = [new_payment(stage, store, "paid", buyer=f"buyer-{code}"), new_payment(stage, store, "unknown")]
        refund = new_refund(stage, ids[0], store)
        sql = "insert into wallet_notice (retailer_id, payment_id, notify_id, store_id, body) values (%s, %s, 'n1', %s, '{}')"
        stage.owner.execute(sql, [store.retailer_id, ids[0], store.id])
        sql = "insert into payment_alarm (retailer_id, store_id, payment_id, kind, message) values (%s, %s, %s, 'payment', 'look at it')"
        stage.owner.execute(sql, [store.retailer_id, store.id, ids[0]])
        stage.owner.execute(
            """insert into payment_split (retailer_id, payment_id, store_id, account_id, brands, amounts, state)
               values (%s, %s, %s, %s, (select array_agg(code) from (select code from brand order by id limit 1) b), '{5}', 'done')""",
            [store.retailer_id, ids[0], store.id, account_of(stage, store)],
        )
        new_agreement(stage, store)
        new_authorisation(stage, store)
        stage.payments += ids
        stage.marks += [Mark(text, retailer, code) for text in (*ids, refund, f"buyer-{code}")]
    bind_receivers(stage)


def bind_receivers(stage: "Stage") -> None:
    """A brand of each retailer receives its shares of the retailer's payments on an account."""
    stage.owner.execute(
        """insert into brand_receiver (retailer_id, brand_id, account_id, kind, account)
           select a.retailer_id, b.id, a.id, 'userId', '2088000000000001' from wallet_account a
           join (select id, row_number() over (order by id) as n from brand) b on b.n = a.retailer_id"""
    )


def account_of(stage: "Stage", store: Store) -> int:
    return stage.id("select id from wallet_account where retailer_id = %s", store.retailer_id)


def new_payment(stage: "Stage", store: Store, state: str, *, buyer: str = "", sale: str = "") -> str:
    """A payment of 1,990 fen in ``paid`` or an undecided state, with its events and postings; due in an hour if it is undecided."""
    payment, till = uuid7(), store.tills[0].id
    stage.owner.execute(
        """select payment_begin(%s, %s, %s, %s, %s, %s, 'code', 1990, 'CNY', %s, 'tea', %s, 'system:test', now(), now() + interval '1 hour', false,
               null, '{}')""",
        [store.retailer_id, payment, store.id, till, account_of(stage, store), sale or uuid7(), f"S{store.id}T{till}_{payment.hex}", UUID(int=1)],
    )  # fmt: skip
    paid = state == "paid"
    stage.owner.execute(
        """select payment_advance(p.retailer_id, p.id, p.version, %(state)s, 0, 0, '', '', '', '1', %(money)s, %(money)s, %(buyer)s,
               case when %(paid)s then now() end, '', null, 0, case when not %(paid)s then now() + interval '1 hour' end, 'answer', %(state)s, '', '{}', '',
               null, null, case when %(paid)s then array['paid'] else '{}' end) from payment p where p.id = %(id)s""",
        {"state": state, "money": 1990 if paid else 0, "buyer": buyer, "paid": paid, "id": payment},
    )
    return str(payment)


def new_refund(stage: "Stage", payment: str, store: Store) -> str:
    """A refund of 100 fen of a paid payment, under way."""
    refund = uuid7()
    stage.owner.execute(
        "select refund_begin(%s, %s, %s, %s, 100, 'back', %s, 'system:test', now(), now() + interval '1 hour')",
        [store.retailer_id, refund, payment, store.id, UUID(int=1)],
    )
    return str(refund)


def new_agreement(stage: "Stage", store: Store) -> str:
    """An agreement that the customer has signed."""
    agreement = uuid7()
    stage.owner.execute(
        """insert into agreement (retailer_id, id, account_id, number, agreement_no, state, actor, made_at)
           values (%s, %s, %s, %s, 'A1', 'active', 'system:test', now())""",
        [store.retailer_id, agreement, account_of(stage, store), agreement.hex],
    )
    return str(agreement)


def new_authorisation(stage: "Stage", store: Store) -> str:
    """Money that is held."""
    held: UUID = uuid7()
    values: dict[str, Any] = {
        "retailer_id": store.retailer_id, "id": held, "store_id": store.id, "till_id": store.tills[0].id, "account_id": account_of(stage, store),
        "number": f"H{held.hex}", "digest": UUID(int=1),
    }  # fmt: skip
    stage.owner.execute(
        """insert into authorisation (retailer_id, id, store_id, till_id, account_id, method, amount, currency, number, digest, state, auth_no, actor, made_at)
           values (%(retailer_id)s, %(id)s, %(store_id)s, %(till_id)s, %(account_id)s, 'code', 1000, 'CNY', %(number)s, %(digest)s, 'held', 'F1',
                   'system:test', now())""",
        values,
    )
    return str(held)
