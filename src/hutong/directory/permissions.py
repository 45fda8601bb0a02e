"""What a caller may do and where: permissions, the roles that bundle them, grants and the principal that holds them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hutong.kernel.errors import Forbidden, NotFound
from hutong.platform.scope import Scope


class Permission(StrEnum):
    """One thing that a grant allows at its place; the value is what API keys and the API speak of."""

    CAPTURE_SALES = "sales:capture"
    CAPTURE_HISTORY = "sales:history"
    READ_SALES = "sales:read"
    REGISTER_TILLS = "tills:register"
    READ_MONITOR = "monitor:read"
    MANAGE_CATALOG = "catalog:write"
    READ_CATALOG = "catalog:read"
    READ_STORES = "stores:read"
    MANAGE_STORES = "stores:write"
    MANAGE_PEOPLE = "people:write"
    MANAGE_TILLS = "tills:write"
    MANAGE_KEYS = "keys:write"
    MANAGE_WEBHOOKS = "webhooks:write"
    TAKE_PAYMENTS = "payments:take"
    REFUND_PAYMENTS = "payments:refund"
    READ_PAYMENTS = "payments:read"
    RECONCILE = "payments:reconcile"
    MANAGE_WALLETS = "wallets:write"
    READ_AUDIT = "audit:read"
    OPERATE_NETWORK = "network:operate"


P = Permission

ROLE_PERMISSIONS: dict[str, frozenset[Permission]] = {
    "network_operator": frozenset(Permission),
    "head_office": frozenset(Permission) - {P.OPERATE_NETWORK},
    "store_manager": frozenset(
        {P.READ_SALES, P.READ_MONITOR, P.READ_CATALOG, P.READ_STORES, P.MANAGE_TILLS, P.TAKE_PAYMENTS, P.REFUND_PAYMENTS, P.READ_PAYMENTS}
    ),
    "cashier": frozenset({P.CAPTURE_SALES, P.READ_CATALOG, P.READ_STORES, P.TAKE_PAYMENTS, P.READ_PAYMENTS}),
    "brand_manager": frozenset(
        {P.READ_SALES, P.READ_MONITOR, P.READ_CATALOG, P.MANAGE_CATALOG, P.READ_STORES, P.MANAGE_PEOPLE, P.MANAGE_KEYS}
        | {P.MANAGE_WEBHOOKS, P.READ_AUDIT, P.READ_PAYMENTS}
    ),
    "integrator": frozenset(
        {P.CAPTURE_SALES, P.CAPTURE_HISTORY, P.READ_SALES, P.REGISTER_TILLS, P.READ_MONITOR, P.READ_CATALOG, P.MANAGE_CATALOG}
        | {P.READ_STORES, P.MANAGE_KEYS, P.MANAGE_WEBHOOKS, P.TAKE_PAYMENTS, P.REFUND_PAYMENTS, P.READ_PAYMENTS}
    ),
}
"""What each role may do at its place."""

ROLE_PLACES: dict[str, frozenset[str]] = {
    "network_operator": frozenset({"network"}),
    "head_office": frozenset({"retailer"}),
    "store_manager": frozenset({"store"}),
    "cashier": frozenset({"store"}),
    "brand_manager": frozenset({"brand"}),
    "integrator": frozenset({"retailer", "brand"}),
}
"""At what kind of place each role can be held."""

BRAND_PERMISSIONS = ROLE_PERMISSIONS["brand_manager"]
"""All that can be allowed at a brand; a brand has no tills, stores or sales of its own to write."""

TILL_PERMISSIONS = frozenset(
    {P.CAPTURE_SALES, P.READ_SALES, P.READ_CATALOG, P.READ_STORES, P.TAKE_PAYMENTS, P.REFUND_PAYMENTS, P.READ_PAYMENTS}
)
"""What a till may do at its own store."""

KEY_PERMISSIONS = frozenset(Permission) - {P.MANAGE_PEOPLE, P.MANAGE_KEYS, P.MANAGE_WALLETS, P.OPERATE_NETWORK}
"""What an API key may carry: a program never makes people or further keys."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions at one place: the network (no id), a retailer, a store (``retailer_id`` is its retailer's) or a brand."""

    role: str
    permissions: frozenset[Permission]
    retailer_id: int | None = None
    store_id: int | None = None
    brand_id: int | None = None

    @staticmethod
    def of_role(role: str, retailer_id: int | None = None, store_id: int | None = None, brand_id: int | None = None) -> "Grant":
        """The grant that a role is at a place; a role that is unknown, or cannot be held there, allows nothing."""
        place = place_of(retailer_id, store_id, brand_id)
        allowed = ROLE_PERMISSIONS[role] if place in ROLE_PLACES.get(role, ()) else frozenset()
        return Grant(role, allowed & BRAND_PERMISSIONS if place == "brand" else allowed, retailer_id, store_id, brand_id)

    @property
    def place(self) -> str:
        """``network``, ``retailer``, ``store`` or ``brand``; ``nowhere`` for a combination that means nothing."""
        return place_of(self.retailer_id, self.store_id, self.brand_id)

    def covers(self, retailer_id: int | None, store_id: int | None, brand_id: int | None) -> bool:
        """Whether a thing that belongs to these is at this grant's place."""
        match self.place:
            case "network":
                return True
            case "retailer":
                return retailer_id == self.retailer_id
            case "store":
                return store_id == self.store_id
            case "brand":
                return brand_id == self.brand_id
        return False


def place_of(retailer_id: int | None, store_id: int | None, brand_id: int | None) -> str:
    """The kind of place that the three ids name together."""
    match (retailer_id is not None, store_id is not None, brand_id is not None):
        case (False, False, False):
            return "network"
        case (True, False, False):
            return "retailer"
        case (True, True, False):
            return "store"
        case (False, False, True):
            return "brand"
    return "nowhere"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person, an API key, a till or the system itself, with what it may do."""

    actor: str
    name: str
    locale: str = "zh"
    grants: tuple[Grant, ...] = ()
    person_id: int | None = None
    till_id: int | None = None
    key_id: int | None = None
    store_id: int | None = None
    retailer_id: int | None = None

    @staticmethod
    def system(name: str) -> "Principal":
        """The network itself, for the command line and for work that nobody asked for; audited as ``system:<name>``."""
        return Principal(f"system:{name}", name, "en", (Grant.of_role("network_operator"),))

    def may(
        self, permission: Permission, *, retailer_id: int | None = None, store_id: int | None = None, brand_id: int | None = None
    ) -> bool:
        """Whether one grant allows it for a thing of these tenants; with no id, only a grant of the network does.

        Pass a store's retailer along with the store: a retailer's grant covers its stores, a store's grant only itself.
        """
        return any(permission in grant.permissions and grant.covers(retailer_id, store_id, brand_id) for grant in self.grants)

    def must(
        self, permission: Permission, *, retailer_id: int | None = None, store_id: int | None = None, brand_id: int | None = None
    ) -> None:
        """Go on only if ``may``. Raises NotFound, as for a thing that is not there; Forbidden where no id is involved."""
        if self.may(permission, retailer_id=retailer_id, store_id=store_id, brand_id=brand_id):
            return
        if retailer_id is None and store_id is None and brand_id is None:
            raise Forbidden(permission=permission.value)
        raise NotFound

    def anywhere(self, permission: Permission) -> bool:
        """Whether at least one grant allows it somewhere."""
        return any(permission in grant.permissions for grant in self.grants)

    def must_somewhere(self, permission: Permission) -> None:
        """Go on only if ``anywhere``. Raises Forbidden."""
        if not self.anywhere(permission):
            raise Forbidden(permission=permission.value)

    @property
    def scope(self) -> Scope:
        """All places of its grants together."""
        return scope_of(self.grants)

    def scope_for(self, permission: Permission) -> Scope:
        """The places where it holds ``permission``; empty, and so blind, if there are none."""
        return scope_of(grant for grant in self.grants if permission in grant.permissions)


def scope_of(grants: Iterable[Grant]) -> Scope:
    """The union of the places of ``grants``; a grant that allows nothing opens nothing."""
    network, retailers, stores, brands = False, set[int](), set[int](), set[int]()
    for grant in grants:
        match grant.place if grant.permissions else "nowhere":
            case "network":
                network = True
            case "retailer":
                retailers.add(grant.retailer_id or 0)
            case "store":
                stores.add(grant.store_id or 0)
            case "brand":
                brands.add(grant.brand_id or 0)
    return Scope(network, frozenset(retailers), frozenset(stores), frozenset(brands))
