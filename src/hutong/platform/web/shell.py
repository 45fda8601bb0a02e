"""Puts the web shell around an application: static files, error answers, protection, log and metrics."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from hutong.kernel.errors import HutongError
from hutong.platform.config import Settings
from hutong.platform.web.assets import static_routes
from hutong.platform.web.csrf import CsrfProtection
from hutong.platform.web.i18n import translations
from hutong.platform.web.middleware import BodyLimit, Observe, SafeHeaders
from hutong.platform.web.operations import Operator, operations_router
from hutong.platform.web.problems import handle
from hutong.platform.web.reference import reference_router
from hutong.platform.web.templating import Navigation, SessionCsrf, environment


def install(app: FastAPI, settings: Settings, *, session_csrf: SessionCsrf, navigation: Navigation, is_operator: Operator) -> None:
    """Install the shell. What it must know of people comes from the floor above, as three functions."""
    app.state.session_csrf = session_csrf
    app.state.navigation = navigation
    for kind in (HutongError, RequestValidationError, HTTPException, DBAPIError):
        app.add_exception_handler(kind, handle)
    app.router.routes.extend(static_routes())
    app.include_router(operations_router(is_operator))
    app.include_router(reference_router())
    # The last added is the outermost: headers are on every answer, also on those of the layers within.
    app.add_middleware(CsrfProtection, settings=settings)
    app.add_middleware(BodyLimit)
    app.add_middleware(Observe)
    app.add_middleware(SafeHeaders, settings=settings)
    environment()
    translations("zh")  # a broken translation file should stop the start, not a page
