"""Tills: made by a manager, enrolled by a one-time code, holding their own key until it is rolled or revoked."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hutong.directory.access import TILL_PREFIX, forget, hash_token, new_token, notify
from hutong.directory.commands import insert, must_be_code
from hutong.directory.errors import CodeNotValid
from hutong.directory.permissions import Permission, Principal
from hutong.directory.queries import StoreRef, TillRef, store_by_id, store_for, till_by_code, till_by_id
from hutong.directory.sessions import counted_try
from hutong.kernel.clock import now
from hutong.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""No 0 O, 1 I L: what a person reads off one screen and types into another."""
CODE_LENGTH = 8
CODE_LIVES = timedelta(minutes=15)
TRIES_AN_ADDRESS = 20
TILL_KEY = re.compile(TILL_PREFIX + r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A one-time code for a till; shown once, stored hashed."""

    code: str
    expires_at: datetime
    till: TillRef
    store: StoreRef


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A till's new key, shown once, and which till of which store holds it."""

    key: str
    till: TillRef
    store: StoreRef


async def create_till(db: Database, by: Principal, gln: str, *, code: str, name: str = "") -> TillRef:
    """Add a till to a store. Raises Taken if the store has one of this code."""
    must_be_code(code)
    async with db.read(by.scope_for(Permission.MANAGE_TILLS)) as reader:
        store = await store_for(reader, by, Permission.MANAGE_TILLS, gln)
    async with db.work(Scope.of_store(store.id)) as uow:
        till_id = await insert(
            uow,
            "insert into till (retailer_id, store_id, code, name) values (:retailer_id, :store_id, :code, :name) returning id",
            "code", retailer_id=store.retailer_id, store_id=store.id, code=code, name=name,
        )  # fmt: skip
        till = await till_by_id(uow, till_id)
        assert till is not None
        await _record(uow, by, "till.create", till)
        await uow.commit()
    return till


async def register_till(db: Database, by: Principal, store: StoreRef, code: str, name: str = "") -> TillRef:
    """The till of this code at a store, made if it is not there yet: for integrators whose tills are not enrolled one by one."""
    by.must(Permission.REGISTER_TILLS, retailer_id=store.retailer_id, store_id=store.id)
    return (await register_tills(db, by, [(store, code)], {(store.id, code): name}))[store.id, code]


async def register_tills(
    db: Database, by: Principal, wanted: Sequence[tuple[StoreRef, str]], names: Mapping[tuple[int, str], str] | None = None
) -> dict[tuple[int, str], TillRef]:
    """Many tills at once, as ``register_till``, in one transaction: (store id, code) to till. Any place it may not is NotFound for all."""
    pairs = {(store.id, code): store for store, code in wanted}
    for (_, code), store in pairs.items():
        by.must(Permission.REGISTER_TILLS, retailer_id=store.retailer_id, store_id=store.id)
        must_be_code(code)
    found: dict[tuple[int, str], TillRef] = {}
    async with db.work(Scope.of_store(*(store.id for store in pairs.values()))) as uow:
        for (store_id, code), store in sorted(pairs.items(), key=lambda each: each[0]):
            made = await uow.row(
                """insert into till (retailer_id, store_id, code, name) values (:retailer_id, :store_id, :code, :name)
                   on conflict (retailer_id, store_id, code) do nothing returning id""",
                retailer_id=store.retailer_id, store_id=store_id, code=code, name=(names or {}).get((store_id, code), ""),
            )  # fmt: skip
            till = await till_by_code(uow, store_id, code)
            if till is None:
                raise NotFound
            if made is not None:
                await _record(uow, by, "till.create", till)
            found[store_id, code] = till
        await uow.commit()
    return found


async def start_enrolment(db: Database, by: Principal, till_id: int) -> Enrolment:
    """A one-time code for a till, valid for 15 minutes; an earlier one ends. The till keeps its present key until the code is used."""
    till = await _managed(db, by, till_id)
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    expires_at = now() + CODE_LIVES
    async with db.work(Scope.of_store(till.store_id)) as uow:
        await uow.execute("select 1 from till where id = :id for update", id=till.id)
        await uow.execute(
            "update till_enrolment set expires_at = now() where till_id = :id and used_at is null and expires_at > now()", id=till.id
        )
        await uow.execute(
            """insert into till_enrolment (retailer_id, store_id, till_id, code_hash, created_by, expires_at)
               values (:retailer_id, :store_id, :till_id, :hash, :by, :expires_at)""",
            retailer_id=till.retailer_id, store_id=till.store_id, till_id=till.id, hash=hash_token(code), by=by.person_id, expires_at=expires_at,
        )  # fmt: skip
        store = await store_by_id(uow, till.store_id)
        assert store is not None
        await _record(uow, by, "till.code", till)
        await uow.commit()
    return Enrolment(code, expires_at, till, store)


async def enrol_till(db: Database, code: str, *, address: str) -> Enrolled:
    """Turn a one-time code into the till's key; any earlier key of the till ends.

    Raises CodeNotValid for a code that is unknown, used or expired, TooManyAttempts after 20 wrong ones from one address.
    """
    code = re.sub(r"[\s-]", "", code).upper()
    if len(code) != CODE_LENGTH or any(letter not in ALPHABET for letter in code):
        raise CodeNotValid
    async with counted_try(db, {f"enrol:{address}": TRIES_AN_ADDRESS}) as tried, db.work(Scope.of_network()) as uow:
        # Of two parallel calls with one code, one waits here for the other's row and then finds it used.
        used = await uow.row(
            """update till_enrolment set used_at = now() where code_hash = :hash and used_at is null and expires_at > clock_timestamp()
               returning till_id""",
            hash=hash_token(code),
        )
        if used is None:
            raise CodeNotValid
        key = new_token(TILL_PREFIX)
        await uow.execute(
            "update till set key_hash = :hash, enrolled_at = now(), revoked_at = null, last_seen_at = now() where id = :id",
            hash=hash_token(key), id=used.till_id,
        )  # fmt: skip
        till = await till_by_id(uow, used.till_id)
        assert till is not None
        store = await store_by_id(uow, till.store_id)
        assert store is not None
        await uow.record(f"till:{till.id}", "till.enrol", subject=_subject(till), retailer_id=till.retailer_id, store_id=till.store_id)
        await tried.succeed(uow)
        await notify(uow, f"till:{till.id}")
        await uow.commit()
    forget(db, f"till:{till.id}")
    return Enrolled(key, till, store)


async def roll_till(db: Database, by: Principal, token_hash: bytes, key: str | None = None) -> str:
    """Give the asking till a new key; the one it asked with (``token_hash``) ends.

    A till may choose the ``key`` itself (``ht_`` and 43 URL-safe random characters) and store it before it asks, so that it
    can go on if the answer is lost. Raises Conflict if its key was replaced in the meantime.
    """
    if by.till_id is None or by.store_id is None:
        raise Forbidden("Only a till can roll its own key.")
    if key is not None and not TILL_KEY.fullmatch(key):
        raise Invalid("A till's key is ht_ and 43 URL-safe characters.", field="key")
    new = key or new_token(TILL_PREFIX)
    async with db.work(Scope.of_store(by.store_id)) as uow:
        rolled = await uow.row(
            "update till set key_hash = :new, enrolled_at = now() where id = :id and key_hash = :old and revoked_at is null returning id",
            new=hash_token(new), id=by.till_id, old=token_hash,
        )  # fmt: skip
        till = await till_by_id(uow, by.till_id)
        if rolled is None or till is None:
            raise Conflict("This till's key has been replaced already.")
        await _record(uow, by, "till.roll", till)
        await notify(uow, by.actor)
        await uow.commit()
    forget(db, by.actor)
    return new


async def revoke_till(db: Database, by: Principal, till_id: int) -> None:
    """End a till's key and any open code at once. The till can be enrolled again."""
    till = await _managed(db, by, till_id)
    async with db.work(Scope.of_store(till.store_id)) as uow:
        await uow.execute("update till set key_hash = null, revoked_at = now() where id = :id", id=till.id)
        await uow.execute(
            "update till_enrolment set expires_at = now() where till_id = :id and used_at is null and expires_at > now()", id=till.id
        )
        await _record(uow, by, "till.revoke", till)
        await notify(uow, f"till:{till.id}")
        await uow.commit()
    forget(db, f"till:{till.id}")


async def heartbeat(db: Database, by: Principal) -> tuple[TillRef, StoreRef]:
    """The asking till is alive: which one it is, at which store."""
    if by.till_id is None or by.store_id is None:
        raise Forbidden("Only a till has a heartbeat.")
    async with db.work(Scope.of_store(by.store_id)) as uow:
        await uow.execute("update till set last_seen_at = now() where id = :id", id=by.till_id)
        till, store = await till_by_id(uow, by.till_id), await store_by_id(uow, by.store_id)
        assert till is not None
        assert store is not None
        await uow.commit()
    return till, store


async def touch_tills(db: Database, seen: Mapping[int, datetime]) -> None:
    """Write many tills' last signs of life in one statement; never sets one back.

    A till that another process is writing just now is skipped: that one's sign of life is as good.
    """
    if not seen:
        return
    async with db.work(Scope.of_network()) as uow:
        await uow.execute(
            """with seen as (select * from unnest(cast(:ids as integer[]), cast(:times as timestamptz[])) as s(id, at)),
                    free as (select t.id from till t where t.id = any(:ids) for no key update skip locked)
               update till t set last_seen_at = s.at from seen s join free f on f.id = s.id
               where t.id = s.id and (t.last_seen_at is null or t.last_seen_at < s.at)""",
            ids=list(seen), times=list(seen.values()),
        )  # fmt: skip
        await uow.commit()


async def _managed(db: Database, by: Principal, till_id: int) -> TillRef:
    """The till, if ``by`` manages tills at its store. Raises NotFound."""
    async with db.read(by.scope_for(Permission.MANAGE_TILLS)) as reader:
        till = await till_by_id(reader, till_id)
    if till is None:
        raise NotFound
    by.must(Permission.MANAGE_TILLS, retailer_id=till.retailer_id, store_id=till.store_id)
    return till


async def _record(uow: UnitOfWork, by: Principal, action: str, till: TillRef) -> None:
    await uow.record(
        by.actor, action, subject=_subject(till), retailer_id=till.retailer_id, store_id=till.store_id, detail={"code": till.code}
    )


def _subject(till: TillRef) -> str:
    return f"till:{till.id}"
