"""For each route a request that its rightful owner makes with success, and who those owners are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hutong.kernel.ids import uuid7
from tests.security.paying import account_of
from tests.security.stage import EVERYBODY, KEYS, PEOPLE, Stage, soon
from tests.support import sales
from tests.support.network import stored

NEW_PASSWORD = "a lantern over the hutong gate 7"


@dataclass
class Ask:
    """A request. ``key`` or ``person`` replace whoever asks, for things that one does for oneself."""

    url: str
    json: Any = None
    data: dict[str, str] | None = None
    files: dict[str, Any] | None = None
    key: str = ""
    person: int = 0


class Things:
    """What a request may be about: things of the first retailer, its first store and the first brand, made as they are asked for.

    ``absent`` ones have names and numbers that nothing has. ``named`` remembers what was asked for.
    """

    def __init__(self, stage: Stage, *, absent: bool = False) -> None:
        self.stage, self.absent = stage, absent
        self.named: list[str] = []
        self._made: dict[str, Any] = {}

    def _thing(self, kind: str, there: Callable[[], Any], absent: Any) -> Any:
        if kind not in self._made:
            self._made[kind] = absent if self.absent else there()
        self.named.append(str(self._made[kind]))
        return self._made[kind]

    def of(self, kind: str, there: Callable[[], str]) -> str:
        """A thing that has a UUID for its name."""
        return str(self._thing(kind, there, str(uuid7())))

    @property
    def wallet_account(self) -> int:
        return int(self._thing("wallet_account", lambda: account_of(self.stage, self.stage.network.store), 2_000_000_000))

    @property
    def retailer(self) -> str:
        return str(self._thing("retailer", lambda: "one", "none"))

    @property
    def retailer_id(self) -> int:
        return int(self._thing("retailer_id", lambda: self.stage.network.one.id, 99_999_999))

    @property
    def gln(self) -> str:
        return str(self._thing("gln", lambda: self.stage.network.store.gln, "6999999999993"))

    @property
    def brand(self) -> str:
        return str(self._thing("brand", lambda: "yunqi", "none"))

    @property
    def sale(self) -> str:
        return str(self._thing("sale", lambda: self.stage.sales["S01"]["id"], str(uuid7())))

    @property
    def till(self) -> int:
        return int(self._thing("till", lambda: self.stage.till()[0], 2_000_000_000))

    @property
    def person(self) -> int:
        person, grant = self._made.setdefault("person", (2_000_000_000, 2_000_000_001) if self.absent else self.stage.person())
        self.named += [str(person), str(grant)]
        return int(person)

    @property
    def grant(self) -> int:
        return int(self.person and self._made["person"][1])

    @property
    def key(self) -> int:
        return int(self._thing("key", self.stage.key, 2_000_000_000))

    @property
    def product(self) -> tuple[int, str]:
        product = self._made.setdefault("product", (2_000_000_000, "000000") if self.absent else self.stage.product())
        self.named += [str(each) for each in product]
        return product[0], product[1]

    @property
    def session(self) -> str:
        """A session of the head office, named as its page names it."""
        return str(self._thing("session", lambda: stored(self.stage.session(self.stage.network.people["office"].id)[0]).hex(), "ab" * 32))

    @property
    def webhook(self) -> str:
        return str(self._thing("webhook", self.stage.webhook, uuid7()))

    @property
    def delivery(self) -> str:
        return str(self._thing("delivery", lambda: self.stage.delivery(self.webhook), uuid7()))


@dataclass
class Recipe:
    """Who may, and what they ask. ``refused`` tells whether an answer is a refusal where its status does not say so."""

    allowed: frozenset[str]
    ask: Callable[[Stage, Things], Ask]
    outcomes: bool = False


def who(*names: str) -> frozenset[str]:
    assert set(names) <= set(EVERYBODY), names
    return frozenset(names)


ALL_PEOPLE, ALL = frozenset(PEOPLE), frozenset(EVERYBODY)
NOBODYS = ALL_PEOPLE - {"nobody"}
TILLS = who("till", "till-s02", "till-two")
OPERATOR = who("operator")
OFFICE = OPERATOR | who("office")
MANAGERS = OFFICE | who("manager")
STORE_READERS = NOBODYS | TILLS
STORE = MANAGERS | who("cashier", "integrator")
STORE_KNOWN = STORE | who("brand", "brand-two")
RETAILER_KNOWN = STORE_KNOWN | who("manager-2")
ONE_KEYS = who("key-one")
CATALOG = OFFICE | who("integrator") | ONE_KEYS
CATALOG_ANY = CATALOG | who("office-two", "brand", "brand-two", "key-two")
CATALOG_READERS = NOBODYS | frozenset(KEYS)
AT_ONE = who("operator", "office", "manager", "manager-2", "cashier", "integrator", "key-one", "key-poor", "till", "till-s02")
PEOPLE_MAKERS = OFFICE | who("office-two", "brand", "brand-two")
KEY_MAKERS = PEOPLE_MAKERS | who("integrator")
SALES_OF_STORE = MANAGERS | who("integrator", "till") | ONE_KEYS
CAPTURE = OFFICE | who("cashier", "integrator", "till") | ONE_KEYS
WATCH_STORE = MANAGERS | who("integrator") | ONE_KEYS
WATCH_RETAILER = WATCH_STORE - who("manager")
WATCH_BRAND = OPERATOR | who("brand", "key-brand")
WATCH_PLACE = WATCH_STORE | who("manager-2", "office-two", "manager-two", "key-two")
HOOKS = OFFICE | who("integrator")

PUBLIC = {
    "GET /healthz": "whether the process lives is no secret",
    "GET /readyz": "as healthz",
    "GET /docs": "the API's reference",
    "GET /openapi.json": "the same for programs",
    "HEAD /openapi.json": "the same for programs",
    "GET /sign-in": "the page to sign in",
    "POST /sign-in": "signing in; limited by login and address",
    "POST /sign-out": "ends the session of whoever has one",
    "GET /till/enrol": "a page without data; the code stands behind its #",
    "POST /v1/tills:enrol": "the one-time code is the proof; limited by address",
    "POST /alipay/notify": "the wallet's signature is the proof; what does not hold is answered fail and people are told",
    "GET /catalog": "leads to the list of products, which asks who it is",
}
"""What anybody may ask without being signed in, and why."""


def sale_at(stage: Stage, things: Things) -> dict[str, Any]:
    """A sale of the first store (or of one that is not there)."""
    return sales.sale(stage.network, till=stage.network.till, receipt=stage.name("r")) | {"store": things.gln}


def product_list(stage: Stage) -> dict[str, Any]:
    return {"file": ("list.csv", f"code,name_en\n{stage.name('8')},Listed\n".encode(), "text/csv")}


R = Recipe
DIRECTORY: dict[str, Recipe] = {
    "GET /v1/me": R(ALL, lambda s, t: Ask("/v1/me")),
    "GET /v1/retailers": R(STORE_READERS, lambda s, t: Ask("/v1/retailers")),
    "POST /v1/retailers": R(
        OPERATOR, lambda s, t: Ask("/v1/retailers", {"code": s.name(), "name_zh": "新", "name_en": "New", "kind": "supermarket"})
    ),
    "GET /v1/retailers/{code}": R(RETAILER_KNOWN | who("till", "till-s02"), lambda s, t: Ask(f"/v1/retailers/{t.retailer}")),
    "POST /v1/retailers/{code}/chains": R(
        OFFICE, lambda s, t: Ask(f"/v1/retailers/{t.retailer}/chains", {"code": s.name(), "name_zh": "新", "name_en": "New", "format": "x"})
    ),
    "GET /v1/brands": R(STORE_READERS, lambda s, t: Ask("/v1/brands")),
    "POST /v1/brands": R(OPERATOR, lambda s, t: Ask("/v1/brands", {"code": s.name(), "name_zh": "新", "name_en": "New"})),
    "PUT /v1/brands/{code}/prefixes": R(OPERATOR, lambda s, t: Ask(f"/v1/brands/{t.brand}/prefixes", {"prefixes": ["69099001"]})),
    "GET /v1/stores": R(STORE_READERS, lambda s, t: Ask("/v1/stores")),
    "POST /v1/stores": R(
        OFFICE,
        lambda s, t: Ask("/v1/stores", {"retailer": t.retailer, "gln": s.gln(), "code": s.name(), "name_zh": "新", "name_en": "New"}),
    ),
    "GET /v1/stores/{gln}": R(STORE_KNOWN | who("till"), lambda s, t: Ask(f"/v1/stores/{t.gln}")),
    "PATCH /v1/stores/{gln}": R(OFFICE, lambda s, t: Ask(f"/v1/stores/{t.gln}", {"address": s.name()})),
    "GET /v1/audit": R(PEOPLE_MAKERS, lambda s, t: Ask("/v1/audit?limit=200")),
    "GET /v1/people": R(PEOPLE_MAKERS, lambda s, t: Ask("/v1/people?limit=200")),
    "POST /v1/people": R(
        OFFICE,
        lambda s, t: Ask(
            "/v1/people", {"login": s.name("new"), "name": "New", "password": NEW_PASSWORD, "grants": [{"role": "cashier", "store": t.gln}]}
        ),
    ),
    "GET /v1/people/{person_id}": R(OFFICE, lambda s, t: Ask(f"/v1/people/{t.person}")),
    "POST /v1/people/{person_id}/grants": R(OFFICE, lambda s, t: Ask(f"/v1/people/{t.person}/grants", {"role": "cashier", "store": t.gln})),
    "DELETE /v1/people/{person_id}/grants/{grant_id}": R(OFFICE, lambda s, t: Ask(f"/v1/people/{t.person}/grants/{t.grant}")),
    "PUT /v1/people/{person_id}/password": R(OFFICE, lambda s, t: Ask(f"/v1/people/{t.person}/password", {"password": NEW_PASSWORD})),
    "POST /v1/people/{person_id}/disable": R(OFFICE, lambda s, t: Ask(f"/v1/people/{t.person}/disable")),
    "POST /v1/people/{person_id}/enable": R(OFFICE, lambda s, t: Ask(f"/v1/people/{t.person}/enable")),
    "GET /v1/keys": R(KEY_MAKERS, lambda s, t: Ask("/v1/keys?limit=200")),
    "POST /v1/keys": R(
        HOOKS,
        lambda s, t: Ask("/v1/keys", {"name": "new", "permissions": ["sales:read"], "retailer": t.retailer, "expires_at": soon()}),
    ),
    "DELETE /v1/keys/{key_id}": R(HOOKS, lambda s, t: Ask(f"/v1/keys/{t.key}")),
    "GET /v1/stores/{gln}/tills": R(STORE | who("till"), lambda s, t: Ask(f"/v1/stores/{t.gln}/tills")),
    "POST /v1/stores/{gln}/tills": R(MANAGERS, lambda s, t: Ask(f"/v1/stores/{t.gln}/tills", {"code": s.name()})),
    "POST /v1/tills/{till_id}/code": R(MANAGERS, lambda s, t: Ask(f"/v1/tills/{t.till}/code")),
    "POST /v1/tills/{till_id}/revoke": R(MANAGERS, lambda s, t: Ask(f"/v1/tills/{t.till}/revoke")),
    "POST /v1/tills:roll": R(TILLS, lambda s, t: Ask("/v1/tills:roll", {}, key=s.till()[1])),
    "POST /v1/tills:heartbeat": R(TILLS, lambda s, t: Ask("/v1/tills:heartbeat")),
}
CATALOG_ROUTES: dict[str, Recipe] = {
    "GET /v1/products": R(CATALOG_READERS, lambda s, t: Ask("/v1/products?limit=200")),
    "POST /v1/products": R(
        CATALOG, lambda s, t: Ask("/v1/products", {"retailer": t.retailer, "products": [{"code": s.name("8"), "name_en": "New"}]})
    ),
    "POST /v1/products:import": R(CATALOG, lambda s, t: Ask(f"/v1/products:import?dry_run=false&retailer={t.retailer}", files=product_list(s))),
    "GET /v1/products/{code:path}": R(AT_ONE, lambda s, t: Ask(f"/v1/products/{t.product[1]}?retailer={t.retailer}")),
    "PUT /v1/products/{code:path}": R(CATALOG, lambda s, t: Ask(f"/v1/products/{t.product[1]}?retailer={t.retailer}", {"name_en": s.name()})),
    "GET /v1/categories": R(CATALOG_READERS, lambda s, t: Ask("/v1/categories")),
    "POST /v1/categories": R(OPERATOR, lambda s, t: Ask("/v1/categories", {"code": s.name(), "name_en": "New"})),
    "GET /v1/stores/{gln}/prices": R(AT_ONE - who("manager-2", "till-s02"), lambda s, t: Ask(f"/v1/stores/{t.gln}/prices")),
    "POST /v1/prices": R(
        CATALOG,
        lambda s, t: Ask("/v1/prices", {"retailer": t.retailer, "prices": [{"code": s.network.products[0].code, "store": t.gln, "amount": next(s.number)}]}),
    ),
}  # fmt: skip
SALES: dict[str, Recipe] = {
    "POST /v1/sales": R(CAPTURE, lambda s, t: Ask("/v1/sales", sale_at(s, t))),
    "POST /v1/sales:batch": R(CAPTURE, lambda s, t: Ask("/v1/sales:batch", {"sales": [sale_at(s, t)]}), outcomes=True),
    "GET /v1/sales/{sale_id}": R(SALES_OF_STORE, lambda s, t: Ask(f"/v1/sales/{t.sale}")),
    "GET /v1/sales": R(SALES_OF_STORE, lambda s, t: Ask(f"/v1/sales?store={t.gln}")),
}
MONITOR: dict[str, Recipe] = {
    f"GET /v1/{kind}/{route}": R(allowed, lambda s, t, kind=kind, address=address: Ask(f"/v1/{kind}/{address(t)}"))  # type: ignore[misc]
    for kind in ("monitor", "streams")
    for route, allowed, address in (
        ("network", OPERATOR, lambda t: "network"),
        ("retailers/{code}", WATCH_RETAILER, lambda t: f"retailers/{t.retailer}"),
        ("stores/{gln}", WATCH_STORE, lambda t: f"stores/{t.gln}"),
        ("brands/{code}", WATCH_BRAND, lambda t: f"brands/{t.brand}"),
        ("places/{province}", WATCH_PLACE, lambda t: "places/31"),
        ("places/{province}/{city}", WATCH_PLACE, lambda t: "places/31/3101"),
    )
    if not (kind == "streams" and route.startswith("places"))
}
WEBHOOKS: dict[str, Recipe] = {
    "GET /v1/webhooks": R(KEY_MAKERS, lambda s, t: Ask("/v1/webhooks?limit=200")),
    "POST /v1/webhooks": R(
        HOOKS, lambda s, t: Ask("/v1/webhooks", {"url": s.address(), "kinds": ["sale.captured"], "retailer": t.retailer})
    ),
    "GET /v1/webhooks/{webhook_id}": R(HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}")),
    "PATCH /v1/webhooks/{webhook_id}": R(HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}", {"enabled": False})),
    "DELETE /v1/webhooks/{webhook_id}": R(HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}")),
    "POST /v1/webhooks/{webhook_id}/secret": R(HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}/secret")),
    "POST /v1/webhooks/{webhook_id}/ping": R(HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}/ping")),
    "GET /v1/webhooks/{webhook_id}/deliveries": R(HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}/deliveries")),
    "GET /v1/webhooks/{webhook_id}/deliveries/{delivery_id}": R(
        HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}/deliveries/{t.delivery}")
    ),
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": R(
        HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}/deliveries/{t.delivery}/replay")
    ),
    "POST /v1/webhooks/{webhook_id}/replay": R(HOOKS, lambda s, t: Ask(f"/v1/webhooks/{t.webhook}/replay", {})),
}
OPERATIONS: dict[str, Recipe] = {
    "GET /metrics": R(OPERATOR, lambda s, t: Ask("/metrics")),
    "GET /": R(ALL_PEOPLE, lambda s, t: Ask("/")),
    "GET /places": R(ALL_PEOPLE, lambda s, t: Ask("/places")),
}
