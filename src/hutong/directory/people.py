"""People and what they hold: who may make whom what, and nobody more than they hold themselves.

Rows of people belong to the network, so these commands run in its scope and check each place by hand.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hutong.directory.access import forget, notify
from hutong.directory.commands import insert
from hutong.directory.errors import LastOperator
from hutong.directory.passwords import hash_password, must_be_strong
from hutong.directory.permissions import ROLE_PLACES, Grant, Permission, Principal
from hutong.kernel.errors import Conflict, Invalid, NotFound
from hutong.platform.database import Database, Reader, UnitOfWork
from hutong.platform.scope import Scope

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{2,63}")
LOCALES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A role at a place as it is stored, with the names of the place for people."""

    id: int
    person_id: int
    role: str
    retailer_id: int | None
    store_id: int | None
    brand_id: int | None
    retailer: str | None
    gln: str | None
    brand: str | None
    place_zh: str
    place_en: str

    @property
    def grant(self) -> Grant:
        """What it allows."""
        return Grant.of_role(self.role, self.retailer_id, self.store_id, self.brand_id)


@dataclass(frozen=True, slots=True)
class PersonShown:
    """A person as somebody who manages people sees them: with those grants that this somebody manages.

    ``wholly`` says whether that is all of them: only then may the password be set or the person be disabled.
    """

    id: int
    login: str
    name: str
    locale: str
    created_at: datetime
    disabled_at: datetime | None
    grants: tuple[HeldGrant, ...]
    wholly: bool


_HELD = """select g.id, g.person_id, g.role, g.retailer_id, g.store_id, g.brand_id, r.code as retailer, s.gln, b.code as brand,
    coalesce(s.name_zh, r.name_zh, b.name_zh, '全网') as place_zh, coalesce(s.name_en, r.name_en, b.name_en, 'The whole network') as place_en
    from role_grant g left join retailer r on r.id = g.retailer_id left join store s on s.id = g.store_id left join brand b on b.id = g.brand_id"""


def may_give(by: Principal, grant: Grant) -> bool:
    """Whether ``by`` manages people at the grant's place and holds there, itself, everything that the grant allows."""
    place = {"retailer_id": grant.retailer_id, "store_id": grant.store_id, "brand_id": grant.brand_id}
    return bool(grant.permissions) and all(by.may(each, **place) for each in (Permission.MANAGE_PEOPLE, *grant.permissions))


def may_manage_wholly(by: Principal, grants: Iterable[Grant]) -> bool:
    """Whether ``by`` could have given every one of ``grants``; somebody who holds nothing is the network's to manage."""
    held = list(grants)
    return by.may(Permission.OPERATE_NETWORK) or (bool(held) and all(may_give(by, each) for each in held))


async def create_person(
    db: Database, by: Principal, *, login: str, name: str, password: str, locale: str = "zh", grants: Sequence[Grant] = ()
) -> int:
    """Add a person with their first roles, and answer their id.

    ``grants`` are ``Grant.of_role(…)``; only the network may add somebody who holds nothing yet. Raises Taken for a login in use,
    WeakPassword, and NotFound for a role or place that ``by`` cannot give.
    """
    _must_give(by, grants)  # first of all, so that what is wrong with the rest tells nothing of places that are not one's own
    login = login.strip().lower()
    if not LOGIN.fullmatch(login):
        raise Invalid("A login has 3 to 64 small letters, digits, dots, hyphens, underscores or @.", field="login")
    if not name.strip():
        raise Invalid("A person needs a name.", field="name")
    if locale not in LOCALES:
        raise Invalid("The language is zh or en.", field="locale")
    if not grants:
        by.must(Permission.OPERATE_NETWORK)
    must_be_strong(password, login)
    hashed = await hash_password(password)
    async with db.work(Scope.of_network()) as uow:
        person_id = await insert(
            uow,
            "insert into person (login, name, password_hash, locale) values (:login, :name, :hash, :locale) returning id",
            "login", login=login, name=name.strip(), hash=hashed, locale=locale,
        )  # fmt: skip
        await _record(uow, by, "person.create", person_id, login, grants)
        for each in grants:
            await _add_grant(uow, by, person_id, login, each)
        await uow.commit()
    return person_id


async def grant(
    db: Database,
    by: Principal,
    person_id: int,
    role: str,
    *,
    retailer_id: int | None = None,
    store_id: int | None = None,
    brand_id: int | None = None,
) -> None:
    """Give a person a role at a place; giving it again changes nothing. Raises NotFound, as if either were absent, if ``by`` may not."""
    given = Grant.of_role(role, retailer_id, store_id, brand_id)
    _must_give(by, [given])
    async with db.work(Scope.of_network()) as uow:
        person, held = await _locked(uow, person_id)
        if not by.may(Permission.OPERATE_NETWORK) and not any(may_give(by, each.grant) for each in held):
            raise NotFound
        if person.disabled_at is not None:
            raise Conflict("This person is disabled.")
        await _add_grant(uow, by, person_id, person.login, given)
        await notify(uow, f"person:{person_id}")
        await uow.commit()
    forget(db, f"person:{person_id}")


async def revoke_grant(db: Database, by: Principal, person_id: int, grant_id: int) -> None:
    """Take a role away. Raises NotFound if ``by`` could not have given it, LastOperator if nobody would run the network."""
    async with db.work(Scope.of_network()) as uow:
        person, held = await _locked(uow, person_id)
        taken = next((each for each in held if each.id == grant_id), None)
        if taken is None or not may_give(by, taken.grant):
            raise NotFound
        if taken.role == "network_operator":
            await _must_leave_an_operator(uow, person_id)
        await uow.execute("delete from role_grant where id = :id", id=grant_id)
        await _record(uow, by, "grant.revoke", person_id, person.login, [taken.grant])
        await notify(uow, f"person:{person_id}")
        await uow.commit()
    forget(db, f"person:{person_id}")


async def set_password(db: Database, by: Principal, person_id: int, password: str) -> None:
    """Give a person a new password and end all their sessions. Raises NotFound unless ``by`` manages all that the person holds."""
    async with db.read(Scope.of_network()) as reader:
        shown = await _manageable(reader, by, person_id)
    must_be_strong(password, shown.login)
    hashed = await hash_password(password)
    async with db.work(Scope.of_network()) as uow:
        person, held = await _locked(uow, person_id)
        if not may_manage_wholly(by, [each.grant for each in held]):
            raise NotFound
        await uow.execute("update person set password_hash = :hash where id = :id", hash=hashed, id=person_id)
        await uow.execute("delete from browser_session where person_id = :id", id=person_id)
        await _record(uow, by, "person.password", person_id, person.login, [each.grant for each in held])
        await notify(uow, f"person:{person_id}")
        await uow.commit()
    forget(db, f"person:{person_id}")


async def set_disabled(db: Database, by: Principal, person_id: int, disabled: bool) -> None:
    """Shut a person out, at once and everywhere, or let them in again. Raises NotFound unless ``by`` manages all they hold."""
    async with db.work(Scope.of_network()) as uow:
        person, held = await _locked(uow, person_id)
        if not may_manage_wholly(by, [each.grant for each in held]):
            raise NotFound
        if disabled and any(each.role == "network_operator" for each in held):
            await _must_leave_an_operator(uow, person_id)
        await uow.execute(
            "update person set disabled_at = case when :disabled then now() end where id = :id", disabled=disabled, id=person_id
        )
        if disabled:
            await uow.execute("delete from browser_session where person_id = :id", id=person_id)
        await _record(uow, by, "person.disable" if disabled else "person.enable", person_id, person.login, [each.grant for each in held])
        await notify(uow, f"person:{person_id}")
        await uow.commit()
    forget(db, f"person:{person_id}")


async def set_locale(db: Database, by: Principal, locale: str) -> None:
    """Choose the language of one's own pages."""
    if locale not in LOCALES:
        raise Invalid("The language is zh or en.", field="locale")
    async with db.work(Scope.of_network()) as uow:
        await uow.execute("update person set locale = :locale where id = :id", locale=locale, id=by.person_id)
        await notify(uow, by.actor)
        await uow.commit()
    forget(db, by.actor)


async def people(db: Database, by: Principal, *, after: int = 0, limit: int = 50, q: str = "") -> list[PersonShown]:
    """The people that ``by`` manages (at least one role of), by id; up to ``limit`` + 1. Raises Forbidden for who manages nobody."""
    by.must_somewhere(Permission.MANAGE_PEOPLE)
    scope = by.scope_for(Permission.MANAGE_PEOPLE)
    async with db.read(Scope.of_network()) as reader:
        ids = await reader.rows(
            """select p.id from person p where p.id > :after and (:q = '' or strpos(p.login, lower(:q)) > 0 or strpos(lower(p.name), lower(:q)) > 0)
               and (:network or exists (select from role_grant g where g.person_id = p.id
                    and (g.retailer_id = any(cast(:retailers as integer[])) or g.brand_id = any(cast(:brands as integer[])))))
               order by p.id limit :limit""",
            after=after, limit=limit + 1, q=q, network=scope.network, retailers=sorted(scope.retailers), brands=sorted(scope.brands),
        )  # fmt: skip
        return await _shown(reader, by, [row.id for row in ids])


async def person_for(db: Database, by: Principal, person_id: int) -> PersonShown:
    """One person that ``by`` manages. Raises NotFound."""
    async with db.read(Scope.of_network()) as reader:
        return await _visible(reader, by, person_id)


async def _visible(reader: Reader, by: Principal, person_id: int) -> PersonShown:
    for shown in await _shown(reader, by, [person_id]):
        if shown.grants or by.may(Permission.OPERATE_NETWORK):
            return shown
    raise NotFound


async def _manageable(reader: Reader, by: Principal, person_id: int) -> PersonShown:
    shown = await _visible(reader, by, person_id)
    if not shown.wholly:
        raise NotFound
    return shown


async def _shown(reader: Reader, by: Principal, ids: Sequence[int]) -> list[PersonShown]:
    rows = await reader.rows(
        "select id, login, name, locale, created_at, disabled_at from person where id = any(:ids) order by id", ids=list(ids)
    )
    held: dict[int, list[HeldGrant]] = {}
    for row in await reader.rows(f"{_HELD} where g.person_id = any(:ids) order by g.id", ids=list(ids)):
        held.setdefault(row.person_id, []).append(HeldGrant(**row._mapping))
    return [
        PersonShown(
            **row._mapping,
            grants=tuple(each for each in held.get(row.id, []) if may_give(by, each.grant)),
            wholly=may_manage_wholly(by, [each.grant for each in held.get(row.id, [])]),
        )
        for row in rows
    ]


async def _locked(uow: UnitOfWork, person_id: int) -> tuple[Any, list[HeldGrant]]:
    """The person's row, locked so that what they hold stays as it is until the commit, and what they hold."""
    person = await uow.row("select id, login, disabled_at from person where id = :id for update", id=person_id)
    if person is None:
        raise NotFound
    rows = await uow.rows(f"{_HELD} where g.person_id = :id order by g.id", id=person_id)
    return person, [HeldGrant(**row._mapping) for row in rows]


def _must_give(by: Principal, grants: Sequence[Grant]) -> None:
    for each in grants:
        must_fit(each.role, each.place)
        if not may_give(by, each):
            raise NotFound


def must_fit(role: str, place: str) -> None:
    """Raises Invalid unless ``role`` can be held at a ``place`` of this kind (network, retailer, store, brand)."""
    if place not in ROLE_PLACES.get(role, ()):
        raise Invalid("This role cannot be held at such a place.", field="role", places=sorted(ROLE_PLACES.get(role, ())))


async def _add_grant(uow: UnitOfWork, by: Principal, person_id: int, login: str, given: Grant) -> None:
    """Write the role, once, if its place exists. The place is checked here: a foreign key forgives a store of no retailer."""
    there = await uow.value(
        """select (cast(:retailer_id as integer) is null or exists (select from retailer where id = :retailer_id))
              and (cast(:store_id as integer) is null or exists (select from store where id = :store_id and retailer_id = :retailer_id))
              and (cast(:brand_id as integer) is null or exists (select from brand where id = :brand_id))""",
        retailer_id=given.retailer_id, store_id=given.store_id, brand_id=given.brand_id,
    )  # fmt: skip
    if not there:
        raise NotFound
    added = await uow.row(
        """insert into role_grant (person_id, role, retailer_id, store_id, brand_id)
           values (:person_id, :role, :retailer_id, :store_id, :brand_id) on conflict do nothing returning id""",
        person_id=person_id, role=given.role, retailer_id=given.retailer_id, store_id=given.store_id, brand_id=given.brand_id,
    )  # fmt: skip
    if added is not None:
        await _record(uow, by, "grant.give", person_id, login, [given])


async def _must_leave_an_operator(uow: UnitOfWork, person_id: int) -> None:
    await uow.execute("select pg_advisory_xact_lock(hashtext('hutong.operators'))")  # two operators who remove each other
    others = await uow.value(
        """select count(*) from role_grant g join person p on p.id = g.person_id
           where g.role = 'network_operator' and p.disabled_at is null and p.id <> :id""",
        id=person_id,
    )
    if not others:
        raise LastOperator


async def _record(uow: UnitOfWork, by: Principal, action: str, person_id: int, login: str, grants: Sequence[Grant]) -> None:
    """One audit row for each tenant whose head office should see it."""
    for each in {(g.retailer_id, g.store_id, g.brand_id): g for g in grants}.values() or [None]:
        place = {"retailer_id": each.retailer_id, "store_id": each.store_id, "brand_id": each.brand_id} if each is not None else {}
        detail = {"login": login} | ({"role": each.role} if each is not None else {})
        await uow.record(by.actor, action, subject=f"person:{person_id}", detail=detail, **place)
