"""Writes postings into the ledger, inside the caller's transaction, one call of SQL for any number of them."""

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from hutong.payments.ledger.errors import LedgerRefuses
from hutong.payments.ledger.model import Posting
from hutong.platform.database import UnitOfWork

ONE_TYPES = (
    "integer", "uuid", "date", "timestamptz", "text", "text", "uuid", "text", "uuid", "text", "text[]", "text[]", "integer[]", "bigint[]",
)  # fmt: skip
MANY_TYPES = (
    "uuid[]", "integer[]", "date[]", "timestamptz[]", "text[]", "text[]", "uuid[]", "text[]", "uuid[]", "text[]",
    "integer[]", "text[]", "text[]", "integer[]", "bigint[]",
)  # fmt: skip
CALL_ONE = f"select ledger_post_one({', '.join(f'%s::{each}' for each in ONE_TYPES)})::integer"
CALL_MANY = f"select ledger_post({', '.join(f'%s::{each}' for each in MANY_TYPES)})"
_ONE = f"select ledger_post_one({', '.join(f'cast(:p{n} as {each})' for n, each in enumerate(ONE_TYPES))})::integer"
_MANY = f"select ledger_post({', '.join(f'cast(:p{n} as {each})' for n, each in enumerate(MANY_TYPES))})"


async def post(place: UnitOfWork | psycopg.AsyncConnection[Any], postings: Sequence[Posting]) -> int:
    """Write these in the transaction that is open at ``place``, and answer how many were new.

    The scope must be the network's or the retailers'. One that stands in the ledger already, as it is here, is left as it is.
    Raises LedgerRefuses if one does not balance, stands there with another meaning, or resolves what is not pending or is less.
    """
    if not postings:
        return 0
    values = one(postings[0]) if len(postings) == 1 else many(postings)
    try:
        if isinstance(place, UnitOfWork):
            sql = _ONE if len(postings) == 1 else _MANY
            return int(await place.value(sql, **{f"p{n}": value for n, value in enumerate(values)}))
        cursor = await place.execute(CALL_ONE if len(postings) == 1 else CALL_MANY, values, prepare=True)
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])
    except DBAPIError as error:
        raise LedgerRefuses.of(error.orig) or error from error
    except psycopg.Error as error:
        raise LedgerRefuses.of(error) or error from error


def one(posting: Posting) -> list[Any]:
    """The parameters of ``CALL_ONE``."""
    entries = posting.entries
    return [
        posting.retailer_id, posting.id, posting.booked_on, posting.at, posting.kind, posting.idempotency, posting.reference, posting.state,
        posting.pending_of, posting.currency, [entry.account for entry in entries], [entry.kind for entry in entries],
        [entry.store_id for entry in entries], [entry.amount for entry in entries],
    ]  # fmt: skip


def many(postings: Sequence[Posting]) -> list[Any]:
    """The parameters of ``CALL_MANY``."""
    entries = [(position, entry) for position, posting in enumerate(postings, 1) for entry in posting.entries]
    return [
        [posting.id for posting in postings], [posting.retailer_id for posting in postings], [posting.booked_on for posting in postings],
        [posting.at for posting in postings], [posting.kind for posting in postings], [posting.idempotency for posting in postings],
        [posting.reference for posting in postings], [posting.state for posting in postings], [posting.pending_of for posting in postings],
        [posting.currency for posting in postings],
        [position for position, _ in entries], [entry.account for _, entry in entries], [entry.kind for _, entry in entries],
        [entry.store_id for _, entry in entries], [entry.amount for _, entry in entries],
    ]  # fmt: skip
