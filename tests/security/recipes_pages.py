"""The same for pages and their forms: for each a request that its rightful owner makes with success."""

from tests.security.recipes import (
    ALL_PEOPLE,
    CATALOG,
    CATALOG_ANY,
    CATALOG_READERS,
    CATALOG_ROUTES,
    DIRECTORY,
    HOOKS,
    KEY_MAKERS,
    MANAGERS,
    MONITOR,
    NEW_PASSWORD,
    NOBODYS,
    OFFICE,
    OPERATIONS,
    OPERATOR,
    PEOPLE_MAKERS,
    SALES,
    SALES_OF_STORE,
    STORE_KNOWN,
    WEBHOOKS,
    Ask,
    R,
    Recipe,
    product_list,
    who,
)
from tests.security.recipes_books import BOOKS
from tests.security.recipes_payment_pages import PAYMENT_PAGES
from tests.security.recipes_payments import PAYMENTS
from tests.security.stage import KEYS, OUTSIDE
from tests.support.network import PASSWORD

BROWSERS_ONLY = frozenset(KEYS)

ACCOUNT: dict[str, Recipe] = {
    "GET /account": R(ALL_PEOPLE, lambda s, t: Ask("/account")),
    "POST /account/password": R(
        ALL_PEOPLE,
        lambda s, t: Ask("/account/password", data={"old": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}, person=s.person()[0]),
    ),
    "POST /account/language": R(ALL_PEOPLE, lambda s, t: Ask("/account/language", data={"locale": "en"})),
    "POST /account/sessions/{session}/end": R(who("office"), lambda s, t: Ask(f"/account/sessions/{t.session}/end", data={})),
}
DIRECTORY_PAGES: dict[str, Recipe] = {
    "GET /directory/stores": R(NOBODYS, lambda s, t: Ask("/directory/stores")),
    "GET /directory/stores/{gln}": R(STORE_KNOWN, lambda s, t: Ask(f"/directory/stores/{t.gln}")),
    "POST /directory/stores/{gln}/tills": R(MANAGERS, lambda s, t: Ask(f"/directory/stores/{t.gln}/tills", data={"code": s.name()})),
    "POST /directory/tills/{till_id}/code": R(MANAGERS, lambda s, t: Ask(f"/directory/tills/{t.till}/code", data={})),
    "GET /directory/tills/{till_id}/state": R(MANAGERS, lambda s, t: Ask(f"/directory/tills/{t.till}/state?since=")),
    "POST /directory/tills/{till_id}/revoke": R(MANAGERS, lambda s, t: Ask(f"/directory/tills/{t.till}/revoke", data={})),
    "GET /directory/people": R(PEOPLE_MAKERS, lambda s, t: Ask("/directory/people")),
    "POST /directory/people": R(
        OFFICE,
        lambda s, t: Ask(
            "/directory/people",
            data={"login": s.name("new"), "name": "New", "password": NEW_PASSWORD, "locale": "zh", "role": "store_manager", "store": t.gln},
        ),
    ),
    "GET /directory/people/{person_id}": R(OFFICE, lambda s, t: Ask(f"/directory/people/{t.person}")),
    "POST /directory/people/{person_id}/grants": R(
        OFFICE, lambda s, t: Ask(f"/directory/people/{t.person}/grants", data={"role": "cashier", "store": t.gln})
    ),
    "POST /directory/people/{person_id}/grants/{grant_id}/revoke": R(
        OFFICE, lambda s, t: Ask(f"/directory/people/{t.person}/grants/{t.grant}/revoke", data={})
    ),
    "POST /directory/people/{person_id}/password": R(
        OFFICE, lambda s, t: Ask(f"/directory/people/{t.person}/password", data={"password": NEW_PASSWORD})
    ),
    "POST /directory/people/{person_id}/disabled": R(
        OFFICE, lambda s, t: Ask(f"/directory/people/{t.person}/disabled", data={"disabled": "yes"})
    ),
    "GET /directory/keys": R(KEY_MAKERS, lambda s, t: Ask("/directory/keys")),
    "POST /directory/keys": R(
        HOOKS, lambda s, t: Ask("/directory/keys", data={"name": "new", "place": f"retailer:{t.retailer_id}", "permissions": "sales:read"})
    ),
    "POST /directory/keys/{key_id}/revoke": R(HOOKS, lambda s, t: Ask(f"/directory/keys/{t.key}/revoke", data={})),
    "GET /directory/audit": R(PEOPLE_MAKERS, lambda s, t: Ask("/directory/audit")),
    "GET /directory/audit.csv": R(PEOPLE_MAKERS, lambda s, t: Ask("/directory/audit.csv")),
}
CATALOG_PAGES: dict[str, Recipe] = {
    "GET /catalog/products": R(CATALOG_READERS, lambda s, t: Ask("/catalog/products")),
    "GET /catalog/unregistered": R(CATALOG_READERS, lambda s, t: Ask("/catalog/unregistered")),
    "GET /catalog/products/new": R(CATALOG_ANY, lambda s, t: Ask("/catalog/products/new")),
    "POST /catalog/products/new": R(
        CATALOG, lambda s, t: Ask("/catalog/products/new", data={"code": s.name("8"), "retailer": t.retailer, "name_en": "New"})
    ),
    "GET /catalog/products/{product_id}": R(
        who("operator", "office", "manager", "manager-2", "cashier", "integrator"), lambda s, t: Ask(f"/catalog/products/{t.product[0]}")
    ),
    "POST /catalog/products/{product_id}": R(CATALOG, lambda s, t: Ask(f"/catalog/products/{t.product[0]}", data={"name_en": s.name()})),
    "GET /catalog/import": R(CATALOG_ANY, lambda s, t: Ask("/catalog/import")),
    "POST /catalog/import": R(
        CATALOG, lambda s, t: Ask("/catalog/import?step=write", data={"retailer": t.retailer}, files=product_list(s))
    ),
    "POST /catalog/import/bad-rows": R(
        CATALOG, lambda s, t: Ask("/catalog/import/bad-rows", data={"retailer": t.retailer}, files=product_list(s))
    ),
}
MONITOR_PAGES: dict[str, Recipe] = {
    "GET /monitor": R(OPERATOR, lambda s, t: Ask("/monitor")),
    **{
        route.replace("/v1/", "/"): R(each.allowed, lambda s, t, ask=each.ask: Ask(ask(s, t).url.removeprefix("/v1")))  # type: ignore[misc]
        for route, each in MONITOR.items()
        if route.startswith("GET /v1/monitor/") and route != "GET /v1/monitor/network"
    },
    "GET /monitor/stores/{gln}/sales/{sale_id}": R(SALES_OF_STORE, lambda s, t: Ask(f"/monitor/stores/{t.gln}/sales/{t.sale}")),
}
WEBHOOK_PAGES: dict[str, Recipe] = {
    "GET /webhooks": R(KEY_MAKERS, lambda s, t: Ask("/webhooks")),
    "POST /webhooks": R(
        HOOKS, lambda s, t: Ask("/webhooks", data={"url": s.address(), "kinds": "sale.captured", "place": f"retailer:{t.retailer_id}"})
    ),
    "GET /webhooks/{webhook_id}": R(HOOKS, lambda s, t: Ask(f"/webhooks/{t.webhook}")),
    "POST /webhooks/{webhook_id}": R(HOOKS, lambda s, t: Ask(f"/webhooks/{t.webhook}", data={"url": OUTSIDE, "kinds": "sale.captured"})),
    **{
        f"POST /webhooks/{{webhook_id}}/{verb}": R(HOOKS, lambda s, t, verb=verb: Ask(f"/webhooks/{t.webhook}/{verb}", data={}))  # type: ignore[misc]
        for verb in ("on", "off", "delete", "secret", "ping", "replay")
    },
}
PAGES = {
    route: Recipe(each.allowed - BROWSERS_ONLY, each.ask)
    for route, each in (ACCOUNT | DIRECTORY_PAGES | CATALOG_PAGES | MONITOR_PAGES | WEBHOOK_PAGES | PAYMENT_PAGES | BOOKS).items()
}
RECIPES = DIRECTORY | CATALOG_ROUTES | SALES | PAYMENTS | MONITOR | WEBHOOKS | OPERATIONS | PAGES
