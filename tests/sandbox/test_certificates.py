"""Certificate mode: an authority of its own, serial number texts, requests that name their certificates, and the wallet's change of its own."""

import base64
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.sandbox.listener import Listener
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox, app_keys

QUERY = "alipay.trade.query"


@pytest.fixture(scope="module")
def files(shared: RunningSandbox) -> dict[str, Any]:
    """The files of an app with certificates."""
    return shared.add_app(mode="certificate", public_key=app_keys()[1])


@pytest.fixture
def certified(sandbox: RunningSandbox, files: dict[str, Any]) -> Iterator[Merchant]:
    common = {name: files[name] for name in ("app_id", "app_cert_sn", "alipay_root_cert_sn")}
    made = Merchant(sandbox, **common)
    yield made
    made.http.close()


def openssl(*arguments: str, pem: str) -> str:
    return subprocess.run(["openssl", *arguments], input=pem, capture_output=True, check=True, text=True).stdout


def wallet_of(merchant: Merchant, pem: str) -> None:
    merchant.alipay = x509.load_pem_x509_certificates(pem.encode())[0].public_key()


def verified(merchant: Merchant, answer: bytes, sn: str) -> dict:
    """The node of an answer whose certificate's serial number text stands between it and the signature."""
    between = f',"alipay_cert_sn":"{sn}"'.encode()
    assert answer.count(between) == 1
    return merchant.verified(QUERY, answer.replace(between, b""))


def test_serial_number_texts_are_what_openssl_says_of_the_files(files: dict[str, Any]) -> None:
    def text(pem: str) -> str:
        said = openssl("x509", "-noout", "-issuer", "-serial", "-nameopt", "RFC2253", pem=pem)
        issuer, serial = (line.partition("=")[2] for line in said.strip().splitlines())
        return hashlib.md5(f"{issuer}{int(serial, 16)}".encode()).hexdigest()

    assert text(files["app_cert"]) == files["app_cert_sn"]
    assert text(files["alipay_cert"]) == files["alipay_cert_sn"]
    roots = files["alipay_root_cert"].split("-----END CERTIFICATE-----\n")[:-1]
    assert len(roots) == 3 and files["alipay_cert"].count("BEGIN") == 2
    rsa = [text(root + "-----END CERTIFICATE-----\n") for root in roots[1:]]
    assert "_".join(rsa) == files["alipay_root_cert_sn"], "the one of elliptic curves does not count"


def test_the_chain_leads_to_the_root(files: dict[str, Any], tmp_path: Path) -> None:
    leaf, issuer, _ = files["alipay_cert"].split("-----END CERTIFICATE-----\n")
    for name, pem in (("root", files["alipay_root_cert"]), ("issuer", issuer + "-----END CERTIFICATE-----\n")):
        (tmp_path / name).write_text(pem)
    for pem in (leaf + "-----END CERTIFICATE-----\n", files["app_cert"]):
        said = openssl("verify", "-CAfile", str(tmp_path / "root"), "-untrusted", str(tmp_path / "issuer"), pem=pem)
        assert said.strip().endswith("OK")


def test_requests_name_their_certificates(certified: Merchant, files: dict[str, Any]) -> None:
    wallet_of(certified, files["alipay_cert"])
    node = verified(certified, certified.raw(QUERY, {"out_trade_no": "a"}).content, files["alipay_cert_sn"])
    assert node["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    for name, value, code, sub_code in (
        ("app_cert_sn", "", "40001", "isv.missing-app-cert-sn"),
        ("app_cert_sn", "0" * 32, "40002", "isv.invalid-app-cert-sn"),
        ("alipay_root_cert_sn", "", "40001", "isv.missing-alipay-root-cert-sn"),
        ("alipay_root_cert_sn", "0" * 32, "40002", "isv.invalid-alipay-root-cert-sn"),
    ):
        answer = certified.raw(QUERY, {"out_trade_no": "a"}, **{name: value}).content
        node = verified(certified, answer, files["alipay_cert_sn"])
        assert (node["code"], node["sub_code"]) == (code, sub_code)


def test_the_wallets_certificate_changes_and_both_can_be_downloaded(
    sandbox: RunningSandbox, certified: Merchant, files: dict[str, Any], listener: Listener, number: str
) -> None:
    assert sandbox.ask("POST", "/rotate", {})["alipay_cert_sn"] != files["alipay_cert_sn"]
    fresh = sandbox.ask("POST", "/rotate", {})["alipay_cert_sn"]
    answer = certified.raw("alipay.open.app.alipaycert.download", {"alipay_cert_sn": fresh}).json()
    pem = base64.b64decode(answer["alipay_open_app_alipaycert_download_response"]["alipay_cert_content"]).decode()
    wallet_of(certified, pem)
    node = verified(certified, certified.raw(QUERY, {"out_trade_no": "a"}).content, fresh)
    assert node["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    former = certified.raw("alipay.open.app.alipaycert.download", {"alipay_cert_sn": files["alipay_cert_sn"]}).json()
    content = former["alipay_open_app_alipaycert_download_response"]["alipay_cert_content"]
    assert base64.b64decode(content).decode() == files["alipay_cert"]
    unknown = certified.raw("alipay.open.app.alipaycert.download", {"alipay_cert_sn": "0" * 32}).json()
    assert unknown["alipay_open_app_alipaycert_download_response"]["sub_code"] == "CERT_NOT_EXIST"
    person = sandbox.person()
    business = {"out_trade_no": number, "total_amount": "1.00", "auth_code": sandbox.code(person), "subject": "S"}
    certified.raw("alipay.trade.pay", business, notify_url=listener.url)
    sandbox.advance(1)
    assert certified.notice_is_genuine(listener.forms[0]) and "alipay_cert_sn" not in listener.forms[0]


def test_an_app_may_hold_two_certificates_for_a_while(sandbox: RunningSandbox, certified: Merchant, files: dict[str, Any]) -> None:
    second = sandbox.ask("POST", f"/apps/{files['app_id']}/certificates", {"public_key": app_keys()[1]})
    assert second["app_cert_sn"] != files["app_cert_sn"]
    for serial in (files["app_cert_sn"], second["app_cert_sn"]):
        answer = certified.raw(QUERY, {"out_trade_no": "a"}, app_cert_sn=serial).json()
        assert answer["alipay_trade_query_response"]["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    with pytest.raises(AssertionError, match="key mode"):
        sandbox.ask("POST", f"/apps/{sandbox.app_id}/certificates", {})


def test_the_plain_key_changes_when_it_is_said(sandbox: RunningSandbox, merchant: Merchant) -> None:
    fresh = sandbox.ask("POST", "/rotate", {"mode": "key"})["alipay_public_key"]
    with pytest.raises(AssertionError, match="not of the node"):
        merchant.call(QUERY, {"out_trade_no": "a"})
    sandbox.alipay_public_key = fresh
    renewed = Merchant(sandbox)
    assert renewed.call(QUERY, {"out_trade_no": "a"})["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    renewed.http.close()
