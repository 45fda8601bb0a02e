"""Fills an empty catalogue with thousands of rows at once, for demonstrations and benchmarks; no audit, no events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from hutong.catalog.codes import ProductKey, products_by_key
from hutong.platform.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class SeedCategory:
    """A category; ``parent`` is the code of one that stands before it."""

    code: str
    name_zh: str
    name_en: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class SeedProduct:
    """A registered product: ``code`` is a GTIN-14, or with ``retailer_id`` a retailer's own number; VAT in basis points."""

    code: str
    name_zh: str
    name_en: str
    brand_id: int | None = None
    category: str | None = None
    unit: str = "EA"
    vat_rate: int = 1300
    launched_on: date | None = None
    retailer_id: int | None = None


@dataclass(frozen=True, slots=True)
class SeedPrice:
    """A price in minor units; ``store_id`` 0 is every store of the retailer, ``amount`` None ends selling."""

    retailer_id: int
    product_id: int
    amount: int | None
    valid_from: datetime
    store_id: int = 0


async def seed_categories(uow: UnitOfWork, rows: Sequence[SeedCategory]) -> dict[str, int]:
    """Write categories, parents before children, and answer the id of each code. Existing ones stay as they are."""
    for row in rows:
        await uow.execute(
            """insert into category (parent_id, code, name_zh, name_en)
               select (select id from category where code = cast(:parent as text)), :code, :zh, :en on conflict (code) do nothing""",
            parent=row.parent, code=row.code, zh=row.name_zh, en=row.name_en,
        )  # fmt: skip
    found = await uow.rows("select code, id from category where code = any (cast(:codes as text[]))", codes=[row.code for row in rows])
    return {row.code: row.id for row in found}


async def seed_products(uow: UnitOfWork, rows: Sequence[SeedProduct]) -> list[int]:
    """Write registered products and answer the id of each row, also of those that exist (they are left as they are).

    For a catalogue without sales: brands of existing provisional products are not attributed; ``register_products`` does that.
    The unit of work is the network's.
    """
    for owned in (False, True):
        part = sorted((row for row in rows if (row.retailer_id is not None) == owned), key=lambda row: (row.retailer_id or 0, row.code))
        columns = "retailer_id, code" if owned else "gtin"
        values = "w.retailer_id, w.code" if owned else "w.code"
        await uow.execute(
            f"""insert into product ({columns}, name_zh, name_en, brand_id, category_id, unit, vat_rate, launched_on, registered_at)
                select {values}, w.name_zh, w.name_en, w.brand_id, c.id, w.unit, w.vat_rate, w.launched_on, now()
                from unnest(cast(:retailers as integer[]), cast(:codes as text[]), cast(:zh as text[]), cast(:en as text[]),
                            cast(:brands as integer[]), cast(:categories as text[]), cast(:units as text[]), cast(:rates as smallint[]),
                            cast(:launches as date[])) with ordinality
                     w (retailer_id, code, name_zh, name_en, brand_id, category, unit, vat_rate, launched_on, place)
                left join category c on c.code = w.category order by w.place on conflict do nothing""",
            retailers=[row.retailer_id for row in part], codes=[row.code for row in part],
            zh=[row.name_zh for row in part], en=[row.name_en for row in part], brands=[row.brand_id for row in part],
            categories=[row.category for row in part], units=[row.unit for row in part], rates=[row.vat_rate for row in part],
            launches=[row.launched_on for row in part],
        )  # fmt: skip
    found = await products_by_key(uow, {ProductKey(row.retailer_id, row.code) for row in rows})
    return [found[ProductKey(row.retailer_id, row.code)] for row in rows]


async def seed_prices(uow: UnitOfWork, rows: Sequence[SeedPrice]) -> int:
    """Write prices in the retailers' currencies and answer how many were new."""
    result = await uow.execute(
        """insert into price (retailer_id, store_id, product_id, valid_from, amount, currency, created_by)
           select w.retailer_id, w.store_id, w.product_id, w.valid_from, w.amount, r.currency, 'system:seed'
           from unnest(cast(:retailers as integer[]), cast(:stores as integer[]), cast(:products as integer[]),
                       cast(:moments as timestamptz[]), cast(:amounts as bigint[])) w (retailer_id, store_id, product_id, valid_from, amount)
           join retailer r on r.id = w.retailer_id on conflict do nothing""",
        retailers=[row.retailer_id for row in rows], stores=[row.store_id for row in rows], products=[row.product_id for row in rows],
        moments=[row.valid_from for row in rows], amounts=[row.amount for row in rows],
    )  # fmt: skip
    return int(result.rowcount)
