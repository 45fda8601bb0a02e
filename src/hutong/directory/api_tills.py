"""The directory's HTTP API: tills of a store, enrolment by a one-time code, and what a till does for itself."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Body, Path, Request

from hutong.directory import tills
from hutong.directory.access import Access
from hutong.directory.api import By, Db, code_text
from hutong.directory.permissions import Permission
from hutong.directory.queries import StoreRef, TillRef, store_for, tills_of_store
from hutong.directory.schemas import CodeOut, EnrolIn, EnrolledOut, HeartbeatOut, RolledOut, RollIn, TillIn, TillOut
from hutong.kernel.clock import now

router = APIRouter(prefix="/v1", tags=["tills"])
PathId = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/stores/{gln}/tills", summary="The tills of a store")
async def list_tills(gln: str, by: By, db: Db) -> list[TillOut]:
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        store = await store_for(reader, by, Permission.READ_STORES, code_text(gln))
        return [shown_till(each) for each in await tills_of_store(reader, store.id)]


@router.post("/stores/{gln}/tills", status_code=201, summary="Add a till to a store")
async def add_till(gln: str, body: TillIn, by: By, db: Db) -> TillOut:
    by.must_somewhere(Permission.MANAGE_TILLS)
    return shown_till(await tills.create_till(db, by, code_text(gln), code=body.code, name=body.name))


@router.post("/tills/{till_id}/code", status_code=201, summary="A one-time code that enrols a till within 15 minutes")
async def start(request: Request, till_id: PathId, by: By, db: Db) -> CodeOut:
    by.must_somewhere(Permission.MANAGE_TILLS)
    made = await tills.start_enrolment(db, by, till_id)
    return CodeOut(code=made.code, expires_at=made.expires_at, url=enrolment_url(request, made.code), till=shown_till(made.till))


@router.post("/tills/{till_id}/revoke", status_code=204, summary="End a till's key at once")
async def revoke(till_id: PathId, by: By, db: Db) -> None:
    by.must_somewhere(Permission.MANAGE_TILLS)
    await tills.revoke_till(db, by, till_id)


@router.post("/tills:enrol", status_code=201, summary="Turn a one-time code into a till's key, shown this once")
async def enrol(request: Request, body: EnrolIn, db: Db) -> EnrolledOut:
    """Needs no key: the code is the proof. After 20 wrong codes within 15 minutes an address must wait."""
    enrolled = await tills.enrol_till(db, body.code, address=address_of(request))
    return EnrolledOut(key=enrolled.key, till=shown_till(enrolled.till), store=shown_place(enrolled.store))


@router.post("/tills:roll", summary="Replace the asking till's key; the old one ends")
async def roll(request: Request, by: By, db: Db, body: Annotated[RollIn | None, Body()] = None) -> RolledOut:
    """Send ``key`` (``ht_`` and 43 URL-safe random characters, stored before) to be able to go on if the answer is lost."""
    access: Access = request.state.access
    return RolledOut(key=await tills.roll_till(db, by, access.token_hash, body.key if body else None))


@router.post("/tills:heartbeat", summary="The asking till is alive")
async def heartbeat(by: By, db: Db) -> HeartbeatOut:
    till, store = await tills.heartbeat(db, by)
    return HeartbeatOut(till=shown_till(till), store=shown_place(store), server_time=now())


def shown_till(till: TillRef) -> TillOut:
    """A till for programs."""
    return TillOut(id=till.id, code=till.code, name=till.name, state=state_of(till), last_seen_at=till.last_seen_at)


def state_of(till: TillRef) -> str:
    """``enrolled``, ``revoked``, or ``new``: never enrolled yet."""
    return "revoked" if till.revoked else "enrolled" if till.enrolled else "new"


def shown_place(store: StoreRef) -> dict[str, Any]:
    """What a till must know of its store."""
    return {
        "gln": store.gln,
        "code": store.code,
        "name_zh": store.name_zh,
        "name_en": store.name_en,
        "zone": store.zone,
        "currency": store.currency,
    }


def enrolment_url(request: Request, code: str) -> str:
    """What the QR code says. The code stands behind #, so that it never reaches a server's log."""
    base: str = request.app.state.settings.base_url
    return f"{base.rstrip('/')}/till/enrol#{quote(code)}"


def address_of(request: Request) -> str:
    """The caller's network address, for limits; the server trusts a proxy's headers only as it is configured to."""
    return request.client.host if request.client else "unknown"
