"""A merchant's side for the sandbox's tests: its own signing, nothing of the sandbox's, so that nothing judges itself."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from tests.support.sandbox import RunningSandbox


def beijing_now() -> str:
    return (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")


class Merchant:
    """Calls the gateway as ``app_id``; ``call`` answers the node once its signature was verified over its exact bytes."""

    def __init__(self, sandbox: RunningSandbox, **common: str) -> None:
        self.sandbox, self.common = sandbox, common
        self.http = httpx.Client(timeout=10, trust_env=False)
        self.private: Any = load_der_private_key(base64.b64decode(sandbox.private_key), None, unsafe_skip_rsa_key_validation=True)
        self.alipay: Any = load_der_public_key(base64.b64decode(sandbox.alipay_public_key))
        self.last = b""

    def signed(self, method: str, business: dict[str, Any], /, **more: str) -> dict[str, str]:
        parameters = {
            "app_id": self.sandbox.app_id, "method": method, "charset": "utf-8", "sign_type": "RSA2", "timestamp": beijing_now(),
            "version": "1.0", "biz_content": json.dumps(business, ensure_ascii=False),
        } | self.common | more  # fmt: skip
        text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if parameters[name])
        codec = "gbk" if parameters["charset"].lower() == "gbk" else "utf-8"
        made = self.private.sign(text.encode(codec), PKCS1v15(), SHA256())
        return parameters | {"sign": base64.b64encode(made).decode()}

    def raw(self, method: str, business: dict[str, Any], /, **more: str) -> httpx.Response:
        return self.send(self.signed(method, business, **more))

    def send(self, parameters: dict[str, str]) -> httpx.Response:
        codec = "gbk" if parameters.get("charset", "").lower() == "gbk" else "utf-8"
        return self.http.post(
            self.sandbox.gateway,
            content=urlencode({name: value.encode(codec) for name, value in parameters.items()}),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )

    def call(self, method: str, business: dict[str, Any], /, **more: str) -> dict[str, Any]:
        answer = self.raw(method, business, **more)
        assert answer.status_code == 200, answer.text
        return self.verified(method, answer.content)

    def verified(self, method: str, body: bytes) -> dict[str, Any]:
        """The node, found without any JSON writer: between the name and the last ``,"sign":"``."""
        self.last = body
        head = b'{"' + method.replace(".", "_").encode() + b'_response":'
        assert body.startswith(head), body
        content, _, tail = body[len(head) :].rpartition(b',"sign":"')
        assert content, f"not signed: {body.decode()}"
        assert self.is_signature(content, tail.removesuffix(b'"}').decode()), "the signature is not of the node's bytes"
        node: dict[str, Any] = json.loads(content)
        return node

    def is_signature(self, content: bytes, signature: str) -> bool:
        try:
            self.alipay.verify(base64.b64decode(signature), content, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def pay(self, number: str, amount: str, code: str, **more: Any) -> dict[str, Any]:
        common = {name: more.pop(name) for name in ("notify_url",) if name in more}
        business = {
            "out_trade_no": number,
            "total_amount": amount,
            "auth_code": code,
            "scene": "bar_code",
            "subject": "早餐 Breakfast",
        } | more
        return self.call("alipay.trade.pay", business, **common)

    def query(self, number: str) -> dict[str, Any]:
        return self.call("alipay.trade.query", {"out_trade_no": number})

    def cancel(self, number: str) -> dict[str, Any]:
        return self.call("alipay.trade.cancel", {"out_trade_no": number})

    def refund(self, number: str, amount: str, request: str) -> dict[str, Any]:
        return self.call("alipay.trade.refund", {"out_trade_no": number, "refund_amount": amount, "out_request_no": request})

    def notice_is_genuine(self, form: dict[str, str]) -> bool:
        text = "&".join(f"{name}={form[name]}" for name in sorted(form) if name not in ("sign", "sign_type"))
        return self.is_signature(text.encode(), form["sign"])


def form_of(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode(), keep_blank_values=True))
