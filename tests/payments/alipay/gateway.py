"""A gateway that answers what a test wrote down: it checks our signatures and signs its answers on its own, with openssl or without."""

import base64
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Reply = Callable[[web.Request, dict[str, str]], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Key:
    """A key pair of a test, on disk for openssl too."""

    private: rsa.RSAPrivateKey
    folder: Path
    name: str

    @property
    def pem(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def bare(self, format: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> str:
        """The private key as Alipay's tool writes it: base64 without armour."""
        return base64.b64encode(self.private.private_bytes(serialization.Encoding.DER, format, serialization.NoEncryption())).decode()

    def public(self) -> str:
        """The public key as Alipay's page shows it."""
        der = self.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def sign(self, content: bytes) -> str:
        return base64.b64encode(self.private.sign(content, padding.PKCS1v15(), hashes.SHA256())).decode()

    def sign_by_openssl(self, content: bytes) -> str:
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.pem)], input=content, capture_output=True, check=True)
        return base64.b64encode(done.stdout).decode()

    def verifies(self, content: bytes, signature: str) -> bool:
        try:
            self.private.public_key().verify(base64.b64decode(signature), content, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


def make_key(folder: Path, name: str) -> Key:
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(pem)
    return Key(private, folder, name)


@dataclass
class Gateway:
    """Answers in the order that was written down; the last answer stays."""

    key: Key
    app: Key
    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    certificate: str = ""

    @property
    def biz(self) -> dict[str, Any]:
        """The business fields of the last request."""
        return json.loads(self.asked[-1]["biz_content"])

    def says(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def node(self, code: str = "10000", **fields: Any) -> Reply:
        """A signed answer with these fields."""
        return self.raw(json.dumps({"code": code, "msg": "x", **fields}, ensure_ascii=False))

    def fails(self, sub_code: str, code: str = "40004") -> Reply:
        return self.node(code, sub_code=sub_code, sub_msg="said so")

    def raw(self, node: str, sign: Callable[[bytes], str] | None = None, name: str = "") -> Reply:
        """An answer around exactly this text, signed (by openssl or another key if so told)."""

        async def reply(request: web.Request, fields: dict[str, str]) -> web.Response:
            outer = name or fields["method"].replace(".", "_") + "_response"
            number = f'"alipay_cert_sn":"{self.certificate}",' if self.certificate else ""
            signature = (sign or self.key.sign)(node.encode())
            return text(f'{{"{outer}":{node},{number}"sign":"{signature}"}}')

        return reply

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode("ascii")
        fields = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))
        covered = sorted((name, value) for name, value in fields.items() if name != "sign" and value != "")
        fields["signature"] = str(self.app.verifies("&".join(f"{n}={v}" for n, v in covered).encode(), fields["sign"]))
        self.asked.append(fields)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request, fields)


def text(body: str) -> web.Response:
    return web.Response(text=body, content_type="text/html")


def page(status: int, body: str = "<html><body>busy</body></html>") -> Reply:
    async def reply(request: web.Request, fields: dict[str, str]) -> web.Response:
        return web.Response(status=status, text=body, content_type="text/html", headers={"Location": "/elsewhere"} if status == 302 else {})

    return reply


async def reset(request: web.Request, fields: dict[str, str]) -> web.Response:
    """Cut the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def truncated(request: web.Request, fields: dict[str, str]) -> web.StreamResponse:
    """Promise more than comes."""
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b'{"alipay_trade_pay_response":{"code":"10000"')
    assert request.transport is not None
    request.transport.abort()
    return response


@asynccontextmanager
async def serving(gateway: Gateway, **more: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Gateway]:
    """Run it on a free port of this machine; ``more`` are further paths."""
    application = web.Application()
    application.router.add_post("/gateway.do", gateway.handle)
    for path, handler in more.items():
        application.router.add_get(f"/{path}", handler)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}/gateway.do"
    try:
        yield gateway
    finally:
        await runner.cleanup()
