"""The catalogue: products by GTIN and by retailers' own numbers, categories, prices, and imports of them."""

from hutong.catalog.codes import CATALOG_LOCK, ProductCodes, ProductKey, network_gtin, product_key
from hutong.catalog.queries import ProductName, product_names

__all__ = ["CATALOG_LOCK", "ProductCodes", "ProductKey", "ProductName", "network_gtin", "product_key", "product_names"]
