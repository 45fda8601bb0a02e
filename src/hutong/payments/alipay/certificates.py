"""Certificate mode: numbers of certificates as Alipay computes them, the keys they carry, and chains proven up to Alipay's root.

The root file holds certificates with curves and signatures that not every library reads; each is read on its own and what cannot
be read is passed over, as its number is not part of the root's number either.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import md5

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from hutong.payments.alipay.sign import Verifier

NUMBER = re.compile(r"[0-9a-f]{32}")
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ACCOUNT = re.compile(r"-[0-9]+$", re.ASCII)
_RSA_SIGNATURES = "1.2.840.113549.1.1."
_LONGEST_CHAIN = 6


class UnusableCertificate(ValueError):
    """The text is not the certificate that is wanted here, or nothing proves it; the message says which."""


def read_certificates(text: str) -> tuple[x509.Certificate, ...]:
    """Every certificate in a PEM file that can be read, in its order."""
    found = []
    for block in _BLOCK.findall(text):
        try:
            certificate = x509.load_pem_x509_certificate(block.encode())
            certificate.public_key()
            number_of(certificate)
        except Exception:  # noqa: BLE001, S112 - libraries differ in what they raise for curves and encodings they do not know
            continue
        found.append(certificate)
    return tuple(found)


def certificate_number(issuer: str, serial: int) -> str:
    """Alipay's number of a certificate: MD5, in hex, of the issuer's RFC 2253 text followed by the decimal serial number."""
    return md5(f"{issuer}{serial}".encode(), usedforsecurity=False).hexdigest()


def number_of(certificate: x509.Certificate) -> str:
    """The number of this certificate."""
    return certificate_number(certificate.issuer.rfc4514_string(), certificate.serial_number)


def root_number(certificates: Iterable[x509.Certificate]) -> str:
    """The number of a root file: those of all certificates signed with RSA, joined by ``_``; others are left out."""
    return "_".join(number_of(each) for each in certificates if each.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES))


def rsa_key(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    """The RSA key that it certifies. Raises UnusableCertificate for another kind."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnusableCertificate("the certificate does not carry an RSA key")
    return key


class Certificates:
    """Alipay's certificates that answers may be signed with, by number. New ones join only when the root proves them."""

    def __init__(self, roots: Sequence[x509.Certificate], known: Sequence[x509.Certificate]) -> None:
        self._roots, self._known = tuple(roots), list(known)
        leaves = [each for each in known if not _may_issue(each)] or list(known[:1])
        self._names = {_name(each) for each in leaves}
        self._verifiers = {number_of(each): Verifier(rsa_key(each)) for each in leaves}

    def verifier(self, number: str) -> Verifier | None:
        """The key of the certificate with this number, if it is known and proven."""
        return self._verifiers.get(number)

    @property
    def numbers(self) -> frozenset[str]:
        """Of every certificate that answers may be signed with."""
        return frozenset(self._verifiers)

    def admit(self, content: str, number: str, moment: datetime) -> None:
        """Take in a certificate that the gateway sent (base64 of a PEM file, or PEM), asked for by its number.

        Raises UnusableCertificate unless its number is the one asked for, a chain leads to the root at ``moment``, and it is made out
        to the company whose certificate was configured: retailers' own certificates come from the same root.
        """
        certificates = read_certificates(_pem(content))
        leaf = next((each for each in certificates if number_of(each) == number), None)
        if leaf is None:
            raise UnusableCertificate(f"the certificate that came is not number {number}")
        if _may_issue(leaf) or _name(leaf) not in self._names:
            raise UnusableCertificate("the certificate is not one of Alipay's own")
        prove(leaf, (*certificates, *self._known), self._roots, moment)
        self._verifiers[number] = Verifier(rsa_key(leaf))


def prove(leaf: x509.Certificate, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], moment: datetime) -> None:
    """Follow issuers from ``leaf`` to one of ``roots``. Raises UnusableCertificate where a link is missing, forged or out of date."""
    current = leaf
    for _ in range(_LONGEST_CHAIN):
        if not current.not_valid_before_utc <= moment <= current.not_valid_after_utc:
            raise UnusableCertificate(f"the certificate of {current.subject.rfc4514_string()} is not valid at this time")
        if current in roots:
            return
        if any(_issued(current, root) for root in roots):
            return
        issuer = next((each for each in between if each != current and _may_issue(each) and _issued(current, each)), None)
        if issuer is None:
            break
        current = issuer
    raise UnusableCertificate("no chain of certificates leads from it to Alipay's root")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False


def _name(certificate: x509.Certificate) -> str:
    """The company that it is made out to: Alipay adds the retailer's account number, a retailer's own has only numbers."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _ACCOUNT.sub("", str(names[0].value)) if names else ""


def _pem(content: str) -> str:
    if "-----BEGIN" in content:
        return content
    try:
        return base64.b64decode("".join(content.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise UnusableCertificate("what came is not a certificate in base64") from error
