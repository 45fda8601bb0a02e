"""The exact texts that Alipay's signatures cover, and RSA2 (SHA-256, PKCS #1 v1.5) over them; no input or output.

Three texts differ: a request's (with ``sign_type``, without empty values), a notification's (without ``sign_type``, with empty
values) and an answer's (the bytes of one node, as they came).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SMALLEST_KEY = 2048
"""Bits: RSA2 keys are made with 2048 or more."""

_PKCS1, _SHA256 = padding.PKCS1v15(), hashes.SHA256()
_ARMOUR = re.compile(r"-----(?:BEGIN|END)[^-]*-----")
_SPACE = re.compile(r"\s*")
# Numbers stay the text that was sent: an amount never becomes a float.
_DECODER = json.JSONDecoder(parse_float=str)


class UnusableKey(ValueError):
    """The text is not the key that is wanted here; the message says what it seems to be instead."""


class Unreadable(ValueError):
    """An answer that is not one JSON object of the shape that the gateway sends."""


def request_text(fields: Mapping[str, str]) -> str:
    """What a request's signature covers: every value that is sent, raw, ordered by name; not ``sign`` and nothing empty."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name])


def notice_texts(fields: Mapping[str, str]) -> tuple[str, ...]:
    """What a notification's signature may cover, the likeliest first.

    ``sign_type`` is left out and empty values stay. Clients in use disagree over ``alipay_cert_sn``, so both readings are given.
    """
    names = [name for name in sorted(fields) if name not in {"sign", "sign_type"}]
    texts = ["&".join(f"{name}={fields[name]}" for name in names)]
    if "alipay_cert_sn" in fields:
        texts.append("&".join(f"{name}={fields[name]}" for name in names if name != "alipay_cert_sn"))
    return tuple(texts)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer taken apart but not verified. ``signed`` is the node as it came, in UTF-8: what the signature covers."""

    name: str
    node: Mapping[str, Any]
    signed: bytes
    signature: str
    certificate: str
    """Number of the certificate that the gateway signed with; empty in key mode."""


def take_apart(body: bytes, method: str) -> RawAnswer:
    """Find the node of ``method`` (or ``error_response``) in an answer, with the very bytes that were signed.

    Raises Unreadable. Each member of the outer object is read once by the JSON decoder, which says where it ends, so braces and
    escapes inside texts cannot mislead; a name that comes twice is refused, for two readers might choose differently.
    """
    try:
        text = body.decode()
        members = _members(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the answer is not JSON of the gateway's shape") from error
    expected = method.replace(".", "_") + "_response"
    name = expected if expected in members else "error_response"
    if name not in members:
        raise Unreadable(f"the answer has no {expected}")
    node, start, end = members[name]
    if not isinstance(node, dict):
        raise Unreadable(f"{name} is not an object")
    return RawAnswer(name, node, text[start:end].encode(), _text(members, "sign"), _text(members, "alipay_cert_sn"))


def _members(text: str) -> dict[str, tuple[Any, int, int]]:
    """The members of the object that ``text`` is: name to (value, where it begins, where it ends)."""
    found: dict[str, tuple[Any, int, int]] = {}
    at = _expect(text, _skip(text, 0), "{")
    while True:
        name, at = _DECODER.raw_decode(text, _skip(text, at))
        if not isinstance(name, str) or name in found:
            raise ValueError("a member without a name, or one that comes twice")
        start = _skip(text, _expect(text, _skip(text, at), ":"))
        value, end = _DECODER.raw_decode(text, start)
        found[name] = (value, start, end)
        at = _skip(text, end)
        if text[at : at + 1] != ",":
            break
        at += 1
    if _skip(text, _expect(text, at, "}")) != len(text):
        raise ValueError("something follows the answer")
    return found


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark} expected")
    return at + 1


def _text(members: Mapping[str, tuple[Any, int, int]], name: str) -> str:
    value = members[name][0] if name in members else ""
    return value if isinstance(value, str) else ""


class Signer:
    """Our own private key, parsed once."""

    def __init__(self, text: str) -> None:
        self._key = private_key(text)

    def sign(self, text: str) -> str:
        """The RSA2 signature of ``text`` in UTF-8, base64 without line breaks. About a millisecond of CPU."""
        return base64.b64encode(self._key.sign(text.encode(), _PKCS1, _SHA256)).decode()

    @property
    def public(self) -> rsa.RSAPublicKey:
        """The public half: what the retailer uploads to Alipay."""
        return self._key.public_key()


class Verifier:
    """One public key of Alipay's, parsed once."""

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        self._key = key

    def verify(self, signed: bytes, signature: str) -> bool:
        """Whether ``signature`` (base64) is this key's over exactly these bytes."""
        try:
            self._key.verify(base64.b64decode(signature, validate=True), signed, _PKCS1, _SHA256)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def private_key(text: str) -> rsa.RSAPrivateKey:
    """Read an RSA private key: PKCS #8 or PKCS #1, in PEM or as the bare base64 that Alipay's key tool writes.

    Raises UnusableKey. The parts of the key are not proven to be primes (that costs 50 ms): ``agree`` finds a damaged key by use.
    """
    der = _der(text)
    try:
        key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        if _is_public(der):
            raise UnusableKey("it is a public key; the app's private key belongs here") from error
        raise UnusableKey("it is not a private key in PKCS #8 or PKCS #1") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnusableKey("it is not an RSA key")
    if key.key_size < SMALLEST_KEY:
        raise UnusableKey(f"it has {key.key_size} bits; RSA2 needs {SMALLEST_KEY} or more")
    return key


def public_key(text: str) -> rsa.RSAPublicKey:
    """Read an RSA public key (SPKI, in PEM or as bare base64). Raises UnusableKey."""
    der = _der(text)
    try:
        key = serialization.load_der_public_key(der)
    except ValueError as error:
        if _is_private(der):
            raise UnusableKey("it is a private key; Alipay's public key belongs here") from error
        raise UnusableKey("it is not a public key (X.509 SubjectPublicKeyInfo)") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnusableKey("it is not an RSA key")
    if key.key_size < SMALLEST_KEY:
        raise UnusableKey(f"it has {key.key_size} bits; RSA2 needs {SMALLEST_KEY} or more")
    return key


def agree(private: rsa.RSAPrivateKey, public: rsa.RSAPublicKey) -> bool:
    """Whether what the one signs the other verifies."""
    try:
        public.verify(private.sign(b"probe", _PKCS1, _SHA256), b"probe", _PKCS1, _SHA256)
    except (InvalidSignature, ValueError):
        return False
    return True


def verified_by(verifiers: Sequence[Verifier], signed: bytes, signature: str) -> bool:
    """Whether one of these keys made the signature."""
    return any(verifier.verify(signed, signature) for verifier in verifiers)


def _der(text: str) -> bytes:
    try:
        return base64.b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnusableKey("it is neither PEM nor base64") from error


def _is_public(der: bytes) -> bool:
    try:
        serialization.load_der_public_key(der)
    except ValueError:
        return False
    return True


def _is_private(der: bytes) -> bool:
    try:
        serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError):
        return False
    return True
