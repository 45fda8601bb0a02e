"""A certificate authority of the tests, in the shape of Alipay's: a root, what it issues, and impostors."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
COMPANY = "支付宝(示例)网络技术有限公司"


def certify(public, common, issuer_key, issuer=None, *, ca=False, serial=None, until=NOW + timedelta(days=365)) -> x509.Certificate:
    """A certificate for ``public`` in the shape of Alipay's: C, O, OU, CN in the order of encoding."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Financial"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer.subject if issuer else name).public_key(public)
    builder = (
        builder.serial_number(serial or x509.random_serial_number()).not_valid_before(NOW - timedelta(days=400)).not_valid_after(until)
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(*certificates) -> str:
    return "\n".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def make_chain(keys: SimpleNamespace) -> SimpleNamespace:
    """A root (key ``other``), an issuing certificate and those below it: Alipay's present and next one, the app's, and impostors."""
    root = certify(keys.other.private.public_key(), "Example Root R1", keys.other.private, ca=True)
    middle_key = keys.other.private
    middle = certify(keys.other.private.public_key(), "Example Class 2 R1", keys.other.private, root, ca=True)
    alipay, app = keys.alipay.private.public_key(), keys.app.private.public_key()
    curve = ec.generate_private_key(ec.SECP256R1())
    own = certify(app, "2088000000000001-2021004100000001", middle_key, middle)
    made = {
        "now": certify(alipay, f"{COMPANY}-2088000000000001", middle_key, middle),
        "next": certify(alipay, f"{COMPANY}-2088000000000001", middle_key, middle),
        "app": own,
        "expired": certify(alipay, f"{COMPANY}-2088000000000001", middle_key, middle, until=NOW - timedelta(days=1)),
        "stranger": certify(alipay, f"{COMPANY}-2088000000000001", keys.app.private),
        "below_app": certify(alipay, f"{COMPANY}-2088000000000001", keys.app.private, own),
        "curve_root": certify(curve.public_key(), "Example Root E1", curve, ca=True),
    }
    return SimpleNamespace(root=root, middle=middle, **made)
