"""The contract's rules of a sale, written down once more and on their own, to hold the generated trade against."""

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

TENDERS = {"cash", "alipay", "wechat", "unionpay", "card", "voucher", "points", "rounding", "other"}


def must_add_up(document: dict[str, Any]) -> None:
    """Fails with the figure that is wrong."""
    assert UUID(document["id"]).version == 7
    for line in document["lines"]:
        quantity, rate = Decimal(line["quantity"]), Decimal(line["vat_rate"])
        assert quantity > 0
        assert quantity == quantity.quantize(Decimal("0.001"))
        gross = int((line["unit_price"] * quantity).quantize(Decimal(1), ROUND_HALF_UP))
        assert 0 <= line["discount"] <= gross
        assert line["amount"] == gross - line["discount"]
        assert line["vat"] == int((line["amount"] * rate / (100 + rate)).quantize(Decimal(1), ROUND_HALF_UP))
    for field, of_line in (("total", "amount"), ("discount", "discount"), ("vat", "vat")):
        assert document[field] == sum(line[of_line] for line in document["lines"]), field
    must_be_paid(document)
    must_be_of_its_day(document)


def must_be_paid(document: dict[str, Any]) -> None:
    """Fails unless tenders less change make the total; a void has none."""
    tenders = document.get("tenders", [])
    if document["kind"] == "void":
        assert not tenders
        assert not document.get("change")
        return
    assert all(tender["type"] in TENDERS and tender["amount"] >= 0 for tender in tenders)
    assert sum(tender["amount"] for tender in tenders) - document["change"] == document["total"]
    assert document["change"] <= sum(tender["amount"] for tender in tenders if tender["type"] == "cash")


def must_be_of_its_day(document: dict[str, Any]) -> None:
    """Fails unless the business date is the sale's own in its zone, and the id was made when the sale was."""
    at = datetime.fromisoformat(document["completed_at"])
    assert at.date() == date.fromisoformat(document["business_date"])
    assert abs((UUID(document["id"]).int >> 80) / 1000 - at.timestamp()) < 0.002


class Returned:
    """What came back of each sale so far."""

    def __init__(self) -> None:
        self.sold: dict[str, dict[str, Any]] = {}
        self.back: dict[tuple[str, int], tuple[Decimal, int]] = {}

    def see(self, document: dict[str, Any]) -> None:
        """Fails for a return of something that was not sold before, of other goods, or of more than was sold."""
        if document["kind"] == "sale":
            self.sold[document["id"]] = document
        if document["kind"] != "return" or document.get("without_receipt"):
            assert all("original_line" not in line for line in document["lines"])
            return
        for line in document["lines"]:
            sold = self.sold[document["original"]]["lines"][line["original_line"] - 1]
            key = (document["original"], line["original_line"])
            quantity, amount = self.back.get(key, (Decimal(0), 0))
            self.back[key] = (quantity + Decimal(line["quantity"]), amount + line["amount"])
            assert line["code"] == sold["code"]
            assert self.back[key][0] <= Decimal(sold["quantity"])
            assert self.back[key][1] <= sold["amount"]
