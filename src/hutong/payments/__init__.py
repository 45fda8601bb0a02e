"""Payments: taken through wallets by a machine that loses and doubles nothing, booked to the fen, reconciled every morning."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from fastapi import APIRouter, FastAPI

from hutong.kernel import clock
from hutong.payments.accounts import WalletAccount, WalletCheck, Wallets, add_alipay_account, check_wallet, wallet_accounts
from hutong.payments.agreements import ask_about_agreements
from hutong.payments.alipay.account import AlipayAccount
from hutong.payments.desk import Desk
from hutong.payments.driver import Driver
from hutong.payments.holding import Holder
from hutong.payments.ledger import LEDGER_INVARIANTS, Finding, Invariant, check_ledger
from hutong.payments.ledger import balances as ledger_balances
from hutong.payments.ledger import jobs as ledger_jobs
from hutong.payments.live import live_payments
from hutong.payments.notify import Inbox, notify_routes
from hutong.payments.openapi import capture_openapi
from hutong.payments.pages import router as pages
from hutong.payments.pages_books import router as books_pages
from hutong.payments.pages_lists import router as list_pages
from hutong.payments.pages_story import router as story_pages
from hutong.payments.pages_wallets import router as wallet_pages
from hutong.payments.progress import openapi_parts
from hutong.payments.progress import router as streams
from hutong.payments.reconciliation import Account as BooksAccount
from hutong.payments.reconciliation import File as BooksFile
from hutong.payments.reconciliation import Outcome as BooksOutcome
from hutong.payments.reconciliation import jobs as bill_jobs
from hutong.payments.reconciliation import reconcile as reconcile_books
from hutong.payments.reconciliation import reconcile_now
from hutong.payments.routes import capture_routes as till_routes
from hutong.payments.routes_standing import standing_routes
from hutong.payments.sources import Sources
from hutong.payments.splitting import Splitter, bind_brand
from hutong.payments.store import PostgresStore
from hutong.payments.told import payments_told, refunds_told
from hutong.payments.worker import working
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import Job
from hutong.platform.scope import Scope

__all__ = [
    "LEDGER_INVARIANTS",
    "AlipayAccount",
    "BooksAccount",
    "BooksFile",
    "BooksOutcome",
    "Finding",
    "Invariant",
    "WalletAccount",
    "WalletCheck",
    "Wallets",
    "add_alipay_account",
    "attending",
    "bind_brand",
    "capture_openapi",
    "capture_routes",
    "check_ledger",
    "check_wallet",
    "jobs",
    "ledger_balances",
    "lifespan",
    "openapi_parts",
    "payments_told",
    "reconcile_books",
    "reconcile_now",
    "refunds_told",
    "router",
    "wallet_accounts",
]

capture_routes = [*till_routes, *standing_routes, *notify_routes]
router = APIRouter()
for part in (
    streams,
    pages,
    list_pages,
    wallet_pages,
    books_pages,
    story_pages,
):  # the last has addresses that would take in those of the others
    router.include_router(part)


async def ensure_months(database: Database, _settings: Settings) -> None:
    """Make the partitions of the coming weeks, and of the weeks past that sales may be paid in. A fortnight steps over no month."""
    async with database.work(Scope.of_network()) as uow:
        today: date = clock.now().date()
        await uow.execute(
            "select ensure_payment_months(cast(:months as date[]))", months=[today + timedelta(days=n) for n in range(-42, 43, 14)]
        )
        await uow.commit()


async def look_after_agreements(database: Database, settings: Settings) -> None:
    """Ask about agreements that nobody will tell about."""
    wallets = Wallets(database, settings)
    try:
        await ask_about_agreements(database, wallets)
    finally:
        await wallets.close()


jobs = [
    *ledger_jobs,
    *bill_jobs,
    Job("payments.agreements", "41 * * * *", look_after_agreements),
    Job("payments.months", "17 * * * *", ensure_months),
]


@dataclass(frozen=True, slots=True)
class Payments:
    """What takes payments in one process."""

    store: PostgresStore
    driver: Driver
    wallets: Wallets
    holder: Holder
    splitter: Splitter


@asynccontextmanager
async def opened(database: Database, settings: Settings) -> AsyncIterator[Payments]:
    """The parts that move payments on, with their connections, while this is open."""
    wallets = Wallets(database, settings)
    store = PostgresStore(database, settings.payment_connections)
    await ensure_months(database, settings)
    await store.open()
    try:
        await wallets.ready()
        yield Payments(
            store,
            Driver(store, wallets.get, clock.now),
            wallets,
            Holder(store, wallets.get, clock.now),
            Splitter(store, wallets.get),
        )
    finally:
        await wallets.close()
        await store.close()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Takes payments in this process; looks after what is due if it runs jobs."""
    settings: Settings = app.state.settings
    database: Database = app.state.database
    async with opened(database, settings) as parts, live_payments(database) as hub:
        app.state.payments = parts
        app.state.payment_hub = hub
        parts.store.on_commit = hub.poke
        app.state.payment_desk = Desk(parts.store, parts.driver, parts.wallets, app.state.outlets, Sources(database))
        app.state.payment_holder = parts.holder
        app.state.payment_inbox = Inbox(parts.store, parts.driver, parts.wallets)
        async with working(parts.driver, parts.holder, parts.splitter) if settings.jobs else _idle():
            yield
            await app.state.payment_desk.finish()


@asynccontextmanager
async def attending(database: Database, settings: Settings) -> AsyncIterator[None]:
    """Looks after what is due without taking payments itself: for ``hutong worker``."""
    async with opened(database, settings) as parts, working(parts.driver, parts.holder, parts.splitter):
        yield


@asynccontextmanager
async def _idle() -> AsyncIterator[None]:
    yield
