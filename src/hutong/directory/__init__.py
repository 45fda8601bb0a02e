"""Retailers, brands, stores, tills, people, and what each may do."""

from hutong.directory.access import authenticate, caller, session_access, signed_in
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
from hutong.directory.queries import StoreRef, stores, tills_by_code
from hutong.directory.tills import register_till, touch_tills

__all__ = [
    "StoreRef", "register_till", "stores", "tills_by_code", "touch_tills",
    "BRAND_PERMISSIONS", "KEY_PERMISSIONS", "ROLE_PERMISSIONS", "ROLE_PLACES", "TILL_PERMISSIONS", "Grant", "Permission", "Principal",
    "authenticate", "caller", "session_access", "signed_in",
]  # fmt: skip
