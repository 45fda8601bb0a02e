"""Changes of the catalogue: register products, keep the tree of categories."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hutong.catalog.codes import CATALOG_LOCK, ProductKey, create_provisional
from hutong.catalog.entries import Outcome, Problem, ProductEntry
from hutong.catalog.errors import CategoryLoop, RowsInvalid
from hutong.catalog.judging import Judgement, entry_key, judge, known_products, surroundings
from hutong.directory import Permission, Principal
from hutong.kernel.errors import Conflict, Invalid, NotFound
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

MAX_PRODUCTS = 1000
ATTRIBUTION_TIMEOUT = "120s"


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of one entry: the product's id and the outcome."""

    product_id: int
    outcome: Outcome


async def register_products(db: Database, by: Principal, entries: Sequence[ProductEntry]) -> list[Registered]:
    """Register up to 1,000 products, all or none; what somebody rang up before under the same code becomes the product.

    Sales of before join the brand that a product gains, in this same transaction, so that a brand's totals equal its lines
    at every moment. A product that changes its brand leaves its history with the brand that sold it. Products that another
    brand answers for stay as they are (outcome ``kept``). Raises RowsInvalid with every problem of every row.
    """
    by.must_somewhere(Permission.MANAGE_CATALOG)
    if not 1 <= len(entries) <= MAX_PRODUCTS:
        raise Invalid(f"Send 1 to {MAX_PRODUCTS} products at a time, not {len(entries)}.", limit=MAX_PRODUCTS)
    registered = await _register(db, by, entries, exclusive=False)
    if registered is None:
        registered = await _register(db, by, entries, exclusive=True)
    if registered is None:
        raise Conflict("The products were changed by somebody else at the same moment; try again.")
    return registered


async def _register(db: Database, by: Principal, entries: Sequence[ProductEntry], *, exclusive: bool) -> list[Registered] | None:
    """One try; None, with nothing changed, if sales of before may have to join a brand and captures were not kept out."""
    async with db.work(Scope.of_network()) as uow:
        if exclusive:
            await uow.execute("select pg_advisory_xact_lock(:lock)", lock=CATALOG_LOCK)
        keys = {key for entry in entries if (key := entry_key(entry)) is not None}
        judgements = judge(by, entries, await surroundings(uow, entries))
        refuse_problems(judgements)
        gaining = {each.known.id: each.brand_id for each in judgements if each.gains_brand and each.known is not None}
        if gaining and not exclusive:
            return None
        fresh = await create_provisional(uow, {each.key for each in judgements if each.key is not None and each.known is None})
        locked = {known.key: known for known in await known_products(uow, keys, locked=True)}
        if any(_moved(each, locked, fresh) for each in judgements):
            return None
        written = [each for each in judgements if each.outcome not in (Outcome.KEPT, Outcome.UNCHANGED)]
        await _write(uow, [(locked[each.key].id, each) for each in written if each.key is not None])
        if gaining:
            await _attribute(uow, gaining)
        await _tell(uow, by, [(locked[each.key].id, each) for each in written if each.key is not None])
        await uow.commit()
        return [Registered(locked[each.key].id, each.outcome) for each in judgements if each.key is not None]


def refuse_problems(judgements: Sequence[Judgement]) -> None:
    """Go on only if no entry has a problem and no product stands twice. Raises RowsInvalid."""
    seen: dict[ProductKey | None, int] = {}
    rows = []
    for number, each in enumerate(judgements, 1):
        first = seen.setdefault(each.key, number)
        twice = [Problem("duplicate", "code", str(first))] if first != number and each.key is not None else []
        rows += [
            {"row": number, "code": each.entry.code, "field": p.field, "reason": p.reason, "given": p.given} for p in each.problems + twice
        ]
    if rows:
        raise RowsInvalid(f"{len({row['row'] for row in rows})} rows cannot be accepted; nothing was changed.", rows=rows)


def _moved(each: Judgement, locked: dict[ProductKey, Any], fresh: set[ProductKey]) -> bool:
    """Whether the product is not any more what it was judged by: made or changed by somebody else meanwhile."""
    assert each.key is not None
    return each.key not in fresh if each.known is None else locked[each.key] != each.known


async def _write(uow: UnitOfWork, rows: Sequence[tuple[int, Judgement]]) -> None:
    columns: dict[str, list[Any]] = defaultdict(list)
    for product_id, each in rows:
        columns["ids"].append(product_id)
        for column, value in each.row().items():
            columns[column].append(value)
    if rows:
        await uow.execute(
            """update product p set name_zh = w.name_zh, name_en = w.name_en, brand_id = w.brand_id, category_id = w.category_id,
                      unit = w.unit, vat_rate = w.vat_rate, launched_on = w.launched_on, registered_at = coalesce(p.registered_at, now()),
                      former_brand_ids = case when p.brand_id is null or p.brand_id is not distinct from w.brand_id or p.brand_id = any (p.former_brand_ids)
                                              then p.former_brand_ids else p.former_brand_ids || p.brand_id end
               from unnest(cast(:ids as integer[]), cast(:name_zh as text[]), cast(:name_en as text[]), cast(:brand_id as integer[]),
                           cast(:category_id as integer[]), cast(:unit as text[]), cast(:vat_rate as smallint[]), cast(:launched_on as date[]))
                    w (id, name_zh, name_en, brand_id, category_id, unit, vat_rate, launched_on)
               where p.id = w.id""",
            **columns,
        )


async def _attribute(uow: UnitOfWork, gaining: dict[int, int | None]) -> None:
    """Join the sales of before to the brands; the caller holds the exclusive lock, so no further ones appear meanwhile."""
    await uow.execute("select set_config('statement_timeout', :limit, true)", limit=ATTRIBUTION_TIMEOUT)
    sold = await uow.rows(
        "select distinct product_id from sale_line where product_id = any (cast(:ids as integer[])) and brand_id is null order by 1",
        ids=list(gaining),
    )
    for row in sold:
        await uow.execute("select attribute_product(:product, :brand)", product=row.product_id, brand=gaining[row.product_id])


async def _tell(uow: UnitOfWork, by: Principal, written: Sequence[tuple[int, Judgement]]) -> None:
    """One audit row and one event a tenant concerned: its own numbers' retailer, and the brand."""
    groups: dict[tuple[int | None, int | None], list[tuple[int, Judgement]]] = defaultdict(list)
    for product_id, each in written:
        groups[(each.key.retailer_id if each.key is not None else None, each.brand_id)].append((product_id, each))
    for (retailer_id, brand_id), rows in sorted(groups.items(), key=lambda item: (item[0][0] or 0, item[0][1] or 0)):
        speaker = retailer_id if retailer_id is not None else rows[0][1].entry.retailer_id
        codes = [each.entry.code for _, each in rows]
        subject = codes[0] if len(codes) == 1 else f"{len(codes)} products"
        detail = {"codes": codes, "outcomes": [each.outcome.value for _, each in rows]}
        await uow.record(by.actor, "product.register", subject=subject, retailer_id=speaker, brand_id=brand_id, detail=detail)
        body = {"product_ids": [product_id for product_id, _ in rows]}
        await uow.publish("product.registered", retailer_id=retailer_id, brand_id=brand_id, body=body)


async def save_category(db: Database, by: Principal, code: str, name_zh: str, name_en: str, parent: str | None = None) -> int:
    """Make or rename the category ``code`` below ``parent`` (a code; None for the top), for the whole network.

    Raises Forbidden unless the caller operates the network, NotFound without that parent, CategoryLoop.
    """
    by.must(Permission.MANAGE_CATALOG)
    if not (0 < len(code) <= 64 and code.isprintable() and (name_zh or name_en) and max(len(name_zh), len(name_en)) <= 200):
        raise Invalid("A category needs a code of at most 64 characters and a name of at most 200.")
    async with db.work(Scope.of_network()) as uow:
        await uow.execute("lock table category in share row exclusive mode")  # or two moves at once could close a loop
        parent_id = None
        if parent:
            parent_id = await uow.value("select id from category where code = :code", code=parent)
            if parent_id is None:
                raise NotFound(f"There is no category {parent}.")
        category_id: int = await uow.value(
            """insert into category (parent_id, code, name_zh, name_en) values (:parent, :code, :zh, :en)
               on conflict (code) do update set parent_id = excluded.parent_id, name_zh = excluded.name_zh, name_en = excluded.name_en
               returning id""",
            parent=parent_id, code=code, zh=name_zh or name_en, en=name_en or name_zh,
        )  # fmt: skip
        if await uow.value(
            """with recursive up (id, parent_id) as (
                   select id, parent_id from category where id = :parent
                   union select c.id, c.parent_id from category c join up on c.id = up.parent_id)
               select true from up where id = :id""",
            parent=parent_id, id=category_id,
        ):  # fmt: skip
            raise CategoryLoop
        await uow.record(by.actor, "category.save", subject=code)
        await uow.commit()
    return category_id
