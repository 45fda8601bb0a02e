"""The catalogue: products by GTIN and by retailers' own numbers, categories, prices, and imports of them."""

from fastapi import APIRouter

from hutong.catalog import api, pages
from hutong.catalog.codes import CATALOG_LOCK, ProductCodes, ProductKey, network_gtin, product_key
from hutong.catalog.commands import Registered, register_products, save_category
from hutong.catalog.entries import REASONS, Outcome, Problem, ProductEntry
from hutong.catalog.errors import FileUnreadable, PriceTaken, RowsInvalid
from hutong.catalog.importing import BadRow, ImportReport, bad_rows_csv, import_products, report_json
from hutong.catalog.prices import Price, PriceEntry, assortment, price_at, price_history, set_prices
from hutong.catalog.queries import (
    ProductFilter,
    ProductName,
    categories,
    product_by_code,
    product_by_id,
    product_names,
    rung_up_unregistered,
    search_products,
)
from hutong.catalog.seed import SeedCategory, SeedPrice, SeedProduct, seed_categories, seed_prices, seed_products

__all__ = [
    "CATALOG_LOCK", "REASONS", "BadRow", "FileUnreadable", "ImportReport", "Outcome", "Price", "PriceEntry", "PriceTaken", "Problem",
    "ProductCodes", "ProductEntry", "ProductFilter", "ProductKey", "ProductName", "Registered", "RowsInvalid", "SeedCategory", "SeedPrice",
    "SeedProduct", "assortment", "bad_rows_csv", "categories", "import_products", "network_gtin", "price_at", "price_history",
    "product_by_code", "product_by_id", "product_key", "product_names", "register_products", "report_json", "router", "rung_up_unregistered",
    "save_category", "search_products", "seed_categories", "seed_prices", "seed_products", "set_prices",
]  # fmt: skip

router = APIRouter()
for part in (api, pages):
    router.include_router(part.router)
