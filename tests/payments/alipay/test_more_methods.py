"""Authorisations, agreements and splits: what is asked of Alipay and what its answers mean; what is not clear is Unknown."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from hutong.payments.alipay import agreements, authorisations, splits
from hutong.payments.alipay.agreements import Agreement, Ended, Period
from hutong.payments.alipay.authorisations import Freeze, FreezeOver, FreezeUndone, FreezeWaiting, Frozen, Released
from hutong.payments.alipay.splits import Bound, Part, PartState, Receiver, Split, SplitState
from hutong.payments.alipay.wallet import Created
from hutong.payments.wallet import Absent, Charge, Declined, QrCode, Unknown
from tests.payments.alipay.conftest import SELLER

F, R = "F12_1", "R12_1"
WISH = Freeze(F, R, 20_000, "Parking = 1", store="6901234500012")
FROZEN = {"out_order_no": F, "auth_no": "A9", "operation_id": "O9", "payer_user_id": "2088000000000099", "gmt_trans": "2026-11-30 02:03:04"}
AT = datetime(2026, 11, 29, 18, 3, 4, tzinfo=UTC)


async def test_an_amount_is_frozen_by_code_and_waits_where_the_payer_has_to_confirm(wallet, gateway):
    gateway.says(gateway.node(**FROZEN, amount="200.00", status="SUCCESS"))
    frozen = await authorisations.freeze(wallet.client, WISH, "281234567890123456")
    assert frozen == Frozen("A9", "O9", 20_000, 20_000, 0, "2088000000000099", AT)
    assert gateway.biz == {
        "out_order_no": F,
        "out_request_no": R,
        "order_title": "Parking   1",
        "amount": "200.00",
        "product_code": "PREAUTH_PAY",
        "payee_user_id": SELLER,
        "pay_timeout": "15m",
        "extra_param": '{"outStoreCode": "6901234500012"}',
        "auth_code": "281234567890123456",
        "auth_code_type": "bar_code",
    }
    for answer in (gateway.node(**FROZEN, amount="200.00", status="INIT"), gateway.node("10003", **FROZEN)):
        gateway.says(answer)
        assert await authorisations.freeze(wallet.client, WISH, "281234567890123456") == FreezeWaiting("A9", "O9")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "CLOSED"}, FreezeOver("closed")),
        ({"status": "ODD"}, Unknown("unexpected status ODD")),
        ({"amount": "x"}, Unknown("the amounts cannot be read")),
        ({"auth_no": ""}, Unknown("the amounts cannot be read")),
        ({"out_order_no": "other"}, Unknown("the answer is about another number")),
    ],
)
async def test_an_answer_that_proves_no_freeze_of_ours_is_not_one(wallet, gateway, fields, expected):
    gateway.says(gateway.node(**{**FROZEN, "amount": "200.00", "status": "SUCCESS", **fields}))
    assert await authorisations.freeze(wallet.client, WISH, "281234567890123456") == expected


async def test_a_freeze_is_declined_only_by_listed_codes(wallet, gateway):
    gateway.says(gateway.fails("ACQ.BUYER_BALANCE_NOT_ENOUGH"))
    assert await authorisations.freeze(wallet.client, WISH, "28") == Declined("BUYER_BALANCE_NOT_ENOUGH", "customer", "said so")
    gateway.says(gateway.fails("ACQ.SYSTEM_ERROR"))
    assert await authorisations.freeze(wallet.client, WISH, "28") == Unknown("SYSTEM_ERROR")


async def test_an_authorisation_says_what_is_frozen_captured_and_left(wallet, gateway):
    stands = {**FROZEN, "order_status": "AUTHORIZED", "total_freeze_amount": "200.00", "total_pay_amount": "50.00", "rest_amount": "120.00"}
    gateway.says(gateway.node(**stands))
    assert await authorisations.query_freeze(wallet.client, F, R) == Frozen("A9", "O9", 20_000, 12_000, 5_000, "2088000000000099", AT)
    gateway.says(gateway.node(**{**stands, "rest_amount": ""}))
    left = await authorisations.query_freeze(wallet.client, F, R)
    assert isinstance(left, Frozen) and left.rest == 15_000
    gateway.says(gateway.node(**{**stands, "order_status": "FINISH"}))
    assert await authorisations.query_freeze(wallet.client, F, R) == FreezeOver("finished", 5_000)
    gateway.says(gateway.fails("ACQ.AUTH_ORDER_NOT_EXIST"))
    assert await authorisations.query_freeze(wallet.client, F, R) == Absent()
    gateway.says(gateway.fails("isv.invalid-parameter", "40002"))
    assert await authorisations.query_freeze(wallet.client, F, R) == Unknown("40002 isv.invalid-parameter")


async def test_what_is_frozen_is_released_and_an_unclear_freeze_undone(wallet, gateway):
    gateway.says(gateway.node(out_request_no="U1", status="SUCCESS", amount="20.00", operation_id="O1"))
    assert await authorisations.release(wallet.client, "A9", "U1", 2_000, "rest") == Released(2_000, "O1")
    assert gateway.biz == {"auth_no": "A9", "out_request_no": "U1", "amount": "20.00", "remark": "rest"}
    gateway.says(gateway.node(out_request_no="U1", status="SUCCESS", amount="19.00"))
    assert await authorisations.release(wallet.client, "A9", "U1", 2_000, "rest") == Unknown("another amount")
    gateway.says(gateway.fails("isv.invalid-timestamp", "40002"))  # the repetition was turned away, the first may have been done
    assert isinstance(await authorisations.release(wallet.client, "A9", "U1", 2_000, "rest"), Unknown)
    for fields, action in (({"action": "close"}, "close"), ({"action": "unfreeze"}, "unfreeze"), ({}, None)):
        gateway.says(gateway.node(**fields))
        assert await authorisations.undo_freeze(wallet.client, F, R, "x") == FreezeUndone(action)


async def test_a_code_to_scan_for_a_freeze_is_shown(wallet, gateway):
    gateway.says(gateway.node(out_order_no=F, code_value="https://qr.example/1"))
    shown = await authorisations.show_freeze_qr(wallet.client, WISH)
    assert isinstance(shown, QrCode) and shown.content == "https://qr.example/1"
    gateway.says(gateway.node(out_order_no=F))
    assert await authorisations.show_freeze_qr(wallet.client, WISH) == Unknown("the answer has no code")


async def test_the_address_to_sign_an_agreement_at_carries_a_signed_request(wallet, keys):
    period = Period("MONTH", 1, date(2026, 12, 1), most_once=5_000, most_in_all=60_000, most_times=12)
    url = agreements.signing_url(wallet.client, "A_1", "INDUSTRY|CARWASH", payer_shown="member 1", period=period)
    fields = dict(parse_qsl(urlsplit(url).query))
    covered = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign")
    assert keys.app.verifies(covered.encode(), fields["sign"])
    assert fields["method"] == "alipay.user.agreement.page.sign" and url.startswith(wallet.account.gateway + "?")
    assert '"external_agreement_no":"A_1"' in fields["biz_content"] and '"single_amount":"50.00"' in fields["biz_content"]
    with pytest.raises(ValueError, match="number for an agreement"):
        agreements.signing_url(wallet.client, "x" * 33, "INDUSTRY|CARWASH")
    for mistake in (("DAY", 6, date(2026, 12, 1)), ("MONTH", 1, date(2026, 12, 29)), ("MONTH", 0, date(2026, 12, 1))):
        with pytest.raises(ValueError, match=r"7 days|28th"):
            Period(*mistake, most_once=1)


async def test_an_agreement_is_looked_up_and_ended(wallet, gateway):
    has = {"external_agreement_no": "A_1", "agreement_no": "2026", "status": "NORMAL", "valid_time": "2026-11-30 02:03:04"}
    gateway.says(gateway.node(**has, invalid_time="2115-02-01 00:00:00", alipay_logon_id="138****0000"))
    assert await agreements.query_agreement(wallet.client, "A_1") == Agreement(
        "A_1", "2026", "active", None, AT, datetime(2115, 1, 31, 16, tzinfo=UTC), "138****0000"
    )
    gateway.says(gateway.node(**{**has, "status": "ODD"}))
    assert isinstance(await agreements.query_agreement(wallet.client, "A_1"), Unknown)
    gateway.says(gateway.fails("USER_AGREEMENT_NOT_EXIST"))
    assert await agreements.query_agreement(wallet.client, "A_1") == Absent()
    assert await agreements.end_agreement(wallet.client, "2026") == Absent()
    gateway.says(gateway.node())
    assert await agreements.end_agreement(wallet.client, "2026") == Ended()


async def test_receivers_are_bound_and_a_trade_is_split_once(wallet, gateway):
    gateway.says(gateway.node(result_code="SUCCESS"))
    assert await splits.bind_receivers(wallet.client, "B1", [Receiver("userId", "2088000000000044", memo="brand")]) == Bound()
    assert gateway.biz["receiver_list"] == [{"type": "userId", "account": "2088000000000044", "memo": "brand"}]
    gateway.says(gateway.node(trade_no="1", settle_no="S1"))
    parts = [Part("userId", "2088000000000044", 300, "brand share")]
    assert await splits.split(wallet.client, "1", "S_1", parts) == Split("S1")
    assert gateway.biz == {
        "trade_no": "1",
        "out_request_no": "S_1",
        "royalty_parameters": [
            {"royalty_type": "transfer", "trans_in_type": "userId", "trans_in": "2088000000000044", "amount": "3.00", "desc": "brand share"}
        ],
        "royalty_mode": "sync",
        "extend_params": {"royalty_finish": "true"},
    }
    assert await splits.split(wallet.client, "1", "S_1", parts, last=False, later=True) == Split("S1", later=True)
    assert gateway.biz["royalty_mode"] == "async" and "extend_params" not in gateway.biz
    for sub_code in ("ACQ.TRADE_SETTLE_ERROR", "ACQ.SYSTEM_ERROR"):
        gateway.says(gateway.fails(sub_code))
        assert isinstance(await splits.split(wallet.client, "1", "S_1", parts), Unknown)
    gateway.says(gateway.fails("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR"))
    assert isinstance(await splits.split(wallet.client, "1", "S_1", parts), Declined)
    for wrong, later in ((parts * 6, False), (parts * 51, True)):
        with pytest.raises(ValueError, match="parts can be split"):
            await splits.split(wallet.client, "1", "S_1", wrong, later=later)


async def test_a_splits_parts_its_rest_and_its_limit_can_be_asked_for(wallet, gateway):
    details = [
        {
            "operation_type": "transfer",
            "trans_in": "2088000000000044",
            "amount": "3.00",
            "state": "SUCCESS",
            "execute_dt": "2026-11-30 02:03:04",
        },
        {"operation_type": "transfer", "trans_in": "2088000000000045", "amount": "1.00", "state": "FAIL", "error_code": "X"},
        {"operation_type": "transfer", "trans_in": "2088000000000046", "amount": "1.00"},
        {"operation_type": "unfreeze", "amount": "8.30", "state": "SUCCESS"},
    ]
    gateway.says(gateway.node(out_request_no="S_1", royalty_detail_list=details))
    assert await splits.query_split(wallet.client, "1", "S_1") == SplitState(
        (
            PartState("2088000000000044", 300, "done", at=AT),
            PartState("2088000000000045", 100, "failed", "X"),
            PartState("2088000000000046", 100, "waiting"),
        )
    )
    gateway.says(gateway.node(out_request_no="S_1", royalty_detail_list=[{"amount": "?"}]))
    assert await splits.query_split(wallet.client, "1", "S_1") == Unknown("a part cannot be read")
    gateway.says(gateway.node(unsettled_amount="8.30"))
    assert await splits.unsettled(wallet.client, "1") == 830
    gateway.says(gateway.node(max_ratio="30"))
    assert await splits.most_ratio(wallet.client, "Q1") == 3_000
    gateway.says(gateway.node(max_ratio="lots"))
    assert isinstance(await splits.most_ratio(wallet.client, "Q1"), Unknown)


async def test_a_trade_is_made_for_a_buyer_of_the_mini_program(wallet, gateway):
    number = "S12T3_1"
    gateway.says(gateway.node(out_trade_no=number, trade_no="7"))
    assert await wallet.create(Charge(number, 100, "x", "s", "t"), "2088000000000099") == Created("7")
    assert gateway.biz["buyer_id"] == "2088000000000099"
    await wallet.create(Charge(number, 100, "x", "s", "t"), "066open")
    assert gateway.biz["buyer_open_id"] == "066open" and "buyer_id" not in gateway.biz
    gateway.says(gateway.node(out_trade_no=number))
    assert isinstance(await wallet.create(Charge(number, 100, "x", "s", "t"), "066open"), Unknown)
