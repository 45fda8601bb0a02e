"""For the routes of payments: a request that its rightful owner makes with success, and who those owners are."""

from typing import Any

from hutong.kernel.ids import uuid7
from tests.security.paying import CODE, new_agreement, new_authorisation, new_payment, new_refund
from tests.security.recipes import MANAGERS, OFFICE, OPERATOR, Ask, R, Recipe, Things, who
from tests.security.stage import Stage

READS = MANAGERS | who("cashier", "integrator", "till")
TAKES = READS
REFUNDS = MANAGERS | who("integrator", "till")
AT_RETAILER = READS | who("manager-2", "till-s02")
"""Who may do it at any store of the retailer."""
READS_SOMEWHERE = AT_RETAILER | who("office-two", "manager-two", "brand", "brand-two", "till-two")
WHOLE_RETAILER = OFFICE | OPERATOR


def at_till(stage: Stage, things: Things, **fields: Any) -> dict[str, Any]:
    """The store and till that a request names."""
    return {"id": str(uuid7()), "store": things.gln, "till": stage.network.till.code} | fields


def taking(stage: Stage, things: Things) -> dict[str, Any]:
    return at_till(stage, things, sale=str(uuid7()), amount=1_990, method={"type": "code", "code": CODE})


def payment(stage: Stage, things: Things, state: str = "unknown") -> str:
    """A payment of the first store."""
    return things.of("payment " + state, lambda: new_payment(stage, stage.network.store, state))


def sale_of_payment(stage: Stage, things: Things) -> str:
    sale = things.of("paid sale", lambda: str(uuid7()))
    if not things.absent:
        new_payment(stage, stage.network.store, "paid", sale=sale)
    return sale


def refund(stage: Stage, things: Things) -> str:
    return things.of("refund", lambda: new_refund(stage, new_payment(stage, stage.network.store, "paid"), stage.network.store))


def agreement(stage: Stage, things: Things) -> str:
    return things.of("agreement", lambda: new_agreement(stage, stage.network.store))


def ended_agreement(stage: Stage, things: Things) -> str:
    """One that needs no word with the wallet, which nobody serves here."""
    ended = things.of("ended agreement", lambda: new_agreement(stage, stage.network.store))
    stage.owner.execute("update agreement set state = 'ended' where id = %s", [ended])
    return ended


def held(stage: Stage, things: Things) -> str:
    return things.of("authorisation", lambda: new_authorisation(stage, stage.network.store))


def with_head(recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """Plain routes answer HEAD as GET."""
    return recipes | {f"HEAD {route.partition(' ')[2]}": each for route, each in recipes.items() if route.startswith("GET ")}


PAYMENTS = with_head(
    {
        "POST /v1/payments": R(TAKES, lambda s, t: Ask("/v1/payments?wait=5", taking(s, t))),
        "GET /v1/payments": R(READS_SOMEWHERE, lambda s, t: Ask(f"/v1/payments?sale={sale_of_payment(s, t)}")),
        "GET /v1/payments/{id}": R(READS, lambda s, t: Ask(f"/v1/payments/{payment(s, t, 'paid')}")),
        "POST /v1/payments/{id}:cancel": R(TAKES, lambda s, t: Ask(f"/v1/payments/{payment(s, t)}:cancel")),
        "POST /v1/refunds": R(
            REFUNDS, lambda s, t: Ask("/v1/refunds?wait=5", {"id": str(uuid7()), "payment": payment(s, t, "paid"), "amount": 100, "reason": "back"})
        ),
        "GET /v1/refunds/{id}": R(READS, lambda s, t: Ask(f"/v1/refunds/{refund(s, t)}")),
        "POST /v1/agreements": R(TAKES, lambda s, t: Ask("/v1/agreements", at_till(s, t))),
        "GET /v1/agreements/{id}": R(AT_RETAILER, lambda s, t: Ask(f"/v1/agreements/{agreement(s, t)}")),
        "POST /v1/agreements/{id}:ask": R(AT_RETAILER, lambda s, t: Ask(f"/v1/agreements/{agreement(s, t)}:ask")),
        "POST /v1/agreements/{id}:end": R(AT_RETAILER, lambda s, t: Ask(f"/v1/agreements/{ended_agreement(s, t)}:end")),
        "POST /v1/authorisations": R(
            TAKES, lambda s, t: Ask("/v1/authorisations?wait=5", at_till(s, t, amount=1_000, method={"type": "code", "code": CODE}))
        ),
        "GET /v1/authorisations/{id}": R(READS, lambda s, t: Ask(f"/v1/authorisations/{held(s, t)}")),
        "POST /v1/authorisations/{id}:end": R(TAKES, lambda s, t: Ask(f"/v1/authorisations/{held(s, t)}:end")),
    }
) | {
    "GET /v1/payments/{id}/events": R(READS, lambda s, t: Ask(f"/v1/payments/{payment(s, t)}/events")),
    "GET /v1/stores/{gln}/payments": R(READS, lambda s, t: Ask(f"/v1/stores/{t.gln}/payments")),
    "GET /v1/streams/payments/{gln}": R(READS, lambda s, t: Ask(f"/v1/streams/payments/{t.gln}")),
}  # fmt: skip
