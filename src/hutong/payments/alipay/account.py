"""A retailer's account at Alipay as it is configured, and in plain sentences what is wrong with it."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from hutong.kernel import clock
from hutong.payments.alipay.certificates import (
    Certificates,
    UnusableCertificate,
    number_of,
    prove,
    read_certificates,
    root_number,
    rsa_key,
)
from hutong.payments.alipay.sign import Signer, UnusableKey, Verifier, agree, private_key, public_key

PRODUCTION = "https://openapi.alipay.com/gateway.do"
LONGEST_NOTIFY_URL = 256
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class AlipayAccount:
    """App, seller, gateway and keys. Keys and certificates are texts: PEM, or the bare base64 of Alipay's key tool.

    ``mode`` ``key`` uses ``alipay_public_key`` (and ``further_public_keys`` while Alipay changes it); ``certificate`` the three
    certificate files. ``next_private_key`` (with ``next_app_certificate``) is tried when the gateway refuses the first signature,
    so that our own key can be changed at Alipay without stopping.
    """

    app_id: str
    seller_id: str
    gateway: str = PRODUCTION
    notify_url: str = ""
    """Where Alipay sends notifications; empty: none are asked for, and queries alone tell."""
    mode: Literal["key", "certificate"] = "key"
    private_key: str = field(default="", repr=False)
    alipay_public_key: str = ""
    further_public_keys: tuple[str, ...] = ()
    app_certificate: str = field(default="", repr=False)
    alipay_certificate: str = field(default="", repr=False)
    root_certificate: str = field(default="", repr=False)
    next_private_key: str = field(default="", repr=False)
    next_app_certificate: str = field(default="", repr=False)
    app_auth_token: str = field(default="", repr=False)
    """Of a service provider that acts for the retailer."""

    def problems(self) -> list[str]:
        """What keeps this configuration from working and how to mend each; empty if it is sound."""
        return [*_addresses(self), *(_keys(self) if self.mode == "key" else _certificates(self, clock.now()))]

    def app_keys(self) -> tuple["AppKey", ...]:
        """Our own keys, the one in use first. Raises UnusableKey or UnusableCertificate."""
        keys = [AppKey(Signer(self.private_key), _first_number(self.app_certificate, self.mode))]
        if self.next_private_key:
            keys.append(AppKey(Signer(self.next_private_key), _first_number(self.next_app_certificate, self.mode)))
        return tuple(keys)

    def verifiers(self) -> tuple[Verifier, ...]:
        """Alipay's keys in key mode. Raises UnusableKey."""
        return tuple(Verifier(public_key(text)) for text in (self.alipay_public_key, *self.further_public_keys))

    def certificates(self) -> Certificates:
        """Alipay's certificates in certificate mode. Raises UnusableCertificate."""
        known = read_certificates(self.alipay_certificate)
        if not known:
            raise UnusableCertificate("Alipay's certificate cannot be read")
        return Certificates(read_certificates(self.root_certificate), known)

    def root_number(self) -> str:
        """The number of the root file that is sent with each request."""
        return root_number(read_certificates(self.root_certificate))


@dataclass(frozen=True, slots=True)
class AppKey:
    """One of our own keys, with the number of its certificate (empty in key mode)."""

    signer: Signer
    certificate: str


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def _first_number(text: str, mode: str) -> str:
    if mode == "key":
        return ""
    found = read_certificates(text)
    if not found:
        raise UnusableCertificate("the app's certificate cannot be read")
    return number_of(found[0])


def _addresses(account: AlipayAccount) -> Iterator[str]:
    if not (account.app_id.isascii() and account.app_id.isalnum() and len(account.app_id) <= 32):
        yield "The app id is missing or not one: copy the 16 digits from the app's page at open.alipay.com."
    if not (account.seller_id.isascii() and account.seller_id.isdigit() and len(account.seller_id) == 16):
        yield "The seller id is missing or not one: it is the retailer's own Alipay account number, 16 digits that begin with 2088."
    if account.seller_id and account.seller_id == account.app_id:
        yield "App id and seller id are the same: the seller id is the account number that begins with 2088."
    try:
        gateway, notify = urlsplit(account.gateway), urlsplit(account.notify_url)
        local, _ = is_loopback(account.gateway), gateway.port
    except ValueError:
        yield "The gateway or the notify URL is not a URL."
        return
    if gateway.scheme not in {"https", "http"} or not gateway.hostname or gateway.query or gateway.fragment or gateway.username:
        yield f"The gateway is not a plain URL: production is {PRODUCTION}."
    elif gateway.scheme == "http" and not local:
        yield "The gateway must be https: only a sandbox on this machine may be called without encryption."
    if not account.notify_url:
        return
    if notify.scheme not in {"https", "http"} or not notify.hostname or len(account.notify_url) > LONGEST_NOTIFY_URL:
        yield f"The notify URL must be http or https and at most {LONGEST_NOTIFY_URL} characters."
    elif is_loopback(account.notify_url) and not local:
        yield "The notify URL is an address of this machine only, where Alipay cannot reach it: use the public address, or leave it empty."


def _keys(account: AlipayAccount) -> Iterator[str]:
    if _swapped(account):
        yield "The private key and Alipay's public key are in each other's place: exchange them."
        return
    own = yield from _own_keys(account)
    for text in (account.alipay_public_key, *account.further_public_keys):
        try:
            theirs = public_key(text)
        except UnusableKey as error:
            yield f"Alipay's public key cannot be used: {error}. Copy it from the app's page, where it is called 支付宝公钥."
            continue
        if any(agree(each, theirs) for each in own):
            yield "In place of Alipay's public key stands the app's own: copy the one that the page calls 支付宝公钥, not 应用公钥."


def _swapped(account: AlipayAccount) -> bool:
    try:
        public_key(account.private_key)
        private_key(account.alipay_public_key)
    except UnusableKey:
        return False
    return True


def _own_keys(account: AlipayAccount) -> Generator[str, None, list[rsa.RSAPrivateKey]]:
    found = []
    for name, text in (("The private key", account.private_key), ("The next private key", account.next_private_key)):
        if name == "The next private key" and not text:
            continue
        try:
            key = private_key(text)
        except UnusableKey as error:
            yield f"{name} cannot be used: {error}. It is the file that Alipay's key tool saved as 应用私钥."
            continue
        if agree(key, key.public_key()):
            found.append(key)
        else:
            yield f"{name} is damaged: its parts do not fit together. Copy the file again."
    return found


def _certificates(account: AlipayAccount, moment: datetime) -> Iterator[str]:
    own = yield from _own_keys(account)
    for index, (name, text) in enumerate((("The app's", account.app_certificate), ("The next", account.next_app_certificate))):
        if index < len(own) and not (found := read_certificates(text)):
            yield f"{name} certificate file cannot be read: it is appCertPublicKey_….crt from the app's page."
        elif index < len(own) and not agree(own[index], rsa_key(found[0])):
            yield f"{name} certificate belongs to another private key: make a new request with this key, or use the key it was made with."
    roots, known = read_certificates(account.root_certificate), read_certificates(account.alipay_certificate)
    if not root_number(roots):
        yield "The root file holds no certificate that can be read: it is alipayRootCert.crt from the app's page."
    if not known:
        yield "Alipay's certificate cannot be read: it is alipayCertPublicKey_RSA2.crt from the app's page."
    elif roots:
        try:
            prove(known[0], known, roots, moment)
        except UnusableCertificate as error:
            yield f"Alipay's certificate is not proven by the root file: {error}. Download both again from the app's page."
