"""The real data files that lie beside a checkout on some machines: tests use them when they are there and say so when not."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("HUTONG_SHARED", CHECKOUT.parent / "shared"))
"""The folder of shared data; ``HUTONG_SHARED`` names another."""


def shared_file(name: str) -> Path:
    """The path of a shared data file such as ``online-retail/uci_online_retail.parquet``; skips the test where it is absent."""
    path = SHARED / "data" / name
    if not path.exists():
        pytest.skip(f"needs the data file {name} in {SHARED / 'data'} (HUTONG_SHARED names another folder)")
    return path
