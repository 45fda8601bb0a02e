"""Bills: ready on the next morning, behind an address that is good for half a minute; and the account's lines page by page."""

import secrets
import time
from collections import OrderedDict
from datetime import date, datetime, timedelta

from starlette.types import Receive, Scope, Send

from hutong.sandbox import transport
from hutong.sandbox.bill_files import account_bill, cut_short, trade_bill
from hutong.sandbox.bill_lines import lines_of, movements_of, on, with_faults
from hutong.sandbox.calls import Call, Node, Refused, method, yuan
from hutong.sandbox.clock import BEIJING, beijing_text, of_beijing_text
from hutong.sandbox.faults import Faults
from hutong.sandbox.records import BillLink
from hutong.sandbox.state import World

TYPES = ("trade", "signcustomer")
FIRST_DAY = date(2016, 1, 1)
MONTH_READY_ON = 3
REAL_SECONDS = 5.0
"""A fast clock leaves an address at least so long, or nobody could fetch it."""
MOST_LINKS, MOST_FILES = 1000, 8
MOST_LOG_DAYS, MOST_PAGE = 31, 2000
NO_BILL = "isp.bill_not_exist"


@method("alipay.data.dataservice.bill.downloadurl.query")
def download_url(call: Call) -> Node:
    """Where a day's or a month's bill can be fetched, for half a minute."""
    world, bill_type, text = call.world, call.needed("bill_type", 32), call.needed("bill_date", 10)
    first, last = _days(text)
    today = call.now.astimezone(BEIJING).date()
    if bill_type not in TYPES or first < FIRST_DAY:
        raise Refused("INVAILID_ARGUMENTS", "参数不合法")
    if last >= today or call.now < ready_at(world, text, last):
        raise Refused(NO_BILL)
    late = world.bill_delay(call.app.id, text)
    if call.now < ready_at(world, text, last) + timedelta(seconds=late):
        raise Refused(NO_BILL)
    if not world.switches.empty_day_has_bill and not _has_lines(world, call.seller.id, bill_type, first, last):
        raise Refused(NO_BILL)
    token = secrets.token_urlsafe(24)
    expires_at = call.now + timedelta(seconds=world.switches.bill_link_seconds)
    world.bill_links[token] = BillLink(
        app_id=call.app.id, bill_type=bill_type, first=first, last=last, expires_at=expires_at, real_end=time.monotonic() + REAL_SECONDS
    )  # fmt: skip
    while len(world.bill_links) > MOST_LINKS:
        world.bill_links.popitem(last=False)
    return {"bill_download_url": f"{world.base_url}/bill/{token}", "bill_file_code": f"{call.seller.id}_{text}_{bill_type}"}


def _days(text: str) -> tuple[date, date]:
    """The first and the last day that ``yyyy-MM-dd`` or ``yyyy-MM`` means. Raises Refused."""
    try:
        if len(text) == 10:
            return date.fromisoformat(text), date.fromisoformat(text)
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Refused("INVAILID_ARGUMENTS", "bill_date格式错误") from None
    return first, (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def ready_at(world: World, text: str, last: date) -> datetime:
    """When the bill that ends with the day ``last`` can be fetched; ``text`` is how it was asked for."""
    day = last + timedelta(days=1 if len(text) == 10 else MONTH_READY_ON)
    return datetime(day.year, day.month, day.day, world.switches.bill_hour, tzinfo=BEIJING)


def _has_lines(world: World, seller_id: str, bill_type: str, first: date, last: date) -> bool:
    if bill_type == "signcustomer":
        return any(each.seller_id == seller_id and on(each.at, first, last) for each in world.movements.values())
    return any(True for _ in lines_of(world, seller_id, first, last))


class Bills:
    """Answers ``/bill/<token>``."""

    def __init__(self, world: World, faults: Faults, plug: transport.Plug) -> None:
        self.world, self.faults, self.plug = world, faults, plug
        self._made: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        world.bill_delay = self.delay

    def delay(self, app_id: str, day: str) -> float:
        """Seconds by which a fault keeps a bill back."""
        rule = self.faults.of_bill("bill_late", app_id, "", day)
        return rule.seconds or 3600.0 if rule else 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The bill's bytes."""
        if await self.plug.stopped(send, receive):
            return
        link = self.world.bill_links.get(scope["path"].rpartition("/")[2])
        if link is None or (link.expires_at <= self.world.clock.now() and self._over(link)):
            await transport.plain(send, 403, "下载链接已失效，请重新获取")
            return
        await transport.download(send, self._content(link), f"{link.app_id}_{link.first:%Y%m%d}.csv.zip")

    def _over(self, link: BillLink) -> bool:
        return self.world.clock.speed <= 1 or time.monotonic() > link.real_end

    def _content(self, link: BillLink) -> bytes:
        """The file; once made it stays as it is, faults included, until other faults are set."""
        app = self.world.apps[link.app_id]
        key = (app.seller_id, link.bill_type, link.first, link.last, self.faults.version)
        if key not in self._made:
            now = self.world.clock.now()
            if link.bill_type == "trade":
                lines = with_faults(self.faults, app, link.first.isoformat(), lines_of(self.world, app.seller_id, link.first, link.last))
                content = trade_bill(app.seller_id, link.first, link.last, lines, now)
            else:
                content = account_bill(
                    app.seller_id, link.first, link.last, movements_of(self.world, app.seller_id, link.first, link.last), now
                )
            if self.faults.of_bill("bill_truncated", app.id, "", link.first.isoformat()):
                content = cut_short(content)
            self._made[key] = content
            if len(self._made) > MOST_FILES:
                self._made.popitem(last=False)
        return self._made[key]


@method("alipay.data.bill.accountlog.query")
def account_log(call: Call) -> Node:
    """The account's lines, oldest first, page by page."""
    try:
        start, end = of_beijing_text(call.needed("start_time")), of_beijing_text(call.needed("end_time"))
        page, size = int(call.text("page_no") or 1), int(call.text("page_size") or MOST_PAGE)
    except ValueError:
        raise Refused("INVALID_PARAMETER", "时间或分页格式错误") from None
    if end <= start or end - start > timedelta(days=MOST_LOG_DAYS) or page < 1 or not 1 <= size <= MOST_PAGE:
        raise Refused("INVALID_PARAMETER", "时间跨度或分页超限")
    wanted = (call.text("alipay_order_no"), call.text("merchant_order_no"))
    found = [
        each
        for each in call.world.movements.values()
        if each.seller_id == call.seller.id
        and start <= each.at < end
        and wanted[0] in ("", each.trade_no)
        and wanted[1] in ("", each.number)
    ]
    return {
        "page_no": str(page), "page_size": str(size), "total_size": str(len(found)),
        "detail_list": [
            {
                "account_log_id": each.id, "alipay_order_no": each.trade_no, "merchant_order_no": each.number, "balance": yuan(each.balance),
                "trans_amount": yuan(abs(each.amount)), "direction": "收入" if each.amount >= 0 else "支出", "type": each.kind,
                "trans_dt": beijing_text(each.at), "trans_memo": each.note, "merchant_out_refund_no": each.refund_number,
            }
            for each in found[(page - 1) * size : page * size]
        ],
    }  # fmt: skip
