"""Asks Alipay's gateway and answers only what is proven: a verified answer, a refusal that was surely not carried out, or Unknown.

Nothing here repeats a request by itself, except once with our other key when the gateway says that it refused the first signature.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import structlog

from hutong.kernel import clock
from hutong.payments.alipay import codes
from hutong.payments.alipay.account import AlipayAccount, AppKey, is_loopback
from hutong.payments.alipay.certificates import NUMBER, Certificates, UnusableCertificate
from hutong.payments.alipay.limits import Breaker, TokenBucket
from hutong.payments.alipay.sign import RawAnswer, Unreadable, Verifier, request_text, take_apart, verified_by
from hutong.payments.wallet import Unknown

log = structlog.get_logger(__name__)

SECONDS = 10.0
"""For one request, from the first byte of connecting to the last of the answer."""
MOST_CONNECTIONS = 100
KEPT_SECONDS = 4.0
"""Less than servers keep a silent connection (5 s and more): a request on one that is just being closed would be an Unknown."""
MOST_ANSWER = 1024 * 1024
BEIJING = timedelta(hours=8)
SKEW_CHECKED, SKEW_ALARM = 60.0, 60.0
"""Seconds: how often the gateway's clock is compared with ours, and from what difference on it is reported."""
CERTIFICATE_RETRY, MOST_UNKNOWN_CERTIFICATES = 60.0, 20
"""Seconds until a certificate that could not be had is asked for again, and how many such numbers are remembered."""
REFUSED_SIGNATURE = "isv.invalid-signature"
LONGEST_MESSAGE = 500
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
WRONG_KEY = "Alipay refused our signature: the public key that it has for the app does not belong to the configured private key"
CERTIFICATE_DOWNLOAD = "alipay.open.app.alipaycert.download"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verified answer: ``code`` is 10000 (handled), 10003 (waiting for the payer) or 40004 (a business failure, see ``sub_code``)."""

    code: str
    node: Mapping[str, Any]

    @property
    def sub_code(self) -> str:
        """Why a business failure failed, without ``ACQ.``."""
        return codes.plain(self.text("sub_code"))

    @property
    def message(self) -> str:
        """What Alipay says to people about it."""
        return _NOT_SHOWN.sub(" ", self.text("sub_msg") or self.text("msg"))[:LONGEST_MESSAGE]

    def text(self, name: str) -> str:
        """A field as text; empty if it is missing or is not one."""
        value = self.node.get(name)
        return value if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """The gateway turned this request away before it was carried out; an earlier one of the same content may have been."""

    code: str
    sub_code: str
    message: str

    @property
    def word(self) -> str:
        """The most telling of its codes."""
        return codes.plain(self.sub_code) or self.code


CallResult = Answer | NotExecuted | Unknown


class AlipayClient:
    """One app's connection to the gateway. Safe for many concurrent calls on one event loop; ``close`` it at the end."""

    def __init__(
        self, account: AlipayAccount, *, session: aiohttp.ClientSession | None = None, rate: float = 300.0, seconds: float = SECONDS
    ) -> None:
        """Parses all keys once. Raises UnusableKey or UnusableCertificate; ``account.problems()`` says how to mend it."""
        self.account = account
        self.clock_skew: float | None = None
        """Seconds that the gateway's clock is ahead of ours, to a second or so; None until it has answered."""
        self.unverified = 0
        """Answers in a row whose signature did not hold: a changed key, or an attack."""
        self.breaker = Breaker()
        self._bucket = TokenBucket(rate, max(1, int(rate)))
        self._seconds = seconds
        self._session, self._own_session = session, session is None
        self._app_keys = account.app_keys()
        certificate_mode = account.mode == "certificate"
        self._verifiers: tuple[Verifier, ...] = () if certificate_mode else account.verifiers()
        self._certificates: Certificates | None = account.certificates() if certificate_mode else None
        self._root_number = account.root_number() if certificate_mode else ""
        self._downloads: dict[str, asyncio.Task[Verifier | None]] = {}
        self._refused_certificates: dict[str, float] = {}
        self._skew_checked = 0.0

    async def close(self) -> None:
        """Give the connections back; those of a shared session stay."""
        for task in self._downloads.values():
            task.cancel()
        if self._own_session and self._session is not None:
            await self._session.close()
            self._session = None

    def signed(self, method: str, biz: Mapping[str, Any], key: AppKey | None = None, **more: str) -> dict[str, str]:
        """All parameters of a request, signed for this moment."""
        key = key or self._app_keys[0]
        # Beijing's clock is UTC + 8 hours, without summer time; the machine's own zone plays no part.
        fields = {
            "app_id": self.account.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": (clock.now() + BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
            "app_auth_token": self.account.app_auth_token,
            "app_cert_sn": key.certificate,
            "alipay_root_cert_sn": self._root_number,
            "biz_content": json.dumps(biz, ensure_ascii=False, separators=(",", ":")),
            **more,
        }
        fields = {name: value for name, value in fields.items() if value}
        fields["sign"] = key.signer.sign(request_text(fields))
        return fields

    async def call(
        self, method: str, biz: Mapping[str, Any], *, notify_url: str = "", unsigned: bool = False, longest_wait: float = SECONDS
    ) -> CallResult:
        """Ask the gateway once. Never raises for what a gateway or a network can do.

        ``longest_wait`` seconds for a turn within the app's rate; past that nothing is sent and the answer is NotExecuted.
        """
        if not await self._bucket.take(longest_wait):
            return NotExecuted("40005", "hutong.rate", "more requests than the app's rate allows; try again in a moment")
        key = self._app_keys[0]
        result = await self._send(method, biz, key, notify_url, unsigned)
        other = next((each for each in self._app_keys if each is not key), None)
        if isinstance(result, NotExecuted) and result.sub_code == REFUSED_SIGNATURE and other is not None:
            # Our key was changed at Alipay. What was refused for its signature was not carried out: sign it with the other one.
            log.warning("alipay refused our key, trying the other one", app_id=self.account.app_id)
            result = await self._send(method, biz, other, notify_url, unsigned)
            if isinstance(result, Answer):
                self._app_keys = (other, key)
        return result

    async def _send(self, method: str, biz: Mapping[str, Any], key: AppKey, notify_url: str, unsigned: bool) -> CallResult:
        fields = self.signed(method, biz, key, notify_url=notify_url)
        try:
            body = await self._post(urlencode(fields).encode())
            result = await self._judge(method, body, unsigned)
        except TimeoutError:
            result = Unknown("time-out")
        except (aiohttp.ClientError, OSError) as error:
            result = Unknown(f"connection: {type(error).__name__}")
        if not isinstance(result, Unknown):
            self.breaker.succeeded()
            return self._explained(result, fields)
        log.warning("alipay gave no usable answer", method=method, reason=result.reason, app_id=self.account.app_id)
        if self.breaker.failed():
            log.error("alipay is not answering: new payments are held back", gateway=self.account.gateway, app_id=self.account.app_id)
        return result

    def _explained(self, result: Answer | NotExecuted, fields: Mapping[str, str]) -> Answer | NotExecuted:
        """A refused signature in our own words: the gateway's hold the whole request, with the payer's code."""
        if not isinstance(result, NotExecuted) or result.sub_code != REFUSED_SIGNATURE:
            return result
        # If it computed the text that we signed, the keys do not belong together; otherwise the texts differ.
        same = request_text(fields) in result.message
        log.error("alipay refused our signature", method=fields["method"], same_text=same, app_id=self.account.app_id)
        return replace(result, message=WRONG_KEY if same else "Alipay refused our signature")

    async def _post(self, body: bytes) -> bytes | Unknown:
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8", "Accept": "application/json"}
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        async with self.session.post(self.account.gateway, data=body, headers=headers, timeout=timeout, allow_redirects=False) as response:
            self._compare_clocks(response.headers.get("Date", ""))
            if response.status != 200:
                return Unknown(f"status {response.status}")
            return await _bounded(response, MOST_ANSWER)

    async def _judge(self, method: str, body: bytes | Unknown, unsigned: bool) -> CallResult:
        """What an answer proves. Unsigned or falsely signed ones prove nothing, except that a protocol error needs no signature."""
        if isinstance(body, Unknown):
            return body
        try:
            raw = take_apart(body, method)
        except Unreadable as error:
            return Unknown(str(error))
        answer = Answer(str(raw.node.get("code", "")), raw.node)
        sub_code = answer.text("sub_code")
        if not unsigned and (raw.signature or answer.code not in codes.PROTOCOL):
            if not raw.signature:
                return Unknown("the answer is not signed")
            if not await self._holds(raw):
                self.unverified += 1
                log.error("alipay answer with a wrong signature", method=method, in_a_row=self.unverified, app_id=self.account.app_id)
                return Unknown("the answer's signature does not hold")
            self.unverified = 0
        if answer.code == codes.UNAVAILABLE or sub_code in codes.AMBIGUOUS:
            return Unknown(f"{answer.code} {sub_code}".strip())
        if answer.code in codes.PROTOCOL:
            return NotExecuted(answer.code, sub_code, answer.text("sub_msg") if sub_code == REFUSED_SIGNATURE else answer.message)
        if raw.name == "error_response" or answer.code not in {codes.HANDLED, codes.WAITING, codes.BUSINESS}:
            return Unknown(f"unexpected code {answer.code[:20]} {sub_code[:40]}".strip())
        return answer

    async def _holds(self, raw: RawAnswer) -> bool:
        return await self.verified(raw.signed, raw.signature, raw.certificate)

    async def verified(self, signed: bytes, signature: str, certificate: str) -> bool:
        """Whether Alipay made this signature; an unknown certificate is fetched and proven first."""
        if self._certificates is None:
            return verified_by(self._verifiers, signed, signature)
        if not certificate:
            # Notifications need not name it.
            known = (self._certificates.verifier(number) for number in self._certificates.numbers)
            return verified_by([each for each in known if each is not None], signed, signature)
        verifier = self._certificates.verifier(certificate) or await self._fetch_certificate(certificate)
        return verifier is not None and verifier.verify(signed, signature)

    async def _fetch_certificate(self, number: str) -> Verifier | None:
        """The key of a certificate that is new to us: fetched once, however many wait for it."""
        now = time.monotonic()
        refused = {each: at for each, at in self._refused_certificates.items() if now - at < CERTIFICATE_RETRY}
        self._refused_certificates = refused
        if not NUMBER.fullmatch(number) or number in refused or len(refused) + len(self._downloads) >= MOST_UNKNOWN_CERTIFICATES:
            return None
        task = self._downloads.get(number)
        if task is None:
            task = asyncio.create_task(self._download_certificate(number))
            self._downloads[number] = task
            task.add_done_callback(lambda _: self._downloads.pop(number, None))
        return await asyncio.shield(task)

    async def _download_certificate(self, number: str) -> Verifier | None:
        # The answer cannot be verified, being signed with the key that is sought; the chain to the root proves what is in it.
        answer = await self.call(CERTIFICATE_DOWNLOAD, {"alipay_cert_sn": number}, unsigned=True)
        assert self._certificates is not None
        reason = answer.reason if isinstance(answer, Unknown) else "refused"
        if isinstance(answer, Answer) and answer.code == codes.HANDLED:
            try:
                self._certificates.admit(answer.text("alipay_cert_content"), number, clock.now())
            except UnusableCertificate as error:
                reason = str(error)
        verifier = self._certificates.verifier(number)
        if verifier is None:
            self._refused_certificates[number] = time.monotonic()
            log.error("alipay certificate not accepted", number=number, reason=reason, app_id=self.account.app_id)
        else:
            log.info("alipay signs with a new certificate", number=number, app_id=self.account.app_id)
        return verifier

    async def download(self, url: str, most: int, seconds: float = 120.0) -> bytes | Unknown:
        """GET a file that a verified answer named, at most ``most`` bytes; no redirects, encrypted unless on this machine."""
        if urlsplit(url).scheme != "https" and not (is_loopback(url) and is_loopback(self.account.gateway)):
            return Unknown("the file's address is not https")
        timeout = aiohttp.ClientTimeout(total=seconds, sock_read=SECONDS)
        try:
            async with self.session.get(url, timeout=timeout, allow_redirects=False) as response:
                return await _bounded(response, most) if response.status == 200 else Unknown(f"status {response.status}")
        except TimeoutError:
            return Unknown("time-out")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Unknown(f"connection: {type(error).__name__}")

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP session, made when it is first needed (on the loop that uses it)."""
        if self._session is None:
            self._session = make_session()
        return self._session

    def _compare_clocks(self, date: str) -> None:
        now = time.monotonic()
        if not date or (now - self._skew_checked < SKEW_CHECKED and self.clock_skew is not None):
            return
        try:
            theirs = parsedate_to_datetime(date)
        except ValueError:
            return
        self._skew_checked = now
        self.clock_skew = (_utc(theirs) - clock.now()).total_seconds()
        if abs(self.clock_skew) > SKEW_ALARM:
            log.warning("our clock and alipay's differ", seconds=round(self.clock_skew), app_id=self.account.app_id)


def make_session() -> aiohttp.ClientSession:
    """A session fit for gateways: bounded connections, no cookies, no proxy or credentials from the environment."""
    connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=KEPT_SECONDS)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes | Unknown:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > most:
            return Unknown("the answer is too long")
        parts.append(part)
    return b"".join(parts)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
