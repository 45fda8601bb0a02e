"""The retailers' accounts at wallets: what is set up, whether it works, and setting one up; keys are pasted and never shown again."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from hutong.directory import Permission, Principal, retailers
from hutong.kernel.errors import HutongError, Invalid, NotFound
from hutong.kernel.ids import uuid7
from hutong.payments.account_switch import switch_account
from hutong.payments.accounts import add_alipay_account, notify_url, wallet_accounts
from hutong.payments.alipay.account import PRODUCTION, AlipayAccount, is_loopback
from hutong.payments.pages import HELPERS, By, clean, database, tabs_for
from hutong.payments.wallet import Absent, Unknown
from hutong.platform.config import Settings
from hutong.platform.scope import Scope
from hutong.platform.web import mark, render

router = APIRouter(prefix="/payments/wallets", include_in_schema=False)
Field = Annotated[str, Form(max_length=200)]
Key = Annotated[str, Form(max_length=20_000)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]

GATEWAYS = (
    (PRODUCTION, mark("Alipay")),
    ("https://openapi-sandbox.dl.alipaydev.com/gateway.do", mark("Alipay's own sandbox")),
)
OTHER = "other"
CODE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
NOTICES = {
    "saved": mark("The account is set up. Test it before the first customer does."),
    "on": mark("New payments go through this account."),
    "off": mark("No new payment goes through this account. What was begun is finished."),
    "works": mark("It works: the wallet answered, and its signature holds."),
}


@router.get("")
async def wallets_page(request: Request, by: By, done: str = "") -> Response:
    return await page_of(request, by, notice=NOTICES.get(done, ""))


@router.post("")
async def add(
    request: Request, by: By, retailer: Field = "", code: Field = "", app_id: Field = "", seller_id: Field = "", gateway: Field = "",
    other_gateway: Field = "", mode: Field = "key", private_key: Key = "", alipay_public_key: Key = "", app_certificate: Key = "",
    alipay_certificate: Key = "", root_certificate: Key = "",
) -> Response:  # fmt: skip
    """Set an account up, or replace the one of the same name."""
    typed = {
        "retailer": retailer, "code": clean(code), "app_id": clean(app_id), "seller_id": clean(seller_id), "gateway": gateway,
        "other_gateway": clean(other_gateway), "mode": "certificate" if mode == "certificate" else "key",
    }  # fmt: skip
    by.must_somewhere(Permission.MANAGE_WALLETS)
    retailer_id = int(retailer) if retailer.isascii() and retailer.isdigit() and len(retailer) < 10 else 0
    by.must(Permission.MANAGE_WALLETS, retailer_id=retailer_id)
    settings: Settings = request.app.state.settings
    try:
        name = typed["code"]
        if not name or len(name) > 32 or name.startswith("-") or not CODE_LETTERS.issuperset(name):
            raise Invalid(mark("The name has small letters, digits and hyphens only, such as main."), field="code")
        used = {each.gateway for each in await wallet_accounts(database(request), by, retailer_id)}
        account = AlipayAccount(
            app_id=typed["app_id"], seller_id=typed["seller_id"], gateway=gateway_of(by, settings, typed, used), notify_url=notify_url(settings),
            mode="certificate" if typed["mode"] == "certificate" else "key", private_key=private_key.strip(),
            alipay_public_key=alipay_public_key.strip(), app_certificate=app_certificate.strip(), alipay_certificate=alipay_certificate.strip(),
            root_certificate=root_certificate.strip(),
        )  # fmt: skip
        await add_alipay_account(database(request), by, settings, retailer_id, name, account)
    except HutongError as error:
        if error.status >= 500 or error.status == 404:
            raise
        return await page_of(request, by, error=error, typed=typed)
    return RedirectResponse("/payments/wallets?done=saved", status_code=303)


@router.post("/{account_id}/test")
async def test(request: Request, account_id: Number, by: By) -> Response:
    """Ask the wallet for a payment that cannot be there: only sound keys and permissions get "no such trade" for an answer."""
    account = next((each for each in await wallet_accounts(database(request), by) if each.id == account_id), None)
    if account is None:
        raise NotFound
    by.must(Permission.MANAGE_WALLETS, retailer_id=account.retailer_id)
    wallet = await request.app.state.payments.wallets.get(account_id)
    result = await wallet.query(f"TEST{uuid7().hex}")
    if isinstance(result, Absent):
        return RedirectResponse("/payments/wallets?done=works", status_code=303)
    reason = result.reason if isinstance(result, Unknown) else type(result).__name__
    return await page_of(request, by, failed=account.code, reason=reason)


@router.post("/{account_id}/on")
async def switch_on(request: Request, account_id: Number, by: By) -> Response:
    return await _switch(request, account_id, by, on=True)


@router.post("/{account_id}/off")
async def switch_off(request: Request, account_id: Number, by: By) -> Response:
    return await _switch(request, account_id, by, on=False)


async def _switch(request: Request, account_id: int, by: Principal, *, on: bool) -> Response:
    try:
        await switch_account(database(request), by, account_id, on=on)
    except HutongError as error:
        if error.status >= 500 or error.status == 404:
            raise
        return await page_of(request, by, error=error)
    return RedirectResponse(f"/payments/wallets?done={'on' if on else 'off'}", status_code=303)


def gateway_of(by: Principal, settings: Settings, typed: dict[str, str], used: set[str]) -> str:
    """The address that requests go to. A retailer chooses among Alipay's own and those it uses; others are the operator's to name, or a trial's."""
    if typed["gateway"] in {address for address, _ in GATEWAYS} | used:
        return typed["gateway"]
    if typed["gateway"] == OTHER and names_gateways(by, settings):
        return typed["other_gateway"]
    raise Invalid(mark("Choose the gateway."), field="gateway")


def names_gateways(by: Principal, settings: Settings) -> bool:
    """Whether ``by`` may have requests sent to any address: who runs the network, or whoever tries it on one machine."""
    return by.may(Permission.OPERATE_NETWORK) or is_loopback(settings.base_url)


async def page_of(
    request: Request, by: Principal, *, notice: str = "", error: HutongError | None = None, typed: dict[str, str] | None = None, failed: str = "",
    reason: str = "",
) -> Response:  # fmt: skip
    """The accounts that ``by`` manages, with the form; nothing of a key is ever on it."""
    by.must_somewhere(Permission.MANAGE_WALLETS)
    scope = by.scope_for(Permission.MANAGE_WALLETS)
    db, settings = database(request), request.app.state.settings
    async with db.read(Scope.of_network()) as reader:
        places = [each for each in await retailers(reader) if scope.network or each.id in scope.retailers]
    names = {each.id: each for each in places}
    accounts = [each for each in await wallet_accounts(db, by) if each.retailer_id in names]
    problems: list[str] = list(error.extra.get("problems", ())) if error else []
    return render(
        request, "payments/wallets.html", by, status_code=error.status if error else 200, tab="wallets", accounts=accounts, names=names, places=places,
        notice=notice, error=error, problems=problems, typed=typed or {}, gateways=GATEWAYS, used=sorted({each.gateway for each in accounts} - {address for address, _ in GATEWAYS}), other=OTHER, others=names_gateways(by, settings),
        failed=failed, reason=reason, host=urlsplit(settings.base_url).netloc, notify=notify_url(settings), **HELPERS, **tabs_for(by),
    )  # fmt: skip
