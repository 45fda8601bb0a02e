"""The sandbox's own certificate authority: roots, the wallet's certificate and its change, certificates of apps, serial number texts."""

from datetime import timedelta
from hashlib import md5

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from hutong.sandbox import signing
from hutong.sandbox.clock import machine_now
from hutong.sandbox.state import World

NAME = "authority"
RSA_FAMILY = "1.2.840.113549.1.1"
YEARS = timedelta(days=3650)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Issued(msgspec.Struct):
    """A certificate of the wallet's with its key. ``sn`` is its serial number text."""

    sn: str
    key: str
    certificate: str


class Kept(msgspec.Struct):
    """The authority on disk: PEM texts, and keys as ``signing`` writes them."""

    issuer_key: str
    issuer: str
    roots: str
    wallet: list[Issued]


def serial_text(certificate: x509.Certificate) -> str:
    """How Alipay names a certificate: the MD5 of the issuer's name (last part first, no spaces) and the serial number in decimal."""
    text = certificate.issuer.rfc4514_string() + str(certificate.serial_number)
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def root_text(pem: str) -> str:
    """The serial number texts of a root file's RSA certificates, joined with ``_``; others are passed over."""
    found = x509.load_pem_x509_certificates(pem.encode())
    return "_".join(serial_text(each) for each in found if each.signature_algorithm_oid.dotted_string.startswith(RSA_FAMILY))


def name_of(common: str) -> x509.Name:
    """A name below this sandbox's organisation."""
    parts = (
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, "Hutong Sandbox"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification"),
    )
    return x509.Name([*(x509.NameAttribute(oid, value) for oid, value in parts), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def issue(
    subject: x509.Name,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    *,
    authority: bool = False,
) -> x509.Certificate:
    """A certificate for ``key``, good for ten years of the machine's time."""
    now = machine_now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + YEARS)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .sign(issuer_key, hashes.SHA256())
    )  # fmt: skip


def pem_of(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


class Authority:
    """Made when the first app wants certificates: five keys take a moment."""

    def __init__(self, world: World) -> None:
        self.world = world
        kept = world.kept(NAME)
        self._kept: Kept | None = None if kept is None else msgspec.convert(kept, Kept)
        self._key: rsa.RSAPrivateKey | None = None
        self._root_text = ""

    @property
    def _open(self) -> Kept:
        if self._kept is None:
            self._kept = self._founded()
            self.rotate()
        return self._kept

    def _founded(self) -> Kept:
        """Two RSA roots and one of elliptic curves, which no client may count, and the authority that issues below the first."""
        root_key, curve, issuer_key = signing.new_key(), ec.generate_private_key(ec.SECP256R1()), signing.new_key()
        first, second, third = (name_of(f"Sandbox Root {each}") for each in ("R1", "R2", "E1"))
        roots = [
            issue(third, curve.public_key(), third, curve, authority=True),
            issue(first, root_key.public_key(), first, root_key, authority=True),
            issue(second, root_key.public_key(), second, root_key, authority=True),
        ]
        issuer = issue(name_of("Sandbox Class 2 R1"), issuer_key.public_key(), first, root_key, authority=True)
        # A blank line between two certificates, as in the real file: a known client splits it there.
        return Kept(signing.private_text(issuer_key), pem_of(issuer), "\n".join(map(pem_of, roots)), [])

    def _issue(self, common: str, key: rsa.RSAPublicKey) -> x509.Certificate:
        kept = self._open
        issuer = x509.load_pem_x509_certificate(kept.issuer.encode())
        return issue(name_of(common), key, issuer.subject, signing.private_key(kept.issuer_key))

    def rotate(self) -> str:
        """Answer and notify with a fresh certificate from now on; those before stay to be downloaded. Answers its serial number text."""
        kept = self._open
        key = signing.new_key()
        certificate = self._issue("Sandbox Alipay", key.public_key())
        kept.wallet.append(Issued(serial_text(certificate), signing.private_text(key), pem_of(certificate)))
        self._key = key
        self.world.keep(NAME, msgspec.to_builtins(kept))
        return kept.wallet[-1].sn

    @property
    def current(self) -> tuple[str, rsa.RSAPrivateKey]:
        """What answers are signed with: serial number text and key."""
        issued = self._open.wallet[-1]
        if self._key is None:
            self._key = signing.private_key(issued.key)
        return issued.sn, self._key

    @property
    def roots(self) -> str:
        """The root file."""
        return self._open.roots

    @property
    def root_text(self) -> str:
        """What requests must name the root file by."""
        self._root_text = self._root_text or root_text(self._open.roots)
        return self._root_text

    @property
    def wallet_file(self) -> str:
        """The wallet's certificate and its issuer's, as one file."""
        return self._open.wallet[-1].certificate + self._open.issuer

    def wallet_certificate(self, sn: str) -> str | None:
        """A certificate of the wallet's, present or former, with its issuer's."""
        kept = self._open
        return next((each.certificate + kept.issuer for each in kept.wallet if each.sn == sn), None)

    def for_app(self, app_id: str, key: rsa.RSAPublicKey) -> tuple[str, str]:
        """A certificate for an app's key: serial number text and PEM."""
        certificate = self._issue(app_id, key)
        return serial_text(certificate), pem_of(certificate)
