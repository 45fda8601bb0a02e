"""What can be wrong with a sale, each with a stable code that an integrator branches on."""

from hutong.kernel.errors import Conflict, Invalid, NotFound


class SaleDoesNotAddUp(Invalid):
    """A figure is not what the others make it: ``line`` (None: the sale itself), ``field``, ``expected`` and ``given``."""

    code, title = "sale_does_not_add_up", "The sale does not add up"

    def __init__(self, field: str, expected: int, given: int, line: int | None = None) -> None:
        where = "The sale" if line is None else f"Line {line}"
        super().__init__(f"{where}: {field} should be {expected} and is {given}.", field=field, expected=expected, given=given, line=line)


class SaleInvalid(Invalid):
    """A rule of the sale is broken; ``field`` and ``line`` say where."""

    code, title = "sale_invalid", "The sale breaks a rule"

    def __init__(self, detail: str, field: str, line: int | None = None, **extra: object) -> None:
        super().__init__(detail, field=field, line=line, **extra)


class ClockAhead(Invalid):
    """The sale was completed in the future; ``ahead_seconds`` is how far the till's clock is ahead of ours."""

    code, title = "clock_ahead", "The till's clock is ahead"


class TooLate(Invalid):
    """The sale is older than the network takes without the permission sales:history."""

    code, title = "too_late", "The sale is too old"


class UnknownStore(NotFound):
    """The store or till is not there, or not one that this key may send sales for: the two answer alike."""

    code, title = "unknown_store", "The store or till is not known"


class ReturnExceedsSale(Invalid):
    """More would come back than was sold, counting earlier returns."""

    code, title = "return_exceeds_sale", "More is returned than was sold"


class OriginalUnknown(Invalid):
    """The sale or the line that the return names is not recorded (yet); send the sale first."""

    code, title = "original_unknown", "The returned sale is not known"


class PaymentNotClaimable(Conflict):
    """A tender names a payment or refund that this sale cannot have: unpaid, of another store or amount, or another sale's."""

    code, title = "payment_not_claimable", "The payment cannot be claimed"


class SaleDiffers(Conflict):
    """A sale with this id is recorded with other content."""

    code, title = "sale_differs", "Another sale has this id"


class ReceiptTaken(Conflict):
    """Another sale of this till has this receipt number on this business date."""

    code, title = "receipt_taken", "The receipt number is taken"
