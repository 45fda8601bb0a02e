"""Pages of the books: each day against its bill, the differences with both sides, and statements of stores, brands and accounts."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from hutong.directory import Permission, Principal, signed_in
from hutong.kernel import clock
from hutong.kernel.errors import HutongError, Invalid, NotFound
from hutong.payments.pages import clean, database, tabs_for
from hutong.payments.reconciliation import queries
from hutong.payments.reconciliation.items import LONGEST_NOTE, ItemChanged, ReasonMissing, reopen_item, resolve_item
from hutong.payments.reconciliation.model import CLASSES, NOT_IN_BILL, bill_day
from hutong.payments.reconciliation.statements import (
    Subject,
    account_sums,
    check_period,
    safe_title,
    statement_csv,
    statement_xlsx,
    subject_of,
)
from hutong.payments.reconciliation.words import CLASSES as CLASS_WORDS
from hutong.payments.reconciliation.words import REASONS, SAID, STEPS, WHY, account_word
from hutong.payments.wording import REFUND_STATES, STATES
from hutong.platform.scope import Scope
from hutong.platform.web import locale_of, render, translate

router = APIRouter(prefix="/payments/books", include_in_schema=False)
By = Annotated[Principal, Depends(signed_in)]
AccountId = Annotated[int, Path(ge=1, le=2**31 - 1)]
ItemId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Text = Annotated[str, Query(max_length=40)]

SHOWN_DAYS = 31
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORDS: dict[str, Any] = {
    "class_words": CLASS_WORDS, "why_words": WHY, "reason_words": REASONS, "step_words": STEPS, "said_words": SAID, "account_word": account_word,
    "state_names": {**{key: text for key, (_, text) in REFUND_STATES.items()}, **{key: text for key, (_, text) in STATES.items()}},
    "longest_note": LONGEST_NOTE, "not_in_bill": NOT_IN_BILL,
}  # fmt: skip


@router.get("")
async def days_page(request: Request, by: By, until: Text = "") -> Response:
    """The days, newest first: whole accounts for head office, one's own stores or brands for others."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    last = day_of(until) or bill_day(clock.now()) - timedelta(days=1)
    first = last - timedelta(days=SHOWN_DAYS - 1)
    scope = by.scope_for(Permission.READ_PAYMENTS)
    accounts: Sequence[Any] = ()
    stores: Sequence[Any] = ()
    brands: Sequence[Any] = ()
    async with database(request).read(scope) as reader:
        if scope.network or scope.retailers:
            accounts = await queries.account_days(reader, first, last)
        elif scope.stores:
            stores = await queries.store_days(reader, first, last)
        if scope.brands:
            brands = await queries.brand_days(reader, first, last)
    return render(
        request, "payments/books.html", by, tab="books", accounts=accounts, stores=stores, brands=brands, whole=scope.network or bool(scope.retailers),
        of_brands=bool(scope.brands), several=len({row.account_id for row in accounts}) > 1, first=first, last=last,
        newer=last < bill_day(clock.now()) - timedelta(days=1), earlier=first - timedelta(days=1), later=last + timedelta(days=SHOWN_DAYS),
        today=bill_day(clock.now()), **tabs_for(by),
    )  # fmt: skip


@router.get("/statements")
async def statements_page(
    request: Request, by: By, of: Text = "", code: Text = "", first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
) -> Response:  # fmt: skip
    """A statement on the page, and its files."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    since, until = period(first, last)
    subject: Subject | None = None
    sums: Sequence[Any] = ()
    error: HutongError | None = None
    if of and clean(code):
        try:
            check_period(since, until)
            subject = await subject_of(database(request), by, of, clean(code))
            async with database(request).read(subject.scope) as reader:
                sums = await account_sums(reader, subject, since, until)
        except (Invalid, NotFound) as failure:
            error = failure
    return render(
        request, "payments/books_statements.html", by, tab="books", choices=await choices(request, by), of=of, code=clean(code), since=since,
        until=until, subject=subject, sums=sums, error=error, status_code=error.status if error else 200, **WORDS, **tabs_for(by),
    )  # fmt: skip


@router.get("/statements/{kind}/{code}.{form}")
async def statement_file(
    request: Request, kind: str, code: str, form: str, by: By, first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
) -> Response:  # fmt: skip
    """A statement as a file: only for who is signed in and may read it, each time."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    if form not in ("csv", "xlsx"):
        raise NotFound
    since, until = period(first, last)
    check_period(since, until)
    subject = await subject_of(database(request), by, kind, code[:40])
    locale = locale_of(request, by.locale)
    name = f"{kind}-{safe_title(code)}-{since:%Y%m%d}-{until:%Y%m%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}

    def say(text: str) -> str:
        return translate(locale, text)

    if form == "xlsx":
        return Response(await statement_xlsx(database(request), subject, since, until, say), media_type=XLSX, headers=headers)
    lines = statement_csv(database(request), subject, since, until, say)
    begun = await anext(lines)  # what can be wrong with it is known before the first byte goes out

    async def whole() -> Any:
        yield begun
        async for part in lines:
            yield part

    return StreamingResponse(whole(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/items/{item_id}/resolve")
async def resolve(request: Request, item_id: ItemId, by: By) -> Response:
    """Settle a difference by hand."""
    by.must_somewhere(Permission.RECONCILE)
    async with request.form(max_files=0, max_fields=5) as form:
        reason, note = (clean(str(form.get(name, "")))[:LONGEST_NOTE] for name in ("reason", "note"))
    return await _done(request, by, item_id, resolve_item(database(request), by, item_id, reason, note))


@router.post("/items/{item_id}/reopen")
async def reopen(request: Request, item_id: ItemId, by: By) -> Response:
    """Take a resolution back."""
    by.must_somewhere(Permission.RECONCILE)
    return await _done(request, by, item_id, reopen_item(database(request), by, item_id))


async def _done(request: Request, by: Principal, item_id: int, work: Any) -> Response:
    said = "resolved" if request.url.path.endswith("resolve") else "reopened"
    try:
        await work
    except (ItemChanged, ReasonMissing) as error:
        said = error.code
    async with database(request).read(by.scope_for(Permission.RECONCILE)) as reader:
        place = await queries.item_place(reader, item_id)
    if place is None:
        raise NotFound
    return RedirectResponse(f"/payments/books/{place.account_id}/{place.day}?said={said}#item-{item_id}", status_code=303)


@router.get("/{account_id}/{day}")
async def day_page(request: Request, account_id: AccountId, day: str, by: By, said: Text = "") -> Response:
    """One day of one account: what the bill comes to, its classes, and each difference with both sides."""
    by.must_somewhere(Permission.READ_PAYMENTS)
    wanted = day_of(day)
    scope = by.scope_for(Permission.READ_PAYMENTS)
    scope = Scope(scope.network, scope.retailers, scope.stores)  # a brand has no differences
    if wanted is None or not (scope.network or scope.retailers or scope.stores):
        raise NotFound
    async with database(request).read(scope) as reader:
        sums = await queries.day_sums(reader, account_id, wanted)
        classes = await queries.day_classes(reader, account_id, wanted)
        account = await reader.row(
            "select a.id, a.retailer_id, a.code, r.name_zh, r.name_en from wallet_account a join retailer r on r.id = a.retailer_id where a.id = :id",
            id=account_id,
        )
        if account is None and not classes:
            raise NotFound
        context: dict[str, Any] = {
            "items": await queries.day_items(reader, account_id, wanted, open_ones=True),
            "settled": await queries.day_items(reader, account_id, wanted, open_ones=False),
            "stores": await queries.day_stores(reader, account_id, wanted),
            "brands": await queries.day_brands(reader, account_id, wanted) if account else (),
            "runs": await queries.day_runs(reader, account_id, wanted) if account else (),
            "rejected": await queries.rejected_files(reader, account_id, wanted) if account else (),
        }
    open_count = sum(row.open for row in context["stores"])
    return render(
        request, "payments/books_day.html", by, tab="books", account=account, account_id=account_id, day_shown=wanted, sums=sums,
        classes=sorted(classes, key=lambda row: (CLASSES.index(row.class_), row.kind)), open_count=open_count,
        waiting=sum(item.class_ == "in_transit" for item in context["items"]), said=said,
        worked_out=bool(context["runs"]) or bool(classes), resolves=account is not None and by.may(Permission.RECONCILE, retailer_id=account.retailer_id),
        **context, **WORDS, **tabs_for(by),
    )  # fmt: skip


async def choices(request: Request, by: Principal) -> dict[str, Sequence[Any]]:
    """Whose statements the person may pick: stores (a list if there are few), brands, accounts."""
    scope = by.scope_for(Permission.READ_PAYMENTS)
    whole = scope.network or bool(scope.retailers)
    async with database(request).read(scope) as reader:
        own = "" if scope.network else "where retailer_id = any(cast(:retailers as integer[])) or id = any(cast(:stores as integer[]))"
        given = {} if scope.network else {"retailers": sorted(scope.retailers), "stores": sorted(scope.stores)}
        return {
            "stores": await reader.rows(f"select gln as code, name_zh, name_en from store {own} order by name_zh limit 200", **given),
            "brands": await reader.rows(
                """select b.code, b.name_zh, b.name_en from brand b where b.id = any(cast(:brands as integer[]))
                   or (:whole and exists (select from account a where a.brand_id = b.id)) order by b.code limit 200""",
                brands=sorted(scope.brands), whole=whole,
            ),
            "accounts": await reader.rows(
                """select a.id::text as code, r.name_zh || ' · ' || a.code as name_zh, r.name_en || ' · ' || a.code as name_en
                   from wallet_account a join retailer r on r.id = a.retailer_id order by r.code, a.code limit 200"""
            ) if whole else (),
        }  # fmt: skip


def period(first: str, last: str) -> tuple[date, date]:
    """The period that was asked for; this month so far if none was."""
    until = day_of(last) or bill_day(clock.now())
    return day_of(first) or until.replace(day=1), until


def day_of(text: str) -> date | None:
    """A date as the address has it (``2026-11-28``), or None."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
