"""Turns a sale as it was sent into the row values that are stored: checked, signed, placed in its store's day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import msgspec

from hutong.directory import Outlet
from hutong.sales.arithmetic import check_references, check_totals, checked_line, minute_of_day
from hutong.sales.errors import ClockAhead, SaleInvalid, TooLate
from hutong.sales.wire import Sale

KINDS = {"sale": 1, "return": 2, "void": 3}
KIND_NAMES = {number: name for name, number in KINDS.items()}
FUTURE_ALLOWED = timedelta(minutes=5)
EARLIEST = date(2000, 1, 1)

LineRow = tuple[int, str, int, int, int, int, int, int, int | None]
"""line, code, quantity in thousandths, unit price, discount, amount, VAT rate in basis points, VAT, original line; signed."""


@dataclass(slots=True)
class PreparedSale:
    """A sale that passed every check that needs no database; ``lines`` are signed (a return's are negative)."""

    sale: Sale
    outlet: Outlet
    till_id: int
    kind: int
    minute: int
    total: int
    items: int
    lines: list[LineRow]
    detail: str | None
    digest: str
    actor: str
    products: list[int] | None = None

    @property
    def id(self) -> UUID:
        return self.sale.id

    @property
    def key(self) -> tuple[int, int]:
        """What makes it unique, and the order in which groups lock: retailer, then id."""
        return self.outlet.retailer_id, self.sale.id.int


def prepare(sale: Sale, outlet: Outlet, till_id: int, actor: str, now: datetime, earliest: date) -> PreparedSale:
    """Check ``sale`` and work out its rows. ``earliest`` is the oldest business date that the caller may send.

    Raises SaleDoesNotAddUp, SaleInvalid, ClockAhead or TooLate; nothing else.
    """
    check_time(sale, now, earliest)
    check_references(sale)
    sign = -1 if sale.kind == "return" else 1
    rows: list[LineRow] = []
    items = 0
    for number, line in enumerate(sale.lines, 1):
        quantity, rate = checked_line(line, number)
        items += -(-quantity // 1000) if line.unit == "EA" else 1
        rows.append(
            (
                number,
                line.code,
                sign * quantity,
                line.unit_price,
                sign * line.discount,
                sign * line.amount,
                rate,
                sign * line.vat,
                line.original_line,
            )
        )
    check_totals(sale)
    void = sale.kind == "void"
    return PreparedSale(
        sale=sale,
        outlet=outlet,
        till_id=till_id,
        kind=KINDS[sale.kind],
        minute=minute_of_day(sale.completed_at.astimezone(outlet.zone), sale.business_date),
        total=0 if void else sign * sale.total,
        items=items,
        lines=[] if void else rows,
        detail=_detail(sale) if void or sale.without_receipt else None,
        digest=digest_of(sale, outlet, till_id, rows),
        actor=actor,
    )


def check_time(sale: Sale, now: datetime, earliest: date) -> None:
    """The sale's times against the clock. Raises ClockAhead, TooLate or SaleInvalid."""
    if sale.completed_at.year < EARLIEST.year - 1:  # before the calendar's start a zone's offset leads nowhere
        raise SaleInvalid(f"The sale was completed in the year {sale.completed_at.year}; set the till's clock.", "completed_at")
    ahead = sale.completed_at - now
    if ahead > FUTURE_ALLOWED:
        seconds = int(ahead.total_seconds())
        raise ClockAhead(
            f"The sale was completed {seconds} seconds from now; set the till's clock (5 minutes are allowed).",
            ahead_seconds=seconds,
            network_time=now.isoformat(timespec="seconds"),
        )
    if sale.business_date < earliest:
        raise TooLate(
            f"The business date {sale.business_date} is before {earliest}, the oldest that this key may send.", earliest=str(earliest)
        )
    if sale.id.version != 7:
        raise SaleInvalid("The id must be a UUIDv7, made by the till and stored before sending.", "id")
    # Keys are kept in partitions by the id's own time, so that time has to be a possible one. The first 36 bits decide.
    if not datetime(2000, 1, 1, tzinfo=UTC).timestamp() <= (sale.id.int >> 80) / 1000 <= (now + FUTURE_ALLOWED).timestamp():
        raise SaleInvalid("The time inside the id (its first 48 bits) is before 2000 or in the future.", "id")


def key_month(sale_id: UUID) -> date:
    """The first day of the month, UTC, of an id's own time: the partition that its key lies in."""
    return _month(sale_id.int >> 80)


def _month(milliseconds: int) -> date:
    return _month_of_day(milliseconds // 86_400_000)


@lru_cache(maxsize=4_096)
def _month_of_day(day: int) -> date:
    return (date(1970, 1, 1) + timedelta(days=day)).replace(day=1)


def digest_of(sale: Sale, outlet: Outlet, till_id: int, rows: list[LineRow]) -> str:
    """128 bits, as hexadecimal, over the sale's meaning: spelling such as ``1`` or ``1.000``, or another zone, does not change it."""
    meaning = (
        outlet.id, till_id, sale.kind, sale.receipt, sale.business_date, sale.completed_at.astimezone(UTC), sale.cashier,
        sale.original, sale.without_receipt, rows, [line.unit for line in sale.lines], sale.total, sale.discount, sale.vat, _tenders(sale), sale.change,
    )  # fmt: skip
    return blake2b(msgspec.msgpack.encode(meaning), digest_size=16).hexdigest()


def _tenders(sale: Sale) -> list[dict[str, object]]:
    """A payment that is named counts as the tender's reference: digests of sales from before there were payments stay what they were."""
    return [
        {"type": each.type, "amount": each.amount, "reference": each.reference if each.payment is None else str(each.payment)}
        for each in sale.tenders
    ]


def _detail(sale: Sale) -> str:
    """What a void would have been, or that a return came without a receipt, kept as JSON beside the sale."""
    if sale.kind != "void":
        return '{"without_receipt": true}'
    return msgspec.json.encode({"voided": {"total": sale.total, "discount": sale.discount, "vat": sale.vat, "lines": sale.lines}}).decode()
