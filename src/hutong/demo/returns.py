"""Goods that come back: returns that name the sale and the lines they return, never more than was sold."""

from random import Random

from hutong.demo.baskets import Receipts, Rung, SaleDocument, add_up, header, reference
from hutong.demo.stores import Store

RETURNED = 0.02
WITHOUT_RECEIPT = 0.08
_KEPT = frozenset({"KGM"})
"""Weighed fresh goods are not taken back."""


def bring_back(random: Random, receipts: Receipts, store: Store, till: str, moment: float, sold: Rung) -> SaleDocument | None:
    """A return of one or two lines of ``sold`` that have not come back yet, or None if there is nothing left to return.

    Each line comes back once at most: whole, or some of its pieces where it had no discount to share.
    """
    left = [
        number
        for number, line in enumerate(sold.document["lines"], 1)
        if number not in sold.returned and line["unit"] not in _KEPT and line["amount"] > 0
    ]
    if sold.document["kind"] != "sale" or not left:
        return None
    chosen = sorted(random.sample(left, min(len(left), random.choice((1, 1, 1, 2)))))
    sold.returned.update(chosen)
    document = header(random, receipts, store, till, moment)
    document["kind"] = "return"
    document["lines"] = [_line(random, sold.document["lines"][number - 1], number) for number in chosen]
    if random.random() < WITHOUT_RECEIPT:
        document["without_receipt"] = True
        for line in document["lines"]:
            del line["original_line"]
    else:
        document["original"] = sold.document["id"]
    add_up(document)
    paid = sold.document["tenders"][-1]["type"]
    if paid == "voucher":
        paid = "cash"
    tender: SaleDocument = {"type": paid, "amount": document["total"]}
    if paid != "cash":
        tender["reference"] = reference(random, paid, document["business_date"])
    document["tenders"], document["change"] = [tender], 0
    return document


def _line(random: Random, sold: SaleDocument, number: int) -> SaleDocument:
    line = {name: sold[name] for name in ("code", "quantity", "unit", "unit_price", "discount", "amount", "vat_rate")}
    line["original_line"] = number
    pieces = int(sold["quantity"])
    if pieces > 1 and not sold["discount"]:
        back = random.randint(1, pieces)
        line["quantity"], line["amount"] = str(back), sold["unit_price"] * back
    return line
