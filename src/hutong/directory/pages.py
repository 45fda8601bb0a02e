"""Pages of places: stores, a store with its tills, and enrolling a till."""

from typing import Annotated, Any

import segno
from fastapi import APIRouter, Depends, Form, Path, Query, Request
from pydantic import StringConstraints
from starlette.responses import RedirectResponse, Response

from hutong.directory import queries, tills
from hutong.directory.access import signed_in
from hutong.directory.api import Db, code_text, known_retailers, store_row
from hutong.directory.api_tills import enrolment_url, state_of
from hutong.directory.permissions import Permission, Principal
from hutong.directory.schemas import printable
from hutong.directory.words import HELPERS
from hutong.kernel.clock import now
from hutong.kernel.errors import HutongError, NotFound
from hutong.platform.database import Database
from hutong.platform.web import mark, render

router = APIRouter(prefix="/directory", include_in_schema=False)
By = Annotated[Principal, Depends(signed_in)]
PathId = Annotated[int, Path(ge=1, le=2**31 - 1)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Field = Annotated[str, Form(max_length=400)]
Filter = Annotated[str, Query(max_length=100)]

PAGE_SIZE = 50
NOTICES = {
    "till": mark("The till is there. Enrol it with a code."),
    "revoked": mark("The till's key has ended. It can be enrolled again."),
}


@router.get("/stores")
async def stores_page(
    request: Request, by: By, db: Db, q: Filter = "", retailer: Filter = "", province: Filter = "", cursor: Filter = ""
) -> Response:
    by.must_somewhere(Permission.READ_STORES)
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        rows = await queries.find_stores(
            reader, q=clean(q), retailer=clean(retailer) or None, province=int(province) if province.isascii() and province.isdigit() and len(province) < 5 else None,
            after=queries.after(cursor), limit=PAGE_SIZE,
        )  # fmt: skip
        retailers, provinces = await known_retailers(reader, by), await queries.provinces(reader)
    shown = queries.page([dict(each._mapping) for each in rows], PAGE_SIZE)
    return render(
        request, "directory/stores.html", by, **HELPERS, stores=shown["items"], next_cursor=shown["next_cursor"], cursor=cursor,
        retailers=retailers, provinces=provinces, q=q, retailer=retailer, province=province,
    )  # fmt: skip


@router.get("/stores/{gln}")
async def store_page(request: Request, gln: str, by: By, db: Db, done: str = "") -> Response:
    return await _store(request, gln, by, db, notice=NOTICES.get(done, ""))


@router.post("/stores/{gln}/tills")
async def add_till(request: Request, gln: str, by: By, db: Db, code: Field = "", name: Field = "") -> Response:
    try:
        await tills.create_till(db, by, code_text(gln), code=code.strip(), name=clean(name))
    except HutongError as error:
        if error.status in (404, 403) or error.status >= 500:
            raise
        return await _store(request, gln, by, db, error=error)
    return RedirectResponse(f"/directory/stores/{gln}?done=till", status_code=303)


@router.post("/tills/{till_id}/code")
async def show_code(request: Request, till_id: PathId, by: By, db: Db) -> Response:
    """The code stands on the answer of the form itself: it is shown once, and no address leads to it."""
    made = await tills.start_enrolment(db, by, till_id)
    picture = segno.make(enrolment_url(request, made.code), error="m").svg_data_uri(scale=8, border=3, dark="#000", light="#fff")
    return render(
        request, "directory/enrol.html", by, made=made, picture=picture, enrolled_before=made.till.enrolled, now_text=now().isoformat()
    )


@router.get("/tills/{till_id}/state")
async def till_state(request: Request, till_id: PathId, by: By, db: Db, since: Filter = "") -> Response:
    """The line below the QR code, asked for every two seconds while it is shown: enrolled now, or still waiting."""
    async with db.read(by.scope_for(Permission.MANAGE_TILLS)) as reader:
        row = await reader.row(
            "select retailer_id, store_id, enrolled_at, key_hash is not null as enrolled from till where id = :id", id=till_id
        )
    if row is None:
        raise NotFound
    by.must(Permission.MANAGE_TILLS, retailer_id=row.retailer_id, store_id=row.store_id)
    done = row.enrolled and row.enrolled_at is not None and row.enrolled_at.isoformat() > since
    return render(request, "directory/till_state.html", by, done=done, till_id=till_id, since=since)


@router.post("/tills/{till_id}/revoke")
async def revoke_till(till_id: PathId, by: By, db: Db) -> Response:
    await tills.revoke_till(db, by, till_id)
    async with db.read(by.scope_for(Permission.MANAGE_TILLS)) as reader:
        till = await queries.till_by_id(reader, till_id)
        store = None if till is None else await queries.store_by_id(reader, till.store_id)
    return RedirectResponse(f"/directory/stores/{store.gln}?done=revoked" if store else "/directory/stores", status_code=303)


async def _store(
    request: Request, gln: str, by: Principal, db: Database, *, notice: str = "", error: HutongError | None = None
) -> Response:
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        row = await store_row(reader, by, gln)
        place: dict[str, Any] = {"retailer_id": await _retailer_of(reader, row.id), "store_id": row.id}
        sees_tills = by.may(Permission.READ_STORES, **place)
        shown = await queries.tills_of_store(reader, row.id) if sees_tills else []
    return render(
        request, "directory/store.html", by, status_code=error.status if error else 200,
        store=row, tills=[(each, state_of(each)) for each in shown], sees_tills=sees_tills, manages=by.may(Permission.MANAGE_TILLS, **place),
        silent_for={each.id: now() - each.last_seen_at for each in shown if each.last_seen_at is not None}, notice=notice, error=error,
    )  # fmt: skip


async def _retailer_of(reader: Any, store_id: int) -> int:
    store = await queries.store_by_id(reader, store_id)
    if store is None:
        raise NotFound
    return store.retailer_id


def clean(text: str) -> str:
    """What a person typed, without what no database can store."""
    try:
        return printable(text.strip())
    except ValueError:
        return "".join(letter for letter in text if letter.isprintable()).strip()
