"""Retailers' accounts at wallets: configured by head office or the operator, keys encrypted at rest, opened once a process."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from hutong.directory import Permission, Principal
from hutong.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from hutong.kernel.ids import uuid7
from hutong.payments.alipay.account import AlipayAccount
from hutong.payments.alipay.certificates import UnusableCertificate
from hutong.payments.alipay.sign import UnusableKey
from hutong.payments.alipay.wallet import AlipayWallet
from hutong.payments.errors import NoWallet
from hutong.payments.wallet import Absent, Unknown
from hutong.platform.config import Settings
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope
from hutong.platform.secrets import Secrets, SecretsLocked, secrets_of

REMEMBER_SECONDS = 20.0
"""A changed or disabled account is noticed by every process within this time."""
LONGEST_CALL = 30.0
"""Seconds after which no call to a wallet is under way any more."""
SECRET_FIELDS = (
    "private_key", "alipay_public_key", "further_public_keys", "app_certificate", "alipay_certificate", "root_certificate",
    "next_private_key", "next_app_certificate", "app_auth_token",
)  # fmt: skip

log = structlog.get_logger(__name__)

COLUMNS = "select id, retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets, disabled_at from wallet_account"


@dataclass(frozen=True, slots=True)
class WalletAccount:
    """What is known of an account without its keys."""

    id: int
    retailer_id: int
    wallet: str
    code: str
    app_id: str
    seller_id: str
    gateway: str
    mode: str
    disabled: bool


def notify_url(settings: Settings) -> str:
    """Where wallets send notifications."""
    return f"{settings.base_url.rstrip('/')}/alipay/notify"


async def add_alipay_account(
    db: Database, by: Principal, settings: Settings, retailer_id: int, code: str, account: AlipayAccount
) -> WalletAccount:
    """Store an account, or replace the one of the same code; it becomes the retailer's one active Alipay account.

    Raises NotFound unless ``by`` manages the retailer's wallets; Invalid, saying what is wrong and how to mend it.
    """
    by.must(Permission.MANAGE_WALLETS, retailer_id=retailer_id)
    problems = account.problems()
    if problems:
        raise Invalid(" ".join(problems), problems=problems)
    plain = msgspec.json.encode({field: getattr(account, field) for field in SECRET_FIELDS})
    stored = secrets_of(settings).encrypt(plain, f"wallet:{retailer_id}:{code}")
    async with db.work(Scope.of_retailer(retailer_id)) as uow:
        before = await uow.value(
            "select id from wallet_account where retailer_id = :retailer and code = :code", retailer=retailer_id, code=code
        )
        others = await uow.value(
            """select code from wallet_account where retailer_id = :retailer and wallet = 'alipay' and disabled_at is null and code <> :code""",
            retailer=retailer_id, code=code,
        )  # fmt: skip
        if others is not None:
            raise Conflict(f"The retailer's Alipay account is {others}; disable it first, or give this one the same code.", account=others)
        await _must_stay(uow, retailer_id, code, account.seller_id)
        row = await uow.row(
            """insert into wallet_account (retailer_id, wallet, code, app_id, seller_id, gateway, mode, secrets)
               values (:retailer, 'alipay', :code, :app, :seller, :gateway, :mode, :secrets)
               on conflict (retailer_id, code) do update set app_id = excluded.app_id, seller_id = excluded.seller_id, gateway = excluded.gateway,
                   mode = excluded.mode, secrets = excluded.secrets, changed_at = now(), disabled_at = null
               returning id, retailer_id, wallet, code, app_id, seller_id, gateway, mode, disabled_at is not null""",
            retailer=retailer_id, code=code, app=account.app_id, seller=account.seller_id, gateway=account.gateway, mode=account.mode,
            secrets=stored,
        )  # fmt: skip
        assert row is not None
        await uow.record(
            by.actor, "wallet.add" if before is None else "wallet.change", retailer_id=retailer_id, subject=f"wallet:{row.id}",
            detail={"code": code, "app_id": account.app_id, "seller_id": account.seller_id, "gateway": account.gateway},
        )  # fmt: skip
        await uow.commit()
    return WalletAccount(*tuple(row))


async def _must_stay(uow: UnitOfWork, retailer_id: int, code: str, seller_id: str) -> None:
    """Raises Conflict if an account would become another merchant's while what went through it is asked about, or refunded, there."""
    before = await uow.row(
        "select id, seller_id from wallet_account where retailer_id = :retailer and code = :code for update",
        retailer=retailer_id,
        code=code,
    )
    if before is None or before.seller_id == seller_id:
        return
    used = await uow.value(
        """select exists (select from account where retailer_id = :retailer and code = 'alipay\\:clearing\\:' || cast(:id as integer))
               or exists (select from agreement where retailer_id = :retailer and account_id = :id)
               or exists (select from authorisation where retailer_id = :retailer and account_id = :id)
               or exists (select from payment_due d join payment p on p.retailer_id = d.retailer_id and p.id = d.payment_id
                          where d.retailer_id = :retailer and p.account_id = :id)""",
        retailer=retailer_id, id=before.id,
    )  # fmt: skip
    if used:
        raise Conflict(
            f"Payments went through {code} to merchant {before.seller_id}, and their refunds must. Switch it off, and add the account of "
            f"merchant {seller_id} under another name.",
            account=code,
        )


async def wallet_accounts(db: Database, by: Principal, retailer_id: int | None = None) -> list[WalletAccount]:
    """The accounts that ``by`` may read about, without their keys."""
    async with db.read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        rows = await reader.rows(
            """select id, retailer_id, wallet, code, app_id, seller_id, gateway, mode, disabled_at is not null from wallet_account
               where cast(:retailer as integer) is null or retailer_id = :retailer order by retailer_id, id""",
            retailer=retailer_id,
        )
    return [WalletAccount(*tuple(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class WalletCheck:
    """Whether an account works, in words."""

    account: str
    works: bool
    message: str


async def check_wallet(db: Database, settings: Settings, retailer_id: int) -> WalletCheck:
    """Ask the retailer's wallet for a payment that cannot exist: only sound keys and permissions get "no such trade". Raises NoWallet."""
    wallets = Wallets(db, settings)
    try:
        account_id = await wallets.active(retailer_id, "alipay")
        wallet = await wallets.get(account_id)
        result = await wallet.query(f"CHECK{uuid7().hex}")
    finally:
        await wallets.close()
    name = f"Alipay app {wallet.account.app_id} at {wallet.account.gateway}"
    if isinstance(result, Absent):
        return WalletCheck(name, True, "it answers, the signatures hold, and payments may be asked about.")
    reason = result.reason if isinstance(result, Unknown) else type(result).__name__
    return WalletCheck(name, False, f"it does not work: {reason}. Look at gateway, app id and keys, and add the account again.")


class Wallets:
    """The wallets of one process, by account; read anew every few seconds, opened again only where something changed."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._secrets: Secrets | None = None
        self._open: dict[int, tuple[AlipayAccount, AlipayWallet]] = {}
        self._active: dict[tuple[int, str], int] = {}
        self._by_app: dict[str, list[int]] = {}
        self._retailer: dict[int, int] = {}
        self._broken: dict[int, str] = {}
        """What is wrong with accounts that cannot be used, by id: theirs alone stand still."""
        self._leaving: set[asyncio.Task[None]] = set()
        self._read_at = -REMEMBER_SECONDS
        self._reading = asyncio.Lock()

    async def ready(self) -> None:
        """Read the accounts, and say in the log what is wrong with those that cannot be used; all others go on."""
        try:
            await self._fresh()
        except Unavailable as error:
            log.warning("wallet_accounts_not_read", error=str(error))
        self._read_at = -REMEMBER_SECONDS  # the first payment reads them again, with what was added since

    async def active(self, retailer_id: int, wallet: str) -> int:
        """The id of the account that the retailer's payments go through. Raises NoWallet, also where it cannot be used."""
        await self._fresh()
        account_id = self._active.get((retailer_id, wallet))
        if account_id is None:
            await self._fresh(at_once=True)  # it may have been made a moment ago
            account_id = self._active.get((retailer_id, wallet))
        if account_id is None:
            raise NoWallet(f"The retailer has no {wallet} account yet: head office adds one with `hutong wallet add`.", wallet=wallet)
        if account_id in self._broken:
            raise NoWallet("The retailer's account cannot be used just now: the operator's log says why.", wallet=wallet)
        return account_id

    async def get(self, account_id: int) -> AlipayWallet:
        """The wallet of an account, also of one that is disabled by now: what was begun through it is finished through it."""
        await self._fresh()
        if account_id not in self._open:
            await self._fresh(at_once=True)
        try:
            return self._open[account_id][1]
        except KeyError:
            raise NotFound(self._broken.get(account_id, f"There is no wallet account {account_id}.")) from None

    async def accounts_of_app(self, app_id: str) -> list[tuple[int, int, AlipayWallet]]:
        """Account id, retailer id and wallet of each account of an app: whose a notification may be."""
        await self._fresh()
        if app_id not in self._by_app:
            await self._fresh(at_once=True)
        return [(each, self._retailer[each], self._open[each][1]) for each in self._by_app.get(app_id, []) if each in self._open]

    async def retailer_of(self, account_id: int) -> int:
        """The retailer whose account this is."""
        await self.get(account_id)
        return self._retailer[account_id]

    async def close(self) -> None:
        """Give all connections back."""
        for task in self._leaving:
            task.cancel()
        for _, wallet in self._open.values():
            await wallet.close()
        self._open.clear()

    async def _fresh(self, *, at_once: bool = False) -> None:
        age = time.monotonic() - self._read_at
        if age < (0.5 if at_once else REMEMBER_SECONDS):
            return
        async with self._reading:
            if time.monotonic() - self._read_at < age and self._read_at > 0:
                return
            async with self._database.read(Scope.of_network()) as reader:
                rows = [row._mapping for row in await reader.rows(f"{COLUMNS} order by id")]
            self._take(rows)
            self._read_at = time.monotonic()

    def _take(self, rows: Sequence[Mapping[Any, Any]]) -> None:
        active: dict[tuple[int, str], int] = {}
        by_app: dict[str, list[int]] = {}
        for row in rows:
            self._take_one(row)
            self._retailer[row["id"]] = row["retailer_id"]
            by_app.setdefault(row["app_id"], []).append(row["id"])
            if row["disabled_at"] is None:
                active[row["retailer_id"], row["wallet"]] = row["id"]
        self._active, self._by_app = active, by_app

    def _take_one(self, row: Mapping[Any, Any]) -> None:
        known = self._open.get(row["id"])
        try:
            account = self._account(row)
            if known is not None and known[0] == account:
                return
            opened = account, AlipayWallet(account)
        except (SecretsLocked, UnusableKey, UnusableCertificate, msgspec.DecodeError, TypeError, KeyError) as error:
            why = f"The {row['wallet']} account {row['code']} of retailer {row['retailer_id']} cannot be used: {error}"
            if not isinstance(error, SecretsLocked):
                why += " Store it anew with `hutong wallet add`."
            if self._broken.get(row["id"]) != why:
                log.error("wallet_account_unusable", account=row["id"], retailer=row["retailer_id"], why=why)
            self._broken[row["id"]] = why
            return
        if self._broken.pop(row["id"], None) is not None:
            log.info("wallet_account_usable_again", account=row["id"], retailer=row["retailer_id"])
        self._open[row["id"]] = opened
        if known is not None:
            self._leave(known[1])

    def _leave(self, wallet: AlipayWallet) -> None:
        """Close a wallet that was changed, once the calls that are under way through it have ended."""

        async def later() -> None:
            await asyncio.sleep(LONGEST_CALL)
            await wallet.close()

        task = asyncio.create_task(later(), name="wallet-leaves")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _account(self, row: Mapping[Any, Any]) -> AlipayAccount:
        if self._secrets is None:
            self._secrets = secrets_of(self._settings)
        stored = msgspec.json.decode(self._secrets.decrypt(bytes(row["secrets"]), f"wallet:{row['retailer_id']}:{row['code']}"))
        stored["further_public_keys"] = tuple(stored["further_public_keys"])
        return AlipayAccount(
            app_id=row["app_id"], seller_id=row["seller_id"], gateway=row["gateway"], mode=row["mode"], notify_url=notify_url(self._settings),
            **stored,
        )  # fmt: skip
