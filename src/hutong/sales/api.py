"""Sales over HTTP: reading them; capture itself is in routes.py."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from hutong.directory import Outlets, Permission, Principal, caller
from hutong.kernel.errors import Invalid, NotFound
from hutong.platform.database import Database
from hutong.sales.prepare import KINDS
from hutong.sales.queries import sale_by_id, sales_page

router = APIRouter(prefix="/v1", tags=["sales"])
Caller = Annotated[Principal, Depends(caller)]


class SalesPage(BaseModel):
    """Sales, newest first; ask again with ``cursor=next`` until ``next`` is null."""

    sales: list[dict[str, Any]]
    next: str | None


@router.get("/sales/{sale_id}", summary="One sale, whole")
async def get_sale(request: Request, sale_id: UUID, by: Caller) -> dict[str, Any]:
    """The sale with its lines, tenders, product names and what has come back of it. 404 if it is not one that you may see."""
    database: Database = request.app.state.database
    async with database.read(by.scope_for(Permission.READ_SALES)) as reader:
        sale = await sale_by_id(reader, sale_id)
    if sale is None:
        raise NotFound(f"There is no sale {sale_id} that you may see.")
    return sale


@router.get("/sales", summary="Sales, newest first")
async def list_sales(
    request: Request,
    by: Caller,
    store: Annotated[str | None, Query(description="GLN", min_length=13, max_length=13)] = None,
    till: Annotated[str | None, Query(max_length=32, pattern=r"^[^\x00-\x1f]*$")] = None,
    business_date: Annotated[date | None, Query(ge=date(2000, 1, 1), le=date(2200, 1, 1))] = None,
    kind: Literal["sale", "return", "void"] | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
) -> SalesPage:
    """The sales that you may see, newest id first, a page at a time."""
    by.must_somewhere(Permission.READ_SALES)
    database: Database = request.app.state.database
    outlets: Outlets = request.app.state.outlets
    store_id = None
    if store is not None:
        outlet = outlets.by_gln(store)
        if outlet is None or not by.may(Permission.READ_SALES, retailer_id=outlet.retailer_id, store_id=outlet.id):
            raise NotFound(f"There is no store {store} that you may see.")
        store_id = outlet.id
    async with database.read(by.scope_for(Permission.READ_SALES)) as reader:
        page = await sales_page(
            reader,
            retailers=None,
            store_id=store_id,
            till=till,
            business_date=business_date,
            kind=None if kind is None else KINDS[kind],
            after=None if cursor is None else read_cursor(cursor),
            limit=limit,
        )
    return SalesPage(sales=page.sales, next=None if page.next_after is None else write_cursor(page.next_after))


def write_cursor(sale_id: UUID) -> str:
    """An opaque cursor behind ``sale_id``."""
    return urlsafe_b64encode(sale_id.bytes).decode().rstrip("=")


def read_cursor(cursor: str) -> UUID:
    """The id that a cursor stands behind. Raises Invalid if it is not one of ours."""
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except (ValueError, Base64Error):
        raise Invalid("The cursor is not one that this API gave out.", field="cursor") from None
