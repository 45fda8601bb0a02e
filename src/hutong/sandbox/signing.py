"""Signatures as Alipay's documentation describes them: the texts that are signed, and RSA over them."""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

HASHES: dict[str, hashes.HashAlgorithm] = {"RSA2": hashes.SHA256(), "RSA": hashes.SHA1()}  # noqa: S303 - the wallet's legacy kind
_PADDING = padding.PKCS1v15()


def request_text(parameters: Mapping[str, str]) -> str:
    """What a request's signature covers: every parameter but ``sign`` that has a value, by name, as it was before any encoding."""
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "sign" and parameters[name])


def notice_text(parameters: Mapping[str, str]) -> str:
    """What a notification's signature covers: every parameter but ``sign`` and ``sign_type``, empty ones too."""
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name not in ("sign", "sign_type"))


def sign(key: rsa.RSAPrivateKey, content: bytes, sign_type: str = "RSA2") -> str:
    """The signature in base64."""
    return base64.b64encode(key.sign(content, _PADDING, HASHES[sign_type])).decode("ascii")


def verified(key: rsa.RSAPublicKey, content: bytes, signature: str, sign_type: str = "RSA2") -> bool:
    """Whether this is the signature of ``content``; anything that is none is False."""
    try:
        key.verify(base64.b64decode(signature, validate=True), content, _PADDING, HASHES[sign_type])
    except (InvalidSignature, binascii.Error, ValueError, KeyError):
        return False
    return True


def new_key() -> rsa.RSAPrivateKey:
    """A fresh key of 2048 bits."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_text(key: rsa.RSAPrivateKey) -> str:
    """The private key as Alipay's key tool writes it: PKCS#8 in base64, one line, no armour."""
    content = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return base64.b64encode(content).decode("ascii")


def public_text(key: rsa.RSAPublicKey) -> str:
    """The public key as Alipay's console shows it: SubjectPublicKeyInfo in base64, one line, no armour."""
    content = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(content).decode("ascii")


@lru_cache(maxsize=1024)
def public_key(text: str) -> rsa.RSAPublicKey:
    """Read a public key, with PEM armour or without. Raises ValueError."""
    key = serialization.load_der_public_key(_der(text))
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def private_key(text: str) -> rsa.RSAPrivateKey:
    """Read a private key, PKCS#8 or PKCS#1, with PEM armour or without. Raises ValueError."""
    key = serialization.load_der_private_key(_der(text), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


def _der(text: str) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines() if not line.startswith("-----")]
    try:
        return base64.b64decode("".join(lines), validate=True)
    except binascii.Error:
        raise ValueError("not a key in base64") from None
