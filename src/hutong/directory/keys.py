"""API keys of integrators: made at one retailer or brand, shown once, stored hashed, revoked at once in every process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from hutong.directory.access import KEY_PREFIX, forget, hash_token, new_token, notify
from hutong.directory.permissions import BRAND_PERMISSIONS, KEY_PERMISSIONS, Permission, Principal
from hutong.kernel.clock import now
from hutong.kernel.errors import Invalid, NotFound
from hutong.platform.database import Database
from hutong.platform.scope import Scope

HINT_LENGTH = 8


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; ``key`` is shown once and kept nowhere."""

    id: int
    key: str
    hint: str


async def create_key(
    db: Database,
    by: Principal,
    *,
    name: str,
    permissions: Iterable[Permission],
    retailer_id: int | None = None,
    brand_id: int | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key for a program of one retailer or one brand.

    Raises NotFound unless ``by`` manages keys there and itself holds every one of ``permissions`` there; Invalid for an empty
    list, for permissions that no key may carry, and for an end that has passed.
    """
    if (retailer_id is None) == (brand_id is None):
        raise Invalid("A key belongs to one retailer or to one brand.", field="retailer")
    by.must(Permission.MANAGE_KEYS, retailer_id=retailer_id, brand_id=brand_id)
    wanted = frozenset(permissions)
    allowed = KEY_PERMISSIONS if retailer_id is not None else KEY_PERMISSIONS & BRAND_PERMISSIONS
    if not wanted or wanted - allowed:
        raise Invalid("A key has at least one permission, of those a key may carry.", field="permissions", allowed=sorted(allowed))
    for each in wanted:
        by.must(each, retailer_id=retailer_id, brand_id=brand_id)
    if not name.strip():
        raise Invalid("A key needs a name that says which program holds it.", field="name")
    if expires_at is not None and expires_at <= now():
        raise Invalid("A key ends in the future.", field="expires_at")
    key = new_token(KEY_PREFIX)
    hint = key[:HINT_LENGTH]
    async with db.work(Scope.of_retailer(retailer_id) if retailer_id is not None else Scope.of_brand(brand_id or 0)) as uow:
        there = await uow.row(
            "select 1 from retailer where id = :id" if brand_id is None else "select 1 from brand where id = :id",
            id=retailer_id or brand_id,
        )
        if there is None:
            raise NotFound
        key_id: int = await uow.value(
            """insert into api_key (name, hint, key_hash, retailer_id, brand_id, permissions, created_by, expires_at)
               values (:name, :hint, :hash, :retailer_id, :brand_id, :permissions, :by, :expires_at) returning id""",
            name=name.strip(), hint=hint, hash=hash_token(key), retailer_id=retailer_id, brand_id=brand_id,
            permissions=[each.value for each in sorted(wanted)], by=by.person_id, expires_at=expires_at,
        )  # fmt: skip
        await uow.record(
            by.actor, "key.create", subject=f"key:{key_id}", retailer_id=retailer_id, brand_id=brand_id,
            detail={"name": name.strip(), "hint": hint, "permissions": sorted(wanted)},
        )  # fmt: skip
        await uow.commit()
    return NewKey(key_id, key, hint)


async def revoke_key(db: Database, by: Principal, key_id: int) -> None:
    """End a key at once, in every process; ending it again changes nothing. Raises NotFound."""
    scope = by.scope_for(Permission.MANAGE_KEYS)
    async with db.work(Scope(scope.network, scope.retailers, frozenset(), scope.brands)) as uow:
        key = await uow.row("select retailer_id, brand_id, name, revoked_at from api_key where id = :id for update", id=key_id)
        if key is None:
            raise NotFound
        by.must(Permission.MANAGE_KEYS, retailer_id=key.retailer_id, brand_id=key.brand_id)
        if key.revoked_at is not None:
            return
        await uow.execute("update api_key set revoked_at = now() where id = :id", id=key_id)
        await uow.record(
            by.actor, "key.revoke", subject=f"key:{key_id}", retailer_id=key.retailer_id, brand_id=key.brand_id, detail={"name": key.name}
        )
        await notify(uow, f"key:{key_id}")
        await uow.commit()
    forget(db, f"key:{key_id}")


async def keys(db: Database, by: Principal, *, after: int = 0, limit: int = 50) -> Sequence[Row[Any]]:
    """The keys that ``by`` manages, by id, ended ones too; up to ``limit`` + 1."""
    by.must_somewhere(Permission.MANAGE_KEYS)
    async with db.read(by.scope_for(Permission.MANAGE_KEYS)) as reader:
        return await reader.rows(
            """select k.id, k.name, k.hint, k.permissions, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
                      r.code as retailer, b.code as brand, coalesce(r.name_zh, b.name_zh) as place_zh, coalesce(r.name_en, b.name_en) as place_en,
                      k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) as valid
               from api_key k left join retailer r on r.id = k.retailer_id left join brand b on b.id = k.brand_id
               where k.id > :after order by k.id limit :limit""",
            after=after, limit=limit + 1,
        )  # fmt: skip
