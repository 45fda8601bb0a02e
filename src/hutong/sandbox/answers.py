"""Answers of the gateway: the node's bytes as they are signed, and the envelope around them."""

import json
from dataclasses import dataclass

from hutong.sandbox.calls import Node
from hutong.sandbox.keys import Keys
from hutong.sandbox.records import App
from hutong.sandbox.state import World
from hutong.sandbox.wording import MESSAGES

AWKWARD = '难以解析的文字：}{"}},"sign":"假签名"\\ 结束/'


@dataclass(slots=True)
class Answer:
    """What is sent back: whole, signed text in the request's charset."""

    name: str
    node: bytes
    signature: str = ""
    certificate: str = ""

    def body(self) -> bytes:
        """``{"…_response":{…},"sign":"…"}``, in that order: the official SDK reads no other."""
        parts = [b'{"', self.name.encode(), b'":', self.node]
        if self.certificate:
            parts += [b',"alipay_cert_sn":"', self.certificate.encode(), b'"']
        if self.signature:
            parts += [b',"sign":"', self.signature.encode(), b'"']
        return b"".join([*parts, b"}"])


def refusal(code: str, sub_code: str, sub_msg: str) -> Node:
    """A node that says no."""
    return {"code": code, "msg": MESSAGES.get(code, "Business Failed"), "sub_code": sub_code, "sub_msg": sub_msg}


class Answers:
    """Writes nodes in an order and an escaping drawn from the seed, so that nobody can do without the exact bytes, and signs them."""

    def __init__(self, world: World, keys: Keys) -> None:
        self.world, self.keys = world, keys
        self._written = 0

    def signed(self, app: App, name: str, node: Node, charset: str, sign_type: str) -> Answer:
        """The signed answer of one call."""
        content = self.written(node, charset)
        signature, certificate = self.keys.sign(app, content, sign_type)
        return Answer(name, content, signature, certificate)

    def unsigned(self, name: str, node: Node, charset: str) -> Answer:
        """An answer that nobody signed."""
        return Answer(name, self.written(node, charset))

    def written(self, node: Node, charset: str) -> bytes:
        """The node's bytes."""
        self._written += 1
        switches = self.world.switches
        drawn = int(self.world.chance("answer", self._written) * 2**32)
        if switches.awkward_text:
            node = node | {"sandbox_note": AWKWARD}
        if switches.shuffle_keys:
            items = list(node.items())
            turn = drawn % len(items)
            node = dict(items[turn:] + items[:turn]) if drawn & 1 << 20 else dict(reversed(items[turn:] + items[:turn]))
        text = json.dumps(node, ensure_ascii=False, separators=(",", ":") if drawn & 1 << 21 else (", ", ": "))
        if switches.escape_slashes and drawn & 1 << 22:
            text = text.replace("/", "\\/")
        try:
            return text.encode(charset)
        except UnicodeEncodeError:
            return json.dumps(node).encode(charset)
