"""The bill is fetched from the address that a proven answer named, at once, within bounds, and only if it is a file of the right kind."""

from datetime import date

import pytest
from aiohttp import web

from hutong.payments.alipay import AlipayWallet, client
from hutong.payments.alipay import wallet as wallet_module
from hutong.payments.wallet import WalletUnreachable
from tests.payments.alipay.conftest import account_at
from tests.payments.alipay.gateway import Gateway, page, serving

DAY = date(2026, 11, 28)


@pytest.fixture
async def served(keys):
    """A wallet, its gateway, and what the bill's address answers (a response to put in)."""
    content: list[web.Response] = []

    async def bill(request):
        return content[0]

    async with serving(Gateway(keys.alipay, keys.app), bill=bill) as gateway:
        opened = AlipayWallet(account_at(gateway.url, keys))
        gateway.says(gateway.node(bill_download_url=gateway.url.replace("gateway.do", "bill")))
        yield opened, gateway, content
        await opened.close()


async def test_a_bill_comes_as_it_was_sent(served):
    wallet, gateway, content = served
    content.append(web.Response(body=b"PK\x03\x04 and more"))
    assert await wallet.fetch_bill(DAY, "signcustomer") == b"PK\x03\x04 and more"
    assert gateway.biz == {"bill_type": "signcustomer", "bill_date": "2026-11-28"}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (lambda: web.Response(text="<html>the link has expired</html>"), "not a zip"),
        (lambda: web.Response(status=403), "status 403"),
        (lambda: web.Response(status=302, headers={"Location": "/bill"}), "status 302"),
        (lambda: web.Response(body=b"PK" + b"x" * 2000), "too long"),
    ],
)
async def test_what_is_no_bill_is_not_taken_for_one(served, monkeypatch, response, reason):
    monkeypatch.setattr(wallet_module, "MOST_BILL", 1000)
    wallet, _, content = served
    content.append(response())
    with pytest.raises(WalletUnreachable, match=reason):
        await wallet.fetch_bill(DAY)


async def test_without_a_proven_address_there_is_nothing_to_fetch(served):
    wallet, gateway, _ = served
    for answer in (page(502), gateway.fails("ACQ.INVAILID_ARGUMENTS"), gateway.fails("isv.invalid-parameter", "40002"), gateway.node()):
        gateway.says(answer)
        with pytest.raises(WalletUnreachable):
            await wallet.fetch_bill(DAY)


async def test_a_bill_is_fetched_unencrypted_only_on_this_machine(keys):
    production = client.AlipayClient(account_at("https://openapi.alipay.com/gateway.do", keys))
    for url in ("http://bills.example/x", "http://127.0.0.1:1/x", "not an address"):
        assert await production.download(url, 10) == client.Unknown("the file's address is not https")
    await production.close()
