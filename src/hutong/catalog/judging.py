"""Compares entries with what the catalogue and the directory know: whose product it is, which brand, who may say so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hutong.catalog.codes import ProductKey, network_gtin, product_key, products_by_key
from hutong.catalog.entries import Outcome, Problem, ProductEntry, entry_problems
from hutong.directory import Permission, Principal
from hutong.kernel.gs1 import gtin14
from hutong.platform.database import Reader


@dataclass(frozen=True, slots=True)
class Known:
    """A product's row as it stands."""

    id: int
    key: ProductKey
    name_zh: str
    name_en: str
    brand_id: int | None
    category_id: int | None
    unit: str
    vat_rate: int
    launched_on: date | None
    registered: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a set of entries is compared with: products, brands, prefixes, categories and currencies."""

    products: dict[ProductKey, Known]
    brands: dict[str, int]
    prefixed: frozenset[int]
    prefix_brands: dict[str, int]
    categories: dict[str, int]
    currencies: dict[int, str]


@dataclass(slots=True)
class Judgement:
    """What would become of one entry: its problems, or the row it becomes."""

    entry: ProductEntry
    key: ProductKey | None
    known: Known | None = None
    problems: list[Problem] = field(default_factory=list)
    kept: bool = False
    brand_id: int | None = None
    category_id: int | None = None

    @property
    def gains_brand(self) -> bool:
        """Whether sales of before may have to join a brand."""
        return not self.kept and self.known is not None and self.known.brand_id is None and self.brand_id is not None

    def row(self) -> dict[str, Any]:
        """The columns that the product has afterwards: what the entry says, over what is known, over the defaults."""
        entry, known = self.entry, self.known
        return {
            "name_zh": entry.name_zh or (known.name_zh if known else ""),
            "name_en": entry.name_en or (known.name_en if known else ""),
            "brand_id": self.brand_id,
            "category_id": self.category_id if self.category_id is not None else known.category_id if known else None,
            "unit": entry.unit or (known.unit if known else "EA"),
            "vat_rate": entry.vat_rate if entry.vat_rate is not None else known.vat_rate if known else 1300,
            "launched_on": entry.launched_on or (known.launched_on if known else None),
        }

    @property
    def outcome(self) -> Outcome:
        """What becomes of the entry if it has no problems."""
        if self.known is None:
            return Outcome.CREATED
        if not self.known.registered:
            return Outcome.COMPLETED
        if all(getattr(self.known, column) == value for column, value in self.row().items()):
            return Outcome.UNCHANGED
        return Outcome.KEPT if self.kept else Outcome.CHANGED


def entry_key(entry: ProductEntry) -> ProductKey | None:
    """Whose product the entry's code names, or None for an own number without a retailer."""
    gtin = network_gtin(entry.code)
    if gtin is not None:
        return ProductKey(None, gtin)
    return product_key(entry.retailer_id, entry.code) if entry.retailer_id is not None else None


def judge(by: Principal, entries: Iterable[ProductEntry], around: Surroundings) -> list[Judgement]:
    """Say of each entry what is wrong with it, or what would become of it."""
    return [_judge_one(by, entry, around) for entry in entries]


def _judge_one(by: Principal, entry: ProductEntry, around: Surroundings) -> Judgement:
    key = entry_key(entry)
    known = around.products.get(key) if key is not None else None
    judgement = Judgement(entry, key, known)
    judgement.problems = entry_problems(entry, around.currencies.get(entry.retailer_id or 0, "CNY"))
    if key is None and entry.code:
        restricted = gtin14(entry.code) is not None
        judgement.problems.append(Problem("restricted_number" if restricted else "own_number_needs_retailer", "code", entry.code))
    if not (entry.name_zh or entry.name_en or (known is not None and known.registered)):
        judgement.problems.append(Problem("name_missing", "name_zh"))
    if entry.category:
        judgement.category_id = around.categories.get(entry.category)
        if judgement.category_id is None:
            judgement.problems.append(Problem("unknown_category", "category", entry.category))
    if entry.brand and entry.brand not in around.brands:
        judgement.problems.append(Problem("unknown_brand", "brand", entry.brand))
    elif key is not None:
        _judge_brand(by, judgement, around, key)
    return judgement


def _judge_brand(by: Principal, judgement: Judgement, around: Surroundings, key: ProductKey) -> None:
    """Settle the brand and whether the caller may say so.

    A brand sees every sale of its products, so nobody may hand a GTIN to a brand whose company prefix it does not carry,
    save the network's operator; a brand without prefixes is given its products one by one by the retailers that sell them.
    """
    entry, known = judgement.entry, judgement.known
    by_prefix = around.prefix_brands.get(key.code) if key.retailer_id is None else None
    stated = around.brands.get(entry.brand) if entry.brand else None
    current = known.brand_id if known is not None else None
    judgement.brand_id = stated if stated is not None else current if current is not None else by_prefix
    if by.may(Permission.MANAGE_CATALOG):
        return
    if key.retailer_id is not None:
        if not by.may(Permission.MANAGE_CATALOG, retailer_id=key.retailer_id):
            judgement.problems.append(Problem("not_yours", "code", entry.code))
        return
    retailer = entry.retailer_id is not None and by.may(Permission.MANAGE_CATALOG, retailer_id=entry.retailer_id)
    if current is not None and not by.may(Permission.MANAGE_CATALOG, brand_id=current):
        # A retailer's list names goods that their brands have registered long since: that is no mistake of the list.
        judgement.kept, judgement.brand_id = retailer, current
        if not retailer:
            judgement.problems.append(Problem("not_yours", "code", entry.code))
    elif current is not None:
        if judgement.brand_id != current:
            judgement.problems.append(Problem("brand_fixed", "brand", entry.brand))
    elif judgement.brand_id is not None and judgement.brand_id != by_prefix:
        if by_prefix is not None:
            judgement.problems.append(Problem("brand_of_other", "brand", entry.brand))
        elif not retailer or judgement.brand_id in around.prefixed:
            judgement.problems.append(Problem("brand_needs_prefix", "brand", entry.brand))
    elif not retailer and not (judgement.brand_id is not None and by.may(Permission.MANAGE_CATALOG, brand_id=judgement.brand_id)):
        judgement.problems.append(Problem("not_yours", "code", entry.code))


async def surroundings(reader: Reader, entries: Sequence[ProductEntry]) -> Surroundings:
    """Read what ``entries`` are compared with."""
    keys = {key for entry in entries if (key := entry_key(entry)) is not None}
    brands = await reader.rows(
        """select distinct on (word) word, id from brand b, unnest(array[b.code, b.name_zh, b.name_en]) with ordinality w (word, place)
           where word = any (cast(:words as text[])) order by word, place, id""",
        words=list({entry.brand for entry in entries if entry.brand}),
    )
    categories = await reader.rows(
        """select distinct on (word) word, id from category c, unnest(array[c.code, c.name_zh, c.name_en]) with ordinality w (word, place)
           where word = any (cast(:words as text[])) order by word, place, id""",
        words=list({entry.category for entry in entries if entry.category}),
    )
    # A company prefix is at the same place in a GTIN-13 and behind the indicator of a GTIN-14; GTIN-8 have none.
    prefixes = await reader.rows(
        """select distinct on (w.gtin) w.gtin as gtin, b.brand_id as id
           from unnest(cast(:gtins as text[])) w (gtin) cross join generate_series(3, 12) n (length)
           join brand_prefix b on b.prefix = substr(w.gtin, 2, n.length) order by w.gtin, n.length desc""",
        gtins=[key.code for key in keys if key.retailer_id is None and not key.code.startswith("000000")],
    )
    prefixed = await reader.rows("select distinct brand_id from brand_prefix")
    retailers = await reader.rows(
        "select id, currency::text as currency from retailer where id = any (cast(:ids as integer[]))",
        ids=list({entry.retailer_id for entry in entries if entry.retailer_id is not None}),
    )
    return Surroundings(
        products={known.key: known for known in await known_products(reader, keys)},
        brands={row.word: row.id for row in brands},
        prefixed=frozenset(row.brand_id for row in prefixed),
        prefix_brands={row.gtin: row.id for row in prefixes},
        categories={row.word: row.id for row in categories},
        currencies={row.id: row.currency for row in retailers},
    )


async def known_products(reader: Reader, keys: Iterable[ProductKey], *, locked: bool = False) -> list[Known]:
    """The products that stand under ``keys``, if wished locked against changes in the order of their ids."""
    rows = await reader.rows(
        """select id, retailer_id, coalesce(gtin::text, code) as code, name_zh, name_en, brand_id, category_id, unit, vat_rate,
                  launched_on, registered_at is not null as registered
           from product where id = any (cast(:ids as integer[])) order by id"""
        + (" for update" if locked else ""),
        ids=list((await products_by_key(reader, keys)).values()),
    )
    return [
        Known(row.id, ProductKey(row.retailer_id, row.code), row.name_zh, row.name_en, row.brand_id, row.category_id, row.unit,
              row.vat_rate, row.launched_on, row.registered)
        for row in rows
    ]  # fmt: skip
