"""The catalogue's HTTP API: products, categories, prices and imports."""

from datetime import datetime
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime
from starlette.datastructures import FormData, UploadFile

from hutong.catalog.codes import product_key, products_by_key
from hutong.catalog.commands import register_products, save_category
from hutong.catalog.importing import import_products, refuse_bad_rows, report_json
from hutong.catalog.prices import PriceEntry, assortment, price_at, set_prices
from hutong.catalog.queries import ProductFilter, categories, product_by_code, search_products, speaking_for
from hutong.catalog.schemas import (
    CategoryIn,
    CategoryOut,
    Code,
    Cursor,
    Limit,
    PricesIn,
    PricesOut,
    ProductFields,
    ProductOut,
    ProductPage,
    ProductsIn,
    ProductsOut,
    RegisteredOut,
    RetailerCode,
    StorePriceOut,
    StorePricePage,
    Words,
)
from hutong.directory import Permission, Principal, StoreRef, after, caller, page, store_by_gln, stores_by_gln
from hutong.kernel.clock import now
from hutong.kernel.errors import Invalid, Malformed, NotFound
from hutong.kernel.gs1 import shown_gtin
from hutong.platform.database import Database, Reader
from hutong.platform.scope import Scope

router = APIRouter(prefix="/v1", tags=["catalog"])
By = Annotated[Principal, Depends(caller)]

UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}},
            }
        },
    }
}


async def database(request: Request) -> Database:
    """The process's database."""
    found: Database = request.app.state.database
    return found


Db = Annotated[Database, Depends(database)]


@router.get("/products", summary="Search products")
async def list_products(
    by: By,
    db: Db,
    q: Annotated[Words, Query(description="a part of the name or code")] = "",
    gtin: Annotated[Words, Query(description="a GTIN of any length")] = "",
    brand: Annotated[Words, Query(description="code")] = "",
    category: Annotated[Words, Query(description="code; those below it are found too")] = "",
    registered: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ProductPage:
    by.must_somewhere(Permission.READ_CATALOG)
    wanted = ProductFilter(q, gtin, brand, category, registered=registered)
    async with db.read(by.scope_for(Permission.READ_CATALOG)) as reader:
        shown = page(await search_products(reader, wanted, after=after(cursor), limit=limit + 1), limit)
    return ProductPage(items=[ProductOut.of(row) for row in shown["items"]], next_cursor=shown["next_cursor"])


@router.post("/products", summary="Register up to 1,000 products, all or none")
async def post_products(body: ProductsIn, by: By, db: Db) -> ProductsOut:
    """What was rung up before under the same codes becomes these products; a brand that they gain sees those sales too."""
    by.must_somewhere(Permission.MANAGE_CATALOG)
    retailer_id = await _speaker(db, by, body.retailer)
    registered = await register_products(db, by, [each.entry(each.code, retailer_id) for each in body.products])
    outcomes = zip(body.products, registered, strict=True)
    return ProductsOut(products=[RegisteredOut(code=each.code, outcome=done.outcome) for each, done in outcomes])


@router.post("/products:import", summary="Import a product or price list (CSV, XLSX)", openapi_extra=UPLOAD)
async def import_file(
    request: Request, by: By, db: Db, dry_run: bool = True, accept_rest: bool = False, retailer: RetailerCode = None
) -> dict[str, Any]:
    """Try every row and list the bad ones by line and reason; with ``dry_run=false`` import, with bad rows only if ``accept_rest=true``."""
    by.must_somewhere(Permission.MANAGE_CATALOG)
    async with request.form(max_files=1, max_fields=10) as form:
        report = await import_products(db, by, uploaded_file(form), retailer=retailer, dry_run=dry_run, accept_rest=accept_rest)
    if not dry_run:
        refuse_bad_rows(report)
    return report_json(report)


def uploaded_file(form: FormData) -> BinaryIO:
    """The form's file. Raises Malformed if there is none."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Malformed("Send the list as multipart/form-data in a file field named: file.")
    return file.file


@router.get("/products/{code:path}", summary="A product by GTIN or own number")
async def read_product(code: Annotated[Code, Path()], by: By, db: Db, retailer: RetailerCode = None) -> ProductOut:
    return ProductOut.of(await _product(db, by, code, retailer))


@router.put("/products/{code:path}", summary="Register or change one product")
async def put_product(code: Annotated[Code, Path()], body: ProductFields, by: By, db: Db, retailer: RetailerCode = None) -> ProductOut:
    by.must_somewhere(Permission.MANAGE_CATALOG)
    retailer_id = await _speaker(db, by, retailer)
    await register_products(db, by, [body.entry(code, retailer_id)])
    async with db.read(Scope.of_network()) as reader:
        row = await product_by_code(reader, code, retailer_id)
    assert row is not None
    return ProductOut.of(row)


async def _speaker(db: Database, by: Principal, retailer: str | None) -> int | None:
    async with db.read(Scope.of_network()) as reader:
        found = await speaking_for(reader, by, Permission.MANAGE_CATALOG, retailer)
    return found.id if found is not None else None


async def _product(db: Database, by: Principal, code: str, retailer: str | None) -> dict[str, Any]:
    by.must_somewhere(Permission.READ_CATALOG)
    async with db.read(by.scope_for(Permission.READ_CATALOG)) as reader:
        speaker = await speaking_for(reader, by, Permission.READ_CATALOG, retailer)
        row = await product_by_code(reader, code, speaker.id if speaker is not None else None)
    if row is None:
        raise NotFound
    return row


@router.get("/categories", summary="The tree of categories")
async def list_categories(by: By, db: Db) -> list[CategoryOut]:
    by.must_somewhere(Permission.READ_CATALOG)
    async with db.read(by.scope_for(Permission.READ_CATALOG)) as reader:
        return [CategoryOut(**{name: row[name] for name in CategoryOut.model_fields}) for row in await categories(reader)]


@router.post("/categories", status_code=204, summary="Make or rename a category (the network's operator)")
async def post_category(body: CategoryIn, by: By, db: Db) -> None:
    await save_category(db, by, body.code, body.name_zh, body.name_en, body.parent)


@router.get("/stores/{gln}/prices", summary="What a store sells, and for how much")
async def list_prices(
    gln: Annotated[str, Path(pattern=r"^[0-9]{13}$")],
    by: By,
    db: Db,
    at: Annotated[AwareDatetime | None, Query(description="the moment asked for; left out: now")] = None,
    code: Annotated[Code | None, Query(description="only this product")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> StorePricePage:
    by.must_somewhere(Permission.READ_CATALOG)
    async with db.read(by.scope_for(Permission.READ_CATALOG)) as reader:
        store = await store_by_gln(reader, gln)
        if store is None:
            raise NotFound
        by.must(Permission.READ_CATALOG, retailer_id=store.retailer_id, store_id=store.id)
        if code is not None:
            return StorePricePage(items=[_shown_price(row) for row in await _one_price(reader, store, code, at or now())], next_cursor=None)
        rows = await assortment(reader, store.retailer_id, store.id, at or now(), after=after(cursor), limit=limit + 1)
    shown = page(rows, limit)
    return StorePricePage(items=[_shown_price(row) for row in shown["items"]], next_cursor=shown["next_cursor"])


async def _one_price(reader: Reader, store: StoreRef, code: str, at: datetime) -> list[dict[str, Any]]:
    product = await product_by_code(reader, code, store.retailer_id)
    price = None if product is None else await price_at(reader, store.retailer_id, store.id, product["id"], at)
    if product is None or price is None:
        return []
    return [product | {"amount": price.amount, "currency": price.currency, "valid_from": price.valid_from, "store_id": price.store_id}]


def _shown_price(row: dict[str, Any]) -> StorePriceOut:
    fields = {name: row[name] for name in ("code", "name_zh", "name_en", "unit", "amount", "currency", "valid_from")}
    return StorePriceOut(
        gtin=None if row["gtin"] is None else shown_gtin(row["gtin"]), scope="store" if row["store_id"] else "retailer", **fields
    )


@router.post("/prices", summary="Set up to 1,000 prices, all or none")
async def post_prices(body: PricesIn, by: By, db: Db) -> PricesOut:
    """Of a store's and its retailer's prices the one that starts latest counts. History is only ever added to."""
    by.must_somewhere(Permission.MANAGE_CATALOG)
    async with db.read(Scope.of_network()) as reader:
        retailer = await speaking_for(reader, by, Permission.MANAGE_CATALOG, body.retailer)
        if retailer is None:
            raise Invalid("Say which retailer asks these prices.", field="retailer")
        ids = await products_by_key(reader, {product_key(retailer.id, each.code) for each in body.prices})
        stores = await stores_by_gln(reader, [each.store for each in body.prices if each.store is not None])
    moment = now()
    entries = []
    for each in body.prices:
        product_id = ids.get(product_key(retailer.id, each.code))
        store = stores.get(each.store) if each.store is not None else None
        if product_id is None:
            raise NotFound(f"There is no product {each.code}.")
        if each.store is not None and (store is None or store.retailer_id != retailer.id):
            raise NotFound(f"There is no store {each.store} of this retailer.")
        entries.append(PriceEntry(product_id, each.amount, each.valid_from or moment, store.id if store is not None else 0))
    return PricesOut(written=await set_prices(db, by, retailer.id, entries))
