"""Wallet accounts that cannot be used: said at the start, with how to mend it; everybody else's payments go on."""

import base64
import os
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from hutong.app import create_app
from hutong.platform.secrets import secrets_of
from tests.conftest import Person
from tests.payments.support import add_account, payment, refund
from tests.support.sandbox import app_keys


@pytest.mark.parametrize("broken", ["another key's", "not decrypted", "not keys"])
async def test_one_broken_account_is_named_at_the_start_and_holds_up_nobody_else(
    settings, network, sandbox, app, owner, payer, caplog, broken: str
):
    other = sandbox.add_app(public_key=app_keys()[1])
    await add_account(app, network.one.id, sandbox)
    await add_account(app, network.two.id, sandbox, app_id=other["app_id"], seller_id=other["seller_id"])
    purpose, (sound,) = (
        f"wallet:{network.two.id}:main",
        owner.execute("select secrets from wallet_account where retailer_id = %s", [network.two.id]).fetchone(),
    )
    stored = {
        "another key's": lambda: secrets_of(settings.model_copy(update={"secret_key": SecretStr(base64.b64encode(os.urandom(32)).decode())})).encrypt(b"{}", purpose),
        "not decrypted": lambda: b"short",
        "not keys": lambda: secrets_of(settings).encrypt(b'{"private_key": "x", "alipay_public_key": "y", "further_public_keys": []}', purpose),
    }[broken]()  # fmt: skip
    owner.execute("update wallet_account set secrets = %s where retailer_id = %s", [stored, network.two.id])
    anew = create_app(settings)
    async with anew.router.lifespan_context(anew):
        said = [record.message for record in caplog.records if "wallet_account_unusable" in record.message]
        assert len(said) == 1 and f"of retailer {network.two.id} cannot be used" in said[0]
        assert "hutong wallet add" in said[0] or "HUTONG_SECRET_KEY" in said[0]
        async with client_of(anew, network.till.key) as one, client_of(anew, network.two.stores[0].tills[0].key) as two:
            assert (await one.post("/v1/payments", json=payment(sandbox.code(payer())))).json()["state"] == "paid"
            for _ in range(3):
                refused = await two.post("/v1/payments", json=payment(sandbox.code(payer())))
                assert (refused.status_code, refused.json()["code"]) == (409, "no_wallet")
            assert (await two.post("/alipay/notify", content=f"app_id={other['app_id']}".encode())).content == b"fail"
            owner.execute("update wallet_account set secrets = %s where retailer_id = %s", [sound, network.two.id])
            anew.state.payments.wallets._read_at = -1_000
            assert (await two.post("/v1/payments", json=payment(sandbox.code(payer())))).json()["state"] == "paid"
    assert len([record for record in caplog.records if "wallet_account_unusable" in record.message]) == 1
    assert owner.execute("select count(*) from payment").fetchone() == (2,)


async def test_a_secret_key_that_is_none_is_named_at_the_start_and_sales_go_on(settings, network, sandbox, app, caplog):
    await add_account(app, network.one.id, sandbox)
    anew = create_app(settings.model_copy(update={"secret_key": SecretStr("not base64!")}))
    async with anew.router.lifespan_context(anew), client_of(anew, network.till.key) as till:
        assert any("HUTONG_SECRET_KEY is not base64" in record.message for record in caplog.records)
        assert not any("not base64!" in record.message for record in caplog.records)
        assert (await till.post("/v1/payments", json=payment("281234567890123456"))).json()["code"] == "no_wallet"
        assert (await till.get("/v1/me")).status_code == 200


async def test_a_changed_account_is_used_without_a_new_start_and_a_disabled_one_finishes_what_it_began(
    network, sandbox, app, owner, payer, with_key: Person
):
    made = await add_account(app, network.one.id, sandbox)
    till: httpx.AsyncClient = with_key(network.till.key)
    taken = (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()
    assert taken["state"] == "paid"
    await add_account(app, network.one.id, sandbox, further_public_keys=(sandbox.alipay_public_key,))
    app.state.payments.wallets._read_at = -1_000
    assert (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()["state"] == "paid"
    owner.execute("update wallet_account set disabled_at = now() where id = %s", [made.id])
    app.state.payments.wallets._read_at = -1_000
    assert (await till.post("/v1/payments", json=payment(sandbox.code(payer())))).json()["code"] == "no_wallet"
    assert (await till.post("/v1/refunds", json=refund(taken, 100))).json()["state"] == "done"


def client_of(app: Any, key: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30, headers={"Authorization": f"Bearer {key}"})
