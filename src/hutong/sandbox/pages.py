"""The wallet in a browser: people with balances who show a code, scan, type a password, approve, decline, sign, and see receipts."""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from hutong.kernel.money import minor_units
from hutong.platform.web import mark, render
from hutong.platform.web.assets import KeptFiles, static_folders
from hutong.sandbox import authorisations, customers
from hutong.sandbox.calls import Refused
from hutong.sandbox.payers import current_code
from hutong.sandbox.records import Agreement, Authorisation, Person, Trade
from hutong.sandbox.state import World
from hutong.sandbox.trades import refresh
from hutong.sandbox.transport import Plug

Page = Callable[[Request], Awaitable[Response]]
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
LATEST = 5
COOKIE = "sandbox_person"
MOST_FORM = 20_000
REFUSALS = {
    "PASSWORD_WRONG": mark("The password is wrong."),
    "ACQ.BUYER_BALANCE_NOT_ENOUGH": mark("There is not enough money for this."),
    "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH": mark("There is not enough money for this."),
    "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR": mark("This would be more than the day's limit."),
    "ACQ.TRADE_NOT_EXIST": mark("Nothing to pay has this code."),
    "ACQ.TRADE_HAS_CLOSE": mark("This code is no longer valid."),
    "ACQ.AUTH_ORDER_HAS_CLOSED": mark("This code is no longer valid."),
    "ACQ.TRADE_HAS_SUCCESS": mark("This has been paid already."),
    "ACQ.TRADE_STATUS_ERROR": mark("This no longer waits for an answer."),
    "ACQ.AGREEMENT_STATUS_NOT_NORMAL": mark("This agreement is no longer open."),
    "ACQ.TRADE_BUYER_NOT_MATCH": mark("Somebody else has scanned this code."),
}
OTHERWISE = mark("The wallet refuses this.")


class Wallet:
    """The pages. ``here`` says of a request whether it comes from the sandbox's own machine: only that may pull the plug."""

    def __init__(self, world: World, plug: Plug, here: Callable[[Any], bool]) -> None:
        self.world, self.plug, self.here = world, plug, here

    def routes(self) -> list[BaseRoute]:
        """Where everything is."""
        table: list[tuple[str, str, Page]] = [
            ("GET", "", self.people),
            ("POST", "/people", self.add_person),
            ("POST", "/operate", self.operate),
            ("GET", "/code.svg", self.picture),
            ("GET", "/p/{person}", self.home),
            ("GET", "/p/{person}/state", self.state),
            ("GET", "/p/{person}/receipts", self.receipts),
            ("GET", "/p/{person}/agreements", self.agreements),
            ("POST", "/p/{person}/scan", self.scan),
            ("POST", "/p/{person}/agreements/{token}/end", self.end_agreement),
            ("GET", "/p/{person}/trade/{number}", self.trade),
            ("POST", "/p/{person}/trade/{number}", self.answer_trade),
            ("GET", "/p/{person}/freeze/{number}", self.freeze),
            ("POST", "/p/{person}/freeze/{number}", self.answer_freeze),
            ("GET", "/sign/{token}", self.sign_page),
            ("POST", "/sign/{token}", self.sign),
        ]
        static = Mount("/static/sandbox", KeptFiles(StaticFiles(directory=static_folders()["sandbox"]), "sandbox"))
        return [*(Route(f"/wallet{path}", self._guarded(page), methods=[method]) for method, path, page in table), static]

    def _guarded(self, page: Page) -> Page:
        """The page for its own visitors alone: no form of another site acts here, and what is not there is said to be so."""

        async def guard(request: Request) -> Response:
            if request.method == "POST" and request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                return Response("another site may not act here", 403)
            try:
                answer = await page(request)
            except KeyError:
                answer = self._page(request, "missing.html", status_code=404)
            except Refused as refusal:
                person = self.world.people.get(request.path_params.get("person", ""))
                said = REFUSALS.get(refusal.sub_code, OTHERWISE)
                answer = self._page(request, "refused.html", status_code=409, person=person, said=said, code=refusal.sub_code)
            self.world.done()
            answer.headers.update(HEADERS)
            return answer

        return guard

    def _page(self, request: Request, template: str, **context: Any) -> Response:
        status_code = context.pop("status_code", 200)
        common: dict[str, Any] = {
            "now": self.world.clock.now(),
            "speed": self.world.clock.speed,
            "plugged": self.plug.plugged,
            "person": None,
        }
        return render(request, f"sandbox/{template}", status_code=status_code, **(common | context))

    def _person(self, request: Request) -> Person:
        return self.world.people[request.path_params["person"]]

    # What there is to see.

    async def people(self, request: Request) -> Response:
        """Everybody, and for whoever sits at the machine the plug and the clock."""
        waiting = {person.id: len(self._waiting(person)) for person in self.world.people.values()}
        people = list(self.world.people.values())[-200:]
        return self._page(request, "people.html", people=people, waiting=waiting, operator=self.here(request.scope))

    async def home(self, request: Request) -> Response:
        """One person's wallet: the code, what waits, and the latest receipts."""
        person = self._person(request)
        code = current_code(self.world, person)
        left = max(0, (code.expires_at - self.world.clock.now()).total_seconds())
        answer = self._page(
            request, "home.html", person=person, code=code.text, left=left, whole=self.world.switches.code_seconds,
            waiting=self._waiting(person), receipts=self._receipts(person)[:LATEST], version=self._version(person),
            names=self._names(), agreements=self._agreements(person),
        )  # fmt: skip
        answer.set_cookie(COOKIE, person.id, httponly=True, samesite="strict", path="/wallet")
        return answer

    async def state(self, request: Request) -> Response:
        """What changes when the page wants loading again."""
        return Response(self._version(self._person(request)), media_type="text/plain")

    async def receipts(self, request: Request) -> Response:
        """All that the person paid, newest first."""
        person = self._person(request)
        return self._page(request, "receipts.html", person=person, receipts=self._receipts(person)[:200], names=self._names())

    async def agreements(self, request: Request) -> Response:
        """The person's agreements."""
        person = self._person(request)
        return self._page(request, "agreements.html", person=person, agreements=self._agreements(person), names=self._names())

    async def trade(self, request: Request) -> Response:
        """A payment: to be approved, or its receipt."""
        return self._trade_page(request)

    async def freeze(self, request: Request) -> Response:
        """Money to be set aside, or what became of it."""
        return self._freeze_page(request)

    async def sign_page(self, request: Request) -> Response:
        """An agreement to be signed."""
        return self._sign_page(request)

    async def picture(self, request: Request) -> Response:
        """A text as a QR code."""
        made = BytesIO()
        segno.make(request.query_params.get("text", "")[:500], micro=False, error="m").save(made, kind="svg", border=2, scale=4)
        return Response(made.getvalue(), media_type="image/svg+xml")

    # What people do.

    async def add_person(self, request: Request) -> Response:
        """A new customer."""
        form = await form_of(request)
        try:
            balance = min(max(minor_units(form.get("balance", "") or "0"), 0), 10**10)
        except ValueError:
            balance = 0
        person = customers.add_person(self.world, form.get("name", "").strip()[:40] or "顾客", balance)
        return see(f"/wallet/p/{person.id}")

    async def operate(self, request: Request) -> Response:
        """Pull the plug, put it back, move the clock. From the machine itself only."""
        if not self.here(request.scope):
            return Response("only on the machine itself", 403)
        form = await form_of(request)
        if form.get("plug") == "pull":
            self.plug.pull("cut")
        elif form.get("plug") == "put":
            self.plug.put_back()
        elif form.get("advance", "").isdigit():
            await self.world.agenda.advance(min(int(form["advance"]), 7 * 86_400))
            self.world.keep("clock", self.world.clock.anchors())
        return see("/wallet")

    async def scan(self, request: Request) -> Response:
        """Take a QR code's text: a payment, a freeze, or an agreement's page."""
        person, text = self._person(request), (await form_of(request)).get("text", "").strip()
        if "/wallet/sign/" in text:
            return see(f"/wallet/sign/{text.rpartition('/')[2]}")
        found = customers.scan(self.world, text, person)
        return see(
            f"/wallet/p/{person.id}/trade/{found.trade_no}" if isinstance(found, Trade) else f"/wallet/p/{person.id}/freeze/{found.auth_no}"
        )

    async def answer_trade(self, request: Request) -> Response:
        """Approve or decline a payment."""
        form, trade = await form_of(request), self._trade(request)
        if form.get("answer") == "decline":
            customers.refuse(self.world, trade.trade_no)
            return see(request.url.path)
        try:
            customers.approve(self.world, trade.trade_no, form.get("password", ""))
        except Refused as refusal:
            return self._trade_page(request, refusal)
        return see(request.url.path)

    async def answer_freeze(self, request: Request) -> Response:
        """Let money be frozen, or not."""
        form, found = await form_of(request), self._freeze(request)
        if form.get("answer") == "decline":
            customers.refuse_freeze(self.world, found.auth_no)
            return see(request.url.path)
        try:
            customers.approve_freeze(self.world, found.auth_no, form.get("password", ""))
        except Refused as refusal:
            return self._freeze_page(request, refusal)
        return see(request.url.path)

    async def sign(self, request: Request) -> Response:
        """Sign an agreement."""
        form = await form_of(request)
        try:
            customers.sign(self.world, request.path_params["token"], self.world.people[form.get("person", "")], form.get("password", ""))
        except Refused as refusal:
            return self._sign_page(request, refusal)
        return see(request.url.path)

    async def end_agreement(self, request: Request) -> Response:
        """End an agreement."""
        person = self._person(request)
        customers.end_agreement(self.world, request.path_params["token"], person)
        return see(f"/wallet/p/{person.id}/agreements")

    # What the pages are made of.

    def _trade(self, request: Request) -> Trade:
        trade = refresh(self.world, self.world.trades[request.path_params["number"]])
        if trade.buyer_id != self._person(request).id:
            raise KeyError(trade.trade_no)
        return trade

    def _freeze(self, request: Request) -> Authorisation:
        found = authorisations.refresh(self.world, self.world.authorisations[request.path_params["number"]])
        if found.person_id != self._person(request).id:
            raise KeyError(found.auth_no)
        return found

    def _trade_page(self, request: Request, refusal: Refused | None = None) -> Response:
        person, trade = self._person(request), self._trade(request)
        return self._page(
            request, "trade.html", person=person, trade=trade, names=self._names(), version=self._version(person), **_refused(refusal)
        )  # fmt: skip

    def _freeze_page(self, request: Request, refusal: Refused | None = None) -> Response:
        person, found = self._person(request), self._freeze(request)
        return self._page(
            request, "freeze.html", person=person, freeze=found, names=self._names(), version=self._version(person), **_refused(refusal)
        )  # fmt: skip

    def _sign_page(self, request: Request, refusal: Refused | None = None) -> Response:
        agreement = self.world.agreements[request.path_params["token"]]
        chosen = agreement.person_id or request.cookies.get(COOKIE, "")
        return self._page(
            request, "sign.html", agreement=agreement, people=list(self.world.people.values())[-200:], chosen=chosen, names=self._names(),
            person=self.world.people.get(chosen), **_refused(refusal),
        )  # fmt: skip

    def _waiting(self, person: Person) -> list[Trade | Authorisation]:
        """What waits for the person's answer, oldest first."""
        trades = [
            each for each in self.world.trades_of_buyer.get(person.id, []) if refresh(self.world, each).state == "WAIT_BUYER_PAY" and each.source != "agreement"
        ]  # fmt: skip
        freezes = [
            each
            for each in self.world.authorisations.values()
            if each.person_id == person.id and authorisations.refresh(self.world, each).state == "INIT"
        ]
        return [*trades, *freezes]

    def _receipts(self, person: Person) -> list[Trade]:
        return [each for each in reversed(self.world.trades_of_buyer.get(person.id, [])) if each.paid_at is not None or each.closed_at]

    def _agreements(self, person: Person) -> list[Agreement]:
        return [each for each in self.world.agreements.values() if each.person_id == person.id]

    def _names(self) -> dict[str, str]:
        return {each.id: each.name for each in self.world.sellers.values()}

    def _version(self, person: Person) -> str:
        """Another text whenever something that the person's pages show is otherwise."""
        trades = [(each.trade_no, each.state, len(each.refunds)) for each in self.world.trades_of_buyer.get(person.id, [])[-50:]]
        freezes = [(each.auth_no, each.state, each.rest) for each in self.world.authorisations.values() if each.person_id == person.id]
        agreements = [(each.token, each.state) for each in self._agreements(person)]
        shown = (current_code(self.world, person).text, person.balance, person.card, trades, freezes, agreements, self.plug.plugged)
        return blake2b(repr(shown).encode(), digest_size=8).hexdigest()


def _refused(refusal: Refused | None) -> dict[str, Any]:
    """What a page needs to say why it was refused."""
    if refusal is None:
        return {"said": ""}
    return {"said": REFUSALS.get(refusal.sub_code, OTHERWISE), "status_code": 409}


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a small form."""
    body = await request.body()
    return dict(parse_qsl(body[:MOST_FORM].decode("utf-8", "replace"), keep_blank_values=True))


def see(address: str) -> RedirectResponse:
    """Go and look there."""
    return RedirectResponse(address, 303)
