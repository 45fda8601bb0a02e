"""Splits: bound receivers, limits of share, number and mode, all or nothing, and what a refund takes back."""

from tests.sandbox.listener import Listener
from tests.sandbox.merchant import Merchant
from tests.support.sandbox import RunningSandbox

SETTLE = "alipay.trade.order.settle"


def paid(sandbox: RunningSandbox, merchant: Merchant, number: str, held: bool = True) -> str:
    person = sandbox.person(balance=90_000)
    node = merchant.pay(number, "100.00", sandbox.code(person), extend_params={"royalty_freeze": "true" if held else "false"})
    sandbox.advance(31)
    return str(node["trade_no"])


def bind(merchant: Merchant, *accounts: str) -> None:
    receivers = [{"type": "userId", "account": account, "name": "牌"} for account in accounts]
    assert (
        merchant.call("alipay.trade.royalty.relation.bind", {"out_request_no": "b1", "receiver_list": receivers})["result_code"]
        == "SUCCESS"
    )


def request(trade_no: str, number: str, *parts: tuple[str, str], **more: object) -> dict:
    parameters = [
        {"royalty_type": "transfer", "trans_in_type": "userId", "trans_in": to, "amount": amount, "desc": "货款"} for to, amount in parts
    ]
    return {"trade_no": trade_no, "out_request_no": number, "royalty_parameters": parameters} | more


def test_a_split_moves_money_once_and_a_query_tells(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    bind(merchant, "2088111", "2088222")
    trade_no = paid(sandbox, merchant, number)
    before = sandbox.ask("GET", "/apps")[0]["balance"]
    wanted = request(trade_no, "s1", ("2088111", "10.00"), ("2088222", "5.00"))
    made = merchant.call(SETTLE, wanted)
    assert merchant.call(SETTLE, wanted)["settle_no"] == made["settle_no"]
    assert sandbox.ask("GET", "/apps")[0]["balance"] == before - 1_500
    assert merchant.call(SETTLE, request(trade_no, "s1", ("2088111", "9.00")))["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    found = merchant.call("alipay.trade.order.settle.query", {"trade_no": trade_no, "out_request_no": "s1"})
    assert [(each["trans_in"], each["amount"], each["state"]) for each in found["royalty_detail_list"]] == [
        ("2088111", "10.00", "SUCCESS"), ("2088222", "5.00", "SUCCESS"),
    ]  # fmt: skip
    assert merchant.call("alipay.trade.order.onsettle.query", {"trade_no": trade_no})["unsettled_amount"] == "85.00"
    settled = merchant.call("alipay.trade.query", {"trade_no": trade_no, "query_options": ["trade_settle_info"]})
    assert settled["trade_settle_info"]["trade_unsettled_amount"] == "85.00"
    merchant.call(SETTLE, request(trade_no, "s2", extend_params={"royalty_finish": "true"}))
    assert merchant.call("alipay.trade.order.onsettle.query", {"trade_no": trade_no})["unsettled_amount"] == "0.00"
    assert merchant.call(SETTLE, request(trade_no, "s3", ("2088111", "1.00")))["sub_code"] == "ACQ.ILLEGAL_SETTLE_STATE"


def test_not_more_than_the_share_of_the_trade_is_split(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    bind(merchant, "2088111")
    trade_no = paid(sandbox, merchant, number)
    assert merchant.call("alipay.trade.royalty.rate.query", {"out_request_no": "q1"})["max_ratio"] == 30
    assert merchant.call(SETTLE, request(trade_no, "s1", ("2088111", "30.01")))["sub_code"] == "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR"
    assert merchant.call(SETTLE, request(trade_no, "s2", ("2088111", "30.00")))["code"] == "10000"
    assert merchant.call(SETTLE, request(trade_no, "s3", ("2088111", "0.01")))["sub_code"] == "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR"
    sandbox.switch(split_share=50)
    assert merchant.call(SETTLE, request(trade_no, "s4", ("2088111", "20.00")))["code"] == "10000"


def test_at_once_is_all_or_nothing_and_later_is_each_on_its_own(
    sandbox: RunningSandbox, merchant: Merchant, listener: Listener, number: str
) -> None:
    bind(merchant, "2088111")
    sandbox.ask("PATCH", f"/apps/{sandbox.app_id}", {"gateway_url": listener.url})
    sandbox.switch(asynchronous_split_seconds=20)
    trade_no = paid(sandbox, merchant, f"{number}a")
    parts = (("2088111", "1.00"), ("2088999", "1.00"))
    assert merchant.call(SETTLE, request(trade_no, "s1", *parts))["sub_code"] == "ACQ.ROYALTY_RECEIVER_INVALID"
    assert sandbox.trades(f"{number}a")[0]["splits"] == []
    merchant.call(SETTLE, request(trade_no, "s1", *parts, royalty_mode="async"))

    def states() -> list[str]:
        found = merchant.call("alipay.trade.order.settle.query", {"trade_no": trade_no, "out_request_no": "s1"})
        return [each["state"] for each in found["royalty_detail_list"]]

    assert states() == ["PROCESSING", "PROCESSING"]
    sandbox.advance(19)
    assert states() == ["PROCESSING", "PROCESSING"]
    sandbox.advance(2)
    assert states() == ["SUCCESS", "FAIL"]
    assert [form["msg_type"] for form in listener.forms] == ["ASYNC_SETTLE_RESULT"] and merchant.notice_is_genuine(listener.forms[0])
    assert merchant.call(SETTLE, request(trade_no, "s2", ("2088111", "1.00")))["sub_code"] == "ACQ.INVALID_PARAMETER", "modes do not mix"
    sandbox.ask("PATCH", f"/apps/{sandbox.app_id}", {"gateway_url": ""})


def test_too_early_too_many_and_what_is_not_held_is_refused(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    bind(merchant, *(f"20881{each}" for each in range(6)))
    person = sandbox.person(balance=90_000)
    early = merchant.pay(f"{number}a", "100.00", sandbox.code(person), extend_params={"royalty_freeze": "true"})["trade_no"]
    assert merchant.call(SETTLE, request(early, "s1", ("208810", "1.00")))["sub_code"] == "ACQ.TRADE_SETTLE_ERROR"
    sandbox.switch(split_after_seconds=0)
    six = [(f"20881{each}", "1.00") for each in range(6)]
    assert merchant.call(SETTLE, request(early, "s1", *six))["sub_code"] == "ACQ.INVALID_PARAMETER"
    assert merchant.call(SETTLE, request(early, "s1", *six[:5]))["code"] == "10000"
    free = paid(sandbox, merchant, f"{number}b", held=False)
    assert merchant.call(SETTLE, request(free, "s1", six[0]))["sub_code"] == "ACQ.ILLEGAL_SETTLE_STATE"
    sandbox.switch(split_needs_freeze=False)
    assert merchant.call(SETTLE, request(free, "s1", six[0]))["code"] == "10000"
    sandbox.switch(split_days=1)
    sandbox.advance(86_401)
    assert merchant.call(SETTLE, request(early, "s2", six[0]))["sub_code"] == "ACQ.ILLEGAL_SETTLE_STATE", "it was released by itself"


def test_a_refund_takes_the_receivers_part_back(sandbox: RunningSandbox, merchant: Merchant, number: str) -> None:
    bind(merchant, "2088111")
    trade_no = paid(sandbox, merchant, number)
    merchant.call(SETTLE, request(trade_no, "s1", ("2088111", "30.00")))
    sandbox.seller_balance(7_000)
    merchant.refund(number, "50.00", "r1")
    balance = sandbox.ask("GET", "/apps")[0]["balance"]
    assert balance == 7_000 - 5_000 + 1_500 + 30, "half of the part and half of the fee came back"
    assert sandbox.trades(number)[0]["splits"][0]["parts"][0]["returned"] == 1_500
