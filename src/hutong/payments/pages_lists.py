"""Lists beside payments: what people must look at, the agreements that customers have signed, and the money that is held."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hutong.directory import Permission, Principal, after, cursor
from hutong.kernel.clock import now
from hutong.payments import listing
from hutong.payments.pages import HELPERS, By, Filter, database, tabs_for
from hutong.payments.wording import AGREEMENT_STATES, ALARM_KINDS, AUTHORISATION_STATES, alarm_words
from hutong.platform.web import render

router = APIRouter(prefix="/payments", include_in_schema=False)
Cursor = Annotated[str, Query(alias="cursor", max_length=60)]

SHOWN = 50


@router.get("/alarms")
async def alarms_page(request: Request, by: By, cursor_: Cursor = "") -> Response:
    """What stands out, the newest first, with whose it is and what to do."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    async with database(request).read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        rows = await listing.alarms(reader, after(cursor_), SHOWN)
    return answer(request, by, "alarms", rows, cursor_, kinds=ALARM_KINDS, alarm_words=alarm_words)


@router.get("/agreements")
async def agreements_page(request: Request, by: By, q: Filter = "", cursor_: Cursor = "") -> Response:
    """Customers' standing permissions to be charged."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    async with database(request).read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        rows = await listing.agreements(reader, after(cursor_), SHOWN)
    return answer(request, by, "agreements", rows, cursor_, states=AGREEMENT_STATES)


@router.get("/authorisations")
async def authorisations_page(request: Request, by: By, cursor_: Cursor = "") -> Response:
    """Money that wallets hold for purchases to come."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    async with database(request).read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        rows = await listing.authorisations(reader, after(cursor_), SHOWN)
    return answer(request, by, "authorisations", rows, cursor_, states=AUTHORISATION_STATES)


def answer(request: Request, by: Principal, tab: str, rows: Any, given: str, **context: Any) -> Response:
    """The page of a list of ``SHOWN`` rows at most, with the way to the next."""
    further = cursor(rows[SHOWN - 1].page) if len(rows) > SHOWN else None
    return render(
        request,
        f"payments/{tab}.html",
        by,
        tab=tab,
        rows=rows[:SHOWN],
        cursor=given,
        next_cursor=further,
        at=now(),
        ends=by.anywhere(Permission.TAKE_PAYMENTS),
        **context,
        **HELPERS,
        **tabs_for(by),
    )
