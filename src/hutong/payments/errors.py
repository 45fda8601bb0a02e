"""What can be wrong with a payment or a refund, each with a stable code that a till branches on."""

from hutong.kernel.errors import Conflict, Invalid, NotFound
from hutong.platform.web.i18n import mark


class NoWallet(Conflict):
    """The retailer has no account at this wallet."""

    code, title = "no_wallet", mark("This wallet is not set up here")


class CodeUnknown(Invalid):
    """What was scanned is no payment code that we know."""

    code, title = "code_unknown", mark("This is not a payment code")


class PaymentDiffers(Conflict):
    """A payment with this id is recorded with other content."""

    code, title = "payment_differs", mark("Another payment has this id")


class SaleBusy(Conflict):
    """Another attempt to pay this sale is not decided yet; ``payment`` names it."""

    code, title = "sale_busy", mark("Another payment of this sale is not decided yet")


class SalePaid(Conflict):
    """The sale is paid already; ``payment`` names what paid it. Say ``parts`` if it is paid in several parts."""

    code, title = "sale_paid", mark("This sale is paid already")


class NotPaid(Conflict):
    """Only what is paid can be refunded; ``state`` says what the payment is."""

    code, title = "not_paid", mark("This payment is not paid")


class RefundExceeds(Invalid):
    """More would go back than was paid, counting earlier refunds; ``left`` is what still can."""

    code, title = "refund_exceeds", mark("More is refunded than was paid")


class RefundDiffers(Conflict):
    """A refund with this id is recorded with other content."""

    code, title = "refund_differs", mark("Another refund has this id")


class PaymentDecided(Conflict):
    """The payment cannot be stopped any more: ``state`` says what it is. What is paid goes back by a refund."""

    code, title = "payment_decided", mark("This payment is decided already")


class PlaceUnknown(NotFound):
    """The store or till is not there, or not one that this key may take payments at: the two answer alike."""

    code, title = "unknown_store", mark("The store or till is not known")


class AgreementUnusable(Conflict):
    """The agreement or authorisation cannot be charged: ``state`` says why."""

    code, title = "agreement_unusable", mark("This agreement cannot be charged")
