"""Sales that add up, for tests: built from a network's products and changed by the test that needs a wrong one."""

import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hutong.kernel.clock import now
from hutong.kernel.ids import uuid7
from hutong.kernel.money import included_vat, line_value
from tests.support.network import Network, Product, Store, Till

SHANGHAI = ZoneInfo("Asia/Shanghai")
_receipts = count(1)
_last_id = (0, 0)


def next_id() -> UUID:
    """A UUIDv7 above all made here before, also within a millisecond: by their ids are the last sales of a page put in order."""
    global _last_id
    _last_id = max((time.time_ns() // 1_000_000, 0), (_last_id[0], _last_id[1] + 1))
    return uuid7(_last_id[0], (_last_id[1] << 62 | secrets.randbits(62)).to_bytes(10))


def line(product: Product, thousandths: int = 1000, discount: int = 0, **changes: Any) -> dict[str, Any]:
    """One line of a sale, right to the fen; ``changes`` overwrite or add fields."""
    amount = line_value(product.price, thousandths) - discount
    whole, rest = divmod(thousandths, 1000)
    return {
        "code": product.code,
        "quantity": f"{whole}.{rest:03d}".rstrip("0").rstrip("."),
        "unit_price": product.price,
        "discount": discount,
        "amount": amount,
        "vat_rate": f"{product.vat_rate / 100:g}",
        "vat": included_vat(amount, product.vat_rate),
    } | changes


def sale(
    network: Network,
    lines: Sequence[dict[str, Any]] | None = None,
    *,
    store: Store | None = None,
    till: Till | None = None,
    at: datetime | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A sale as it goes over the wire, right to the fen, paid by Alipay; without ``lines``, of the first two products.

    ``at`` is the time it was completed (default: two seconds ago); its day in Shanghai is the business date. ``changes`` overwrite or add fields.
    """
    store = store or network.store
    till = till or store.tills[0]
    rung = list(lines) if lines is not None else [line(network.products[0]), line(network.products[1], 2000)]
    completed = (at or now() - timedelta(seconds=2)).astimezone(SHANGHAI)
    total = sum(each["amount"] for each in rung)
    return {
        "id": str(next_id()),
        "kind": "sale",
        "store": store.gln,
        "till": till.code,
        "receipt": f"{next(_receipts):06d}",
        "business_date": completed.date().isoformat(),
        "completed_at": completed.isoformat(timespec="milliseconds"),
        "cashier": "c07",
        "lines": rung,
        "total": total,
        "discount": sum(each["discount"] for each in rung),
        "vat": sum(each["vat"] for each in rung),
        "tenders": [{"type": "alipay", "amount": total, "reference": "2026112222001400001"}],
        "change": 0,
    } | changes


def return_of(
    network: Network, original: dict[str, Any], lines: Sequence[int] | None = None, *, at: datetime | None = None, **changes: Any
) -> dict[str, Any]:
    """A return of whole lines (1-based; default: all) of a sale that ``sale`` built, at the same till, paid back in cash."""
    numbers = lines or range(1, len(original["lines"]) + 1)
    back = [original["lines"][number - 1] | {"original_line": number} for number in numbers]
    store = next(each for each in network.stores if each.gln == original["store"])
    till = next(each for each in store.tills if each.code == original["till"])
    total = sum(each["amount"] for each in back)
    fields = {"kind": "return", "original": original["id"], "tenders": [{"type": "cash", "amount": total}]}
    return sale(network, back, store=store, till=till, at=at, **(fields | changes))
