"""Assembles the application: the shell, every module's routes, and what runs as long as the process does."""

import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hutong import __version__, catalog, directory, monitor, payments, platform, sales
from hutong.directory import Grant, Permission, Principal, authenticate, session_access, signed_in
from hutong.kernel.errors import Unauthenticated
from hutong.platform.config import Settings
from hutong.platform.config import settings as process_settings
from hutong.platform.database import Database, Reader, plain_url
from hutong.platform.jobs import jobs_of, working
from hutong.platform.telemetry import configure_logging
from hutong.platform.web import NavigationItem, install, mark, render
from hutong.platform.web.openapi import describe

MODULES: tuple[ModuleType, ...] = (directory, catalog, payments, sales, monitor)
"""Whose routes the application has, from the lowest floor up."""
MIGRATIONS = Path(platform.__file__).parent / "migrations"


def create_app(settings: Settings | None = None, *, long_lived: bool = False) -> FastAPI:
    """The application. Its database must be there and migrated when it starts (``hutong serve`` sees to both).

    ``long_lived`` is for a process that serves it until it ends: see ``spare_the_collector``.
    """
    chosen = settings or process_settings()
    configure_logging(chosen)
    modules = MODULES
    app = FastAPI(
        title="hutong",
        version=__version__,
        summary="Sales of many retailers' stores, captured exactly once and watched as they happen.",
        lifespan=lifespan_of(chosen, modules, long_lived),
        openapi_tags=[
            {"name": tag}
            for tag in ("sales", "payments", "monitor", "streams", "webhooks", "catalog", "directory", "tills", "people and keys")
        ],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = chosen
    install(app, chosen, session_csrf=session_csrf, navigation=navigation, is_operator=is_operator)
    # The capture routes come first: every sale of the network walks the list of routes down to them.
    for module in modules:
        app.router.routes[:0] = getattr(module, "capture_routes", ())
    app.include_router(start_router())
    for module in modules:
        if hasattr(module, "router"):
            app.include_router(module.router)
    parts = [getattr(module, name) for module in modules for name in ("capture_openapi", "openapi_parts") if hasattr(module, name)]
    describe(app, [part() for part in parts])
    return app


def lifespan_of(
    settings: Settings, modules: Sequence[ModuleType], long_lived: bool
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What runs with the process: the database, then each module's own, then jobs, ended in the opposite order."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings.database_url is None:
            raise RuntimeError("No database: start with `hutong serve`, which brings its own, or set HUTONG_DATABASE_URL.")
        await check_schema(settings.database_url)
        async with AsyncExitStack() as stack:
            app.state.database = Database(settings.database_url, settings.pool_size)
            stack.push_async_callback(app.state.database.close)
            for module in modules:
                if hasattr(module, "lifespan"):
                    await stack.enter_async_context(module.lifespan(app))
            if settings.jobs:
                await stack.enter_async_context(working(app.state.database, settings, jobs_of(modules)))
            if long_lived:
                spare_the_collector()
            yield

    return lifespan


def spare_the_collector() -> None:
    """Keep Python's cycle collector from walking, over and over, what lives as long as the process does.

    Captured sales hold no cycles, and with the default thresholds their number alone set off collections of everything that
    was ever imported: two fifths of the time of a busy capture (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@cache
def newest_schema() -> str | None:
    """The name of the schema that this program was written for."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head()


async def check_schema(url: str) -> None:
    """Raise RuntimeError, saying what to do, unless the database has exactly this program's schema."""
    wanted = newest_schema()
    async with await psycopg.AsyncConnection.connect(plain_url(url), connect_timeout=10) as connection:
        row = await (await connection.execute("select to_regclass('alembic_version') is not null")).fetchone()
        found = await (await connection.execute("select version_num from alembic_version")).fetchone() if row and row[0] else None
    if found is None or found[0] != wanted:
        raise RuntimeError(
            f"The database has schema {found[0] if found else 'none'}, this program needs {wanted}: run `hutong migrate` first."
        )


async def session_csrf(request: Request) -> str | None:
    """The CSRF token of the request's browser session, or None if nobody is signed in."""
    access = await session_access(request)
    return access.csrf if access else None


async def is_operator(request: Request) -> bool:
    """Whether the caller may operate the network."""
    return (await authenticate(request)).may(Permission.OPERATE_NETWORK)


ENTRIES = (
    (Permission.READ_MONITOR, NavigationItem(mark("Monitor"), "/", prefix="/monitor")),
    (Permission.READ_PAYMENTS, NavigationItem(mark("Payments"), "/payments")),
    (Permission.READ_CATALOG, NavigationItem(mark("Products"), "/catalog/products", prefix="/catalog")),
    (Permission.READ_STORES, NavigationItem(mark("Stores"), "/directory/stores")),
    (Permission.MANAGE_PEOPLE, NavigationItem(mark("People"), "/directory/people")),
    (Permission.MANAGE_KEYS, NavigationItem(mark("Keys"), "/directory/keys")),
    (Permission.MANAGE_WEBHOOKS, NavigationItem(mark("Webhooks"), "/webhooks")),
    (Permission.READ_AUDIT, NavigationItem(mark("Audit"), "/directory/audit")),
)


def navigation(_request: Request, principal: Principal) -> Sequence[NavigationItem]:
    """The header's entries: what the signed-in person may do somewhere."""
    return [item for permission, item in ENTRIES if principal.anywhere(permission)]


@dataclass(frozen=True)
class Place:
    """Where somebody holds a role, and the page that shows it; no address where the role has nothing to watch."""

    role: str
    name_zh: str
    name_en: str
    address: str


ROLES = {
    "network_operator": mark("Network operator"),
    "head_office": mark("Head office"),
    "store_manager": mark("Store manager"),
    "cashier": mark("Cashier"),
    "brand_manager": mark("Brand manager"),
    "integrator": mark("Integrator"),
}
WIDEST_FIRST = ("network", "retailer", "store", "brand")
PLACE_QUERIES = {
    "retailer": "select code, name_zh, name_en from retailer where id = :id",
    "store": "select gln as code, name_zh, name_en from store where id = :id",
    "brand": "select code, name_zh, name_en from brand where id = :id",
}


def start_router() -> APIRouter:
    """``/``, everybody's own best page, and the list of one's places."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def start(request: Request) -> Response:
        """On to the widest place that the person may watch, or to sign in."""
        try:
            principal = await signed_in(request)
        except Unauthenticated:
            return RedirectResponse("/sign-in", status_code=303)
        address = next((place.address for place in await places(request, principal) if place.address), "/places")
        language = f"?{request.url.query}" if "lang" in request.query_params else ""
        return RedirectResponse(address + language, status_code=303)

    @router.get("/places")
    async def my_places(request: Request) -> Response:
        """Every place where the person holds a role."""
        principal = await signed_in(request)
        return render(request, "web/places.html", principal, places=await places(request, principal))

    return router


async def places(request: Request, principal: Principal) -> list[Place]:
    """The places of a principal's grants, the widest first."""
    database: Database = request.app.state.database
    grants = sorted((grant for grant in principal.grants if grant.place in WIDEST_FIRST), key=lambda grant: WIDEST_FIRST.index(grant.place))
    async with database.read(principal.scope) as reader:
        return [place for grant in grants[:100] if (place := await _place(reader, grant))]


async def _place(reader: Reader, grant: Grant) -> Place | None:
    role = ROLES.get(grant.role, grant.role)
    watches = Permission.READ_MONITOR in grant.permissions
    if grant.place == "network":
        return Place(role, "全网", "The network", "/monitor" if watches else "")
    row = await reader.row(PLACE_QUERIES[grant.place], id=grant.store_id or grant.brand_id or grant.retailer_id)
    if row is None:
        return None
    if not watches and grant.place == "store" and Permission.READ_PAYMENTS in grant.permissions:
        return Place(role, row.name_zh, row.name_en, f"/payments/stores/{row.code}")
    return Place(role, row.name_zh, row.name_en, f"/monitor/{grant.place}s/{row.code}" if watches else "")
