"""Pages of people and what they hold, of integrators' keys, and of the audit log."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from hutong.directory import audit, keys, people, queries
from hutong.directory.api import Db
from hutong.directory.api_people import grant_of
from hutong.directory.errors import LastOperator
from hutong.directory.pages import PAGE_SIZE, By, Field, Filter, PathId, clean
from hutong.directory.permissions import BRAND_PERMISSIONS, KEY_PERMISSIONS, ROLE_PLACES, Permission, Principal
from hutong.directory.schemas import GrantIn
from hutong.directory.words import ACTIONS, HELPERS, PERMISSIONS, ROLES
from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError, Invalid, NotFound
from hutong.platform.database import Database
from hutong.platform.scope import Scope
from hutong.platform.web import mark, render

router = APIRouter(prefix="/directory", include_in_schema=False)

NOTICES = {
    "created": mark("The person can sign in now."),
    "granted": mark("The role is given."),
    "taken": mark("The role is taken away."),
    "password": mark("The new password is set. All sessions of this person have ended."),
    "disabled": mark("This person can no longer sign in."),
    "enabled": mark("This person can sign in again."),
    "revoked": mark("The key has ended."),
}


@router.get("/people")
async def people_page(request: Request, by: By, db: Db, q: Filter = "", cursor: Filter = "", done: str = "") -> Response:
    return await _people(request, by, db, q=clean(q), cursor=cursor, notice=NOTICES.get(done, ""))


@router.post("/people")
async def add_person(
    request: Request, by: By, db: Db, login: Field = "", name: Field = "", password: Field = "", locale: Field = "zh",
    role: Field = "", retailer: Field = "", store: Field = "", brand: Field = "",
) -> Response:  # fmt: skip
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    try:
        given = [await grant_of(db, chosen_grant(role, retailer, store, brand))] if role else []
        person_id = await people.create_person(db, by, login=login, name=clean(name), password=password, locale=locale, grants=given)
    except HutongError as error:
        if error.status >= 500:
            raise
        return await _people(request, by, db, error=error, typed={"login": login, "name": name, "role": role, "store": store})
    return RedirectResponse(f"/directory/people/{person_id}?done=created", status_code=303)


@router.get("/people/{person_id}")
async def person_page(request: Request, person_id: PathId, by: By, db: Db, done: str = "") -> Response:
    return await _person(request, person_id, by, db, notice=NOTICES.get(done, ""))


@router.post("/people/{person_id}/grants")
async def add_grant(
    request: Request, person_id: PathId, by: By, db: Db, role: Field = "", retailer: Field = "", store: Field = "", brand: Field = ""
) -> Response:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    await people.person_for(db, by, person_id)
    try:
        given = await grant_of(db, chosen_grant(role, retailer, store, brand))
        await people.grant(db, by, person_id, given.role, retailer_id=given.retailer_id, store_id=given.store_id, brand_id=given.brand_id)
    except HutongError as error:
        if error.status >= 500:
            raise
        return await _person(request, person_id, by, db, error=error)
    return RedirectResponse(f"/directory/people/{person_id}?done=granted", status_code=303)


@router.post("/people/{person_id}/grants/{grant_id}/revoke")
async def take_grant(request: Request, person_id: PathId, grant_id: PathId, by: By, db: Db) -> Response:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    try:
        await people.revoke_grant(db, by, person_id, grant_id)
    except LastOperator as error:
        return await _person(request, person_id, by, db, error=error)
    try:
        remaining = await people.person_for(db, by, person_id)
    except NotFound:  # it was the last role here: the person is nobody of theirs any more
        return RedirectResponse("/directory/people?done=taken", status_code=303)
    return RedirectResponse(f"/directory/people/{remaining.id}?done=taken", status_code=303)


@router.post("/people/{person_id}/password")
async def set_password(request: Request, person_id: PathId, by: By, db: Db, password: Field = "") -> Response:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    try:
        await people.set_password(db, by, person_id, password)
    except Invalid as error:
        return await _person(request, person_id, by, db, error=error)
    return RedirectResponse(f"/directory/people/{person_id}?done=password", status_code=303)


@router.post("/people/{person_id}/disabled")
async def set_disabled(request: Request, person_id: PathId, by: By, db: Db, disabled: Field = "") -> Response:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    try:
        await people.set_disabled(db, by, person_id, disabled == "yes")
    except LastOperator as error:
        return await _person(request, person_id, by, db, error=error)
    return RedirectResponse(f"/directory/people/{person_id}?done={'disabled' if disabled == 'yes' else 'enabled'}", status_code=303)


@router.get("/keys")
async def keys_page(request: Request, by: By, db: Db, cursor: Filter = "", done: str = "") -> Response:
    return await _keys(request, by, db, cursor=cursor, notice=NOTICES.get(done, ""))


@router.post("/keys")
async def add_key(
    request: Request,
    by: By,
    db: Db,
    name: Field = "",
    place: Field = "",
    days: Field = "",
    permissions: Annotated[list[str] | None, Form()] = None,
) -> Response:
    by.must_somewhere(Permission.MANAGE_KEYS)
    try:
        kind, _, number = place.partition(":")
        if kind not in ("retailer", "brand") or not number.isascii() or not number.isdigit() or len(number) > 9:
            raise Invalid(mark("Choose the retailer or brand that the key is for."), field="place")
        wanted = [each for each in Permission if each.value in (permissions or [])]
        made = await keys.create_key(
            db, by, name=clean(name), permissions=wanted, expires_at=now() + timedelta(days=int(days)) if days in ("30", "90", "365") else None,
            retailer_id=int(number) if kind == "retailer" else None, brand_id=int(number) if kind == "brand" else None,
        )  # fmt: skip
    except HutongError as error:
        if error.status >= 500:
            raise
        return await _keys(request, by, db, error=error)
    return await _keys(request, by, db, made=made)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(key_id: PathId, by: By, db: Db) -> Response:
    by.must_somewhere(Permission.MANAGE_KEYS)
    await keys.revoke_key(db, by, key_id)
    return RedirectResponse("/directory/keys?done=revoked", status_code=303)


@router.get("/audit")
async def audit_page(
    request: Request, by: By, db: Db, action: Filter = "", actor: Filter = "", since: Filter = "", until: Filter = "", cursor: Filter = ""
) -> Response:
    action, actor = clean(action), clean(actor)
    rows = await audit.audit_rows(
        db, by, action=action, actor=actor, since=day_start(since), until=day_start(until, 1), before=queries.after(cursor), limit=PAGE_SIZE
    )
    shown = rows[:PAGE_SIZE]
    return render(
        request, "directory/audit.html", by, rows=shown, next_cursor=queries.cursor(shown[-1].id) if len(rows) > PAGE_SIZE else None, cursor=cursor,
        action=action, actor=actor, since=since, until=until, actions=ACTIONS, **HELPERS,
    )  # fmt: skip


@router.get("/audit.csv")
async def audit_csv(by: By, db: Db, action: Filter = "", actor: Filter = "", since: Filter = "", until: Filter = "") -> Response:
    by.must_somewhere(Permission.READ_AUDIT)

    async def lines() -> AsyncIterator[str]:
        yield "\ufeff" + audit.csv_line(audit.AuditRow.__slots__)  # the mark lets spreadsheets read Chinese
        before = written = 0
        while written < audit.MOST_EXPORTED:
            rows = await audit.audit_rows(
                db,
                by,
                action=clean(action),
                actor=clean(actor),
                since=day_start(since),
                until=day_start(until, 1),
                before=before,
                limit=1000,
            )
            for each in rows[:1000]:
                yield audit.csv_line([getattr(each, name) for name in audit.AuditRow.__slots__])
            written += min(len(rows), 1000)
            if len(rows) <= 1000:
                return
            before = rows[999].id

    return StreamingResponse(
        lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="audit.csv"'}
    )


async def _people(
    request: Request,
    by: Principal,
    db: Database,
    *,
    q: str = "",
    cursor: str = "",
    notice: str = "",
    error: HutongError | None = None,
    typed: Any = None,
) -> Response:
    found = await people.people(db, by, after=queries.after(cursor), limit=PAGE_SIZE, q=q)
    shown = found[:PAGE_SIZE]
    return render(
        request, "directory/people.html", by, status_code=error.status if error else 200, people=shown, q=q, cursor=cursor, typed=typed or {},
        next_cursor=queries.cursor(shown[-1].id) if len(found) > PAGE_SIZE else None, notice=notice, error=error, **await _choices(by, db),
    )  # fmt: skip


async def _person(
    request: Request, person_id: int, by: Principal, db: Database, *, notice: str = "", error: HutongError | None = None
) -> Response:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    person = await people.person_for(db, by, person_id)
    return render(
        request, "directory/person.html", by, status_code=error.status if error else 200,
        person=person, notice=notice, error=error, typed={}, **await _choices(by, db),
    )  # fmt: skip


async def _keys(
    request: Request,
    by: Principal,
    db: Database,
    *,
    cursor: str = "",
    notice: str = "",
    error: HutongError | None = None,
    made: keys.NewKey | None = None,
) -> Response:
    found = await keys.keys(db, by, after=queries.after(cursor), limit=PAGE_SIZE)
    shown = queries.page([dict(each._mapping) for each in found], PAGE_SIZE)
    places = await managed_places(by, db, Permission.MANAGE_KEYS)
    for_retailer = [each for each in Permission if each in KEY_PERMISSIONS and by.anywhere(each)]
    return render(
        request, "directory/keys.html", by, **HELPERS, status_code=error.status if error else 201 if made else 200, keys=shown["items"], cursor=cursor,
        next_cursor=shown["next_cursor"], notice=notice, error=error, made=made, words=PERMISSIONS, brand_permissions=BRAND_PERMISSIONS,
        permissions=for_retailer if places["retailers"] else [each for each in for_retailer if each in BRAND_PERMISSIONS], **places,
    )  # fmt: skip


async def _choices(by: Principal, db: Database) -> dict[str, Any]:
    """What the forms of people offer: roles and places that ``by`` can give."""
    places = await managed_places(by, db, Permission.MANAGE_PEOPLE)
    kinds = ({"network"} if by.may(Permission.OPERATE_NETWORK) else set()) | ({"retailer", "store"} if places["retailers"] else set())
    kinds |= {"brand"} if places["brands"] else set()
    return {**places, "roles": [(role, ROLES[role]) for role, held in ROLE_PLACES.items() if held & kinds], "role_words": ROLES, **HELPERS}


async def managed_places(by: Principal, db: Database, permission: Permission) -> dict[str, Any]:
    """The retailers and brands at which ``by`` holds ``permission``."""
    scope = by.scope_for(permission)
    async with db.read(Scope.of_network()) as reader:
        retailers, brands = await queries.retailers(reader), await queries.brands(reader)
    return {
        "retailers": [each for each in retailers if scope.network or each.id in scope.retailers],
        "brands": [each for each in brands if scope.network or each.id in scope.brands],
    }


def chosen_grant(role: str, retailer: str, store: str, brand: str) -> GrantIn:
    """What a form chose: of the places filled in, the one that the role is held at."""
    kinds = ROLE_PLACES.get(role)
    if kinds is None:
        raise Invalid(mark("Choose a role."), field="role")
    try:
        if "store" in kinds:
            if not store.strip():
                raise Invalid(mark("Write the GLN of the store."), field="store")
            return GrantIn(role=role, store=store.strip())
        if "brand" in kinds and brand and not ("retailer" in kinds and retailer):
            return GrantIn(role=role, brand=brand)
        return GrantIn(role=role, retailer=retailer or None) if "retailer" in kinds else GrantIn(role=role)
    except ValueError:
        raise Invalid(mark("That is not the code of a retailer, a store or a brand.")) from None


def day_start(text: str, plus: int = 0) -> datetime | None:
    """Midnight UTC of a day typed into a form (``plus`` days later), or None if it is not one."""
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=plus), time(), UTC)
    except (ValueError, OverflowError):
        return None
