"""What tills ask of payments: take, stop, refund. Checks, commits the intent, lets the driver carry it out."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog

from hutong.directory import Outlet, Outlets, Permission, Principal
from hutong.kernel import clock
from hutong.kernel.errors import Invalid, NotFound
from hutong.payments.accounts import Wallets
from hutong.payments.driver import Driver, Origin
from hutong.payments.errors import (
    AgreementUnusable,
    CodeUnknown,
    NotPaid,
    PaymentDecided,
    PaymentDiffers,
    PlaceUnknown,
    RefundDiffers,
    RefundExceeds,
    SaleBusy,
    SalePaid,
)
from hutong.payments.machine import UNDECIDED, Attempt, CancelAsked, begin
from hutong.payments.refunds import Refund, begin_refund
from hutong.payments.sources import Sources
from hutong.payments.splitting import shares_document
from hutong.payments.store import Begun, PostgresStore, digest_of
from hutong.payments.wallet import Charge, wallet_of
from hutong.payments.wire import ByAgreement, ByAuthorisation, ByCode, GiveBack, Take

OLDEST_ID = timedelta(hours=26)
"""How long before it is sent an id may have been made: a till that was off line for a night does not charge customers for it."""
NEWEST_ID = timedelta(minutes=5)
EXPIRES_AFTER = {"qr": 180}
EXPIRES = 120

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Desk:
    """One a process. ``take`` and ``refund`` answer what is known when the wallet has answered, or when their time is over."""

    def __init__(self, store: PostgresStore, driver: Driver, wallets: Wallets, outlets: Outlets, sources: Sources) -> None:
        self.store = store
        self.driver = driver
        self.wallets = wallets
        self._outlets = outlets
        self._sources = sources
        self._running: set[asyncio.Task[Any]] = set()

    async def finish(self, seconds: float = 5.0) -> None:
        """Let the calls that are under way come back; a worker takes over what does not."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    # taking --------------------------------------------------------------------------------------------------------------

    async def take(self, wish: Take, by: Principal, wait_seconds: float) -> tuple[Attempt, bool]:
        """The attempt after the wallet's answer, or after ``wait_seconds``; True if this call began it.

        Raises PlaceUnknown, Invalid, CodeUnknown, NoWallet, AgreementUnusable, PaymentDiffers, SaleBusy, SalePaid; nothing was asked then.
        """
        outlet, till_id, till = await self.place(wish.store, wish.till, by, Permission.TAKE_PAYMENTS)
        check_id(wish.id, "id")
        check_id(wish.sale, "sale", oldest=timedelta(days=30))
        await self._sources.check_brands(outlet.retailer_id, {share.brand for share in wish.shares})
        method, wallet = _method(wish)
        source = await self._sources.find(outlet.retailer_id, outlet.id, wish.method) if method in ("agreement", "authorisation") else None
        account_id = source.account_id if method == "authorisation" and source else await self.wallets.active(outlet.retailer_id, wallet)
        if source is not None and source.account_id != account_id:
            raise AgreementUnusable(
                "It was signed with an account that is switched off: ask the customer to sign anew, or to pay in another way."
            )
        number = f"S{outlet.id}T{till_id}_{wish.id.hex}"
        attempt = Attempt(
            wish.id, outlet.retailer_id, outlet.id, till_id, account_id, wish.sale, method, wish.amount, number, clock.now()
        )  # fmt: skip
        code = wish.method.code if isinstance(wish.method, ByCode) else ""
        named = wish.method.agreement if isinstance(wish.method, ByAgreement) else getattr(wish.method, "authorisation", None)
        digest = digest_of(
            outlet.id,
            till_id,
            wish.sale,
            wish.amount,
            method,
            code,
            named,
            wish.parts,
            [(share.brand, share.amount) for share in wish.shares],
        )
        subject = subject_of(wish.subject, outlet)
        step = begin(attempt)
        assert step.due is not None
        begun = await self.store.begin(
            attempt, subject=subject, digest=digest, actor=by.actor, due=step.due, parts=wish.parts, source=named,
            body={"amount": wish.amount, "method": method, "till": till} | _extras(wish),
        )  # fmt: skip
        if begun.outcome != "new":
            return await self._as_before(attempt, begun), False
        charge = Charge(
            number, wish.amount, subject, outlet.gln, till, code=code, agreement=source.reference if source and method == "agreement" else "",
            authorisation=source.reference if source and method == "authorisation" else "",
            release_rest=isinstance(wish.method, ByAuthorisation) and wish.method.release_rest,
            expires_after=EXPIRES_AFTER.get(method, EXPIRES), splits=bool(wish.shares),
        )  # fmt: skip
        done = await self.within(self._pay(attempt, charge), wait_seconds, f"pay-{attempt.id}")
        return done or await self.store.load(attempt.retailer_id, attempt.id), True

    async def _pay(self, attempt: Attempt, charge: Charge) -> Attempt:
        try:
            return await self.driver.pay(attempt, charge)
        except Exception:
            log.warning("payment_left_to_the_worker", payment=str(attempt.id), exc_info=True)
            return attempt

    async def within(self, work: Coroutine[Any, Any, T], seconds: float, name: str) -> T | None:
        """What ``work`` comes to if it comes in time; it goes on in any case, whatever becomes of the request."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        return task.result() if done else None

    async def _as_before(self, attempt: Attempt, begun: Begun) -> Attempt:
        if begun.outcome == "differs":
            raise PaymentDiffers("A payment with this id is recorded with other content; a new try needs a new id.")
        other = str(begun.other)
        if begun.outcome == "busy":
            raise SaleBusy("Wait until the payment under way is decided, or stop it; then try with a new id.", payment=other)
        if begun.outcome == "paid":
            raise SalePaid("This sale is paid. If it is paid in several parts, send parts: true.", payment=other)
        return await self.store.load(attempt.retailer_id, attempt.id)

    # stopping ------------------------------------------------------------------------------------------------------------

    async def cancel(self, payment_id: UUID, by: Principal) -> Attempt:
        """Stop an attempt that is not decided; repeated, it answers how that stands.

        Raises NotFound; PaymentDecided if it is paid: then it is refunded instead.
        """
        attempt = await self._own(payment_id, by, Permission.TAKE_PAYMENTS)
        if attempt.state in UNDECIDED:
            attempt = await self.driver.learn(attempt, CancelAsked(by.actor), Origin("operator", by.actor))
        if attempt.state == "paid":
            raise PaymentDecided("It is paid; refund it to give the money back.", state=attempt.state.value)
        return attempt

    # refunding -----------------------------------------------------------------------------------------------------------

    async def refund(self, wish: GiveBack, by: Principal, wait_seconds: float) -> tuple[Refund, bool]:
        """The refund after the wallet's answer, or after ``wait_seconds``; True if this call began it.

        Raises NotFound, NotPaid, RefundExceeds, RefundDiffers; nothing was asked then.
        """
        check_id(wish.id, "id")
        attempt = await self._own(wish.payment, by, Permission.REFUND_PAYMENTS)
        refund = Refund(
            wish.id,
            attempt.retailer_id,
            attempt.store_id,
            attempt.id,
            attempt.account_id,
            attempt.number,
            wish.amount,
            wish.reason,
            clock.now(),
        )
        step = begin_refund(refund)
        assert step.due is not None
        digest = digest_of(wish.payment, wish.amount, wish.reason)
        begun = await self.store.begin_refund(refund, digest=digest, actor=by.actor, due=step.due)
        if begun.outcome == "new":
            done = await self.within(self._refund(refund), wait_seconds, f"refund-{refund.id}")
            return done or await self.store.load_refund(refund.retailer_id, refund.id), True
        if begun.outcome == "differs":
            raise RefundDiffers("A refund with this id is recorded with other content; a new refund needs a new id.")
        if begun.outcome == "exceeds":
            raise RefundExceeds(f"At most {begun.remaining} fen can still be refunded of this payment.", left=begun.remaining)
        if begun.outcome in ("unpaid", "busy"):
            raise NotPaid("Only a payment that is paid can be refunded.", state=attempt.state.value)
        if begun.outcome == "missing":
            raise NotFound
        return await self.store.load_refund(refund.retailer_id, refund.id), False

    async def _refund(self, refund: Refund) -> Refund:
        try:
            return await self.driver.refund(refund)
        except Exception:
            log.warning("refund_left_to_the_worker", refund=str(refund.id), exc_info=True)
            return refund

    # who and where -------------------------------------------------------------------------------------------------------

    async def place(self, gln: str | None, code: str | None, by: Principal, permission: Permission) -> tuple[Outlet, int, str]:
        """The store and till of a request. Raises PlaceUnknown, Invalid; Forbidden for who may do this nowhere."""
        by.must_somewhere(permission)
        if self._outlets.stale:
            await self._outlets.refresh()
        own = by.store_id if by.till_id is not None else None
        if gln is None and own is None:
            raise Invalid("Name the store by its GLN; only a till's own key implies it.", field="store")
        outlet = self._outlets.by_gln(gln) if gln is not None else self._outlets.by_id(own or 0)
        outlet = outlet or await self._outlets.find(gln, own)
        if (
            outlet is None
            or (own is not None and outlet.id != own)
            or not by.may(permission, retailer_id=outlet.retailer_id, store_id=outlet.id)
        ):
            raise PlaceUnknown("There is no such store that this key may take payments at.", field="store")
        if by.till_id is not None:
            own_code = self._outlets.till_code(by.till_id) or ""
            if code is not None and code != own_code:
                raise PlaceUnknown(f"This key is of till {own_code}, not of till {code}.", field="till")
            return outlet, by.till_id, own_code
        if code is None:
            raise Invalid("Name the till by its code; only a till's own key implies it.", field="till")
        till_id = self._outlets.till(outlet.id, code) or await self._outlets.find_till(outlet.id, code)
        if till_id is None:
            raise PlaceUnknown(f"Store {outlet.gln} has no till {code}.", field="till")
        return outlet, till_id, code

    async def _own(self, payment_id: UUID, by: Principal, permission: Permission) -> Attempt:
        """A payment that the caller may do this with. Raises NotFound."""
        scope = by.scope_for(permission)
        place = await self._sources.place_of(payment_id, scope)
        by.must(permission, retailer_id=place.retailer_id, store_id=place.store_id)
        return await self.store.load(place.retailer_id, payment_id)


def check_id(given: UUID, field: str, oldest: timedelta = OLDEST_ID) -> None:
    """Raises Invalid unless it is a UUIDv7 that was made lately."""
    if given.version != 7:
        raise Invalid("The id must be a UUIDv7, made by the till and stored before sending.", field=field)
    now = clock.now().timestamp()
    made = (given.int >> 80) / 1000
    if not now - oldest.total_seconds() <= made <= now + NEWEST_ID.total_seconds():
        raise Invalid("The time inside the id (its first 48 bits) is too long ago or in the future: set the till's clock.", field=field)


def _method(wish: Take) -> tuple[str, str]:
    """The method as it is recorded, and the wallet that the payment goes through. Raises CodeUnknown."""
    if isinstance(wish.method, ByCode):
        wallet = wallet_of(wish.method.code)
        if wallet is None:
            raise CodeUnknown(
                "This is no payment code; ask the customer to open the wallet's payment page and scan again.", field="method.code"
            )
        return ("face" if wish.method.code.startswith("fp") else "code"), wallet
    return {"ByQr": "qr", "ByAgreement": "agreement", "ByAuthorisation": "authorisation"}[type(wish.method).__name__], "alipay"


def _extras(wish: Take) -> dict[str, Any]:
    extras: dict[str, Any] = {"shares": shares_document(wish.shares, wish.amount)} if wish.shares else {}
    return extras | ({"release_rest": wish.method.release_rest} if isinstance(wish.method, ByAuthorisation) else {})


def subject_of(text: str, outlet: Outlet) -> str:
    """What the customer reads, without the characters that the wallet refuses ("/", "=", "&") or that do not print."""
    clean = "".join(" " if each in '/=&<>"\\' or not each.isprintable() else each for each in text).strip()
    return clean or outlet.ref.name_zh
