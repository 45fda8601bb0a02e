"""Real servers and a real worker: what is captured arrives, once a sale, also when a process is killed in the middle."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from tests.monitor.webhooking import statuses, subscribe, until, verified
from tests.support.receiver import http, receiving
from tests.support.sales import line, sale
from tests.support.server import CHECKOUT

PRIVATE = {"HUTONG_ALLOW_PRIVATE_WEBHOOKS": "true"}


async def post(server, network, sales):
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as client:
        answer = await client.post("/v1/sales:batch", json={"sales": sales}, headers={"Authorization": f"Bearer {network.one.key}"})
    assert answer.status_code == 200, answer.text
    assert {each["outcome"] for each in answer.json()["outcomes"]} <= {"captured", "duplicate"}, answer.text


def sales_of(network, count):
    return [sale(network, [line(network.products[number % 8])]) for number in range(count)]


@pytest.mark.slow
async def test_two_servers_tell_each_sale_once_and_one_goes_on_when_the_other_is_killed(make_server, network, owner):
    async def unhurried(_request):
        await asyncio.sleep(0.05)
        return http(204)

    async with receiving(unhurried) as receiver:
        webhook, secret = subscribe(owner, receiver.url, retailer=network.one.id)
        first, second = make_server(settings=PRIVATE), make_server(settings=PRIVATE)
        sales = sales_of(network, 120)
        await asyncio.gather(post(first, network, sales[:40]), post(second, network, sales[40:80]))
        await until(lambda: len(receiver.requests) > 10, within=30)
        first.kill()
        await post(second, network, sales[80:])
        # What the killed one had claimed is sent again when its lease ends.
        await until(lambda: statuses(owner) == {"delivered": 120}, within=90)
    told = [verified(each, secret)["data"]["id"] for each in receiver.requests]
    assert set(told) == {each["id"] for each in sales}
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 120, "a sale was told under two ids"
    assert owner.execute("select count(*) from webhook_delivery where webhook_id = %s", [webhook]).fetchone() == (120,)


@pytest.mark.slow
async def test_a_worker_sends_what_a_server_without_jobs_captured_before_it_was_there(make_server, network, owner, database_url, tmp_path):
    async with receiving() as receiver:
        _, secret = subscribe(owner, receiver.url, retailer=network.one.id)
        server = make_server(settings=PRIVATE | {"HUTONG_JOBS": "off"})
        sales = sales_of(network, 5)
        await post(server, network, sales)
        assert statuses(owner) == {}
        log = (tmp_path / "worker.log").open("wb")
        worker = subprocess.Popen(
            [sys.executable, "-m", "hutong.cli", "worker"], stdout=log, stderr=log, cwd=tmp_path,
            env=os.environ | PRIVATE | {"PYTHONPATH": str(CHECKOUT / "src"), "HUTONG_DATABASE_URL": database_url},
        )  # fmt: skip
        try:
            await until(lambda: statuses(owner) == {"delivered": 5}, within=60)
            assert {verified(each, secret)["data"]["id"] for each in receiver.requests} == {each["id"] for each in sales}
        finally:
            worker.send_signal(signal.SIGTERM)
            began = time.monotonic()
            code = worker.wait(20)
            log.close()
        assert code == 0, (tmp_path / "worker.log").read_text()
        assert time.monotonic() - began < 15
