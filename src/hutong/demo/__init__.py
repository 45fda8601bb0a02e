"""The demonstration network: invented retailers, stores, brands, products, people and their trade, played through the public API."""
