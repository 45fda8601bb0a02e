"""Pages for oneself: signing in and out, password, language, open sessions."""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from hutong.directory import people, sessions
from hutong.directory.access import COOKIE, Access, session_access, signed_in
from hutong.directory.api import Db
from hutong.directory.api_tills import address_of
from hutong.directory.errors import TooManyAttempts
from hutong.directory.permissions import Principal
from hutong.kernel.errors import HutongError, Invalid, NotFound
from hutong.platform.web import LANGUAGE_COOKIE, mark, render

router = APIRouter(include_in_schema=False)
By = Annotated[Principal, Depends(signed_in)]
Field = Annotated[str, Form(max_length=300)]

NOTICES = {
    "password": mark("The password is changed. All your other sessions have ended."),
    "language": mark("The language is saved."),
    "session": mark("That session has ended."),
}
"""What a page says after a form; its address carries only the key, so nobody can make our page say something else."""


@router.get("/sign-in")
async def sign_in_page(request: Request, next: str = "") -> Response:
    if await session_access(request) is not None:
        return RedirectResponse(safe_next(next), status_code=303)
    return render(request, "directory/sign_in.html", next=safe_next(next), login="", error=None)


@router.post("/sign-in")
async def sign_in(
    request: Request, db: Db, login: Field = "", password: Field = "", next: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    before = await session_access(request)
    try:
        begun = await sessions.sign_in(db, login, password, address=address_of(request), user_agent=request.headers.get("user-agent", ""))
    except HutongError as error:
        if error.status >= 500:
            raise
        headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooManyAttempts) else {}
        return render(
            request,
            "directory/sign_in.html",
            status_code=error.status,
            headers=headers,
            next=safe_next(next),
            login=login[:64],
            error=error,
        )
    if before is not None:
        with suppress(NotFound):
            await sessions.sign_out(db, before.principal, before.token_hash)
    response = RedirectResponse(safe_next(next), status_code=303)
    response.set_cookie(
        COOKIE, begun.token, max_age=sessions.LONGEST_DAYS * 86_400, path="/", httponly=True, samesite="lax", secure=is_https(request)
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request, db: Db) -> Response:
    access = await session_access(request)
    if access is not None:
        with suppress(NotFound):
            await sessions.sign_out(db, access.principal, access.token_hash)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=is_https(request))
    return response


@router.get("/till/enrol")
async def enrol_here(request: Request) -> Response:
    """Where a till's QR code leads: turns the code behind the address's # into the key, for the browser that opened it."""
    await session_access(request)  # only for the form's token, should somebody be signed in
    return render(request, "directory/enrol_here.html")


@router.get("/account")
async def account(request: Request, by: By, db: Db, done: str = "") -> Response:
    return await _account(request, by, db, notice=NOTICES.get(done, ""))


@router.post("/account/password")
async def change_password(request: Request, by: By, db: Db, old: Field = "", new: Field = "", again: Field = "") -> Response:
    access: Access = request.state.access
    try:
        if new != again:
            raise Invalid(mark("The two new passwords differ."))
        await sessions.change_password(db, by, old, new, keep=access.token_hash, address=address_of(request))
    except HutongError as error:
        if error.status >= 500:
            raise
        return await _account(request, by, db, error=error)
    return RedirectResponse("/account?done=password", status_code=303)


@router.post("/account/language")
async def choose_language(request: Request, by: By, db: Db, locale: Field = "") -> Response:
    await people.set_locale(db, by, locale)
    response = RedirectResponse("/account?done=language", status_code=303)
    response.set_cookie(LANGUAGE_COOKIE, locale, max_age=31_536_000, samesite="lax", secure=is_https(request), path="/")
    return response


@router.post("/account/sessions/{session}/end")
async def end_session(session: str, by: By, db: Db) -> Response:
    await sessions.end_session(db, by, session)
    return RedirectResponse("/account?done=session", status_code=303)


async def _account(request: Request, by: Principal, db: Db, *, notice: str = "", error: HutongError | None = None) -> Response:
    access: Access = request.state.access
    return render(
        request, "directory/account.html", by, status_code=error.status if error else 200,
        sessions=await sessions.sessions_of(db, by), own=access.token_hash, notice=notice, error=error,
    )  # fmt: skip


def safe_next(address: str) -> str:
    """Where to go on after signing in: a path of ours, or the start. To a browser two slashes, of either kind, are another host."""
    own = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable() and not address.startswith("/sign-")
    return address if own else "/"


def is_https(request: Request) -> bool:
    """Whether cookies may be kept to encrypted lines."""
    return request.url.scheme == "https" or request.app.state.settings.base_url.startswith("https://")
