"""Certificate mode: numbers as Alipay computes them, chains to the root, and a new certificate that causes no outage."""

import asyncio
import base64
import json
from dataclasses import replace

import pytest

from hutong.payments.alipay import AlipayWallet, NoticeRefused
from hutong.payments.alipay.certificates import (
    Certificates,
    UnusableCertificate,
    certificate_number,
    number_of,
    read_certificates,
    root_number,
)
from hutong.payments.wallet import Paid, Unknown
from tests.payments.alipay.certifying import NOW, pem
from tests.payments.alipay.gateway import page
from tests.payments.alipay.test_notices import SUCCESS, posted
from tests.payments.alipay.test_wallet import CODE, PAID


@pytest.fixture
async def certified(account, chain, gateway):
    """Our wallet in certificate mode; the gateway signs with Alipay's present certificate."""
    gateway.certificate = number_of(chain.now)
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    opened = AlipayWallet(
        replace(
            account,
            mode="certificate",
            alipay_public_key="",
            app_certificate=pem(chain.app, chain.middle),
            alipay_certificate=pem(chain.now, chain.middle),
            root_certificate=broken + pem(chain.curve_root, chain.root),
        )
    )
    assert opened.account.problems() == []
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("issuer", "serial", "number"),
    [
        (
            "CN=Ant Financial Certification Authority R1,OU=Certification Authority,O=Ant Financial,C=CN",
            2292228364100439313,
            "687b59193f3f462dd5336e5abf83c5d8",
        ),
        (
            "CN=iTrusChina Class 2 Root CA - G3,OU=China Trust Network,O=iTrusChina,C=CN",
            95790491425698859646659490580052089075020051350,
            "02941eef3187dddf3d3b83462e1dfcf6",
        ),
        (
            "CN=Ant Financial Certification Authority R1 test,OU=Certification Authority test,O=Ant Financial,C=CN",
            0x2019042253697012597DFC04E69F6E07,
            "6bc29aa3b4d406c43483ffea81e08d22",
        ),
    ],
)
def test_the_numbers_of_alipays_own_roots_come_out(issuer, serial, number):
    assert certificate_number(issuer, serial) == number


def test_a_root_files_number_joins_those_signed_with_rsa_and_passes_over_what_cannot_be_read(chain):
    text = pem(chain.curve_root) + "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + pem(chain.root, chain.middle)
    assert root_number(read_certificates(text)) == f"{number_of(chain.root)}_{number_of(chain.middle)}"
    assert number_of(chain.middle) == certificate_number("CN=Example Root R1,O=Example Financial,C=CN", chain.middle.serial_number)
    assert root_number(read_certificates("")) == ""


async def test_requests_name_our_certificate_and_the_root(certified, chain, gateway):
    gateway.says(gateway.node(**PAID))
    assert isinstance(await certified.pay(CODE), Paid)
    assert gateway.asked[0]["app_cert_sn"] == number_of(chain.app)
    assert gateway.asked[0]["alipay_root_cert_sn"] == number_of(chain.root)
    assert gateway.asked[0]["signature"] == "True"


def rotating(gateway, chain, content: str):
    """A gateway that has begun to sign with its next certificate and hands that out (or what a test puts in its place)."""
    gateway.certificate = number_of(chain.next)
    good, download = gateway.node(**PAID), gateway.raw(json.dumps({"code": "10000", "alipay_cert_content": content}))

    async def reply(request, fields):
        return await (download if "alipaycert" in fields["method"] else good)(request, fields)

    gateway.says(reply)


async def test_a_new_certificate_of_alipays_is_fetched_once_proven_and_used_with_the_old_one(certified, chain, gateway):
    rotating(gateway, chain, base64.b64encode(pem(chain.next, chain.middle).encode()).decode())
    results = await asyncio.gather(*(certified.pay(CODE) for _ in range(4)))
    assert all(isinstance(each, Paid) for each in results)
    assert [each["method"] for each in gateway.asked].count("alipay.open.app.alipaycert.download") == 1
    gateway.certificate = number_of(chain.now)
    assert isinstance(await certified.pay(CODE), Paid)
    assert certified.client._certificates.numbers == {number_of(chain.now), number_of(chain.next)}


async def test_a_certificate_that_cannot_be_had_leaves_the_answer_unknown_and_is_not_asked_for_again_at_once(certified, chain, gateway):
    rotating(gateway, chain, "no certificate")
    assert isinstance(await certified.pay(CODE), Unknown)
    assert isinstance(await certified.pay(CODE), Unknown)
    assert [each["method"] for each in gateway.asked].count("alipay.open.app.alipaycert.download") == 1


async def test_made_up_certificate_numbers_make_no_requests_without_end(certified, gateway, keys):
    gateway.says(page(404))
    for at in range(40):
        with pytest.raises(NoticeRefused, match="signature"):
            await certified.read_notice(posted(keys.app, {**SUCCESS, "alipay_cert_sn": f"{at:032x}"}))
    with pytest.raises(NoticeRefused, match="signature"):
        await certified.read_notice(posted(keys.app, {**SUCCESS, "alipay_cert_sn": "../../x"}))
    assert len(gateway.asked) <= 20


async def test_notifications_are_proven_by_any_certificate_that_is_held(certified, chain, keys):
    assert (await certified.read_notice(posted(keys.alipay, SUCCESS))).result is not None
    named = {**SUCCESS, "alipay_cert_sn": number_of(chain.now)}
    assert (await certified.read_notice(posted(keys.alipay, named))).result is not None
    with pytest.raises(NoticeRefused, match="signature"):
        await certified.read_notice(posted(keys.app, SUCCESS))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("app", "not one of Alipay's"),
        ("expired", "not valid"),
        ("stranger", "no chain"),
        ("below_app", "no chain"),
        ("middle", "not one of"),
    ],
)
def test_a_certificate_that_the_root_does_not_prove_to_be_alipays_is_not_admitted(chain, name, reason):
    held = Certificates([chain.root], [chain.now, chain.middle])
    offered = getattr(chain, name)
    with pytest.raises(UnusableCertificate, match=reason):
        held.admit(pem(offered, chain.app, chain.middle), number_of(offered), NOW)
    assert held.numbers == {number_of(chain.now)}


def test_a_certificate_must_be_the_one_that_was_asked_for_and_be_one_at_all(chain):
    held = Certificates([chain.root], [chain.now, chain.middle])
    for content in (pem(chain.next, chain.middle), "", "!!!", base64.b64encode(b"\xff\xfe").decode()):
        with pytest.raises(UnusableCertificate):
            held.admit(content, number_of(chain.expired), NOW)
    held.admit(pem(chain.next), number_of(chain.next), NOW)
    assert held.verifier(number_of(chain.next)) is not None
