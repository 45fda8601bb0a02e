"""The closing account of ``hutong import sales`` as text: rows, receipts, sums, and the proof that they add up."""

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hutong.importer import Plan, Summary

NAMES = {"sale": "sales", "return": "returns", "void": "voids"}
WIDTH = 44


def report(plan: "Plan", summary: "Summary", *, dry_run: bool = False) -> str:
    """The account in lines of words, counts and amounts."""
    lines = [_row("", "rows", "receipts", plan.mapping.currency)]
    lines.append(_row("in the file", f"{summary.rows:,}", "", _money(summary.total)))
    would = "would be imported" if dry_run else "imported"
    receipts = sum(summary.kinds.values())
    lines.append(_row(would, f"{summary.rows_imported:,}", f"{receipts:,}", _money(summary.imported)))
    for kind, name in NAMES.items():
        if summary.kinds[kind]:
            lines.append(_row(f"  as {name}", "", f"{summary.kinds[kind]:,}", _money(summary.sums[kind])))
    lines.append(_row("set aside", f"{summary.rows_aside:,}", "", _money(summary.sum_aside)))
    if summary.rows_not_sent:
        lines.append(_row("not sent yet", f"{summary.rows_not_sent:,}", f"{summary.receipts_not_sent:,}", _money(summary.sum_not_sent)))
    if summary.rounded:
        lines.append(_row("rounded off (prices of a fraction of a cent)", "", "", _money(summary.rounded)))
    lines.append(_row("difference", f"{_rows_left(summary):,}", "", _money(summary.difference)))
    lines.append("It adds up." if summary.balanced else "IT DOES NOT ADD UP.")
    if not dry_run:
        lines.append(f"The server: {summary.captured:,} new, {summary.duplicate:,} there already, {summary.refused:,} refused.")
    if summary.unreadable:
        lines.append(f"{summary.unreadable:,} of the rows set aside have no amount that can be read; they count as 0.")
    if summary.lost_vouchers:
        lines.append(f"Vouchers of {_money(summary.lost_vouchers)} were more than was due on their receipts and are not recorded.")
    days = plan.days()
    if days is not None:
        lines.append(f"Business dates {days[0]} to {days[1]}.")
    reasons = plan.reasons()
    if reasons:
        lines += ["", "Set aside, by reason:"]
        lines += [f"  {count:>9,}  {_money(amount):>16}  {reason}" for reason, count, amount in reasons[:20]]
        if len(reasons) > 20:
            lines.append(f"  ... and {len(reasons) - 20:,} more reasons")
    if summary.refused:
        lines.append(f"  {summary.refused:,} receipts that the server refused; its reasons stand in the list of rows set aside")
    return "\n".join(lines)


def _row(name: str, rows: str, receipts: str, amount: str) -> str:
    return f"{name:<{WIDTH}} {rows:>10} {receipts:>10} {amount:>18}"


def _money(amount: Decimal) -> str:
    """With two decimals at least, and all that there are: a fraction of a penny is not hidden."""
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:,.{places}f}"


def _rows_left(summary: "Summary") -> int:
    return summary.rows - summary.rows_imported - summary.rows_aside - summary.rows_not_sent
