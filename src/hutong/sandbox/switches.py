"""Behaviours of the real wallet that are not known for certain: each is a switch with a default and a meaning, so that both can be tried."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta


class Switches(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All switches, by name. ``hutong sandbox alipay --explain`` shows them."""

    timestamp_tolerance: Annotated[
        int,
        Meta(ge=0, description="Seconds by which a request's timestamp may be off the machine's or the sandbox's time; 0 looks at none."),
    ] = 900
    protocol_errors_signed: Annotated[
        bool, Meta(description="Answers about a wrong request (40001, 40002 …) are signed where the app is known; off: unsigned.")
    ] = True
    escape_slashes: Annotated[
        bool, Meta(description="Half of the answers write / as \\/ (a client that serialises the node again before verifying then fails).")
    ] = True
    shuffle_keys: Annotated[bool, Meta(description="The keys of an answer's node come in a random order, drawn from the seed.")] = True
    awkward_text: Annotated[
        bool,
        Meta(description='Each node carries a field with braces, quotes, Chinese and "sign" inside: it breaks scanners that count braces.'),
    ] = False
    payer_named_by: Annotated[
        Literal["user_id", "open_id", "both"],
        Meta(description="How answers and notifications name the payer: buyer_user_id, buyer_open_id or both."),
    ] = "both"
    code_seconds: Annotated[int, Meta(ge=1, description="Seconds for which a payment code is valid.")] = 60
    password_above: Annotated[
        int, Meta(ge=0, description="Fen above which a payment by code asks for the password (a person may have a limit of their own).")
    ] = 100_000
    risk_share: Annotated[
        float, Meta(ge=0, le=1, description="Share of payments by code that ask for the password whatever the amount.")
    ] = 0.0
    decline_closes: Annotated[
        bool, Meta(description="A payer who declines closes the trade; off: it stays WAIT_BUYER_PAY until its time is over.")
    ] = True
    failed_pay_leaves_trade: Annotated[
        bool, Meta(description="A payment by code refused for want of money leaves a trade in WAIT_BUYER_PAY; off: there is no trade.")
    ] = False
    context_before_state: Annotated[
        bool, Meta(description="A number sent again with other content is CONTEXT_INCONSISTENT also where its trade is paid or closed.")
    ] = True
    pay_after_unseen_cancel: Annotated[
        Literal["succeeds", "refused"],
        Meta(description="What becomes of a payment that arrives after a cancel of its number, which the wallet had not seen then."),
    ] = "succeeds"
    cancel_voids_unscanned_qr: Annotated[
        bool, Meta(description="A cancel voids a QR code that nobody has scanned; off: the code can still be scanned and paid.")
    ] = False
    cancel_hours: Annotated[int, Meta(ge=1, description="Hours after a trade's making for which it can be cancelled.")] = 24
    repeated_cancel_action: Annotated[
        Literal["close", "refund"], Meta(description="The action that a repeated cancel reports where the first one gave the money back.")
    ] = "close"
    cancel_refund_number: Annotated[
        Literal["out_trade_no", "trade_no", "empty"],
        Meta(description="What stands as the refund's number in the bill and the refund query when a cancel gave the money back."),
    ] = "out_trade_no"
    face_to_face_timeout: Annotated[str, Meta(description="When a face-to-face trade closes that says nothing about it.")] = "3h"
    other_timeout: Annotated[str, Meta(description="When any other trade closes that says nothing about it.")] = "15d"
    qr_timeout: Annotated[str, Meta(description="How long a QR code can be scanned that says nothing about it.")] = "2h"
    finish_after_days: Annotated[
        int, Meta(ge=0, description="Days after payment when a trade becomes TRADE_FINISHED and takes no more refunds; 0: never.")
    ] = 365
    barcode_notifies: Annotated[
        bool, Meta(description="Payments by code send a notification to their notify_url; off: only QR codes do.")
    ] = True
    closed_notifies: Annotated[
        bool, Meta(description="TRADE_CLOSED is notified too (by default face-to-face notifies TRADE_SUCCESS alone).")
    ] = False
    finished_notifies: Annotated[bool, Meta(description="TRADE_FINISHED is notified too.")] = False
    full_refund_notifies: Annotated[
        bool, Meta(description="A full refund notifies TRADE_CLOSED; partial ones always notify TRADE_SUCCESS.")
    ] = False
    notify_delay: Annotated[float, Meta(ge=0, description="Virtual seconds between an event and its first notification.")] = 0.0
    refund_takes: Annotated[
        int, Meta(ge=0, description="Virtual seconds that a refund takes; above 0 its answer says fund_change N and a query tells later.")
    ] = 0
    fee_rate: Annotated[
        int, Meta(ge=0, le=10_000, description="The wallet's fee in hundredths of a percent of what the retailer receives.")
    ] = 60
    refund_returns_fee: Annotated[bool, Meta(description="A refund gives its share of the fee back.")] = True
    seller_may_overdraw: Annotated[
        bool, Meta(description="Refunds go through although the seller's balance is short; off: SELLER_BALANCE_NOT_ENOUGH.")
    ] = False
    pre_authorisation_days: Annotated[int, Meta(ge=1, description="Days after which a freeze ends by itself and the rest is released.")] = (
        30
    )
    bill_hour: Annotated[
        int, Meta(ge=0, le=23, description="Hour of the next day, Beijing time, from which a day's bill can be fetched.")
    ] = 9
    bill_link_seconds: Annotated[int, Meta(ge=1, description="Seconds for which a bill's address can be fetched.")] = 30
    empty_day_has_bill: Annotated[bool, Meta(description="A day without trade has an empty bill; off: isp.bill_not_exist.")] = False
    split_share: Annotated[int, Meta(ge=0, le=100, description="Percent of a trade that may be split to others.")] = 30
    split_needs_freeze: Annotated[bool, Meta(description="Only a trade paid with extend_params.royalty_freeze can be split.")] = True
    split_days: Annotated[int, Meta(ge=1, description="Days after payment when what was held for splits is released.")] = 30
    asynchronous_split_seconds: Annotated[float, Meta(ge=0, description="Virtual seconds that an asynchronous split takes.")] = 5.0
    split_after_seconds: Annotated[
        int, Meta(ge=0, description="Seconds after payment before which a split is refused (TRADE_SETTLE_ERROR).")
    ] = 30
    ended_agreement: Annotated[
        Literal["absent", "STOP"],
        Meta(description="What a query says of an agreement that was ended: USER_AGREEMENT_NOT_EXIST, or status STOP."),
    ] = "absent"
    asynchronous_charge_seconds: Annotated[
        float, Meta(ge=0, description="Virtual seconds that a charge by agreement takes which was asked for with pay_params.async_type.")
    ] = 5.0
    charge_days_early: Annotated[int, Meta(ge=0, description="Days by which a periodic agreement may be charged before its date.")] = 5
    calls_per_second: Annotated[int, Meta(ge=0, description="Calls a second and app above which 40005 is answered; 0: no limit.")] = 0


def change(switches: Switches, wanted: Mapping[str, Any]) -> None:
    """Set switches by name; values may be texts. Raises ValueError with the name of the wrong one; then nothing is changed."""
    hints = get_type_hints(Switches, include_extras=True)
    values = {}
    for name, value in wanted.items():
        if name not in hints:
            raise ValueError(f"there is no switch {name}")
        try:
            values[name] = msgspec.convert(value, hints[name], strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"switch {name}: {error}") from None
    for name, value in values.items():
        setattr(switches, name, value)


def of_texts(texts: list[str]) -> dict[str, str]:
    """Read ``["name=value", …]``. Raises ValueError."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise ValueError(f"a switch is set by name=value, not {wrong[0]}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def explained() -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each switch."""
    hints = get_type_hints(Switches, include_extras=True)
    defaults = msgspec.to_builtins(Switches())
    for name in Switches.__struct_fields__:
        default = defaults[name]
        yield name, str(default).lower() if isinstance(default, bool) else str(default), hints[name].__metadata__[0].description
