"""What the sandbox answered it still knows after kill -9; and its clock, switches and faults go on as they were."""

import os
import signal
import threading
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.sandbox.merchant import Merchant
from tests.support.sandbox import running_sandbox


def test_everything_is_there_again_after_a_restart(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, speed=0) as sandbox:
        merchant = Merchant(sandbox)
        person = sandbox.person(balance=5_000, password_above=2_000)
        app, code = sandbox.app_id, sandbox.code(person)
        waits = merchant.pay("waits", "21.00", sandbox.code(person))["trade_no"]
        merchant.pay("paid", "10.00", code := sandbox.code(person), notify_url="http://127.0.0.1:9/none")
        merchant.refund("paid", "3.00", "r1")
        fresh = sandbox.code(person)
        qr = merchant.call("alipay.trade.precreate", {"out_trade_no": "qr", "total_amount": "1.00", "subject": "S"})["qr_code"]
        merchant.cancel("unseen")
        sandbox.switch(pay_after_unseen_cancel="refused", code_seconds=120)
        sandbox.advance(60 * 60)
        before = {path: sandbox.ask("GET", path) for path in ("/trades", "/people", "/notifications", "/switches", "/clock", "/apps")}
        merchant.http.close()
    with running_sandbox(tmp_path) as sandbox:
        assert sandbox.app_id == app
        assert {path: sandbox.ask("GET", path) for path in before} == before
        merchant = Merchant(sandbox)
        assert merchant.query("paid")["trade_status"] == "TRADE_SUCCESS"
        assert merchant.refund("paid", "3.00", "r1")["fund_change"] == "N"
        assert merchant.pay("again", "1.00", code)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
        assert merchant.pay("again", "1.00", fresh)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID", "an hour has passed"
        assert merchant.pay("unseen", "1.00", sandbox.code(person))["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
        assert sandbox.scan(person, qr)["number"] == "qr"
        sandbox.advance(3 * 3600)
        assert merchant.call("alipay.trade.query", {"trade_no": waits})["trade_status"] == "TRADE_CLOSED", "its timer was taken up"
        assert sandbox.notifications()[0]["sends"] > before["/notifications"][0]["sends"]
        merchant.http.close()


def test_what_was_under_way_is_finished_by_the_next_process(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, speed=0, switches={"refund_takes": 60}) as sandbox:
        merchant = Merchant(sandbox)
        person = sandbox.person(balance=5_000, reaction="approve", reaction_seconds=60, password_above=2_000)
        merchant.pay("paid", "10.00", sandbox.code(person))
        assert merchant.refund("paid", "4.00", "r1")["fund_change"] == "N"
        merchant.pay("waits", "21.00", sandbox.code(person))
        merchant.http.close()
    with running_sandbox(tmp_path) as sandbox:
        merchant = Merchant(sandbox)
        sandbox.advance(61)
        ask = {"out_trade_no": "paid", "out_request_no": "r1"}
        assert merchant.call("alipay.trade.fastpay.refund.query", ask)["refund_status"] == "REFUND_SUCCESS"
        assert merchant.query("waits")["trade_status"] == "TRADE_SUCCESS"
        assert sandbox.people()[person]["balance"] == 5_000 - 1_000 + 400 - 2_100
        merchant.http.close()


@pytest.mark.slow
def test_a_killed_sandbox_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    answered: dict[str, str] = {}
    numbers = count()
    for _ in range(5):
        with running_sandbox(tmp_path, process=True) as sandbox:
            merchant = Merchant(sandbox)
            kept = {trade["number"]: trade["state"] for trade in sandbox.ask("GET", "/trades?limit=1000000")}
            assert answered.items() <= kept.items()
            person = sandbox.person(balance=10**9)
            killer = threading.Timer(0.7, os.kill, (sandbox.process.pid, signal.SIGKILL))
            killer.start()
            try:
                while True:
                    number = f"k{next(numbers)}"
                    if merchant.pay(number, "1.00", sandbox.code(person))["code"] == "10000":
                        answered[number] = "TRADE_SUCCESS"
            except (httpx.TransportError, OSError):
                sandbox.process.wait(10)
            merchant.http.close()
    assert len(answered) > 20
