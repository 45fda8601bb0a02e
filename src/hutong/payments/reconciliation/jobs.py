"""Every ten minutes: the bills that are due, and what follows from them; and the same at once, for whoever asks."""

from datetime import date, timedelta

import structlog

from hutong.kernel import clock
from hutong.kernel.errors import Invalid, NotFound
from hutong.payments.accounts import Wallets
from hutong.payments.driver import Driver
from hutong.payments.reconciliation.evidence import ask_about_short, give_back_long
from hutong.payments.reconciliation.fetching import Awaited, fetch_day, fetch_due
from hutong.payments.reconciliation.files import Account, File
from hutong.payments.reconciliation.model import Outcome, bill_day
from hutong.payments.reconciliation.run import reconcile, standing
from hutong.payments.store import PostgresStore
from hutong.platform.config import Settings
from hutong.platform.database import Database
from hutong.platform.jobs import Job
from hutong.platform.scope import Scope

log = structlog.get_logger(__name__)


async def fetch_bills(database: Database, settings: Settings) -> None:
    """Fetch what is due, work the days out, and let the machine give back what came when nobody was waiting for it."""
    wallets = Wallets(database, settings)
    store = PostgresStore(database, 2)
    try:
        outcomes = await fetch_due(database, wallets.get, clock.now())
        await store.open()
        given = await give_back_long(database, Driver(store, wallets.get, clock.now))
        asked = await ask_about_short(database, wallets.get)
        if given or asked:
            log.info("bills_followed_up", given_back=given, asked=asked, days=len(outcomes))
    finally:
        await store.close()
        await wallets.close()


async def reconcile_now(
    database: Database, settings: Settings, retailer: str = "", day: date | None = None, content: bytes | None = None
) -> list[tuple[str, Outcome]]:
    """Work out ``day`` (yesterday) for the accounts of one retailer (by code) or of all, by their wallets' bills or by this one.

    Answers retailer and account codes with what became of each. Raises NotFound for an unknown retailer, Invalid if a file is given
    and there is not exactly one account that it could be of.
    """
    wanted = day or bill_day(clock.now()) - timedelta(days=1)
    async with database.read(Scope.of_network()) as reader:
        rows = await reader.rows(
            """select a.id, a.retailer_id, a.wallet, a.seller_id, r.code || '/' || a.code as name from wallet_account a join retailer r on r.id = a.retailer_id
               where (cast(:retailer as text) = '' or r.code = :retailer) and a.wallet = 'alipay' and a.disabled_at is null order by r.code, a.code""",
            retailer=retailer,
        )
        if retailer and not await reader.value("select exists (select from retailer where code = :code)", code=retailer):
            raise NotFound(f"There is no retailer {retailer}.")
    if content is not None and len(rows) != 1:
        raise Invalid(f"The file could be of {len(rows)} accounts: say --retailer.")
    if wanted >= bill_day(clock.now()):
        raise Invalid(f"The day {wanted} is not over yet.")
    wallets = Wallets(database, settings)
    outcomes = []
    try:
        for row in rows:
            account = Account(row.id, row.retailer_id, row.wallet, row.seller_id)
            if content is not None:
                outcome = await reconcile(database, account, wanted, File(content, "operator"), actor="system:command line")
            else:
                awaited = Awaited(account, wanted, {"trade": True, "movements": True})
                outcome = await fetch_day(database, wallets.get, awaited, clock.now()) or await standing(database, account, wanted)
            outcomes.append((str(row.name), outcome))
    finally:
        await wallets.close()
    return outcomes


jobs = [Job("payments.bills", "5-59/10 * * * *", fetch_bills)]
