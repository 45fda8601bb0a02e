"""Who did what: the audit log as head offices and brands read it, page by page or as a file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hutong.directory.permissions import Permission, Principal
from hutong.directory.queries import like_escaped
from hutong.platform.database import Database, Reader
from hutong.platform.scope import Scope

MOST_EXPORTED = 50_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One thing that was done; ``actor_name`` is the person's, key's or till's name where it is known."""

    id: int
    at: datetime
    actor: str
    actor_name: str
    action: str
    subject: str
    retailer: str | None
    gln: str | None
    brand: str | None
    detail: dict[str, Any] | None


async def audit_rows(
    db: Database,
    by: Principal,
    *,
    action: str = "",
    actor: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: int = 0,
    limit: int = 50,
) -> list[AuditRow]:
    """What was done at the places where ``by`` reads the audit log, newest first; up to ``limit`` + 1 rows.

    ``action`` is one (``key.create``) or a noun with its dot (``key.``); ``before`` is the id of the last row already seen.
    Raises Forbidden for who reads no audit log.
    """
    by.must_somewhere(Permission.READ_AUDIT)
    async with db.read(by.scope_for(Permission.READ_AUDIT)) as reader:
        rows = await reader.rows(
            """select a.id, a.at, a.actor, a.action, a.subject, r.code as retailer, s.gln, b.code as brand, a.detail
               from audit a left join retailer r on r.id = a.retailer_id left join store s on s.id = a.store_id left join brand b on b.id = a.brand_id
               where (:before = 0 or a.id < :before) and (:action = '' or a.action = :action or a.action like :action_like)
                 and (:actor = '' or a.actor = :actor)
                 and (cast(:since as timestamptz) is null or a.at >= :since) and (cast(:until as timestamptz) is null or a.at < :until)
               order by a.id desc limit :limit""",
            before=before, action=action, action_like=like_escaped(action) + ("%" if action.endswith(".") else ""), actor=actor,
            since=since, until=until, limit=limit + 1,
        )  # fmt: skip
    async with db.read(Scope.of_network()) as reader:  # names of people are the network's to know
        names = await actor_names(reader, {row.actor for row in rows})
    return [AuditRow(**row._mapping, actor_name=names.get(row.actor, "")) for row in rows]


async def actor_names(reader: Reader, actors: set[str]) -> dict[str, str]:
    """The names behind ``person:7``, ``key:3`` and ``till:12``."""
    ids: dict[str, list[int]] = {"person": [], "key": [], "till": []}
    for actor in actors:
        kind, _, number = actor.partition(":")
        if kind in ids and number.isdigit():
            ids[kind].append(int(number))
    rows = await reader.rows(
        """select 'person:' || id as actor, name from person where id = any(cast(:person as integer[]))
           union all select 'key:' || id, name from api_key where id = any(cast(:key as integer[]))
           union all select 'till:' || t.id, s.gln || ' / ' || t.code from till t join store s on s.id = t.store_id
               where t.id = any(cast(:till as integer[]))""",
        **ids,
    )
    return {row.actor: row.name for row in rows}


def safe_cell(value: Any) -> str:
    """A value for a CSV cell that no spreadsheet takes for a formula: one that starts like it gets an apostrophe in front."""
    text = "" if value is None else json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return "'" + text if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def csv_line(values: Sequence[Any]) -> str:
    """One line of CSV (RFC 4180), each cell safe and quoted."""
    return ",".join('"' + safe_cell(value).replace('"', '""') + '"' for value in values) + "\r\n"
