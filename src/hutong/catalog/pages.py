"""Pages of the catalogue: search, a product with its prices, what was rung up unregistered, registering, importing."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import StringConstraints
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from hutong.catalog.api import Db, uploaded_file
from hutong.catalog.columns import HEADERS
from hutong.catalog.commands import register_products
from hutong.catalog.entries import REASONS, VAT_RATES, ProductEntry, read_rate, show_rate
from hutong.catalog.errors import RowsInvalid
from hutong.catalog.importing import ImportReport, bad_rows_csv, import_products
from hutong.catalog.prices import price_history
from hutong.catalog.queries import (
    ProductFilter,
    categories,
    product_by_code,
    product_by_id,
    rung_up_unregistered,
    search_products,
    speaking_for,
)
from hutong.directory import Permission, Principal, after, brands, page, retailers, signed_in
from hutong.kernel.errors import HutongError, NotFound
from hutong.kernel.gs1 import shown_gtin
from hutong.platform.database import Database, Reader
from hutong.platform.scope import Scope
from hutong.platform.web import locale_of, mark, name, render, translate

router = APIRouter(prefix="/catalog", include_in_schema=False)
By = Annotated[Principal, Depends(signed_in)]
ProductId = Annotated[int, Path(ge=1, le=2**31 - 1)]
Filter = Annotated[str, StringConstraints(strip_whitespace=True), Query(max_length=100)]

PAGE_SIZE = 50
SHOWN_BAD_ROWS = 200
FORM_FIELDS = ("name_zh", "name_en", "brand", "category", "unit", "vat_rate")
UNIT_NAMES = {
    "EA": mark("piece"), "KGM": mark("kilogram"), "GRM": mark("gram"), "LTR": mark("litre"), "MLT": mark("millilitre"), "MTR": mark("metre"),
    "MTK": mark("square metre"), "HUR": mark("hour"),
}  # fmt: skip


def named(rows: Sequence[Any]) -> list[tuple[str, str]]:
    """Brands or retailers as a form's choices, by code."""
    return [(each.code, name(each)) for each in rows]


def tree(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Categories as a form's choices, by code, each level set in further."""
    return [(each["code"], "\u2003" * each["depth"] + name(each)) for each in rows]


HELPERS: dict[str, Any] = {"shown_gtin": shown_gtin, "show_rate": show_rate, "reasons": REASONS, "named": named, "tree": tree}
"""What the templates need in their context."""


def page_of(request: Request, template: str, by: Principal, **context: Any) -> Response:
    """One of our pages, with the helpers and the units' names in its language."""
    locale = locale_of(request, by.locale)
    units = {code: translate(locale, text) for code, text in UNIT_NAMES.items()}
    return render(request, f"catalog/{template}.html", by, **HELPERS, unit_names=units, **context)


@router.get("")
async def start() -> Response:
    return RedirectResponse("/catalog/products", status_code=303)


@router.get("/products")
async def products_page(
    request: Request, by: By, db: Db, q: Filter = "", brand: Filter = "", category: Filter = "", state: Filter = "", cursor: Filter = ""
) -> Response:
    """The whole page, or for htmx (search as you type) only the list."""
    by.must_somewhere(Permission.READ_CATALOG)
    wanted = ProductFilter(_clean(q), "", _clean(brand), _clean(category), registered={"yes": True, "no": False}.get(state))
    async with db.read(by.scope_for(Permission.READ_CATALOG)) as reader:
        shown = page(await search_products(reader, wanted, after=after(cursor), limit=PAGE_SIZE + 1), PAGE_SIZE)
        choices = await _choices(reader, by, Permission.READ_CATALOG)
    partial = request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true"
    return page_of(
        request, "product_rows" if partial else "products", by, **choices,
        products=shown["items"], next_cursor=shown["next_cursor"], cursor=cursor, q=q, brand=brand, category=category, state=state,
        manages=by.anywhere(Permission.MANAGE_CATALOG),
    )  # fmt: skip


@router.get("/unregistered")
async def unregistered_page(request: Request, by: By, db: Db) -> Response:
    """What was rung up in the stores that the person sees, and is registered nowhere."""
    by.must_somewhere(Permission.READ_CATALOG)
    async with db.read(by.scope_for(Permission.READ_CATALOG)) as reader:
        rows = await rung_up_unregistered(reader, 100)
    return page_of(request, "unregistered", by, products=rows, manages=by.anywhere(Permission.MANAGE_CATALOG))


@router.get("/products/new")
async def new_product(request: Request, by: By, db: Db, code: Filter = "", retailer: Filter = "") -> Response:
    by.must_somewhere(Permission.MANAGE_CATALOG)
    values = {"code": _clean(code), "retailer": _clean(retailer), "unit": "EA", "vat_rate": "13"}
    return await _form(request, by, db, values)


@router.post("/products/new")
async def add_product(request: Request, by: By, db: Db) -> Response:
    by.must_somewhere(Permission.MANAGE_CATALOG)
    values = await _form_values(request)
    try:
        return await _register(db, by, values)
    except (RowsInvalid, NotFound) as error:
        return await _form(request, by, db, values, error)


@router.get("/products/{product_id}")
async def product_page(request: Request, product_id: ProductId, by: By, db: Db) -> Response:
    by.must_somewhere(Permission.READ_CATALOG)
    async with db.read(by.scope_for(Permission.READ_CATALOG)) as reader:
        product = await product_by_id(reader, product_id)
        if product is None:
            raise NotFound
        prices = await price_history(reader, product_id)
        choices = await _choices(reader, by, Permission.MANAGE_CATALOG)
    done = request.query_params.get("done") == "1"
    return page_of(request, "product", by, **choices, product=product, prices=prices, manages=_may_change(by, product), done=done)


@router.post("/products/{product_id}")
async def change_product(request: Request, product_id: ProductId, by: By, db: Db) -> Response:
    by.must_somewhere(Permission.MANAGE_CATALOG)
    async with db.read(by.scope_for(Permission.MANAGE_CATALOG)) as reader:
        product = await product_by_id(reader, product_id)
    if product is None or not _may_change(by, product):
        raise NotFound
    values = await _form_values(request)
    values |= {"code": product["gtin"] or product["code"], "retailer": product["retailer"] or values.get("retailer", "")}
    try:
        return await _register(db, by, values)
    except RowsInvalid as error:
        return await _form(request, by, db, values, error, product_id)


def _may_change(by: Principal, product: dict[str, Any]) -> bool:
    """Whether the form is worth showing; the command itself decides."""
    if by.may(Permission.MANAGE_CATALOG) or (
        product["brand_id"] is not None and by.may(Permission.MANAGE_CATALOG, brand_id=product["brand_id"])
    ):
        return True
    if product["retailer_id"] is not None:
        return by.may(Permission.MANAGE_CATALOG, retailer_id=product["retailer_id"])
    return product["brand_id"] is None and by.anywhere(Permission.MANAGE_CATALOG)


async def _form_values(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=20) as form:
        return {name: _field(form, name) for name in ("code", "retailer", *FORM_FIELDS)}


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return _clean(value[:400]) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """Text as people meant it: what cannot be printed (and PostgreSQL not stored) is left out."""
    return "".join(letter for letter in text if letter.isprintable()).strip()


async def _register(db: Database, by: Principal, values: dict[str, str]) -> Response:
    async with db.read(Scope.of_network()) as reader:
        speaker = await speaking_for(reader, by, Permission.MANAGE_CATALOG, values["retailer"])
    retailer_id = speaker.id if speaker is not None else None
    rate = values["vat_rate"]
    try:
        points = read_rate(rate) if rate else None
    except ValueError:
        rows = [{"row": 1, "code": values["code"], "field": "vat_rate", "reason": "vat_not_a_number", "given": rate}]
        raise RowsInvalid(rows=rows) from None
    entry = ProductEntry(
        values["code"],
        values["name_zh"],
        values["name_en"],
        values["brand"],
        values["category"],
        values["unit"],
        points,
        retailer_id=retailer_id,
    )
    [registered] = await register_products(db, by, [entry])
    return RedirectResponse(f"/catalog/products/{registered.product_id}?done=1", status_code=303)


async def _form(
    request: Request, by: Principal, db: Database, values: dict[str, str], error: HutongError | None = None, product_id: int | None = None
) -> Response:
    """The form to register or change a product, after a failed try with the reasons."""
    scope = by.scope_for(Permission.MANAGE_CATALOG)
    async with db.read(scope) as reader:
        choices = await _choices(reader, by, Permission.MANAGE_CATALOG)
        known = await product_by_code(reader, values["code"], None) if values["code"] else None
    return page_of(
        request, "register", by, **choices, values=dict.fromkeys(FORM_FIELDS, "") | values, product_id=product_id,
        registered=known is not None and known["registered_at"] is not None, error=error,
        rows=error.extra.get("rows", []) if error is not None else [], status_code=error.status if error is not None else 200,
    )  # fmt: skip


async def _choices(reader: Reader, by: Principal, permission: Permission) -> dict[str, Any]:
    """What the forms let people choose from."""
    own = {grant.retailer_id for grant in by.grants if permission in grant.permissions}
    return {
        "brands": await brands(reader),
        "categories": await categories(reader),
        "retailers": [each for each in await retailers(reader) if by.may(permission) or each.id in own],
        "rates": [show_rate(rate) for rate in sorted(VAT_RATES["CNY"], reverse=True)],
    }


@router.get("/import")
async def import_page(request: Request, by: By, db: Db) -> Response:
    by.must_somewhere(Permission.MANAGE_CATALOG)
    async with db.read(by.scope_for(Permission.MANAGE_CATALOG)) as reader:
        choices = await _choices(reader, by, Permission.MANAGE_CATALOG)
    return page_of(request, "import", by, **choices, columns={name: words.split() for name, words in HEADERS.items()})


@router.post("/import")
async def import_report(request: Request, by: By, db: Db, step: Annotated[str, Query(max_length=10)] = "try") -> Response:
    """The report as a piece of the page; ``step=write`` imports the good rows. The browser sends its file again: none is kept here."""
    by.must_somewhere(Permission.MANAGE_CATALOG)
    report: ImportReport | None = None
    failure: HutongError | None = None
    try:
        report = await _imported(request, by, db, write=step == "write")
    except HutongError as error:
        if error.status >= 500 or error.status in (401, 403, 404):
            raise
        failure = error
    return page_of(request, "import_report", by, report=report, failure=failure, shown=_shown(report))


@router.post("/import/bad-rows")
async def bad_rows(request: Request, by: By, db: Db) -> Response:
    """The bad rows of the file as a CSV to mend and send again."""
    by.must_somewhere(Permission.MANAGE_CATALOG)
    report = await _imported(request, by, db, write=False)
    locale = locale_of(request, by.locale)
    content = bad_rows_csv(report, lambda text: translate(locale, text))
    return Response(content, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="bad-rows.csv"'})


async def _imported(request: Request, by: Principal, db: Database, *, write: bool) -> ImportReport:
    async with request.form(max_files=1, max_fields=10) as form:
        retailer = _field(form, "retailer") or None
        return await import_products(db, by, uploaded_file(form), retailer=retailer, dry_run=not write, accept_rest=True)


def _shown(report: ImportReport | None) -> Sequence[Any]:
    return report.bad[:SHOWN_BAD_ROWS] if report is not None else ()
