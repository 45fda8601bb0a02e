"""What tests of the ledger share: a place where payments are taken, and a balanced posting to begin with."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from hutong.kernel.ids import uuid7
from hutong.payments.ledger import Entry, Place, Posting, posting_id
from tests.support.network import Network

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()


@pytest.fixture
def place(network: Network) -> Place:
    """The first store of the first retailer."""
    return Place(network.one.id, network.store.id, network.store.gln, 7)


@pytest.fixture
def moving(place: Place) -> Callable[..., Posting]:
    """``moving(500)`` is a new posting of 500 fen from sales to cash; keyword arguments change it."""

    def make(amount: int = 100, text: str = "", **changes: object) -> Posting:
        of = uuid7()
        text = text or f"{of}:test"
        fields: dict[str, object] = {
            "id": posting_id(of, text), "retailer_id": place.retailer_id, "booked_on": TODAY, "at": NOW, "kind": "test", "idempotency": text,
            "reference": of, "entries": (Entry("tender:cash:x", amount, "A", place.store_id), Entry("sales:x", -amount, "I", place.store_id)),
        }  # fmt: skip
        return Posting(**(fields | changes))  # type: ignore[arg-type]

    return make
