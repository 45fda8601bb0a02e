"""One call of the gateway as a method's handler sees it, and how a handler says no."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hutong.sandbox.records import App, Seller
from hutong.sandbox.state import World
from hutong.sandbox.wording import explanation

Node = dict[str, Any]
NUMBER = re.compile(r"[A-Za-z0-9_]{1,64}")
AMOUNT = re.compile(r"\d{1,9}(\.\d{1,2})?")
LARGEST = 10**10
"""Fen: a hundred million yuan."""


class Refused(Exception):
    """The call is answered with this code and sub_code, and nothing was done beyond what the handler did before."""

    def __init__(self, sub_code: str, sub_msg: str = "", code: str = "40004") -> None:
        super().__init__(f"{code} {sub_code}")
        self.code, self.sub_code, self.sub_msg = code, sub_code, sub_msg or explanation(sub_code)


@dataclass(slots=True)
class Call:
    """A call whose common parameters and signature are right. ``business`` is its biz_content."""

    world: World
    app: App
    seller: Seller
    method: str
    business: Mapping[str, Any]
    parameters: Mapping[str, str]
    now: datetime
    code: str = "10000"
    """The answer's code; a handler that waits for the payer sets 10003."""
    forced_password: bool = False
    """A fault says that the payer is asked for the password whatever the amount."""

    @property
    def notify_url(self) -> str:
        """Where the merchant wants notifications about this."""
        return self.parameters.get("notify_url", "")

    def text(self, name: str, longest: int = 256) -> str:
        """A text of the business content, empty where it is missing. Raises Refused."""
        value = self.business.get(name)
        if value is None:
            return ""
        text = value if isinstance(value, str) else str(value)
        if isinstance(value, dict | list) or len(text) > longest:
            raise invalid(f"{name}格式错误或长度超过{longest}")
        return text

    def needed(self, name: str, longest: int = 256) -> str:
        """A text that must be there."""
        if not (text := self.text(name, longest)):
            raise invalid(f"{name}不能为空")
        return text

    def number(self, name: str = "out_trade_no", longest: int = 64) -> str:
        """The merchant's own number: letters, digits and underscores."""
        text = self.needed(name, longest)
        if not NUMBER.fullmatch(text):
            raise invalid(f"{name}只能包含字母、数字、下划线")
        return text

    def amount(self, name: str) -> int:
        """An amount in fen, at least one."""
        return fen(self.needed(name), name)

    def part(self, name: str) -> Mapping[str, Any]:
        """An object of the business content; some clients send it as a text of JSON."""
        value = self.business.get(name)
        if isinstance(value, str) and value.startswith("{"):
            value = parsed(value)
        return value if isinstance(value, dict) else {}

    def parts(self, name: str) -> list[Any]:
        """A list of the business content."""
        value = self.business.get(name)
        if isinstance(value, str) and value.startswith("["):
            value = parsed(value)
        return value if isinstance(value, list) else []

    def objects(self, name: str) -> list[Mapping[str, Any]]:
        """A list of objects of the business content. Raises Refused where something else is in it."""
        values = self.parts(name)
        if not all(isinstance(value, dict) for value in values):
            raise invalid(f"{name}格式错误")
        return values


Handler = Callable[[Call], Node]
METHODS: dict[str, Handler] = {}
"""What the gateway can be asked."""


def method(name: str) -> Callable[[Handler], Handler]:
    """Register a method's handler."""

    def register(handler: Handler) -> Handler:
        METHODS[name] = handler
        return handler

    return register


def invalid(message: str) -> Refused:
    """A wrong business parameter."""
    return Refused("ACQ.INVALID_PARAMETER", message)


def fen(value: object, name: str = "amount") -> int:
    """Read yuan with at most two places, from 0.01 to a hundred million. Raises Refused."""
    text = str(value)
    if not AMOUNT.fullmatch(text):
        raise invalid(f"{name}不是金额")
    whole, _, rest = text.partition(".")
    amount = int(whole) * 100 + int(rest.ljust(2, "0"))
    if amount > LARGEST:
        raise Refused("ACQ.TOTAL_FEE_EXCEED")
    if amount < 1:
        raise invalid(f"{name}必须大于0")
    return amount


def yuan(amount: int) -> str:
    """Fen as yuan with two places."""
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}"


def parsed(text: str) -> Any:
    """JSON, or an empty object where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


PAGES: set[str] = set()
"""Methods that a browser opens: their GET leads to a page of the wallet."""
