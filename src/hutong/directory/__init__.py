"""Retailers, brands, stores, tills, people, and what each may do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from hutong.directory import api, api_people, api_tills, pages, pages_account, pages_people
from hutong.directory.access import authenticate, caller, listening, session_access, signed_in
from hutong.directory.audit import csv_line, safe_cell
from hutong.directory.commands import create_brand, create_chain, create_retailer, create_store, set_brand_prefixes, update_store
from hutong.directory.jobs import DIRECTORY_JOBS
from hutong.directory.keys import NewKey, create_key, revoke_key
from hutong.directory.outlets import Outlet, Outlets
from hutong.directory.people import create_person, grant, set_password
from hutong.directory.permissions import (
    BRAND_PERMISSIONS,
    KEY_PERMISSIONS,
    ROLE_PERMISSIONS,
    ROLE_PLACES,
    TILL_PERMISSIONS,
    Grant,
    Permission,
    Principal,
)
from hutong.directory.queries import (
    BrandRef,
    RetailerRef,
    StoreRef,
    TillRef,
    after,
    brand_by_code,
    brand_by_id,
    brand_prefixes,
    brands,
    cities,
    cursor,
    page,
    provinces,
    retailer_by_code,
    retailer_by_id,
    retailers,
    store_by_code,
    store_by_gln,
    store_by_id,
    stores,
    stores_by_gln,
    till_by_code,
    till_by_id,
    tills_by_code,
    tills_of_store,
)
from hutong.directory.rechecks import Rechecks
from hutong.directory.seed import Seeded, seed_directory
from hutong.directory.tills import (
    Enrolment,
    create_till,
    enrol_till,
    register_till,
    register_tills,
    revoke_till,
    start_enrolment,
    touch_tills,
)

__all__ = [
    "BRAND_PERMISSIONS", "KEY_PERMISSIONS", "ROLE_PERMISSIONS", "ROLE_PLACES", "TILL_PERMISSIONS", "BrandRef", "Enrolment", "Grant", "NewKey",
    "Outlet", "Outlets", "Permission", "Principal", "Rechecks", "RetailerRef", "Seeded", "StoreRef", "TillRef", "after", "authenticate", "brand_by_code", "brand_by_id",
    "brand_prefixes", "brands", "caller", "cities", "create_brand", "create_chain", "create_key", "create_person", "create_retailer",
    "create_store", "create_till", "csv_line", "cursor", "enrol_till", "grant", "jobs", "lifespan", "page", "provinces", "register_till", "register_tills",
    "retailer_by_code", "retailer_by_id", "retailers", "revoke_key", "revoke_till", "router", "safe_cell", "seed_directory", "session_access",
    "set_brand_prefixes", "set_password", "signed_in", "start_enrolment", "store_by_code", "store_by_gln", "store_by_id", "stores",
    "stores_by_gln", "till_by_code", "till_by_id", "tills_by_code", "tills_of_store", "touch_tills", "update_store",
]  # fmt: skip

jobs = DIRECTORY_JOBS
router = APIRouter()
for part in (api, api_people, api_tills, pages_account, pages, pages_people):
    router.include_router(part.router)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Listens for revoked access as long as the application runs.

    ``app.state.outlets`` knows its stores and tills, ``app.state.rechecks`` who is behind its open streams.
    """
    app.state.rechecks = Rechecks()
    app.state.outlets = Outlets(app.state.database)
    await app.state.outlets.refresh()
    async with listening(app.state.database):
        yield
