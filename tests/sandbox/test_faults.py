"""Faults on purpose: each does what it says and no more, is repeated by its seed, and the plug stops everything."""

import time

import httpx
import pytest

from tests.sandbox.listener import Listener
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox, running_sandbox

PAY = "alipay.trade.pay"


def business_of(sandbox: RunningSandbox, number: str, person: str) -> dict:
    return {"out_trade_no": number, "total_amount": "5.00", "auth_code": sandbox.code(person), "subject": "S"}


@pytest.mark.parametrize(("kind", "executed"), [("drop_before", False), ("drop_after", True), ("truncated", True)])
def test_a_cut_connection_gives_no_answer(sandbox: RunningSandbox, merchant: Merchant, number: str, kind: str, executed: bool) -> None:
    sandbox.fault(kind, method=PAY, number=number)
    person = sandbox.person(balance=900)
    with pytest.raises(httpx.RemoteProtocolError if kind != "drop_before" else httpx.TransportError):
        merchant.raw(PAY, business_of(sandbox, number, person))
    assert sandbox.people()[person]["balance"] == (400 if executed else 900)
    assert (merchant.query(number).get("trade_status") == "TRADE_SUCCESS") is executed


@pytest.mark.parametrize(
    ("kind", "executed", "status"),
    [
        ("http_500_before", False, 500), ("http_500_after", True, 500), ("http_502_before", False, 502), ("http_502_after", True, 502),
        ("html_before", False, 200), ("html_after", True, 200),
    ],
)  # fmt: skip
def test_a_proxys_page_is_no_answer(
    sandbox: RunningSandbox, merchant: Merchant, number: str, kind: str, executed: bool, status: int
) -> None:
    sandbox.fault(kind, method=PAY, number=number)
    person = sandbox.person(balance=900)
    answer = merchant.raw(PAY, business_of(sandbox, number, person))
    assert answer.status_code == status and answer.text.startswith("<html>")
    assert sandbox.people()[person]["balance"] == (400 if executed else 900)


@pytest.mark.parametrize(
    ("kind", "executed", "code", "sub_code"),
    [
        ("busy_before", False, "20000", "isp.unknow-error"), ("busy_after", True, "20000", "ACQ.SYSTEM_ERROR"),
        ("call_limited", False, "40005", "isv.app-call-limited"), ("refuse", False, "40004", "ACQ.PAYMENT_REQUEST_HAS_RISK"),
    ],
)  # fmt: skip
def test_the_wallet_says_that_it_does_not_work(
    sandbox: RunningSandbox, merchant: Merchant, number: str, kind: str, executed: bool, code: str, sub_code: str
) -> None:
    sandbox.fault(kind, method=PAY, number=number, times=1, sub_code="ACQ.PAYMENT_REQUEST_HAS_RISK" if kind == "refuse" else "")
    person = sandbox.person(balance=900)
    business = business_of(sandbox, number, person)
    node = merchant.call(PAY, business)
    assert (node["code"], node["sub_code"]) == (code, sub_code)
    assert sandbox.people()[person]["balance"] == (400 if executed else 900)
    again = merchant.call(PAY, business)
    expected = {"busy_after": "ACQ.TRADE_HAS_SUCCESS", "refuse": "ACQ.PAYMENT_AUTH_CODE_INVALID"}.get(kind)
    assert again.get("sub_code") == expected, "a refused payment has used its code up; one that was not executed has not"


def test_late_means_after_the_cancel(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.fault("late", method=PAY, number=number, seconds=40)
    person = sandbox.person(balance=900)
    with pytest.raises(httpx.TransportError):
        merchant.raw(PAY, business_of(sandbox, number, person))
    assert "action" not in merchant.cancel(number)
    sandbox.advance(41)
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    assert sandbox.people()[person]["balance"] == 400


@pytest.mark.parametrize(("kind", "code"), [("duplicate", "10000"), ("duplicate_last", "40004")])
def test_a_duplicated_request_takes_the_money_once(sandbox: RunningSandbox, merchant: Merchant, number: str, kind: str, code: str) -> None:
    sandbox.fault(kind, method=PAY, number=number)
    person = sandbox.person(balance=900)
    assert merchant.call(PAY, business_of(sandbox, number, person))["code"] == code
    assert sandbox.people()[person]["balance"] == 400


def test_signatures_can_be_wrong_or_missing(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.fault("bad_signature", method="*.query", number=number, times=1)
    sandbox.fault("unsigned", method="*.query", number=f"{number}b", times=1)
    with pytest.raises(AssertionError, match="not of the node"):
        merchant.query(number)
    with pytest.raises(AssertionError, match="not signed"):
        merchant.query(f"{number}b")
    assert merchant.query(number)["code"] == merchant.query(f"{number}b")["code"] == "40004"


def test_a_cancel_may_ask_to_be_repeated(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=900)
    merchant.call(PAY, business_of(sandbox, number, person))
    sandbox.fault("retry_flag", method="alipay.trade.cancel", times=1)
    node = merchant.cancel(number)
    assert node["retry_flag"] == "Y" and "action" not in node
    assert sandbox.people()[person]["balance"] == 400
    assert merchant.cancel(number)["action"] == "refund"


def test_a_password_can_be_asked_for_any_amount(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.fault("ask_password", times=1)
    person = sandbox.person(balance=900)
    assert merchant.call(PAY, business_of(sandbox, number, person))["code"] == "10003"


def test_risk_asks_for_a_share_of_passwords(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    person = sandbox.person(balance=90_000)
    for share, code in ((1, "10003"), (0, "10000")):
        sandbox.switch(risk_share=share)
        assert merchant.call(PAY, business_of(sandbox, f"{number}{share}", person))["code"] == code


def test_delays_wait_on_the_virtual_clock(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.fault("delay_before", method=PAY, number=f"{number}a", seconds=600)
    sandbox.fault("delay_after", method=PAY, number=f"{number}b", seconds=600)
    sandbox.fault("slow", method=PAY, number=f"{number}c", seconds=600)
    sandbox.speed(3000)
    try:
        for letter in "abc":
            person = sandbox.person(balance=900)
            begun = sandbox.ask("GET", "/clock")["now"]
            assert merchant.call(PAY, business_of(sandbox, number + letter, person))["code"] in ("10000", "40004")
            assert sandbox.ask("GET", "/clock")["now"] > begun
    finally:
        sandbox.speed(0)


def test_stores_and_rates_choose_whom_a_fault_hits(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    sandbox.fault("busy_before", method=PAY, store="0017")
    person = sandbox.person(balance=90_000)
    codes = [merchant.call(PAY, business_of(sandbox, number + s, person) | {"store_id": s})["code"] for s in ("0016", "0017")]
    assert codes == ["10000", "20000"]
    sandbox.no_faults()
    sandbox.fault("busy_before", method="alipay.trade.query", rate=0.5)
    hit = sum(merchant.query(f"{number}_{each}")["code"] == "20000" for each in range(40))
    assert 8 <= hit <= 32
    with pytest.raises(AssertionError, match="400"):
        sandbox.fault("busy_before", rate=2)
    with pytest.raises(AssertionError, match="400"):
        sandbox.fault("earthquake")


def test_the_same_seed_decides_the_same_whatever_comes_between(tmp_path) -> None:
    def decided(seed: int, order: list[int], name: str) -> dict[str, list[str]]:
        with running_sandbox(tmp_path / name, speed=0, seed=seed) as sandbox:
            merchant = Merchant(sandbox)
            sandbox.fault("busy_before", rate=0.4, app="*")
            sandbox.fault("unsigned", rate=0.4)
            codes: dict[str, list[str]] = {}
            for each in order:
                answer = merchant.raw("alipay.trade.query", {"out_trade_no": f"n{each}"})
                codes.setdefault(f"n{each}", []).append(answer.json()["alipay_trade_query_response"]["code"] + str("sign" in answer.json()))
            assert len(sandbox.decisions()) > 3 and {each["seed"] for each in sandbox.decisions()} == {seed}
            merchant.http.close()
            return codes

    numbers = list(range(12)) * 2
    first = decided(7, numbers, "a")
    assert decided(7, sorted(numbers), "b") == first
    assert decided(8, numbers, "c") != first


def test_lost_doubled_and_early_notifications(sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str) -> None:
    person = sandbox.person(balance=90_000)

    def pay(letter: str) -> None:
        merchant.call(PAY, business_of(sandbox, number + letter, person), notify_url=listener.url)

    def arrived() -> str:
        return "".join(form["out_trade_no"][-1] for form in listener.forms)

    sandbox.fault("notify_lost", number=f"{number}l", times=1)
    sandbox.fault("notify_duplicated", number=f"{number}d", times=1)
    sandbox.fault("notify_reordered", number=f"{number}r", seconds=50)
    sandbox.fault("notify_early", number=f"{number}e")
    sandbox.fault("delay_after", method=PAY, number=f"{number}e", seconds=60)
    pay("r")
    pay("l")
    pay("d")
    sandbox.advance(1)
    assert arrived() == "dd"
    assert listener.forms[0]["notify_id"] == listener.forms[1]["notify_id"]
    sandbox.advance(50)
    assert arrived() == "ddr"
    sandbox.advance(240)
    assert arrived() == "ddrl"
    sandbox.speed(600)
    pay("e")
    sandbox.speed(0)
    assert arrived() == "ddrle"


def test_an_early_notification_is_there_before_the_answer(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    sandbox.fault("notify_early")
    person = sandbox.person(balance=900)
    assert merchant.call(PAY, business_of(sandbox, number, person), notify_url=listener.url)["code"] == "10000"
    assert len(listener.forms) == 1, "nobody moved the clock, and it has arrived with the answer"


@pytest.mark.parametrize("how", ["cut", "silent"])
def test_without_the_plug_nothing_is_answered_executed_or_told(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str, how: str
) -> None:
    sandbox.switch(notify_delay=1)
    person = sandbox.person(balance=900)
    merchant.call(PAY, business_of(sandbox, number, person), notify_url=listener.url)
    sandbox.unplug(how)
    merchant.http.timeout = httpx.Timeout(0.3)
    started = time.monotonic()
    with pytest.raises(httpx.TransportError):
        merchant.raw(PAY, business_of(sandbox, f"{number}b", person))
    assert (time.monotonic() - started > 0.25) is (how == "silent")
    sandbox.advance(1)
    assert listener.forms == []
    assert sandbox.people()[person]["balance"] == 400
    sandbox.plug()
    merchant.http.timeout = httpx.Timeout(10)
    sandbox.advance(240)
    assert len(listener.forms) == 1
    assert merchant.query(f"{number}b")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
