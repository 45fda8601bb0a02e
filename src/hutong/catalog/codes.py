"""Finds the product behind a code as it was rung up, in memory on the hot path and in the database when a code is new."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hutong.kernel.gs1 import gtin14, variable_measure
from hutong.platform.database import Database, Reader, UnitOfWork
from hutong.platform.scope import Scope

CATALOG_LOCK = 7406002
"""Advisory lock between captures (shared, taken before the product's brand is read) and late registration (exclusive)."""

MAX_OWN_CODE = 64
"""The longest code, in characters, that a product is kept under; longer ones are cut off by those who accept codes."""


class ProductKey(NamedTuple):
    """What one product is known by: a GTIN-14 across the network, or a retailer's own number."""

    retailer_id: int | None
    code: str

    @property
    def gtin(self) -> str | None:
        return self.code if self.retailer_id is None else None


def product_key(retailer_id: int, code: str) -> ProductKey:
    """Whose product ``code`` names when ``retailer_id`` rings it up.

    A GTIN of any length is the network's; numbers of restricted circulation (GS1 General Specifications 1.4.3) and all
    other codes are the retailer's own, and of weighed goods only the item number counts, not the price or weight behind it.
    """
    weighed = variable_measure(code)
    if weighed is not None:
        return ProductKey(retailer_id, weighed.item)
    gtin = network_gtin(code)
    return ProductKey(retailer_id, code) if gtin is None else ProductKey(None, gtin)


def network_gtin(code: str) -> str | None:
    """``code`` as GTIN-14 if it is a GTIN that means the same everywhere, else None.

    Restricted are: prefixes 20 to 29, 02 and 04 of the GTIN-13 form, and GTIN-8 that begin with 0 or 2.
    """
    gtin = gtin14(code)
    if gtin is None:
        return None
    if gtin.startswith("000000"):
        return None if gtin[6] in "02" else gtin
    return None if gtin[1] == "2" or gtin[1:3] in ("02", "04") else gtin


class ProductCodes:
    """The products behind the codes of all retailers, as far as this process has met them.

    A product's id never changes, so what is here is always right. When more than ``limit`` codes are known, the ones
    learned first are forgotten; ``ensure`` finds them again.
    """

    def __init__(self, limit: int = 500_000) -> None:
        self._limit = limit
        self._known: dict[tuple[int, str], int] = {}
        self._gtins: dict[str, int] = {}
        """What one retailer's captures found, for the others'."""
        self._finding = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, retailer_id: int, code: str) -> int | None:
        """The id of the product that ``retailer_id`` rings up as ``code``, or None if ``ensure`` has to find it."""
        known = self._known.get((retailer_id, code))
        if known is None and len(code) == 13 and code[0] == "2":
            # Each label of weighed goods has its own number: only the item is kept, or labels would fill the memory.
            return self._known.get((retailer_id, product_key(retailer_id, code).code))
        return known

    async def ensure(self, database: Database, wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
        """Find each (retailer, code), make provisional products of those that nobody has registered, and remember them.

        Commits in a transaction of its own, so call it before one that holds ``CATALOG_LOCK``. Answers the product of
        every code that was wanted. Safe to call from many processes at once.
        """
        asked = set(wanted)
        found = {each: known for each in asked if (known := self.get(*each)) is not None}
        missing = {each: product_key(*each) for each in asked - found.keys()}
        if missing:
            products = await self._find(database, set(missing.values()))
            found |= {each: products[key] for each, key in missing.items()}
            self._remember({_remembered_as(each, key): products[key] for each, key in missing.items()})
        return found

    async def _find(self, database: Database, keys: set[ProductKey]) -> dict[ProductKey, int]:
        """Look up what no retailer's capture has met.

        One at a time: a process that starts cold under load would take all connections for it, and who waits mostly finds
        that the one before has met the same.
        """
        async with self._finding:
            met = {key: self._gtins[key.code] for key in keys if key.retailer_id is None and key.code in self._gtins}
            if new := keys - met.keys():
                products = await find_or_create(database, new)
                if len(self._gtins) + len(products) > self._limit:
                    self._gtins.clear()
                self._gtins.update((key.code, product) for key, product in products.items() if key.retailer_id is None)
                met |= products
        return met

    def _remember(self, learned: Mapping[tuple[int, str], int]) -> None:
        excess = len(self._known) + len(learned) - self._limit
        if excess > 0:
            for key in list(self._known)[: excess + self._limit // 10]:
                del self._known[key]
        self._known.update(learned)


def _remembered_as(asked: tuple[int, str], key: ProductKey) -> tuple[int, str]:
    return asked if key.retailer_id is None else (key.retailer_id, key.code)


async def find_or_create(database: Database, keys: Iterable[ProductKey]) -> dict[ProductKey, int]:
    """The product of each key, made provisional (``registered_at`` null) where there is none."""
    wanted = set(keys)
    async with database.work(Scope.of_network()) as uow:
        found = await products_by_key(uow, wanted)
        absent = wanted - found.keys()
        if absent:
            await create_provisional(uow, absent)
            found |= await products_by_key(uow, absent)
            await uow.commit()
    return found


async def products_by_key(reader: Reader, keys: Iterable[ProductKey]) -> dict[ProductKey, int]:
    """The ids of those of the products that exist and that the reader's scope may see."""
    wanted = list(keys)
    owned = [each for each in wanted if each.retailer_id is not None]
    rows = await reader.rows(
        """select null::integer as retailer_id, gtin::text as code, id from product where gtin = any (cast(:gtins as char(14)[]))
           union all
           select p.retailer_id, p.code, p.id
           from unnest(cast(:retailers as integer[]), cast(:codes as text[])) w (retailer_id, code)
           join product p on p.retailer_id = w.retailer_id and p.code = w.code""",
        gtins=[each.code for each in wanted if each.retailer_id is None],
        retailers=[each.retailer_id for each in owned],
        codes=[each.code for each in owned],
    )
    return {ProductKey(row.retailer_id, row.code): row.id for row in rows}


async def create_provisional(uow: UnitOfWork, keys: set[ProductKey]) -> set[ProductKey]:
    """Make products that nobody has registered yet, and answer which of ``keys`` are new; the others exist already.

    Inserted in the order of their keys: two processes that meet the same new codes wait for one another, and never each
    for the other.
    """
    owned = sorted((each for each in keys if each.retailer_id is not None), key=lambda key: (key.retailer_id or 0, key.code))
    gtins = sorted(each.code for each in keys if each.retailer_id is None)
    made = await uow.rows(
        """insert into product (gtin) select gtin from unnest(cast(:gtins as char(14)[])) with ordinality w (gtin, place)
           order by place on conflict (gtin) where gtin is not null do nothing returning gtin::text as code""",
        gtins=gtins,
    )
    made_own = await uow.rows(
        """insert into product (retailer_id, code)
           select retailer_id, code from unnest(cast(:retailers as integer[]), cast(:codes as text[])) with ordinality w (retailer_id, code, place)
           order by place on conflict (retailer_id, code) where retailer_id is not null do nothing returning retailer_id, code""",
        retailers=[each.retailer_id for each in owned],
        codes=[each.code for each in owned],
    )
    return {ProductKey(None, row.code) for row in made} | {ProductKey(row.retailer_id, row.code) for row in made_own}
