"""What people read of bills and differences; marked for translation."""

from hutong.platform.web.i18n import mark

CLASSES = {
    "matched": (mark("Agrees"), mark("The bill and our books say the same.")),
    "in_transit": (mark("On its way"), mark("Ours, and not in this bill. Around midnight that is usual: the next day's bill decides.")),
    "long": (mark("Only the wallet has it"), mark("The bill has a payment that our books do not have as paid. If we know the attempt it is given back by itself.")),
    "short": (mark("Missing in the bill"), mark("Our books say paid; neither this bill nor the next one has it.")),
    "amount": (mark("Another amount"), mark("Both have it, with different amounts.")),
    "status": (mark("Another state"), mark("The bill has it; in our books it is not decided, or was refused.")),
    "fee": (mark("Another fee"), mark("The amounts agree; the wallet's fee is not its usual rate.")),
    "duplicate": (mark("Twice in the bill"), mark("The bill has the same line a second time.")),
    "refund_long": (mark("A refund that we did not make"), mark("The wallet gave money back that our books know nothing of.")),
    "refund_short": (mark("A refund missing in the bill"), mark("Our books say refunded; neither this bill nor the next one has it.")),
    "foreign": (mark("Not ours"), mark("The number is not one of ours: another system uses the same account.")),
}  # fmt: skip
"""Each class's name, and what it means."""

WHY: dict[str, str] = {
    "": "",
    "stands there before": "",
    "not the usual rate": "",
    "not a number of ours": "",
    "unknown number": mark("the number is of our form, and no payment has it"),
    "another account": mark("the payment was taken through another account"),
    "no such refund": "",
    "the next bill tells": "",
    "in neither bill": "",
    "refund sending": mark("the refund is not decided yet"),
    "refund unknown": mark("the refund is not decided yet"),
    "refund short": mark("the refund waits for money"),
    "refund refused": mark("our books say that the wallet refused it"),
    "sending": mark("the payment is not decided yet"),
    "unknown": mark("the payment is not decided yet"),
    "waiting": mark("the payment is not decided yet"),
    "cancelling": mark("the payment is being cancelled"),
    "cancelled": mark("the till was told: cancelled"),
    "closed": mark("the till was told: closed"),
    "declined": mark("the till was told: declined"),
    "paid": "", "refunding": "", "refunded": "",
}  # fmt: skip

REASONS = {
    "wallet_corrects": mark("The wallet's mistake; it corrects it"),
    "other_day": mark("It belongs to another day"),
    "sale_found": mark("The sale was found and entered"),
    "outside": mark("Done by hand in the wallet's own pages"),
    "other_system": mark("Another system on this account"),
    "agreed": mark("Agreed with the wallet"),
    "given_back": mark("The money was given back"),
    "written_off": mark("Written off"),
    "other": mark("Another reason (say which)"),
}
"""Why a difference is settled, as people choose it."""

STEPS = {
    "found": mark("found again"),
    "settled": mark("settled by itself"),
    "solved": mark("resolved"),
    "reopened": mark("opened again"),
    "asked": mark("the wallet was asked"),
}
SAID = {
    "agrees now": mark("the bill and the books agree now"),
    "given back": mark("given back to the customer"),
    "the wallet says paid": mark("the wallet says that it is paid"),
    "the wallet says closed": mark("the wallet says that it is closed"),
    "the wallet has no such payment": mark("the wallet knows no such payment"),
}
"""Reasons that the program itself gives."""

ACCOUNTS = {
    "received": mark("Payments waiting for their sale"),
    "tender": mark("Taken at the till"),
    "sales": mark("Sales, net of VAT"),
    "vat": mark("VAT"),
    "rounding": mark("Rounding of cash"),
    "discount": mark("Own discounts at the wallet"),
    "fee": mark("Fees of the wallet"),
    "suspense": mark("Differences to be explained"),
    "brand_payable": mark("To be passed on to the brand"),
    "brand_share": mark("Share of the brand"),
    "clearing": mark("Owed by the wallet"),
    "balance": mark("At the wallet or the bank"),
}
"""Accounts of the ledger by the first part of their code (of a wallet's, the second)."""

COLUMNS = (
    mark("Day"), mark("Time"), mark("What"), mark("Account"), mark("Code"), mark("Reference"), mark("Debit"), mark("Credit"),
)  # fmt: skip
KINDS = {
    "payment.paid": mark("Payment"), "payment.late": mark("Payment that came too late"), "payment.returned": mark("Gone back by itself"),
    "refund.done": mark("Refund"), "sale.captured": mark("Sale"), "bill.fee": mark("Fee by the bill"), "bill.settled": mark("Put to the balance"),
    "bill.difference": mark("Difference to the bill"), "split.owed": mark("Brand's share"), "split.done": mark("Passed on to the brand"),
    "split.returned": mark("Brand's part of a refund"), "split.taken": mark("Taken back from the brand by the wallet"),
}  # fmt: skip
"""Kinds of posting."""


def account_word(code: str) -> str:
    """The name of an account by its code, in English."""
    first, _, rest = code.partition(":")
    return ACCOUNTS.get(first) or ACCOUNTS.get(rest.partition(":")[0], code)


BALANCES = (mark("Before"), mark("After"))
"""What the first and last lines of a statement are."""
