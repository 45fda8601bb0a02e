"""What payments are called on pages: states, methods, and each thing that can happen to one, as a sentence; marked for translation."""

import re
from collections.abc import Mapping
from typing import Any

from hutong.payments.words import DECLINED
from hutong.payments.words import STATES as MESSAGES
from hutong.platform.web import mark
from hutong.platform.web.i18n import gettext

Kind = str
"""Of a status: good, busy, warn, bad or idle, as the shell draws it."""

STATES: dict[str, tuple[Kind, str]] = {
    "sending": ("busy", mark("Being asked for")),
    "unknown": ("warn", mark("No clear answer")),
    "waiting": ("busy", mark("Waiting for the customer")),
    "paid": ("good", mark("Paid")),
    "declined": ("bad", mark("Declined")),
    "closed": ("idle", mark("Closed, not paid")),
    "cancelling": ("warn", mark("Being cancelled")),
    "cancelled": ("bad", mark("Cancelled")),
    "refunding": ("warn", mark("Going back")),
    "refunded": ("idle", mark("Given back")),
}
REFUND_STATES: dict[str, tuple[Kind, str]] = {
    "sending": ("busy", mark("Being sent")),
    "unknown": ("warn", mark("No clear answer")),
    "short": ("warn", mark("Balance too small")),
    "done": ("good", mark("Refunded")),
    "refused": ("bad", mark("Refused")),
}
AGREEMENT_STATES: dict[str, tuple[Kind, str]] = {
    "signing": ("busy", mark("Waiting for the signature")),
    "active": ("good", mark("In force")),
    "ended": ("idle", mark("Ended")),
    "refused": ("bad", mark("Not signed")),
}
AUTHORISATION_STATES: dict[str, tuple[Kind, str]] = {
    "sending": ("busy", mark("Being asked for")),
    "unknown": ("warn", mark("No clear answer")),
    "waiting": ("busy", mark("Waiting for the customer")),
    "held": ("good", mark("Held")),
    "declined": ("bad", mark("Declined")),
    "cancelling": ("warn", mark("Being cancelled")),
    "cancelled": ("bad", mark("Cancelled")),
    "releasing": ("busy", mark("Being released")),
    "finished": ("idle", mark("Settled")),
}
METHODS = {
    "code": mark("Scanned code"), "face": mark("Face"), "qr": mark("QR code"), "agreement": mark("Agreement"),
    "authorisation": mark("Held money"),
}  # fmt: skip
SOURCES = {
    "till": mark("Till"), "answer": mark("Wallet"), "query": mark("Wallet, asked again"), "notice": mark("Wallet, by itself"),
    "bill": mark("Bill"), "timer": mark("Clock"), "operator": mark("By hand"), "cancel": mark("Wallet"), "refund": mark("Wallet"),
}  # fmt: skip
ALARM_KINDS = {
    "payment": mark("Payment"),
    "refund": mark("Refund"),
    "notice": mark("Notification"),
    "books": mark("Books"),
    "bill": mark("Bill"),
}

HAPPENED: dict[tuple[str, str], str] = {
    ("till", "asked"): mark("The till asked for the money."),
    ("answer", "paid"): mark("The wallet answered: paid."),
    ("answer", "waiting"): mark("The wallet answered: the customer must confirm."),
    ("answer", "qr code"): mark("The wallet gave a QR code for the customer to scan."),
    ("answer", "declined"): mark("The wallet answered: declined."),
    ("answer", "unknown"): mark("No clear answer came. Nobody knew whether the customer was charged, so the wallet was asked again."),
    ("query", "paid"): mark("Asked what is true, the wallet said: paid."),
    ("query", "waiting"): mark("Asked what is true, the wallet said: it waits for the customer."),
    ("query", "closed"): mark("Asked what is true, the wallet said: closed."),
    ("query", "absent"): mark("Asked what is true, the wallet knew of no such payment."),
    ("query", "unknown"): mark("Asked what is true, the wallet gave no clear answer."),
    ("notice", "paid"): mark("The wallet told by itself: paid."),
    ("notice", "waiting"): mark("The wallet told by itself: it waits for the customer."),
    ("notice", "closed"): mark("The wallet told by itself: closed."),
    ("bill", "paid"): mark("The wallet's bill says: paid."),
    ("bill", "closed"): mark("The wallet's bill says: closed."),
    ("timer", "time"): mark("Time had passed without news, so it was looked at again."),
    ("operator", "cancel"): mark("Somebody stopped it. From here on it cannot become paid."),
    ("cancel", "cancelled"): mark("The wallet carried the cancel out."),
    ("cancel", "cancel refused"): mark("The wallet does not cancel this any more, so it was asked what is true."),
    ("cancel", "unknown"): mark("No clear answer to the cancel came. It is sent again."),
    ("refund", "given back"): mark("The money that came too late is back with the customer."),
    ("timer", "given back"): mark("The money that came too late is back with the customer."),
}
REFUND_HAPPENED: dict[str, str] = {
    "refund asked": mark("A refund was asked for and set aside in the books."),
    "refunded": mark("The wallet carried the refund out."),
    "accepted": mark("The wallet took the refund up; whether money moved is asked for."),
    "declined": mark("The wallet refused the refund."),
    "absent": mark("The wallet knows nothing of the refund yet."),
    "unknown": mark("No clear answer about the refund. It is asked for again; it will not happen twice."),
    "time": mark("Time had passed, so the refund was looked at again."),
}
DECLINED_ONCE = mark("The wallet answered: declined. A request that was doubled on its way is declined too, so it was asked what is true.")
OTHERWISE = mark("Something was learned of it.")

WHY = {
    "not paid in time": mark("The customer did not pay in time."),
    "cancelled at the till": mark("It was stopped at the till."),
    "no QR code came": mark("The wallet gave no QR code."),
    "paid late and given back": mark("It was paid too late and given back."),
    "paid and given back by somebody else": mark("It was paid and given back outside this system."),
    "AMOUNT_DIFFERS": mark("The wallet speaks of another amount."),
    "GATEWAY_DOWN": mark("The wallet could not be reached; nothing was sent."),
}
"""Why a payment is as it is, where the reason is our own; a wallet's code is shown as it is."""

BOOKED = {
    "payment.paid": mark("The payment was booked: the wallet owes it, the store waits for its sale."),
    "payment.late": mark("Money that came too late was booked aside, to be given back."),
    "payment.returned": mark("Money that had gone back by itself was booked out."),
    "refund.reserve": mark("A refund was set aside."),
    "refund.done": mark("A refund was booked."),
    "refund.refused": mark("What was set aside for a refund was freed."),
    "split.owed": mark("A brand's share of the payment is owed to it."),
    "split.done": mark("The share was passed on to the brand."),
    "split.returned": mark("The brand is owed less: its part of a refund."),
    "split.taken": mark("The wallet took the brand's part of a refund back from it."),
    "authorisation.frozen": mark("Money was held."),
    "authorisation.ended": mark("Nothing is held any more."),
}
ACCOUNTS = (
    (re.compile(r"(\w+):clearing:.*"), mark("owed by the wallet")),
    (re.compile(r"received:.*"), mark("received, waiting for its sale")),
    (re.compile(r"discount:.*"), mark("the retailer's own discount")),
    (re.compile(r"brand_payable:.*"), mark("to be passed on to the brand")),
    (re.compile(r"brand_share:.*"), mark("the brand's share")),
    (re.compile(r"suspense:long"), mark("set aside: nobody's sale")),
    (re.compile(r"suspense:.*"), mark("set aside: to be explained")),
    (re.compile(r"fee:.*"), mark("the wallet's fee")),
)
ALARMS = (
    (re.compile(r"a payment of (?P<fen>\d+) fen succeeded after the till was told otherwise; it is given back"),
     mark("A payment succeeded after the till was told that it had not; it is being given back.")),
    (re.compile(r"the wallet says (?P<fen>\d+) fen were paid, (?P<asked>\d+) were asked for"),
     mark("The wallet says that another amount was paid than was asked for.")),
    (re.compile(r"the wallet refuses a refund: (?P<code>.+)"), mark("The wallet refuses a refund. Nothing went back; give the money back in another way.")),
    (re.compile(r"the wallet gave (?P<fen>\d+) fen back, (?P<asked>\d+) were asked for"), mark("The wallet gave another amount back than was asked for.")),
    (re.compile(r"the balance at the wallet is too small for a refund; pay money in"),
     mark("The balance at the wallet is too small for a refund. Pay money in; the refund is then made by itself.")),
    (re.compile(r"a notification was refused: (?P<reason>.+)"), mark("Somebody sent a notification that does not hold. It was not believed.")),
)  # fmt: skip


def state_words(state: str, amount: int = 0, refunded: int = 0) -> tuple[Kind, str]:
    """A payment's state for people, refunds included, in the page's language."""
    if state == "paid" and refunded:
        return ("idle", gettext(REFUNDED_WHOLE)) if refunded >= amount else ("good", gettext(REFUNDED_PART))
    kind, text = STATES.get(state, ("idle", state))
    return kind, gettext(text)


REFUNDED_WHOLE, REFUNDED_PART = mark("Refunded in full"), mark("Paid, refunded in part")


def script_words() -> dict[str, Any]:
    """The words that the scripts of a page need, in its language."""
    return {
        "states": {state: {"kind": kind, "word": gettext(text)} for state, (kind, text) in STATES.items()},
        "messages": {state: gettext(text) for state, text in MESSAGES.items()},
        "declined": {who: gettext(text) for who, text in DECLINED.items()},
        "methods": {method: gettext(text) for method, text in METHODS.items()},
        "refunded": {"whole": gettext(REFUNDED_WHOLE), "part": gettext(REFUNDED_PART)},
    }


def happened(source: str, kind: str, state: str, is_refund: bool) -> str:
    """An event of a payment's story as a sentence, in the page's language."""
    if (source, kind, state) == ("answer", "declined", "unknown") and not is_refund:
        return gettext(DECLINED_ONCE)
    text = REFUND_HAPPENED.get(kind, OTHERWISE) if is_refund else HAPPENED.get((source, kind), OTHERWISE)
    return gettext(text)


def why(code: str) -> str:
    """The reason of a state: our own in words, a wallet's as it is."""
    return gettext(WHY[code]) if code in WHY else code


def account_words(code: str) -> str:
    """An account of the ledger in words; its code where there are none."""
    return next((gettext(text) for pattern, text in ACCOUNTS if pattern.fullmatch(code)), code)


def alarm_words(message: str) -> tuple[str, Mapping[str, str]]:
    """What an alarm says, in the page's language, and the figures in it."""
    for pattern, text in ALARMS:
        if match := pattern.fullmatch(message):
            return gettext(text), match.groupdict()
    return message, {}
