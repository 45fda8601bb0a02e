"""What the cashier reads about a payment: one sentence that says how it stands and what to do; marked for translation."""

from hutong.platform.web.i18n import mark

STATES = {
    "sending": mark("Being asked for. Keep the goods until it is paid."),
    "unknown": mark("The wallet has not answered clearly. Keep the goods; it is being asked again."),
    "waiting": mark("Waiting for the customer. Keep the goods until it is paid."),
    "paid": mark("Paid."),
    "declined": mark("Not paid: it was declined."),
    "closed": mark("Closed: nothing is paid."),
    "cancelling": mark("Being cancelled. Nothing is paid; begin a new payment when this says cancelled."),
    "cancelled": mark("Cancelled: nothing is paid."),
    "refunding": mark("The money came too late and is on its way back to the customer. Nothing is paid."),
    "refunded": mark("The money went back to the customer. Nothing is paid."),
}
DECLINED = {
    "customer": mark("Not paid. The customer can fix it: show a fresh code, choose another card, or pay in another way."),
    "till": mark("Not paid: too many requests, or the wallet cannot be reached. Try again in a moment with a new payment."),
    "merchant": mark(
        "Not paid: the retailer's account at the wallet does not allow it. Take another means of payment and tell head office."
    ),
    "nobody": mark("Not paid. Take another means of payment."),
}
REFUNDS = {
    "sending": mark("Being refunded."),
    "unknown": mark("The wallet has not answered clearly. It is being asked again; the refund will not happen twice."),
    "short": mark("The refund waits: the retailer's balance at the wallet is too small just now. It will be tried again by itself."),
    "done": mark("Refunded."),
    "refused": mark("The wallet refuses this refund. Nothing went back; give the money back in another way and tell head office."),
}


def message_of(state: str, who_fixes: str = "") -> str:
    """The sentence for a payment's state, in English; translate it where it is shown."""
    return DECLINED.get(who_fixes, STATES[state]) if state == "declined" else STATES[state]
