"""``/gateway.do``: reads a request, lets the faults have their way, executes it once (or not, or twice), and answers."""

import structlog
from starlette.types import Receive, Scope, Send

from hutong.sandbox import transport
from hutong.sandbox.answers import Answer, Answers, refusal
from hutong.sandbox.calls import METHODS, PAGES, Call, Node, Refused
from hutong.sandbox.checks import Checks, charset_of
from hutong.sandbox.faults import Faults, Hits
from hutong.sandbox.notifications import Notifier
from hutong.sandbox.payers import use_code
from hutong.sandbox.records import App, Notification
from hutong.sandbox.state import World
from hutong.sandbox.wording import MESSAGES, explanation

log = structlog.get_logger(__name__)
MOST_BYTES = 2**20
DEFAULT_DELAY = 30.0


class Gateway:
    """The ASGI application behind ``/gateway.do``."""

    def __init__(self, world: World, faults: Faults, checks: Checks, answers: Answers, notifier: Notifier, plug: transport.Plug) -> None:
        self.world, self.faults, self.checks, self.answers, self.notifier, self.plug = world, faults, checks, answers, notifier, plug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await transport.read_body(receive, MOST_BYTES)
        if body is None or scope["method"] not in ("GET", "POST"):
            await transport.plain(send, 405 if body is not None else 413, "POST or GET, at most 1 MiB")
            return
        if await self.plug.stopped(send, receive):
            return
        parameters = transport.parameters_of(scope, body)
        hits = self.faults.of_request(parameters)
        if not await self._goes_on(parameters, hits, send, receive):
            return
        if (answer := self._instead(parameters, hits)) is None:
            waiting, answer = self._executed(parameters, hits)
            await self._answer(scope, parameters, answer, waiting, hits, send, receive)
        else:
            self.world.done()
            await transport.json_text(send, answer.body(), charset_of(parameters))

    async def _goes_on(self, parameters: dict[str, str], hits: Hits, send: Send, receive: Receive) -> bool:
        """Whether the request is executed in this connection; if not, it has been answered or cut."""
        if "late" in hits:
            self.world.agenda.at(transport.later(self.world, hits["late"].seconds or DEFAULT_DELAY), lambda: self._late(parameters))
            await transport.cut(send, receive)
            return False
        if "drop_before" in hits:
            await transport.cut(send, receive)
            return False
        for kind in ("http_500", "http_502", "html"):
            if f"{kind}_before" in hits:
                await transport.page(send, kind)
                return False
        if "delay_before" in hits:
            await self.world.agenda.sleep(hits["delay_before"].seconds or DEFAULT_DELAY)
        return True

    def _late(self, parameters: dict[str, str]) -> None:
        waiting, _ = self._executed(parameters, {})
        self.notifier.release(waiting)

    def _instead(self, parameters: dict[str, str], hits: Hits) -> Answer | None:
        """The answer that a fault gives in place of executing the call."""
        if not hits:
            return None
        try:
            call = self.checks.call(parameters)
        except Refused:
            return None
        if "call_limited" in hits:
            return self._said(call, refusal("40005", "isv.app-call-limited", explanation("isv.app-call-limited")))
        if "busy_before" in hits:
            return self._said(call, refusal("20000", "isp.unknow-error", explanation("isp.unknow-error")))
        if "retry_flag" in hits and call.method == "alipay.trade.cancel":
            return self._said(call, _node("10000", {"out_trade_no": call.text("out_trade_no"), "retry_flag": "Y"}))
        if "refuse" in hits:
            sub_code = hits["refuse"].sub_code or "ACQ.PAYMENT_FAIL"
            try:
                use_code(self.world, call.text("auth_code"))
            except Refused:
                log.debug("no code to use up", method=call.method)
            return self._said(call, refusal("40004", sub_code, explanation(sub_code)))
        return None

    def _said(self, call: Call, node: Node) -> Answer:
        charset, sign_type = charset_of(call.parameters), call.parameters.get("sign_type", "RSA2")
        return self.answers.signed(call.app, _name(call.method), node, charset, sign_type)

    def _executed(self, parameters: dict[str, str], hits: Hits) -> tuple[list[Notification], Answer]:
        """Do what is asked, write it down, and make the answer; also the notifications that are to go out now."""
        answer = self._once(parameters, hits)
        if "duplicate" in hits:
            self._once(parameters, hits)
        elif "duplicate_last" in hits:
            answer = self._once(parameters, hits)
        self.world.commit()
        waiting, self.world.outbox = self.world.outbox, []
        return waiting, answer

    def _once(self, parameters: dict[str, str], hits: Hits) -> Answer:
        name, charset = _name(parameters.get("method", "")), charset_of(parameters)
        try:
            call = self.checks.call(parameters)
        except Refused as wrong:
            return self._wrong(name, refusal(wrong.code, wrong.sub_code, wrong.sub_msg), parameters, charset)
        call.forced_password = "ask_password" in hits
        try:
            node = METHODS[call.method](call)
            node = _node(call.code, node)
        except Refused as refused:
            node = refusal(refused.code, refused.sub_code, refused.sub_msg)
        except Exception:
            log.exception("a handler failed", method=call.method)
            node = refusal("20000", "ACQ.SYSTEM_ERROR", explanation("ACQ.SYSTEM_ERROR"))
        if "busy_after" in hits:
            node = refusal("20000", "ACQ.SYSTEM_ERROR", explanation("ACQ.SYSTEM_ERROR"))
        return self._said(call, node)

    def _wrong(self, name: str, node: Node, parameters: dict[str, str], charset: str) -> Answer:
        """A request that is wrong before any method sees it."""
        app: App | None = self.world.apps.get(parameters.get("app_id", ""))
        if app is None or parameters.get("method") not in METHODS:
            return self.answers.unsigned("error_response", node, charset)
        if not self.world.switches.protocol_errors_signed:
            return self.answers.unsigned(name, node, charset)
        return self.answers.signed(app, name, node, charset, "RSA2")

    async def _answer(
        self,
        scope: Scope,
        parameters: dict[str, str],
        answer: Answer,
        waiting: list[Notification],
        hits: Hits,
        send: Send,
        receive: Receive,
    ) -> None:
        """Send the answer as the faults want it; then the notifications, but early ones before."""
        for each in list(waiting):
            if self.faults.of_notification(each, "notify_early"):
                waiting.remove(each)
                await self.notifier.send(each)
        try:
            if "delay_after" in hits:
                await self.world.agenda.sleep(hits["delay_after"].seconds or DEFAULT_DELAY)
            await self._sent(scope, parameters, answer, hits, send, receive)
        finally:
            self.notifier.release(waiting)

    async def _sent(self, scope: Scope, parameters: dict[str, str], answer: Answer, hits: Hits, send: Send, receive: Receive) -> None:
        if "drop_after" in hits:
            await transport.cut(send, receive)
            return
        for kind in ("http_500", "http_502", "html"):
            if f"{kind}_after" in hits:
                await transport.page(send, kind)
                return
        if scope["method"] == "GET" and parameters.get("method") in PAGES and (address := transport.page_address(answer.node)):
            await transport.redirect(send, address)
            return
        if "unsigned" in hits:
            answer.signature = ""
        if "bad_signature" in hits and answer.signature:
            answer.signature = answer.signature[-12:-4] + answer.signature[8:]
        body, charset = answer.body(), charset_of(parameters)
        if "truncated" in hits:
            await transport.truncated(send, body, receive)
        elif "slow" in hits:
            await transport.slow(send, body, hits["slow"].seconds or DEFAULT_DELAY, self.world.agenda)
        else:
            await transport.json_text(send, body, charset)


def _name(method: str) -> str:
    return method.replace(".", "_") + "_response"


def _node(code: str, fields: Node) -> Node:
    return {"code": code, "msg": MESSAGES[code]} | fields
