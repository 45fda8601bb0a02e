"""Notifications from wallets: believed only when everything about them holds, kept once each, answered ``success`` only then.

The wallet sends again, for a day, whatever is answered otherwise. So ``fail`` is right for everything that is not sure: a forged
one stays refused, and one that came while the database was away comes again.
"""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hutong.kernel.errors import HutongError, NotFound
from hutong.payments.accounts import Wallets
from hutong.payments.alipay.fields import fen
from hutong.payments.alipay.notices import Claim, NoticeRefused, claim_of, read_notice
from hutong.payments.driver import Driver, Origin
from hutong.payments.floods import Floodgate
from hutong.payments.machine import Attempt, Noticed
from hutong.payments.store import PostgresStore
from hutong.payments.wallet import Notice
from hutong.platform.telemetry import REGISTRY

NUMBER = re.compile(r"S\d{1,9}T\d{1,9}_([0-9a-f]{32})")
SUCCESS, FAIL = "success", "fail"

KEPT_BACK = Counter(
    "hutong_wallet_notice_alarms_kept_back_total", "Refused notifications beyond those that were written down", registry=REGISTRY
)
NOTICES = Counter("hutong_wallet_notices_total", "Notifications of wallets, by what became of them", ["outcome"], registry=REGISTRY)
log = structlog.get_logger(__name__)


async def alipay_notify(request: Request) -> Response:
    """``POST /alipay/notify``: answers the seven bytes ``success`` for what is proven and kept, else ``fail``."""
    inbox: Inbox = request.app.state.payment_inbox
    body = await request.body()
    try:
        try:
            outcome = await inbox.receive(body)
        except NoticeRefused as refusal:
            outcome = "refused"
            await inbox.alarm(refusal.reason, body, request.client.host if request.client else "")
    except HutongError as error:  # nothing is lost: it comes again
        log.warning("notice_not_taken", error=str(error))
        outcome = "later"
    NOTICES.labels(outcome).inc()
    return PlainTextResponse(SUCCESS if outcome in ("new", "known") else FAIL)


class Inbox:
    """Takes notifications in: finds whose they are, proves them, keeps each once, and lets the machine judge what they say."""

    def __init__(self, store: PostgresStore, driver: Driver, wallets: Wallets) -> None:
        self._store = store
        self._driver = driver
        self._wallets = wallets
        self._floodgate = Floodgate()

    async def receive(self, body: bytes) -> str:
        """``new`` or ``known``. Raises NoticeRefused for what does not hold, NotFound for a payment that is not ours (yet)."""
        proven = await self._proven(body, claim_of(body))
        notice = proven[0][0]
        if notice.kind != "trade":
            kept = [await self._store.keep_other_notice(retailer_id, account_id, notice) for _, account_id, retailer_id in proven]
            return "new" if "new" in kept else "known"
        attempt, known = await self._meant(notice, [(account_id, retailer_id) for _, account_id, retailer_id in proven])
        check_amount(notice, attempt)
        if known:
            return "known"
        # Acted on first, then kept as known: cut in between, it comes again and is judged again, which changes nothing.
        if notice.refund_number:
            await self._store.wake_refund(attempt, notice.refund_number)
        if notice.result is not None:
            await self._driver.learn(attempt, Noticed(notice.result), Origin("notice"))
        return "new" if await self._store.keep_notice(attempt, notice.id, dict(notice.fields)) else "known"

    async def alarm(self, reason: str, body: bytes, sender: str) -> None:
        """Let people know that somebody sent what does not hold; what it said is not kept beyond its claim.

        Of a flood some are written down and the rest is counted: with the sender's next alarm, and in the metrics.
        """
        left_out = self._floodgate.passes(sender)
        if left_out is None:
            KEPT_BACK.inc()
            return
        log.error("notice_refused", reason=reason, bytes=len(body), sender=sender, left_out=left_out)
        try:
            claim = claim_of(body)
        except NoticeRefused:
            claim = Claim("", "", "")
        accounts = await self._wallets.accounts_of_app(claim.app_id) if claim.app_id else []
        detail = claim_detail(claim) | {"sender": sender, "left_out": left_out}
        await self._store.alarm(accounts[0][1] if accounts else None, "notice", f"a notification was refused: {reason}", detail)

    async def _meant(self, notice: Notice, accounts: Sequence[tuple[int, int]]) -> tuple[Attempt, bool]:
        """The payment that it is about, and whether it is known already. One merchant may be several accounts, and retailers."""
        payment_id, refusal = payment_of(notice.number), NoticeRefused("a number that is not ours")
        for account_id, retailer_id in accounts:
            try:
                attempt, known = await self._store.load_for_notice(retailer_id, payment_id, notice.id)
            except NotFound:
                continue
            if attempt.number == notice.number and attempt.account_id == account_id:
                return attempt, known
            refusal = NoticeRefused("a number of another account")
        raise refusal

    async def _proven(self, body: bytes, claim: Claim) -> list[tuple[Notice, int, int]]:
        """The notification, proven by the keys of the accounts of the app that it names: at least one. Raises NoticeRefused."""
        refusal, proven = NoticeRefused("for an app that nobody has here"), []
        for account_id, retailer_id, wallet in await self._wallets.accounts_of_app(claim.app_id):
            try:
                proven.append((await read_notice(wallet.client, body), account_id, retailer_id))
            except NoticeRefused as error:
                refusal = error
        if not proven:
            raise refusal
        return proven


def payment_of(number: str) -> UUID:
    """The payment whose number this is. Raises NoticeRefused if it is none of ours."""
    match = NUMBER.fullmatch(number)
    if match is None:
        raise NoticeRefused("a number that is not ours")
    return UUID(hex=match[1])


def check_amount(notice: Notice, attempt: Attempt) -> None:
    """Raises NoticeRefused if it speaks of another amount than was asked for."""
    said = fen(dict(notice.fields).get("total_amount"))
    if said != attempt.amount:
        raise NoticeRefused(f"another amount: {said} fen, not {attempt.amount}")
    currency = dict(notice.fields).get("trans_currency", "CNY")
    if currency != "CNY":
        raise NoticeRefused(f"another currency: {currency[:8]}")


def claim_detail(claim: Claim) -> dict[str, Any]:
    """What an unproven notification says of itself, cut to a bearable length and without what a database does not take."""
    said = {"app_id": claim.app_id[:40], "seller_id": claim.seller_id[:40], "number": claim.number[:80]}
    return {name: "".join(each if each.isprintable() else "?" for each in value) for name, value in said.items()}


notify_routes = [Route("/alipay/notify", alipay_notify, methods=["POST"])]
