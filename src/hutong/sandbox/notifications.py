"""Notifications: what they say, and sending them until the merchant answers ``success`` or the day is over."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import structlog

from hutong.sandbox.calls import yuan
from hutong.sandbox.clock import beijing_text
from hutong.sandbox.records import App, Notification, Refund, Trade
from hutong.sandbox.state import World

if TYPE_CHECKING:
    from hutong.sandbox.faults import Faults

log = structlog.get_logger(__name__)
MINUTE, HOUR = 60, 3600
GAPS = (4 * MINUTE, 10 * MINUTE, 10 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 15 * HOUR)
"""Between the eight sends."""
LAST_SEND = list(accumulate(GAPS))[-1]
MOST_TOGETHER = 64
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Signed = Callable[[App, dict[str, str]], str]


def tell_trade(world: World, trade: Trade, refund: Refund | None = None) -> None:
    """Tell the merchant of a trade's state, if the trade has an address for that."""
    if not trade.notify_url or (trade.source == "code" and not world.switches.barcode_notifies):
        return
    fields = {
        "trade_no": trade.trade_no, "out_trade_no": trade.number, "trade_status": trade.state, "seller_id": trade.seller_id,
        "seller_email": world.sellers[trade.seller_id].logon_id, "total_amount": yuan(trade.total), "subject": trade.subject,
        "body": trade.body, "gmt_create": beijing_text(trade.created_at),
    }  # fmt: skip
    if person := world.people.get(trade.buyer_id):
        fields["buyer_logon_id"] = person.masked()
        if world.switches.payer_named_by != "open_id":
            fields["buyer_id"] = person.id
        if world.switches.payer_named_by != "user_id":
            fields["buyer_open_id"] = person.open_id
    if trade.paid_at is not None:
        fields |= {
            "receipt_amount": yuan(trade.receipt), "invoice_amount": yuan(trade.buyer_paid), "buyer_pay_amount": yuan(trade.buyer_paid),
            "point_amount": "0.00", "gmt_payment": beijing_text(trade.paid_at),
            "fund_bill_list": _json([{"amount": yuan(each.amount), "fundChannel": each.channel} for each in trade.funds]),
        }  # fmt: skip
    if trade.closed_at is not None:
        fields["gmt_close"] = beijing_text(trade.closed_at)
    if refund is not None:
        fields |= {
            "out_biz_no": refund.number,
            "refund_fee": yuan(sum(each.amount for each in trade.refunds if each.done)),
            "send_back_fee": yuan(refund.from_receipt),
            "gmt_refund": f"{beijing_text(refund.at)}.{refund.at.microsecond // 1000:03d}",
        }
    for name, value in (("passback_params", trade.passback), ("agreement_no", trade.agreement_no)):
        if value:
            fields[name] = value
    tell(world, world.apps[trade.app_id], trade.notify_url, "trade_status_sync", fields)


def tell(world: World, app: App, url: str, kind: str, fields: dict[str, str]) -> None:
    """Make a notification; it goes out when what it tells of is written."""
    if not url:
        return
    now = world.clock.now()
    notification = Notification(
        id=world.mint_dated("00222", 34),
        app_id=app.id, url=url, made_at=now, next_at=now + timedelta(seconds=world.switches.notify_delay),
        fields={
            "notify_type": kind, "app_id": app.id, "auth_app_id": app.id, "charset": "utf-8", "version": "1.0", "sign_type": "RSA2",
        } | fields,
    )  # fmt: skip
    notification.fields["notify_id"] = notification.id
    world.notifications[notification.id] = notification
    world.outbox.append(notification)
    world.save(notification)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Notifier:
    """Sends notifications by their schedule, to the loopback and to ``hosts``."""

    def __init__(self, world: World, faults: "Faults", signed: Signed, hosts: tuple[str, ...]) -> None:
        self.world, self.faults, self.signed = world, faults, signed
        self.hosts = LOOPBACK + hosts
        self.plugged: Callable[[], bool] = lambda: True
        self._session: aiohttp.ClientSession | None = None
        self._together = asyncio.Semaphore(MOST_TOGETHER)

    def start(self) -> None:
        """Take up what an earlier process left open."""
        self.release([each for each in self.world.notifications.values() if each.state == "open"])

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    def release(self, notifications: list[Notification]) -> None:
        """Send these when they are due."""
        for each in notifications:
            moment = each.next_at
            if each.sends == 0 and (seconds := self.faults.notify_held_back(each)):
                moment += timedelta(seconds=seconds)
            self.world.agenda.at(moment, lambda each=each: self.send(each))  # type: ignore[misc]

    async def send(self, notification: Notification) -> None:
        """Send once, and note when it goes out again unless the answer is ``success``."""
        if notification.state != "open":
            return
        copies = self.faults.notify_copies(notification) if self.plugged() else 0
        notification.sends += 1
        answer = "" if copies else ("lost on the way" if self.plugged() else "unplugged")
        for _ in range(copies):
            async with self._together:  # waiting for one's turn is not the merchant's time
                answer = await self._post(notification)
        notification.answers.append(answer[:100])
        if answer == "success":
            notification.state = "delivered"
        elif notification.sends > len(GAPS):
            notification.state = "given_up"
        else:
            notification.next_at = self.world.clock.now() + timedelta(seconds=GAPS[notification.sends - 1])
            self.world.agenda.at(notification.next_at, lambda: self.send(notification))
        if answer != "success":
            log.info("a notification was not taken", id=notification.id, sends=notification.sends, answer=notification.answers[-1])
        self.world.save(notification)
        self.world.done()

    async def _post(self, notification: Notification) -> str:
        """What the merchant answered: the body of a 200, else what went wrong."""
        if (urlsplit(notification.url).hostname or "") not in self.hosts:
            return "not sent: the host is not among those that the sandbox may send to"
        fields = notification.fields | {"notify_time": beijing_text(self.world.clock.now())}
        fields["sign"] = self.signed(self.world.apps[notification.app_id], fields)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10), trust_env=False)
        with contextlib.suppress(UnicodeDecodeError):
            try:
                async with self._session.post(notification.url, data=fields, allow_redirects=False) as answer:
                    body = await answer.content.read(1000)
                    return body.decode() if answer.status == 200 else f"status {answer.status}"
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                return f"{type(error).__name__}: {error}"
        return "an answer that is no text"
