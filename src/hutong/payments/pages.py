"""Pages of payments: the stores with their day, a store's payments live, and taking one by hand."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from hutong.directory import Permission, Principal, after, cursor, signed_in
from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError, NotFound
from hutong.kernel.gs1 import is_gln
from hutong.payments import listing
from hutong.payments.listing import FILTERS
from hutong.payments.live import hub_of
from hutong.payments.live_states import OPEN_STATES, UNCLAIMED_AFTER, row_of
from hutong.payments.machine import UNDECIDED
from hutong.payments.progress import watched_store
from hutong.payments.story import search
from hutong.payments.wording import METHODS, script_words, state_words
from hutong.payments.words import message_of
from hutong.platform.database import Database
from hutong.platform.web import duration, local_time, mark, render
from hutong.platform.web.i18n import current_locale, gettext

router = APIRouter(prefix="/payments", include_in_schema=False)
By = Annotated[Principal, Depends(signed_in)]
Filter = Annotated[str, Query(max_length=100)]

STORES_SHOWN = 50
ROWS_SHOWN = 50
FILTER_WORDS = {
    "paid": mark("Paid"), "open": mark("Waiting"), "unknown": mark("No clear answer"), "cancelled": mark("Cancelled"),
    "unpaid": mark("Declined or closed"), "refunds": mark("Refunded"), "unclaimed": mark("Paid, but no sale"),
}  # fmt: skip
STOPPABLE = frozenset(each.value for each in UNDECIDED)
STOPPED = frozenset({"cancelled", "closed"})
STANDS_OUT_SECONDS = 600
"""How long a payment that was stopped stays at the top, so that nobody hands goods out for it; as in store.js."""


@router.get("")
async def overview(
    request: Request, by: By, q: Filter = "", cursor_: Annotated[str, Query(alias="cursor", max_length=60)] = ""
) -> Response:
    """The stores whose payments the person may see, those that need a look first. Who has one store is led to it."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    words = clean(q)
    async with database(request).read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        few = await listing.few_stores(reader, by)
        if len(few) == 1 and "q" not in request.query_params:
            return RedirectResponse(f"/payments/stores/{few[0].gln}{language(request)}", status_code=303)
        rows = await listing.stores_today(reader, by, words, after(cursor_), STORES_SHOWN)
        troubles = await listing.troubles(reader, by) if few and not cursor_ else []
    shown = rows[:STORES_SHOWN]
    return render(
        request, "payments/overview.html", by, tab="stores", stores=shown, troubles=troubles, q=words, cursor=cursor_, at=now(), any_store=bool(few),
        next_cursor=cursor(shown[-1].id) if len(rows) > STORES_SHOWN else None, **tabs_for(by),
    )  # fmt: skip


@router.get("/search")
async def find(request: Request, by: By, q: Filter = "") -> Response:
    """On to the payment that a number means; a page that says so where it means none."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    words = clean(q)
    found = await search(database(request), by, words) if words else []
    if len(found) == 1:
        return RedirectResponse(f"/payments/{found[0]}", status_code=303)
    return render(request, "payments/found.html", by, tab="", found=found, q=words, **tabs_for(by))


@router.get("/stores/{gln}")
async def store_page(
    request: Request,
    gln: str,
    by: By,
    day: Annotated[str, Query(alias="date", max_length=10)] = "",
    state: Filter = "",
    before: Filter = "",
) -> Response:
    """A store's payments: today's live; an earlier day, one kind or older ones as a list."""
    if state and state not in FILTERS:
        raise NotFound
    store, key = await watched_store(request, by, gln, day or None)
    snapshot = msgspec.to_builtins(await hub_of(request).whole(key), str_keys=True)
    document = snapshot["document"]
    identity = document["identity"]
    async with database(request).read(by.scope_for(Permission.READ_PAYMENTS)) as reader:
        rows = await listing.payments_of(
            reader, store.id, store.zone, day=None if before and not day else key.day, kind=state, before=uuid_of(before), limit=ROWS_SHOWN
        )
    watched = "today" if identity["today"] else key.day
    shown = [msgspec.to_builtins(row_of(row._mapping)) for row in rows[:ROWS_SHOWN]]
    return render(
        request, "payments/store.html", by, tab="stores", store=store, zone=store.zone, identity=identity, snapshot=snapshot, state=state, before=before,
        live=identity["today"] and not state and not before, rows=shown, older=shown[-1]["id"] if len(rows) > ROWS_SHOWN else "", day_shown=key.day,
        day_asked=day, stream=f"/v1/streams/payments/{gln}?date={watched}", document=f"/v1/stores/{gln}/payments?date={watched}",
        filter_words=FILTER_WORDS, takes=by.may(Permission.TAKE_PAYMENTS, retailer_id=store.retailer_id, store_id=store.id),
        sums=sums_of(document), standing=standing_of(document, now()), **HELPERS, **tabs_for(by),
    )  # fmt: skip


@router.get("/stores/{gln}/take")
async def take_page(request: Request, gln: str, by: By) -> Response:
    """Taking a payment by hand, at a till that the person picks."""
    store, tills = await own_store(request, gln, by)
    return render(request, "payments/take.html", by, tab="stores", store=store, tills=tills, words=script_words, **tabs_for(by))


async def own_store(request: Request, gln: str, by: Principal) -> tuple[Any, Any]:
    """A store where ``by`` may take payments, and its tills. Raises NotFound."""
    if not is_gln(gln):
        raise NotFound
    async with database(request).read(by.scope_for(Permission.TAKE_PAYMENTS)) as reader:
        store = await reader.row("select id, retailer_id, gln, name_zh, name_en, zone from store where gln = :gln", gln=gln)
        if store is None:
            raise NotFound
        by.must(Permission.TAKE_PAYMENTS, retailer_id=store.retailer_id, store_id=store.id)
        return store, await listing.tills_of(reader, store.id)


def sums_of(document: dict[str, Any]) -> dict[str, dict[str, int]]:
    """The tiles of a store's page from its document; what store.js does with each frame."""
    totals, none = document["totals"], {"count": 0, "amount": 0}

    def of(*states: str) -> dict[str, int]:
        return {name: sum(totals.get(state, none)[name] for state in states) for name in none}

    return {
        "paid": of("paid"), "open": of("sending", "waiting"), "unknown": of("unknown", "cancelling", "refunding"), "cancelled": of("cancelled"),
        "unpaid": of("declined", "closed"), "refunded": document["refunded"], "unclaimed": document["unclaimed"],
    }  # fmt: skip


def standing_of(document: dict[str, Any], at: datetime) -> list[dict[str, Any]]:
    """The payments that stand out, the newest first: open ones, and those stopped a moment ago."""
    rows = [
        row for row in document["rows"].values()
        if row["state"] in OPEN_STATES
        or (row["state"] in STOPPED and (at - datetime.fromisoformat(row["changed_at"])).total_seconds() < STANDS_OUT_SECONDS)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: str(row["id"]), reverse=True)


def error_words(error: HutongError) -> str:
    """What a refusal says to people: its detail where that is translated, else what it is called."""
    said = gettext(error.detail)
    return said if said != error.detail or current_locale.get() == "en" else gettext(error.title)


def clock_of(moment: str | datetime, zone: str) -> str:
    """A moment, also one as JSON writes it, as the clock of a zone shows it to the second."""
    return local_time(datetime.fromisoformat(moment) if isinstance(moment, str) else moment, zone, "seconds")


def how_long(row: dict[str, Any]) -> str:
    """For how long a payment has been open, or how long ago it was stopped."""
    since = datetime.fromisoformat(row["changed_at"] if row["state"] in STOPPED else row["made_at"])
    span = duration(now() - since)
    return gettext("%(span)s ago" if row["state"] in STOPPED else "for %(span)s") % {"span": span}


def note_of(row: dict[str, Any]) -> str:
    """What is to be said of a payment beside its state."""
    if row["refund_pending"]:
        return gettext(REFUND_UNDER_WAY)
    if row["state"] != "paid" or row["refunded"]:
        return ""
    if row["claimed"]:
        return gettext(IN_A_SALE)
    return gettext(NO_SALE) if now() - datetime.fromisoformat(row["changed_at"]) > UNCLAIMED_AFTER else ""


REFUND_UNDER_WAY, IN_A_SALE, NO_SALE = mark("a refund is under way"), mark("in a sale"), mark("in no sale yet")
SPANS = (mark("%(span)s ago"), mark("for %(span)s"))
HELPERS: dict[str, Any] = {
    "state_words": state_words, "method_words": METHODS, "clock_of": clock_of, "how_long": how_long, "note_of": note_of, "message_of": message_of,
    "stoppable": STOPPABLE, "words": script_words, "pairs": zip, "error_words": error_words,
}  # fmt: skip
"""What the templates of lists need in their context."""


def tabs_for(by: Principal) -> dict[str, Any]:
    """Which of the tabs above payments' pages a person sees."""
    scope = by.scope_for(Permission.READ_PAYMENTS)
    return {"manages_wallets": by.anywhere(Permission.MANAGE_WALLETS), "sees_agreements": scope.network or bool(scope.retailers)}


def database(request: Request) -> Database:
    """The process's database."""
    found: Database = request.app.state.database
    return found


def clean(text: str) -> str:
    """What a person typed, without what no database can store."""
    return "".join(letter for letter in text if letter.isprintable()).strip()


def uuid_of(text: str) -> UUID | None:
    """The id in an address, or None where there is none. Raises NotFound for what is none."""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound from None


def language(request: Request) -> str:
    """The query that keeps a chosen language across a redirect."""
    chosen = request.query_params.get("lang")
    return f"?lang={chosen}" if chosen in ("zh", "en") else ""
