"""Reads of the catalogue: products, their names, prices and what nobody has registered yet."""

from collections.abc import Iterable
from dataclasses import dataclass

from hutong.platform.database import Reader


@dataclass(frozen=True, slots=True)
class ProductName:
    """What a product is called; ``gtin`` is a GTIN-14, or ``code`` is its retailer's own number."""

    id: int
    name_zh: str
    name_en: str
    gtin: str | None
    code: str | None
    brand_id: int | None
    unit: str
    registered: bool


async def product_names(reader: Reader, ids: Iterable[int]) -> dict[int, ProductName]:
    """The names of those of the products that the reader may see, by id. A product nobody registered has empty names."""
    rows = await reader.rows(
        """select id, name_zh, name_en, gtin::text as gtin, code, brand_id, unit, registered_at is not null as registered
           from product where id = any (cast(:ids as integer[]))""",
        ids=list(ids),
    )
    return {row.id: ProductName(**row._mapping) for row in rows}
