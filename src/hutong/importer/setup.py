"""Makes what a file of sales needs before it can be sent: its retailer, stores, brands and products; an operator's command.

What is there stays as it is, so it may be run as often as wanted, also after sales were imported: products that were rung up
before they had a name get it, and earlier sales join their brands.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from hutong.catalog import ProductEntry, SeedCategory, register_products, seed_categories
from hutong.directory import (
    Permission,
    Principal,
    RetailerRef,
    brands,
    create_brand,
    create_key,
    create_retailer,
    create_store,
    retailer_by_code,
    stores_by_gln,
)
from hutong.importer.errors import MappingInvalid
from hutong.importer.mapping import FilePart, Mapping, ProductsPart, SetupPart
from hutong.importer.rows import Cells, TextReader, text_reader
from hutong.importer.source import Source
from hutong.importer.values import text_of
from hutong.platform.database import Database
from hutong.platform.scope import Scope

AT_ONCE = 500
MAX_NAME = 200
NOTHING = frozenset({"", "<na>", "nan", "none", "null"})
KEY_PERMISSIONS = (
    Permission.CAPTURE_SALES,
    Permission.CAPTURE_HISTORY,
    Permission.READ_SALES,
    Permission.READ_MONITOR,
    Permission.REGISTER_TILLS,
)

Say = Callable[[str, int, int], None]
"""Hears what is being made, how many are done, and of how many."""


@dataclass
class Wanted:
    """What a file needs. ``stores`` are GLNs with the file's own text for each; categories go from the top down."""

    stores: dict[str, str] = field(default_factory=dict)
    products: dict[str, ProductEntry] = field(default_factory=dict)
    brands: dict[str, str] = field(default_factory=dict)
    categories: dict[str, SeedCategory] = field(default_factory=dict)


@dataclass
class Made:
    """What was made new; ``key`` is set where one was asked for, and shown this once."""

    retailer: bool = False
    stores: int = 0
    brands: int = 0
    categories: int = 0
    products: dict[str, int] = field(default_factory=dict)
    key: str = ""


def find_wanted(mapping: Mapping, source: Source) -> Wanted:
    """Read the sales file, and the file of products where the mapping names one. Raises MappingInvalid and SourceUnreadable."""
    setup = _setup_of(mapping)
    wanted = Wanted()
    store = text_reader(mapping.sale.store, source, "sale.store")
    code = text_reader(mapping.line.code, source, "line.code")
    products = setup.products
    if products is None or products.file is not None:
        codes: set[str] = set()
        for _, cells in _whole_rows(source):
            _note_store(wanted, mapping, store(cells))
            codes.add(code(cells))
        if products is not None and products.file is not None:
            _read_products(wanted, mapping, products, source.path.parent / products.file, codes)
        return wanted
    reader = _ProductReader(products, source, code)
    for _, cells in _whole_rows(source):
        _note_store(wanted, mapping, store(cells))
        reader.note(wanted, cells)
    return wanted


async def make(database: Database, mapping: Mapping, wanted: Wanted, *, with_key: bool = False, say: Say | None = None) -> Made:
    """Make what is missing of it, as the network's operator. Raises what the commands of directory and catalog raise."""
    setup, by, made = _setup_of(mapping), Principal.system("import"), Made()
    retailer = await _retailer(database, by, mapping, setup, made)
    await _stores(database, by, retailer, setup, wanted, made, say)
    await _brands(database, by, wanted, made, say)
    if wanted.categories:
        async with database.work(Scope.of_network()) as uow:
            before = await uow.value("select count(*) from category")
            await seed_categories(uow, list(wanted.categories.values()))
            made.categories = await uow.value("select count(*) from category") - before
            await uow.record(by.actor, "category.import", subject=mapping.source, detail={"categories": made.categories})
            await uow.commit()
    entries = [_owned(entry, retailer.id) for entry in wanted.products.values()]
    for first in range(0, len(entries), AT_ONCE):
        for each in await register_products(database, by, entries[first : first + AT_ONCE]):
            made.products[each.outcome.value] = made.products.get(each.outcome.value, 0) + 1
        _tell(say, "products", min(first + AT_ONCE, len(entries)), len(entries))
    if with_key:
        made.key = (
            await create_key(database, by, name=f"import {mapping.source}", permissions=KEY_PERMISSIONS, retailer_id=retailer.id)
        ).key
    return made


async def _retailer(database: Database, by: Principal, mapping: Mapping, setup: SetupPart, made: Made) -> RetailerRef:
    names = setup.retailer
    async with database.read(Scope.of_network()) as reader:
        found = await retailer_by_code(reader, names.code)
    if found is None:
        await create_retailer(
            database, by, code=names.code, name_zh=names.name_zh or names.name_en, name_en=names.name_en, kind=setup.kind,
            currency=mapping.currency, zone=mapping.zone,
        )  # fmt: skip
        made.retailer = True
        async with database.read(Scope.of_network()) as reader:
            found = await retailer_by_code(reader, names.code)
    assert found is not None
    if found.currency != mapping.currency:
        raise MappingInvalid(f"currency: the retailer {names.code} trades in {found.currency}, the mapping says {mapping.currency}.")
    return found


async def _stores(
    database: Database, by: Principal, retailer: RetailerRef, setup: SetupPart, wanted: Wanted, made: Made, say: Say | None
) -> None:
    async with database.read(Scope.of_network()) as reader:
        there = await stores_by_gln(reader, list(wanted.stores))
    foreign = [gln for gln, store in there.items() if store.retailer_id != retailer.id]
    if foreign:
        raise MappingInvalid(f"sale.store: the GLN {foreign[0]} is another retailer's store; choose another gln_prefix.")
    missing = [(gln, text) for gln, text in sorted(wanted.stores.items()) if gln not in there]
    for number, (gln, text) in enumerate(missing, 1):
        english = setup.store_name.format(retailer=setup.retailer.name_en, store=text)
        chinese = setup.store_name.format(retailer=setup.retailer.name_zh or setup.retailer.name_en, store=text)
        await create_store(
            database, by, retailer.code, gln=gln, code=setup.store_code.format(store=text), name_en=english, name_zh=chinese,
            format=setup.kind, zone=retailer.zone,
        )  # fmt: skip
        _tell(say, "stores", number, len(missing))
    made.stores = len(missing)


async def _brands(database: Database, by: Principal, wanted: Wanted, made: Made, say: Say | None) -> None:
    async with database.read(Scope.of_network()) as reader:
        there = {each.code for each in await brands(reader)}
    missing = [(code, name) for code, name in sorted(wanted.brands.items()) if code not in there]
    for number, (code, name) in enumerate(missing, 1):
        await create_brand(database, by, code=code, name_zh=name, name_en=name)
        _tell(say, "brands", number, len(missing))
    made.brands = len(missing)


def _setup_of(mapping: Mapping) -> SetupPart:
    if mapping.setup is None:
        raise MappingInvalid("setup: this table is needed; `hutong import sales --example` shows it.")
    return mapping.setup


def _whole_rows(source: Source) -> Iterator[tuple[int, Cells]]:
    return ((number, cells) for number, cells in source.rows() if len(cells) == len(source.columns))


def _note_store(wanted: Wanted, mapping: Mapping, text: str) -> None:
    try:
        wanted.stores[mapping.sale.store.gln(text)] = text
    except ValueError:
        return  # a row that the import sets aside, with this reason


def _read_products(wanted: Wanted, mapping: Mapping, part: ProductsPart, path: Path, codes: set[str]) -> None:
    """Names of the products that the sales file names; the rest of a maker's catalogue is not this retailer's business."""
    source = Source(path, FilePart(encoding=mapping.file.encoding, delimiter=mapping.file.delimiter, quote=mapping.file.quote))
    if part.code is None:
        raise MappingInvalid("setup.products.code: this key is needed with setup.products.file.")
    cell = mapping.line.code.model_copy(update={"column": part.code, "value": None})
    code = text_reader(cell, source, "setup.products.code")
    reader = _ProductReader(part, source, code)
    for _, cells in _whole_rows(source):
        if code(cells) in codes:
            reader.note(wanted, cells)


class _ProductReader:
    """Reads a product, its brand and its categories from a row."""

    def __init__(self, part: ProductsPart, source: Source, code: TextReader) -> None:
        self._part = part
        self._code = code
        self._met: dict[str, Counter[str]] = {}
        self._names = [source.place(name, "setup.products.name") for name in part.name]
        self._brand = None if part.brand is None else source.place(part.brand, "setup.products.brand")
        self._categories = [source.place(name, "setup.products.categories") for name in part.categories]

    def note(self, wanted: Wanted, cells: Cells) -> None:
        """Take the product up. Of several names the most frequent counts: rows of stock adjustments hold remarks there."""
        code = self._code(cells)
        name = _printable(" ".join(text for place in self._names if (text := _text(cells[place]))))
        if not name and self._part.file is not None:
            name = code  # a list of products names each once: without a word for it, its brand is still worth having
        if not code or not name:
            return
        met = self._met.setdefault(code, Counter())
        met[name] += 1
        before = wanted.products.get(code)
        if before is None:
            category = self._category(wanted, cells)
            wanted.products[code] = ProductEntry(
                code, name_zh=name, name_en=name, brand=self._brand_of(wanted, cells), category=category, vat_rate=0
            )
        elif before.name_en != name and met[name] > met[before.name_en]:
            wanted.products[code] = replace(before, name_zh=name, name_en=name)

    def _brand_of(self, wanted: Wanted, cells: Cells) -> str:
        text = "" if self._brand is None else _text(cells[self._brand])
        if not text:
            return ""
        code = self._part.brand_prefix + text
        wanted.brands.setdefault(code, self._part.brand_name.format(brand=text))
        return code

    def _category(self, wanted: Wanted, cells: Cells) -> str:
        """The code of the lowest category; codes are the path of names, cut to what a code may hold."""
        parent, path = None, self._part.category_prefix
        for place in self._categories:
            text = _text(cells[place])
            if not text:
                break
            path = f"{path}/{text}".lstrip("/")[:64]
            wanted.categories.setdefault(path, SeedCategory(path, text, text, parent))
            parent = path
        return parent or ""


def _owned(entry: ProductEntry, retailer_id: int) -> ProductEntry:
    return replace(entry, retailer_id=retailer_id)


def _text(cell: Any) -> str:
    text = text_of(cell)
    return "" if text.lower() in NOTHING else text


def _printable(text: str) -> str:
    return "".join(islice((letter if letter.isprintable() else " " for letter in text), MAX_NAME)).strip()


def _tell(say: Say | None, what: str, done: int, total: int) -> None:
    if say is not None:
        say(what, done, total)
