"""Every captured sale is booked exactly once, to the fen, whoever is killed when, and claimed payments are not booked twice."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest

from hutong.kernel.clock import now
from hutong.kernel.ids import uuid7
from hutong.platform.database import Database
from hutong.sales import books
from hutong.sales.books import BUSY_SECONDS, POLL_SECONDS, Stepped, book_missing, book_news, keep_booking
from tests.support.network import Network
from tests.support.sales import SHANGHAI, line, return_of, sale

Key = Callable[[str], httpx.AsyncClient]
Owner = psycopg.Connection[Any]


@pytest.fixture
def till(with_key: Key, network: Network) -> httpx.AsyncClient:
    return with_key(network.till.key)


async def captured(client: httpx.AsyncClient, document: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/v1/sales", json=document)
    assert answer.status_code == 201, answer.text
    return document


def booked(owner: Owner, document: dict[str, Any]) -> dict[str, int]:
    """The entries of a sale by account, without the store."""
    rows = owner.execute(
        """select replace(a.code, ':' || s.gln, ''), e.amount from posting p join entry e on e.retailer_id = p.retailer_id and e.posting_id = p.id
           join account a on a.id = e.account_id left join store s on s.id = a.store_id where p.reference = %s""",
        [document["id"]],
    ).fetchall()
    return dict(rows)


def balances(owner: Owner) -> dict[str, int]:
    return dict(owner.execute("select code, ledger_balance(id) from account where ledger_balance(id) <> 0").fetchall())


async def test_a_sale_is_booked_as_what_was_paid_against_what_was_sold_and_its_vat(
    till: httpx.AsyncClient, network: Network, owner: Owner, database: Database
) -> None:
    total = network.products[0].price + 2 * network.products[1].price
    tenders = [
        {"type": "cash", "amount": 10_000}, {"type": "card", "amount": total - 9_000}, {"type": "cash", "amount": 198}, {"type": "rounding", "amount": 2},
    ]  # fmt: skip
    first = await captured(till, sale(network, tenders=tenders, change=1_200))
    second = await captured(till, sale(network))
    assert await book_news(database) == Stepped(2, 2, False)
    vat = first["vat"]
    assert booked(owner, first) == {
        "tender:cash": 8_998, "tender:card": total - 9_000, "rounding": 2, "sales": vat - total, "vat": -vat,
    }  # fmt: skip
    assert booked(owner, second) == {"tender:alipay": total, "sales": vat - total, "vat": -vat}
    row = owner.execute("select booked_on, event_at, kind, stores[1] from posting where reference = %s", [first["id"]]).fetchone()
    assert row is not None
    assert (row[0], row[2], row[3]) == (date.fromisoformat(first["business_date"]), "sale.captured", network.store.id)
    assert row[1].astimezone(SHANGHAI).isoformat(timespec="milliseconds") == first["completed_at"]


async def test_a_return_is_the_mirror_image_and_a_void_or_a_gift_is_nothing(
    till: httpx.AsyncClient, network: Network, owner: Owner, database: Database
) -> None:
    sold = await captured(till, sale(network, tenders=[{"type": "cash", "amount": 13_900}]))
    back = await captured(till, return_of(network, sold))
    void = await captured(till, sale(network, kind="void", tenders=[]))
    gift = await captured(till, sale(network, [line(network.products[0], discount=network.products[0].price, vat=0)], tenders=[]))
    assert await book_news(database) == Stepped(4, 2, False)
    assert booked(owner, back) == {account: -amount for account, amount in booked(owner, sold).items()}
    assert booked(owner, void) == booked(owner, gift) == {}
    assert balances(owner) == {}


async def test_a_sale_is_booked_once_however_often_and_by_however_many(
    till: httpx.AsyncClient, network: Network, owner: Owner, database: Database
) -> None:
    for _ in range(5):
        await captured(till, sale(network))
    steps = await asyncio.gather(*(book_news(database) for _ in range(4)))
    assert sorted(step.booked for step in steps) == [0, 0, 0, 5]
    assert await book_news(database) == Stepped()
    owner.execute("update event_cursor set snapshot = '3:3:' where name = 'books'")
    assert await book_news(database) == Stepped(5, 0, False)
    assert owner.execute("select count(*) from posting").fetchone() == (5,)


async def test_a_long_backlog_is_worked_off_in_steps_without_losing_one(
    till: httpx.AsyncClient, network: Network, owner: Owner, database: Database
) -> None:
    for _ in range(7):
        await captured(till, sale(network))
    with psycopg.connect(database.url) as slow:  # a transaction that began before and commits after the first steps
        slow.execute("insert into event (kind, subject) values ('something.else', null)")
        owner.execute("select pg_current_xact_id()")
        steps = [await book_news(database, most=2) for _ in range(2)]
        slow.commit()
    while not steps or steps[-1].more:
        steps.append(await book_news(database, most=2))
    assert sum(step.booked for step in steps) == 7
    assert max(step.sales for step in steps) <= 2


async def test_what_is_booked_and_the_cursor_stand_or_fall_together(
    till: httpx.AsyncClient, network: Network, owner: Owner, database: Database
) -> None:
    await captured(till, sale(network))
    owner.execute(
        """create function cut() returns trigger language plpgsql as $$ begin raise exception 'cut' using errcode = '57014'; end $$;
           create trigger cut before update on event_cursor for each row execute function cut()"""
    )
    with pytest.raises(Exception, match="try again in a moment"):
        await book_news(database)
    assert owner.execute("select count(*) from posting").fetchone() == (0,)
    owner.execute("drop trigger cut on event_cursor")
    assert await book_news(database) == Stepped(1, 1, False)


async def test_one_sale_that_cannot_be_booked_does_not_stop_the_others(
    till: httpx.AsyncClient, network: Network, owner: Owner, database: Database
) -> None:
    bad, good = await captured(till, sale(network)), await captured(till, sale(network))
    owner.execute(
        """insert into account (retailer_id, code, kind, currency) values (1, 'x', 'A', 'CNY'), (1, 'y', 'A', 'CNY');
           insert into posting (retailer_id, id, booked_on, event_at, kind, idempotency, state, currency, accounts, amounts, stores)
           select 1, ledger_id(s.id, s.id::text || ':captured'), current_date, now(), 'other', s.id::text || ':captured', 'posted', 'CNY',
                  array(select id from account order by id limit 2), '{5,-5}', '{null,null}' from sale s order by s.id limit 1"""
    )
    with pytest.raises(Exception, match="with another meaning"):
        await book_news(database)
    assert await book_news(database, apart=True) == Stepped(2, 1, False)
    assert booked(owner, good) and not booked(owner, bad)


@pytest.mark.parametrize("busy", [True, False])
async def test_a_backlog_waits_while_sales_press_and_is_worked_off_when_they_do_not(
    busy: bool, till: httpx.AsyncClient, network: Network, owner: Owner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await captured(till, sale(network))
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(books, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(books.book_news, "__defaults__", (1,))
    with pytest.raises(asyncio.CancelledError):
        await keep_booking(database, lambda: busy)
    assert owner.execute("select count(*) from posting").fetchone() == (3,)
    if busy:
        assert pauses == [BUSY_SECONDS] * 4
    else:
        assert all(pause < BUSY_SECONDS for pause in pauses) and pauses[-1] == POLL_SECONDS


async def test_sales_that_the_cursor_has_never_seen_are_found_and_booked(
    till: httpx.AsyncClient, network: Network, owner: Owner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [await captured(till, sale(network)) for _ in range(5)]
    await captured(till, sale(network, kind="void", tenders=[]))
    days = sorted({date.fromisoformat(each["business_date"]) for each in documents})
    owner.execute("update event_cursor set snapshot = pg_current_snapshot(), moved_at = now() where name = 'books'")
    assert await book_news(database) == Stepped()
    monkeypatch.setattr(books, "STEP_SALES", 2)
    assert await book_missing(database, days) == 5
    assert await book_missing(database, days) == 0
    assert all(booked(owner, each) for each in documents)


def pay(owner: Owner, network: Network, amount: int, *, store: int = 0, state: str = "paid", bookings: tuple[str, ...] = ("paid",)) -> str:
    """A payment that is paid (or in another state), as the payment machine leaves it; answers its id."""
    payment, place = str(uuid7()), network.one.stores[store]
    owner.execute(
        """insert into wallet_account (id, retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets)
           values (7, 1, 'alipay', 'main', 'a', 's', 'http://g', 'key', '') on conflict do nothing"""
    )
    owner.execute(
        """insert into payment (retailer_id, id, store_id, till_id, account_id, sale_id, method, amount, currency, number, subject, digest, state,
                                receipt_amount, actor, made_at, paid_at)
           values (1, %(id)s, %(store)s, %(till)s, 7, %(id)s, 'code', %(amount)s, 'CNY', %(number)s, '', %(id)s, %(state)s, %(amount)s, 't', now(), now())""",
        {"id": payment, "number": f"number-{payment}", "store": place.id, "till": place.tills[0].id, "amount": amount, "state": state},
    )  # fmt: skip
    for booking in bookings:
        owner.execute("select payment_book(p, %s) from payment p where p.id = %s", [booking, payment])
    return payment


def give_back(owner: Owner, payment: str, amount: int) -> str:
    """A refund that is done, as the refund machine leaves it; answers its id."""
    refund = str(uuid7())
    owner.execute(
        """insert into payment_refund (retailer_id, id, payment_id, store_id, account_id, payment_number, amount, digest, state, from_receipt, done_at,
                                       actor, made_at)
           select retailer_id, %(id)s, id, store_id, account_id, number, %(amount)s, %(id)s, 'done', %(amount)s, now(), 't', now()
           from payment where id = %(payment)s""",
        {"id": refund, "payment": payment, "amount": amount},
    )
    for step in ("reserve", "done"):
        owner.execute(
            "select refund_book(r, p, %s) from payment_refund r join payment p on p.id = r.payment_id where r.id = %s", [step, refund]
        )
    return refund


async def test_a_claimed_payment_was_booked_when_it_was_taken(
    till: httpx.AsyncClient, with_key: Key, network: Network, owner: Owner, database: Database
) -> None:
    payment, looks = pay(owner, network, 10_000), str(uuid7())
    sold = await captured(
        till,
        sale(
            network,
            tenders=[{"type": "alipay", "amount": 10_000, "payment": payment}, {"type": "alipay", "amount": 3_900, "reference": looks}],
        ),
    )
    refund = give_back(owner, payment, 4_000)
    elsewhere = network.one.stores[1]
    back = return_of(network, sold, [1], at=now() - timedelta(seconds=1), tenders=[])
    back["store"], back["till"] = elsewhere.gln, elsewhere.tills[0].code
    back["tenders"] = [{"type": "alipay", "amount": 4_000, "payment": refund}, {"type": "cash", "amount": back["total"] - 4_000}]
    await captured(with_key(elsewhere.tills[0].key), back)
    assert (await book_news(database)).booked == 2
    assert booked(owner, sold)["received"] == 10_000 and booked(owner, sold)["tender:alipay"] == 3_900
    assert booked(owner, back)["received"] == -4_000
    found = balances(owner)
    assert found["alipay:clearing:7"] == 6_000
    assert not [code for code in found if code.startswith("received:")]  # at the store of the payment, wherever the goods came back
    assert f"tender:alipay:{elsewhere.gln}" not in found
