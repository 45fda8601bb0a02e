"""One payment's page: its story, stopping it, and refunding it in part or whole."""

import json
from io import BytesIO
from typing import Annotated, Any
from uuid import UUID

import segno
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from hutong.directory import Permission, Principal
from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError, Invalid, NotFound
from hutong.kernel.ids import uuid7
from hutong.kernel.money import MAX_AMOUNT, minor_units
from hutong.payments.desk import Desk
from hutong.payments.errors import PaymentDecided
from hutong.payments.live_states import UNCLAIMED_AFTER
from hutong.payments.machine import UNDECIDED
from hutong.payments.pages import HELPERS, By, clean, database, tabs_for
from hutong.payments.story import Story, place_of, tell
from hutong.payments.wire import GiveBack
from hutong.payments.wording import BOOKED, METHODS, REFUND_STATES, SOURCES, account_words, alarm_words, happened, why
from hutong.payments.words import REFUNDS
from hutong.platform.web import mark, render

router = APIRouter(prefix="/payments", include_in_schema=False)
Field = Annotated[str, Form(max_length=200)]

REASONS = (mark("The goods came back"), mark("The wrong amount was charged"), mark("Charged twice"), mark("Another reason"))
NOTICES = {
    "stopped": mark("It is being stopped. Wait until it says cancelled or not paid before you begin a new one."),
    "refunded": mark("The refund is made. Below it stands how far it is."),
}
WAIT_SECONDS = 8.0


@router.get("/{payment}")
async def story_page(request: Request, payment: str, by: By, done: str = "") -> Response:
    return await page_of(request, by, id_of(payment), notice=NOTICES.get(done, ""))


@router.get("/{payment}/story")
async def story_part(request: Request, payment: str, by: By) -> Response:
    """What changes of the page, asked for again by its script when something happened."""
    return await page_of(request, by, id_of(payment), template="payments/story_part.html")


@router.get("/{payment}/qr.svg")
async def qr_picture(request: Request, payment: str, by: By) -> Response:
    """The QR code that the customer scans, while there is one to be paid."""
    async with database(request).read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        row = await place_of(reader, by, id_of(payment))
    if not row.qr:
        raise NotFound
    picture = BytesIO()
    segno.make(row.qr, error="m").save(picture, kind="svg", scale=8, border=3, dark="#000", light="#fff", xmldecl=False)
    return Response(picture.getvalue(), media_type="image/svg+xml")


@router.post("/{payment}/cancel")
async def stop(request: Request, payment: str, by: By) -> Response:
    """Stop a payment that is not decided yet."""
    try:
        await desk(request).cancel(id_of(payment), by)
    except PaymentDecided as error:
        return await page_of(request, by, id_of(payment), error=error)
    return RedirectResponse(f"/payments/{payment}?done=stopped", status_code=303)


@router.post("/{payment}/refund")
async def refund(
    request: Request,
    payment: str,
    by: By,
    refund_id: Field = "",
    amount: Field = "",
    reason: Field = "",
    other: Field = "",
    confirmed: Field = "",
) -> Response:
    """Refund a payment: first shown again to be confirmed, then made under the id that the form has carried from the beginning."""
    async with database(request).read(by.scope_for(Permission.REFUND_PAYMENTS)) as reader:
        row = await place_of(reader, by, id_of(payment), Permission.REFUND_PAYMENTS)
    left = row.amount - row.refunded - row.refund_pending
    words = clean(other if reason in ("", REASONS[-1]) and other.strip() else reason)[:100]
    try:
        fen = yuan(amount)
        if fen > left:
            raise Invalid(mark("That is more than can still be refunded of this payment."), field="amount")
        if confirmed != "yes":
            return render(
                request, "payments/refund.html", by, tab="", payment=row._mapping, fen=fen, left=left, reason=words, typed=amount, refund_id=refund_id,
                **HELPERS, **tabs_for(by),
            )  # fmt: skip
        await desk(request).refund(GiveBack(id_of(refund_id), row.id, fen, words), by, WAIT_SECONDS)
    except HutongError as error:
        if error.status >= 500 or error.status == 404:
            raise
        return await page_of(request, by, row.id, error=error, typed={"amount": amount, "other": other})
    return RedirectResponse(f"/payments/{payment}?done=refunded", status_code=303)


async def page_of(
    request: Request, by: Principal, payment_id: UUID, *, template: str = "payments/story.html", notice: str = "", error: HutongError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    """A payment's page, or the part of it that changes."""
    story = await tell(database(request), by, payment_id)
    payment = story.payment
    place: dict[str, Any] = {"retailer_id": payment["retailer_id"], "store_id": payment["store_id"]}
    left = payment["amount"] - payment["refunded"] - payment["refund_pending"]
    return render(
        request, template, by, status_code=error.status if error else 200, tab="", story=story, payment=payment, zone=payment["zone"], at=now(),
        notice=notice, error=error, typed=typed or {}, refund_id=str(uuid7()), left=left, reasons=REASONS,
        stops=payment["state"] in UNDECIDED and by.may(Permission.TAKE_PAYMENTS, **place),
        refunds_it=payment["state"] == "paid" and left > 0 and by.may(Permission.REFUND_PAYMENTS, **place),
        sees_sale=by.may(Permission.READ_SALES, **place), happened=happened, why=why, sources=SOURCES, methods=METHODS, refund_states=REFUND_STATES,
        refund_words=REFUNDS, booked=BOOKED, account_words=account_words, alarm_words=alarm_words, raw=raw, who=who_of(story), unclaimed_after=UNCLAIMED_AFTER, **HELPERS, **tabs_for(by),
    )  # fmt: skip


def who_of(story: Story) -> Any:
    """Writes who did something: a person's name, a till's code, or what it is called inside."""

    def who(actor: str) -> str:
        kind, _, _ = actor.partition(":")
        name = story.actors.get(actor, "")
        return name or ("" if kind == "system" else actor)

    return who


KEPT_BACK = frozenset({"buyer_id", "buyer_user_id", "buyer_open_id", "open_id", "sign"})
"""What a wallet says of who a customer is, and its signature: kept as evidence, and shown to nobody here."""


def raw(facts: Any) -> str:
    """Facts as they were kept, for those who want to see them; who the customer is stays out."""
    return json.dumps(_without(facts), ensure_ascii=False, indent=1, default=str)


def _without(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {key: _without(value) for key, value in facts.items() if key not in KEPT_BACK}
    return [_without(each) for each in facts] if isinstance(facts, list) else facts


def yuan(text: str) -> int:
    """An amount that a person typed in yuan, in fen. Raises Invalid."""
    plain = clean(text).replace("¥", "").replace("￥", "").replace(",", "").replace("，", "").replace("。", ".").strip()
    try:
        fen = minor_units(plain if plain.replace(".", "", 1).isdecimal() else "")
    except ValueError:
        raise Invalid(mark("Write the amount in yuan, such as 12.50."), field="amount") from None
    if not 0 < fen <= MAX_AMOUNT:
        raise Invalid(mark("The amount must be more than nothing."), field="amount")
    return fen


def id_of(text: str) -> UUID:
    """The id in an address. Raises NotFound for what is none."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


def desk(request: Request) -> Desk:
    """Where payments are stopped and refunded."""
    found: Desk = request.app.state.payment_desk
    return found
