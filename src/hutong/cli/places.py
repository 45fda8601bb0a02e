"""How the command line names places: retailers and brands by code, stores by GLN."""

from dataclasses import dataclass

from hutong.kernel.errors import NotFound
from hutong.platform.database import Database
from hutong.platform.scope import Scope


@dataclass(frozen=True)
class Place:
    """The ids of one place; all None is the network."""

    retailer_id: int | None = None
    store_id: int | None = None
    brand_id: int | None = None


async def find_place(database: Database, retailer: str | None = None, store: str | None = None, brand: str | None = None) -> Place:
    """The place that a retailer's code, a store's GLN or a brand's code names. Raises NotFound, naming what there is instead."""
    if sum(each is not None for each in (retailer, store, brand)) > 1:
        raise NotFound("Name one place: --retailer, --store or --brand.")
    async with database.read(Scope.of_network()) as reader:
        if store is not None:
            row = await reader.row("select retailer_id, id from store where gln = :gln", gln=store)
            if row is None:
                raise NotFound(f"No store has the GLN {store}.")
            return Place(row.retailer_id, row.id)
        for table, code in (("retailer", retailer), ("brand", brand)):
            if code is not None:
                found = await reader.value(f"select id from {table} where code = :code", code=code)
                if found is None:
                    codes = await reader.rows(f"select code from {table} order by code limit 20")
                    raise NotFound(f"No {table} has the code {code}. There are: {', '.join(row.code for row in codes) or 'none'}.")
                return Place(retailer_id=found) if table == "retailer" else Place(brand_id=found)
    return Place()
