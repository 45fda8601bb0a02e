"""The directory's HTTP API: who am I, retailers, chains, brands, stores and the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime
from sqlalchemy import Row

from hutong.directory import audit, commands, queries
from hutong.directory.access import caller
from hutong.directory.permissions import Permission, Principal
from hutong.directory.schemas import (
    BrandIn,
    ChainIn,
    Cursor,
    GrantOut,
    Limit,
    MaybeText,
    Me,
    Number,
    Page,
    PrefixesIn,
    RetailerIn,
    Search,
    StoreChange,
    StoreIn,
)
from hutong.kernel.errors import Invalid, NotFound
from hutong.platform.database import Database, Reader
from hutong.platform.scope import Scope

router = APIRouter(prefix="/v1", tags=["directory"])
By = Annotated[Principal, Depends(caller)]


async def database(request: Request) -> Database:
    """The process's database."""
    found: Database = request.app.state.database
    return found


Db = Annotated[Database, Depends(database)]


@router.get("/me", summary="Who am I, and what may I do?")
async def me(by: By) -> Me:
    grants = [
        GrantOut(**{name: getattr(each, name) for name in GrantOut.model_fields} | {"permissions": sorted(each.permissions)})
        for each in by.grants
    ]
    return Me(actor=by.actor, name=by.name, locale=by.locale, grants=grants)


@router.get("/retailers", summary="Retailers that you may know of")
async def list_retailers(by: By, db: Db) -> Page:
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        shown = await known_retailers(reader, by)
    return Page(items=shown, next_cursor=None)


@router.post("/retailers", status_code=201, summary="Add a retailer")
async def add_retailer(body: RetailerIn, by: By, db: Db) -> dict[str, Any]:
    return {"id": await commands.create_retailer(db, by, **body.model_dump()), "code": body.code}


@router.get("/retailers/{code}", summary="A retailer with its chains")
async def read_retailer(code: str, by: By, db: Db) -> dict[str, Any]:
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        found = next((each for each in await known_retailers(reader, by) if each["code"] == code), None)
        if found is None:
            raise NotFound
        chains = await reader.rows("select code, name_zh, name_en, format from chain where retailer_id = :id order by code", id=found["id"])
    return found | {"chains": [dict(each._mapping) for each in chains]}


@router.post("/retailers/{code}/chains", status_code=201, summary="Add a chain to a retailer")
async def add_chain(code: str, body: ChainIn, by: By, db: Db) -> dict[str, Any]:
    return {"id": await commands.create_chain(db, by, code_text(code), **body.model_dump()), "code": body.code}


@router.get("/brands", summary="Brands of the network")
async def list_brands(by: By, db: Db, limit: Limit = 50, cursor: Cursor = None) -> Page:
    by.must_somewhere(Permission.READ_STORES)
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        rows = await reader.rows(
            """select b.id, b.code, b.name_zh, b.name_en, b.owner, array(select prefix from brand_prefix p where p.brand_id = b.id order by 1) as prefixes
               from brand b where b.id > :after order by b.id limit :limit""",
            after=queries.after(cursor), limit=limit + 1,
        )  # fmt: skip
    return Page(**queries.page([dict(each._mapping) for each in rows], limit))


@router.post("/brands", status_code=201, summary="Add a brand")
async def add_brand(body: BrandIn, by: By, db: Db) -> dict[str, Any]:
    return {"id": await commands.create_brand(db, by, **body.model_dump()), "code": body.code}


@router.put("/brands/{code}/prefixes", status_code=204, summary="Say which GS1 company prefixes are a brand's")
async def put_prefixes(code: str, body: PrefixesIn, by: By, db: Db) -> None:
    await commands.set_brand_prefixes(db, by, code_text(code), body.prefixes)


@router.get("/stores", summary="Stores that you may know of")
async def list_stores(
    by: By,
    db: Db,
    retailer: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,32}$")] = None,
    province: Number = None,
    city: Number = None,
    q: Search = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page:
    by.must_somewhere(Permission.READ_STORES)
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        rows = await queries.find_stores(
            reader, retailer=retailer, province=province, city=city, q=q, after=queries.after(cursor), limit=limit
        )
    return Page(**queries.page([shown_store(each) for each in rows], limit))


@router.post("/stores", status_code=201, summary="Add a store")
async def add_store(body: StoreIn, by: By, db: Db) -> dict[str, Any]:
    store = await commands.create_store(
        db, by, body.retailer, gln=body.gln, **body.model_dump(exclude={"retailer", "gln"}, exclude_unset=True)
    )
    return {"id": store.id, "gln": store.gln}


@router.get("/stores/{gln}", summary="A store")
async def read_store(gln: str, by: By, db: Db) -> dict[str, Any]:
    async with db.read(by.scope_for(Permission.READ_STORES)) as reader:
        return shown_store(await store_row(reader, by, gln))


@router.patch("/stores/{gln}", summary="Change a store")
async def change_store(gln: str, body: StoreChange, by: By, db: Db) -> dict[str, Any]:
    await commands.update_store(db, by, code_text(gln), **body.model_dump(exclude_unset=True))
    async with db.read(by.scope_for(Permission.MANAGE_STORES)) as reader:
        return shown_store(await store_row(reader, by, gln))


@router.get("/audit", summary="Who did what at the places that you answer for, newest first")
async def read_audit(
    by: By,
    db: Db,
    action: Annotated[MaybeText, Query(max_length=60, description="one, such as key.create, or all of a noun: key.")] = "",
    actor: Annotated[str, Query(pattern=r"^[a-z]{0,10}:?[\w-]{0,40}$", description="such as person:7, key:3, till:12")] = "",
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page:
    rows = await audit.audit_rows(db, by, action=action, actor=actor, since=since, until=until, before=queries.after(cursor), limit=limit)
    return Page(**queries.page([{name: getattr(each, name) for name in audit.AuditRow.__slots__} for each in rows], limit))


async def known_retailers(reader: Reader, by: Principal) -> list[dict[str, Any]]:
    """Its own retailers; all of them for the network, and for a brand, which must know who sells its goods."""
    by.must_somewhere(Permission.READ_STORES)
    scope = by.scope_for(Permission.READ_STORES)
    own = {each.retailer_id for each in by.grants if Permission.READ_STORES in each.permissions}
    return [
        {"id": each.id, "code": each.code, "name_zh": each.name_zh, "name_en": each.name_en, "kind": each.kind}
        | {"currency": each.currency, "zone": each.zone}
        for each in await queries.retailers(reader)
        if scope.network or scope.brands or each.id in own
    ]


async def store_row(reader: Reader, by: Principal, gln: str) -> Row[Any]:
    """The store of this GLN as lists show it, if the scope shows it at all. Raises NotFound."""
    by.must_somewhere(Permission.READ_STORES)
    found = await queries.find_stores(reader, gln=code_text(gln), limit=1)
    if not found:
        raise NotFound
    return found[0]


def shown_store(row: Row[Any]) -> dict[str, Any]:
    """A store for programs. Brands see it too, so it tells nothing of the tills."""
    return {name: value for name, value in row._mapping.items() if name not in ("tills", "last_seen_at")}


def code_text(code: str) -> str:
    """A code or GLN from an address, if it can be one. Raises NotFound."""
    if not commands.CODE.fullmatch(code):
        raise NotFound
    return code


async def retailer_id(db: Database, code: str) -> int:
    """The id behind a retailer's code; what may be done there is for the caller to check. Raises NotFound."""
    async with db.read(Scope.of_network()) as reader:
        found = await queries.retailer_by_code(reader, code)
    if found is None:
        raise NotFound
    return found.id


async def brand_id(db: Database, code: str) -> int:
    """The id behind a brand's code; what may be done there is for the caller to check. Raises NotFound."""
    async with db.read(Scope.of_network()) as reader:
        found = await queries.brand_by_code(reader, code)
    if found is None:
        raise NotFound
    return found.id


async def place_ids(db: Database, retailer: str | None, store: str | None, brand: str | None) -> dict[str, int | None]:
    """The ids of a place named by codes; a store's GLN implies its retailer. Raises NotFound, Invalid for two places at once."""
    if brand is not None and (retailer is not None or store is not None):
        raise Invalid("Name one place: a retailer, a store or a brand.", field="brand")
    if brand is not None:
        return {"retailer_id": None, "store_id": None, "brand_id": await brand_id(db, brand)}
    if store is None:
        return {"retailer_id": None if retailer is None else await retailer_id(db, retailer), "store_id": None, "brand_id": None}
    async with db.read(Scope.of_network()) as reader:
        found = await queries.store_by_gln(reader, store)
    if found is None or (retailer is not None and found.retailer_id != await retailer_id(db, retailer)):
        raise NotFound
    return {"retailer_id": found.retailer_id, "store_id": found.id, "brand_id": None}
