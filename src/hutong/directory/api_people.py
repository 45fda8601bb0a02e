"""The directory's HTTP API: people, what they hold, and the keys of integrators."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from hutong.directory import keys, people, queries
from hutong.directory.api import By, Db, place_ids
from hutong.directory.permissions import Grant, Permission, place_of
from hutong.directory.schemas import Cursor, GrantIn, KeyIn, KeyOut, Limit, MaybeText, Page, PasswordIn, PersonIn
from hutong.kernel.errors import Invalid
from hutong.platform.database import Database

router = APIRouter(prefix="/v1", tags=["people and keys"])
PathId = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/people", summary="People that you manage")
async def list_people(
    by: By, db: Db, q: Annotated[MaybeText, Query(max_length=100)] = "", limit: Limit = 50, cursor: Cursor = None
) -> Page:
    found = await people.people(db, by, after=queries.after(cursor), limit=limit, q=q)
    return Page(**queries.page([shown_person(each) for each in found], limit))


@router.post("/people", status_code=201, summary="Add a person with their first roles")
async def add_person(body: PersonIn, by: By, db: Db) -> dict[str, Any]:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    grants = [await grant_of(db, each) for each in body.grants]
    person_id = await people.create_person(
        db, by, login=body.login, name=body.name, password=body.password, locale=body.locale, grants=grants
    )
    return shown_person(await people.person_for(db, by, person_id))


@router.get("/people/{person_id}", summary="A person that you manage")
async def read_person(person_id: PathId, by: By, db: Db) -> dict[str, Any]:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    return shown_person(await people.person_for(db, by, person_id))


@router.post("/people/{person_id}/grants", status_code=201, summary="Give a role at a place")
async def add_grant(person_id: PathId, body: GrantIn, by: By, db: Db) -> dict[str, Any]:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    given = await grant_of(db, body)
    await people.grant(db, by, person_id, given.role, retailer_id=given.retailer_id, store_id=given.store_id, brand_id=given.brand_id)
    return shown_person(await people.person_for(db, by, person_id))


@router.delete("/people/{person_id}/grants/{grant_id}", status_code=204, summary="Take a role away")
async def remove_grant(person_id: PathId, grant_id: PathId, by: By, db: Db) -> None:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    await people.revoke_grant(db, by, person_id, grant_id)


@router.put("/people/{person_id}/password", status_code=204, summary="Set a password, and end all sessions of the person")
async def put_password(person_id: PathId, body: PasswordIn, by: By, db: Db) -> None:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    await people.set_password(db, by, person_id, body.password)


@router.post("/people/{person_id}/disable", status_code=204, summary="Shut a person out at once")
async def disable(person_id: PathId, by: By, db: Db) -> None:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    await people.set_disabled(db, by, person_id, True)


@router.post("/people/{person_id}/enable", status_code=204, summary="Let a person in again")
async def enable(person_id: PathId, by: By, db: Db) -> None:
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    await people.set_disabled(db, by, person_id, False)


@router.get("/keys", summary="API keys that you manage")
async def list_keys(by: By, db: Db, limit: Limit = 50, cursor: Cursor = None) -> Page:
    found = await keys.keys(db, by, after=queries.after(cursor), limit=limit)
    return Page(**queries.page([dict(each._mapping) for each in found], limit))


@router.post("/keys", status_code=201, summary="Make an API key; it is shown this once")
async def add_key(body: KeyIn, by: By, db: Db) -> KeyOut:
    by.must_somewhere(Permission.MANAGE_KEYS)
    if (body.retailer is None) == (body.brand is None):
        raise Invalid("A key belongs to one retailer or to one brand.", field="retailer")
    place = await place_ids(db, body.retailer, None, body.brand)
    made = await keys.create_key(
        db,
        by,
        name=body.name,
        permissions=body.permissions,
        retailer_id=place["retailer_id"],
        brand_id=place["brand_id"],
        expires_at=body.expires_at,
    )
    return KeyOut(id=made.id, key=made.key, hint=made.hint)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke an API key at once")
async def remove_key(key_id: PathId, by: By, db: Db) -> None:
    by.must_somewhere(Permission.MANAGE_KEYS)
    await keys.revoke_key(db, by, key_id)


async def grant_of(db: Database, body: GrantIn) -> Grant:
    """The grant that a body describes. Raises Invalid for a role that fits no such place, NotFound for a place that is not there.

    The role is checked first: which of the two is wrong must not tell whether another's place is there.
    """
    people.must_fit(body.role, place_of(1 if body.retailer or body.store else None, 1 if body.store else None, 1 if body.brand else None))
    return Grant.of_role(body.role, **await place_ids(db, body.retailer, body.store, body.brand))


def shown_person(person: people.PersonShown) -> dict[str, Any]:
    """A person for programs, with the grants that the caller manages."""
    return {
        "id": person.id, "login": person.login, "name": person.name, "locale": person.locale,
        "created_at": person.created_at, "disabled_at": person.disabled_at,
        "grants": [{"id": g.id, "role": g.role, "retailer": g.retailer, "store": g.gln, "brand": g.brand} for g in person.grants],
    }  # fmt: skip
