"""What roles, permissions and audited actions are called for people; marked for translation."""

from collections.abc import Iterable, Sequence
from typing import Any

from hutong.directory.permissions import Permission
from hutong.platform.web import mark, name
from hutong.platform.web.i18n import gettext

ROLES = {
    "network_operator": mark("Network operator"),
    "head_office": mark("Head office"),
    "store_manager": mark("Store manager"),
    "cashier": mark("Cashier"),
    "brand_manager": mark("Brand manager"),
    "integrator": mark("Integrator"),
}

PERMISSIONS = {
    Permission.CAPTURE_SALES: mark("Send sales"),
    Permission.CAPTURE_HISTORY: mark("Send sales of any age"),
    Permission.READ_SALES: mark("Read sales"),
    Permission.REGISTER_TILLS: mark("Add tills by sending their sales"),
    Permission.READ_MONITOR: mark("Read the monitors"),
    Permission.MANAGE_CATALOG: mark("Change products and prices"),
    Permission.READ_CATALOG: mark("Read products and prices"),
    Permission.READ_STORES: mark("Read stores"),
    Permission.MANAGE_STORES: mark("Change stores"),
    Permission.MANAGE_PEOPLE: mark("Manage people"),
    Permission.MANAGE_TILLS: mark("Manage tills"),
    Permission.MANAGE_KEYS: mark("Manage keys"),
    Permission.MANAGE_WEBHOOKS: mark("Manage webhooks"),
    Permission.TAKE_PAYMENTS: mark("Take payments"),
    Permission.REFUND_PAYMENTS: mark("Refund payments"),
    Permission.READ_PAYMENTS: mark("Read payments and statements"),
    Permission.RECONCILE: mark("Reconcile the books"),
    Permission.MANAGE_WALLETS: mark("Manage wallet accounts"),
    Permission.READ_AUDIT: mark("Read the audit log"),
    Permission.OPERATE_NETWORK: mark("Run the network"),
}

ACTIONS = {
    "session.begin": mark("signed in"),
    "session.end": mark("ended a session"),
    "person.create": mark("added a person"),
    "person.password": mark("set a password"),
    "person.disable": mark("shut a person out"),
    "person.enable": mark("let a person in again"),
    "grant.give": mark("gave a role"),
    "grant.revoke": mark("took a role away"),
    "key.create": mark("made a key"),
    "key.revoke": mark("ended a key"),
    "till.create": mark("added a till"),
    "till.code": mark("asked for a till's code"),
    "till.enrol": mark("enrolled"),
    "till.roll": mark("replaced its key"),
    "till.revoke": mark("ended a till's key"),
    "store.create": mark("added a store"),
    "store.update": mark("changed a store"),
    "chain.create": mark("added a chain"),
    "retailer.create": mark("added a retailer"),
    "brand.create": mark("added a brand"),
    "brand.prefixes": mark("changed a brand's prefixes"),
    "payment.take": mark("asked for a payment"),
    "payment.cancel": mark("stopped a payment"),
    "payment.refund": mark("refunded a payment"),
    "payment.hold": mark("held money"),
    "agreement.begin": mark("asked for an agreement"),
    "agreement.end": mark("ended an agreement"),
    "wallet.brand": mark("set where a brand receives its shares"),
    "books.resolve": mark("resolved a difference in the books"),
    "books.reopen": mark("opened a difference in the books again"),
    "wallet.add": mark("added a wallet account"),
    "wallet.change": mark("changed a wallet account"),
    "reconciliation.resolve": mark("settled a difference with the wallet's bill"),
    "directory.seed": mark("wrote many places at once"),
}


def options(rows: Sequence[Any], prefix: str = "") -> list[tuple[str, str]]:
    """Retailers, brands or provinces as a form's choices: by code, or by id behind ``prefix`` (``retailer:7``)."""
    return [(f"{prefix}{each.id}" if prefix else str(_read(each, "code")), name(each)) for each in rows]


def translated(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """A form's choices with their texts in the language of the page being rendered."""
    return [(key, gettext(text)) for key, text in pairs]


HELPERS: dict[str, Any] = {"options": options, "translated": translated}
"""What templates of forms need in their context."""


def _read(row: Any, key: str) -> Any:
    return row[key] if isinstance(row, dict) else getattr(row, key)
