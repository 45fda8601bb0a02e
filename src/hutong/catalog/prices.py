"""What a retailer or one of its stores asks for a product, from when: an append-only history, and what it says at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hutong.catalog.errors import PriceTaken
from hutong.directory import Permission, Principal
from hutong.kernel.errors import Invalid, NotFound
from hutong.kernel.money import MAX_AMOUNT
from hutong.platform.database import Database, Reader, UnitOfWork
from hutong.platform.scope import Scope

MAX_PRICES = 1000
EVERY_STORE = 0


@dataclass(frozen=True, slots=True)
class PriceEntry:
    """A price in minor units from a moment on; ``amount`` None ends selling there; ``store_id`` 0 is every store of the retailer."""

    product_id: int
    amount: int | None
    valid_from: datetime
    store_id: int = EVERY_STORE


@dataclass(frozen=True, slots=True)
class Price:
    """A price that counts: minor units of ``currency``, and the row of history it stands in."""

    amount: int
    currency: str
    valid_from: datetime
    store_id: int


async def set_prices(db: Database, by: Principal, retailer_id: int, entries: Sequence[PriceEntry]) -> int:
    """Write up to 1,000 prices, all or none, and answer how many were new; the same price again changes nothing.

    Of the prices of a store and of the whole retailer, the one that starts latest counts (the store's, if both start at once).
    Raises NotFound for a store or product that is not the retailer's to price, PriceTaken if another price starts at that
    moment, Invalid for an amount out of range.
    """
    if not 1 <= len(entries) <= MAX_PRICES:
        raise Invalid(f"Send 1 to {MAX_PRICES} prices at a time, not {len(entries)}.", limit=MAX_PRICES)
    for each in entries:
        by.must(Permission.MANAGE_CATALOG, retailer_id=retailer_id, store_id=each.store_id or None)
        if each.amount is not None and not 0 <= each.amount <= MAX_AMOUNT:
            raise Invalid("A price is not negative and not above ten thousand million.", field="amount", given=each.amount)
        if each.valid_from.tzinfo is None:
            raise Invalid("Say the zone of valid_from, such as 2026-11-22T00:00:00+08:00.", field="valid_from")
    async with db.work(Scope.of_retailer(retailer_id)) as uow:
        await _must_exist(uow, retailer_id, entries)
        written = await _append(uow, by, retailer_id, entries)
        if written:
            subject = f"{written} prices"
            await uow.record(by.actor, "price.set", subject=subject, retailer_id=retailer_id, detail=_detail(entries))
            await uow.publish("price.set", retailer_id=retailer_id, body={"product_ids": sorted({each.product_id for each in entries})})
        await uow.commit()
    return written


async def _must_exist(uow: UnitOfWork, retailer_id: int, entries: Sequence[PriceEntry]) -> None:
    stores = {each.store_id for each in entries} - {EVERY_STORE}
    found = await uow.rows("select id from store where retailer_id = :retailer and id = any (cast(:ids as integer[]))",
                           retailer=retailer_id, ids=list(stores))  # fmt: skip
    if stores - {row.id for row in found}:
        raise NotFound("There is no such store of this retailer.")
    products = {each.product_id for each in entries}
    seen = await uow.rows(
        "select id from product where id = any (cast(:ids as integer[])) and coalesce(retailer_id, :retailer) = :retailer",
        ids=list(products), retailer=retailer_id,
    )  # fmt: skip
    if products - {row.id for row in seen}:
        raise NotFound("There is no such product.")


async def _append(uow: UnitOfWork, by: Principal, retailer_id: int, entries: Sequence[PriceEntry]) -> int:
    ordered = sorted(set(entries), key=lambda each: (each.store_id, each.product_id, each.valid_from))
    columns: dict[str, Any] = {
        "retailer": retailer_id, "actor": by.actor,
        "stores": [each.store_id for each in ordered], "products": [each.product_id for each in ordered],
        "moments": [each.valid_from for each in ordered], "amounts": [each.amount for each in ordered],
    }  # fmt: skip
    wanted = """unnest(cast(:stores as integer[]), cast(:products as integer[]), cast(:moments as timestamptz[]), cast(:amounts as bigint[]))
                with ordinality w (store_id, product_id, valid_from, amount, place)"""
    made = await uow.execute(
        f"""insert into price (retailer_id, store_id, product_id, valid_from, amount, currency, created_by)
            select r.id, w.store_id, w.product_id, w.valid_from, w.amount, r.currency, :actor
            from {wanted} join retailer r on r.id = :retailer order by w.place
            on conflict (retailer_id, store_id, product_id, valid_from) do nothing""",
        **columns,
    )
    taken = await uow.row(
        f"""select p.product_id, p.valid_from from {wanted}
            join price p on p.retailer_id = :retailer and (p.store_id, p.product_id, p.valid_from) = (w.store_id, w.product_id, w.valid_from)
            where p.amount is distinct from w.amount limit 1""",
        **{key: value for key, value in columns.items() if key != "actor"},
    )
    if taken is not None:
        raise PriceTaken(f"Another price already starts at {taken.valid_from.isoformat()}.", product_id=taken.product_id)
    return int(made.rowcount)


def _detail(entries: Sequence[PriceEntry]) -> dict[str, Any]:
    return {"prices": [[each.store_id, each.product_id, each.amount, each.valid_from.isoformat()] for each in entries]}


async def price_at(reader: Reader, retailer_id: int, store_id: int, product_id: int, at: datetime) -> Price | None:
    """What the store asks for the product at a moment, or None if it does not sell it then."""
    row = await reader.row(
        """select amount, currency::text as currency, valid_from, store_id from price
           where retailer_id = :retailer and store_id = any (array[0, cast(:store as integer)]) and product_id = :product and valid_from <= :at
           order by valid_from desc, store_id desc limit 1""",
        retailer=retailer_id, store=store_id, product=product_id, at=at,
    )  # fmt: skip
    return None if row is None or row.amount is None else Price(row.amount, row.currency, row.valid_from, row.store_id)


async def assortment(
    reader: Reader, retailer_id: int, store_id: int, at: datetime, *, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """What the store sells at a moment and for how much: a page of products in the order of their ids, behind ``after``."""
    rows = await reader.rows(
        """select p.id, p.gtin::text as gtin, p.code, p.name_zh, p.name_en, p.unit, t.amount, t.currency::text as currency, t.valid_from, t.store_id
           from (select distinct on (product_id) product_id, amount, currency, valid_from, store_id from price
                 where retailer_id = :retailer and store_id = any (array[0, cast(:store as integer)]) and product_id > :after and valid_from <= :at
                 order by product_id, valid_from desc, store_id desc) t
           join product p on p.id = t.product_id
           where t.amount is not null order by p.id limit :limit""",
        retailer=retailer_id, store=store_id, at=at, after=after, limit=limit,
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]


async def price_history(reader: Reader, product_id: int, limit: int = 200) -> list[dict[str, Any]]:
    """The prices of a product that the reader may see, newest first, with the names of retailer and store."""
    rows = await reader.rows(
        """select r.name_zh as retailer_zh, r.name_en as retailer_en, s.gln::text as gln, s.name_zh as store_zh, s.name_en as store_en,
                  p.valid_from, p.amount, p.currency::text as currency, p.created_at, p.created_by, p.valid_from > now() as to_come
           from price p join retailer r on r.id = p.retailer_id left join store s on s.retailer_id = p.retailer_id and s.id = p.store_id
           where p.product_id = :product order by p.valid_from desc, p.store_id desc limit :limit""",
        product=product_id, limit=limit,
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]


async def standing_prices(reader: Reader, retailer_id: int, entries: Sequence[PriceEntry]) -> tuple[list[int | None], list[bool]]:
    """What counts at the moment each entry starts (None: not sold), and whether another price starts at just that moment."""
    rows = await reader.rows(
        """select t.amount, exact.found and exact.amount is distinct from w.amount as taken
           from unnest(cast(:stores as integer[]), cast(:products as integer[]), cast(:moments as timestamptz[]), cast(:amounts as bigint[]))
                with ordinality w (store_id, product_id, valid_from, amount, place)
           left join lateral (select p.amount from price p
                where p.retailer_id = :retailer and p.store_id = any (array[0, w.store_id]) and p.product_id = w.product_id
                  and p.valid_from <= w.valid_from order by p.valid_from desc, p.store_id desc limit 1) t on true
           left join lateral (select true as found, p.amount from price p
                where p.retailer_id = :retailer and p.store_id = w.store_id and p.product_id = w.product_id
                  and p.valid_from = w.valid_from) exact on true
           order by w.place""",
        retailer=retailer_id,
        stores=[each.store_id for each in entries],
        products=[each.product_id for each in entries],
        moments=[each.valid_from for each in entries],
        amounts=[each.amount for each in entries],
    )
    return [row.amount for row in rows], [bool(row.taken) for row in rows]
