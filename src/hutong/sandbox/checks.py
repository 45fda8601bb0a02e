"""What the gateway looks at before any method: common parameters, the signature first among what can be wrong, time, format and rate."""

import time
from collections.abc import Mapping
from typing import Any

from hutong.sandbox import signing
from hutong.sandbox.calls import METHODS, Call, Refused, parsed
from hutong.sandbox.certificates import Authority
from hutong.sandbox.clock import machine_now, of_beijing_text
from hutong.sandbox.records import App
from hutong.sandbox.state import World

CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030"}
NEEDED = {
    "app_id": "isv.missing-app-id",
    "method": "isv.missing-method",
    "sign": "isv.missing-signature",
    "sign_type": "isv.missing-signature-type",
    "timestamp": "isv.missing-timestamp",
    "version": "isv.missing-version",
}


def charset_of(parameters: Mapping[str, str]) -> str:
    """The charset that a request speaks; UTF-8 where it names none or an unknown one."""
    return CHARSETS.get(parameters.get("charset", "utf-8").lower(), "utf-8")


class Checks:
    """Turns parameters into a ``Call``, or raises Refused with the wallet's own codes."""

    def __init__(self, world: World, authority: Authority) -> None:
        self.world, self.authority = world, authority
        self._calls: dict[str, tuple[int, int]] = {}

    def call(self, parameters: Mapping[str, str]) -> Call:
        """The call that these parameters make. Raises Refused."""
        for name, sub_code in NEEDED.items():
            if not parameters.get(name):
                raise Refused(sub_code, f"缺少{name}参数", "40001")
        app = self.world.apps.get(parameters["app_id"])
        if app is None:
            raise _wrong("isv.invalid-app-id")
        if parameters["sign_type"] not in signing.HASHES:
            raise _wrong("isv.invalid-sign-type")
        if parameters.get("charset", "utf-8").lower() not in CHARSETS:
            raise _wrong("isv.invalid-charset")
        self._check_signature(app, parameters)
        if parameters["method"] not in METHODS:
            raise _wrong("isv.invalid-method")
        if parameters.get("format", "JSON").upper() != "JSON":
            raise _wrong("isv.invalid-format")
        if parameters["version"] != "1.0":
            raise _wrong("isv.invalid-version")
        self._check_time(parameters["timestamp"])
        if (token := parameters.get("app_auth_token")) and token not in app.tokens:
            raise Refused("aop.invalid-app-auth-token", code="20001")
        self._check_rate(app)
        return Call(
            world=self.world, app=app, seller=self.world.sellers[app.seller_id], method=parameters["method"],
            business=_business(parameters), parameters=parameters, now=self.world.clock.now(),
        )  # fmt: skip

    def _check_signature(self, app: App, parameters: Mapping[str, str]) -> None:
        text = signing.request_text(parameters)
        content = text.encode(charset_of(parameters), "replace")
        keys = self.keys_of(app, parameters)
        if not any(signing.verified(signing.public_key(key), content, parameters["sign"], parameters["sign_type"]) for key in keys):
            raise _wrong(
                "isv.invalid-signature", f"验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，网关生成的验签字符串为：{text}"
            )

    def keys_of(self, app: App, parameters: Mapping[str, str]) -> list[str]:
        """The public keys that may have signed this request. Raises Refused where its certificates are none of ours."""
        if app.mode == "key":
            return app.public_keys
        for name, wanted in (("app_cert_sn", app.certificates), ("alipay_root_cert_sn", (self.authority.root_text,))):
            said, word = parameters.get(name, ""), name.replace("_", "-")
            if not said:
                raise Refused(f"isv.missing-{word}", f"缺少{name}参数", "40001")
            if said not in wanted:
                raise _wrong(f"isv.invalid-{word}", f"{name}无效")
        return [app.certificates[parameters["app_cert_sn"]]]

    def _check_time(self, text: str) -> None:
        try:
            stamped = of_beijing_text(text)
        except ValueError:
            raise _wrong("isv.invalid-timestamp") from None
        tolerance = self.world.switches.timestamp_tolerance
        if tolerance and min(abs((now - stamped).total_seconds()) for now in (machine_now(), self.world.clock.now())) > tolerance:
            raise _wrong("isv.invalid-timestamp")

    def _check_rate(self, app: App) -> None:
        limit = self.world.switches.calls_per_second
        if not limit:
            return
        second, calls = self._calls.get(app.id, (0, 0))
        now = int(time.monotonic())
        calls = calls + 1 if second == now else 1
        self._calls[app.id] = (now, calls)
        if calls > limit:
            raise Refused("isv.app-call-limited", code="40005")


def _business(parameters: Mapping[str, str]) -> dict[str, Any]:
    if not parameters.get("biz_content"):
        return {}
    business = parsed(parameters["biz_content"])
    if not isinstance(business, dict) or not business:
        raise _wrong("isv.invalid-parameter", "biz_content不是JSON对象")
    return business


def _wrong(sub_code: str, message: str = "") -> Refused:
    return Refused(sub_code, message, "40002")
