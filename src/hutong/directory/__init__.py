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

__all__ = [
    "BRAND_PERMISSIONS", "KEY_PERMISSIONS", "ROLE_PERMISSIONS", "ROLE_PLACES", "TILL_PERMISSIONS", "Grant", "Permission", "Principal",
    "authenticate", "caller", "session_access", "signed_in",
]  # fmt: skip
