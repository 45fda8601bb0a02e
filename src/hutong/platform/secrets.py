"""Secrets that must be stored: encrypted with one key of the installation, which is in no database and no back-up of it."""

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hutong.platform.config import Settings

FILE = "secret.key"
NONCE_BYTES = 12
KEY_BYTES = 32


class SecretsLocked(Exception):
    """The key of this installation is missing, malformed, or not the one that something was encrypted with; says what to do."""


class Secrets:
    """Encrypts and decrypts with AES-256-GCM; what is encrypted for one purpose and place cannot be put into another's."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SecretsLocked("The secret key must be 32 bytes, written as base64: make one with `openssl rand -base64 32`.")
        self._cipher = AESGCM(key)

    def encrypt(self, plain: bytes, purpose: str) -> bytes:
        """The nonce and the ciphertext of ``plain``, bound to ``purpose`` (such as ``wallet:7``)."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def decrypt(self, stored: bytes, purpose: str) -> bytes:
        """What was encrypted for this purpose. Raises SecretsLocked if this is another installation's key."""
        try:
            return self._cipher.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError):  # ValueError: it is not even long enough to be one
            raise SecretsLocked(
                f"What is stored for {purpose} was encrypted with another key: set HUTONG_SECRET_KEY, or put back the file {FILE} "
                "of the data folder that was there when it was stored."
            ) from None


def secrets_of(settings: Settings) -> Secrets:
    """The installation's secrets: by HUTONG_SECRET_KEY, else by a file in the data folder, which is made if there is none.

    Raises SecretsLocked if the key cannot be read.
    """
    if settings.secret_key is not None:
        return Secrets(_decoded(settings.secret_key.get_secret_value(), "HUTONG_SECRET_KEY"))
    path = settings.data_dir / FILE
    if not path.exists():
        _make(path)
    try:
        return Secrets(_decoded(path.read_text(), str(path)))
    except OSError as error:
        raise SecretsLocked(f"The secret key in {path} cannot be read: {error.strerror}.") from error


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raise SecretsLocked(f"The secret key in {where} is not base64: make one with `openssl rand -base64 32`.") from None


def _make(path: Path) -> None:
    """Whole or not at all, and once, whichever process comes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    apart = path.with_name(f".{FILE}.{os.getpid()}")
    descriptor = os.open(apart, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(apart, path)
    except FileExistsError:
        pass
    finally:
        apart.unlink()
