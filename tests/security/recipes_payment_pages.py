"""For the pages of payments and their forms: a request that its rightful owner makes with success, and who those owners are."""

from hutong.kernel.ids import uuid7
from tests.security.paying import APPS, NOBODY_THERE, public_key_of_wallet
from tests.security.recipes import MANAGERS, OFFICE, Ask, R, Recipe, Things, who
from tests.security.recipes_payments import READS, READS_SOMEWHERE, payment
from tests.security.stage import Stage
from tests.support.sandbox import app_keys


def shown_payment(stage: Stage, things: Things) -> str:
    """A payment that has a QR code."""
    shown = payment(stage, things, "waiting")
    stage.owner.execute("update payment set qr = 'https://qr.example/1' where id = %s", [shown])
    return shown


def account_form(stage: Stage, things: Things) -> dict[str, str]:
    """The same account again: at the gateway that nobody serves."""
    return {
        "retailer": str(things.retailer_id), "code": "main", "app_id": APPS["one"], "seller_id": "2088000000000000", "gateway": NOBODY_THERE,
        "private_key": app_keys()[0], "alipay_public_key": public_key_of_wallet(),
    }  # fmt: skip


MANAGE_WALLETS = OFFICE | who("office-two")
PAYMENT_PAGES: dict[str, Recipe] = {
    "GET /payments": R(READS_SOMEWHERE, lambda s, t: Ask("/payments?q=")),
    "GET /payments/search": R(READS_SOMEWHERE, lambda s, t: Ask("/payments/search?q=2088")),
    "GET /payments/alarms": R(READS_SOMEWHERE, lambda s, t: Ask("/payments/alarms")),
    "GET /payments/agreements": R(READS_SOMEWHERE, lambda s, t: Ask("/payments/agreements")),
    "GET /payments/authorisations": R(READS_SOMEWHERE, lambda s, t: Ask("/payments/authorisations")),
    "GET /payments/stores/{gln}": R(READS, lambda s, t: Ask(f"/payments/stores/{t.gln}")),
    "GET /payments/stores/{gln}/take": R(READS, lambda s, t: Ask(f"/payments/stores/{t.gln}/take")),
    "GET /payments/{payment}": R(READS, lambda s, t: Ask(f"/payments/{payment(s, t, 'paid')}")),
    "GET /payments/{payment}/story": R(READS, lambda s, t: Ask(f"/payments/{payment(s, t, 'paid')}/story")),
    "GET /payments/{payment}/qr.svg": R(READS, lambda s, t: Ask(f"/payments/{shown_payment(s, t)}/qr.svg")),
    "POST /payments/{payment}/cancel": R(READS, lambda s, t: Ask(f"/payments/{payment(s, t)}/cancel", data={})),
    "POST /payments/{payment}/refund": R(
        MANAGERS | who("integrator"),
        lambda s, t: Ask(
            f"/payments/{payment(s, t, 'paid')}/refund", data={"refund_id": str(uuid7()), "amount": "1.00", "confirmed": "yes"}
        ),
    ),
    "GET /payments/wallets": R(MANAGE_WALLETS, lambda s, t: Ask("/payments/wallets")),
    "POST /payments/wallets": R(OFFICE, lambda s, t: Ask("/payments/wallets", data=account_form(s, t))),
    **{
        f"POST /payments/wallets/{{account_id}}/{verb}": R(
            OFFICE, lambda s, t, verb=verb: Ask(f"/payments/wallets/{t.wallet_account}/{verb}", data={})
        )  # type: ignore[misc]
        for verb in ("test", "off", "on")
    },
}
