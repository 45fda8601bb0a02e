"""The codes of the accounts: who stands behind a balance can be read from its code."""

from hutong.payments.ledger.model import Kind

# The last part of a code that names a store is its GLN; PostgreSQL gives such an account its store (ledger_accounts).
Account = tuple[str, Kind]
"""An account's code and its kind."""


def clearing(wallet: str, account: int) -> Account:
    """What a wallet owes the retailer, by the retailer's account there (the id of ``wallet_account``)."""
    return f"{wallet}:clearing:{account}", "A"


def settled(wallet: str, account: int) -> Account:
    """What a wallet has paid out to the retailer's balance or bank."""
    return f"{wallet}:balance:{account}", "A"


def received(gln: str) -> Account:
    """Payments taken at a store that wait for the sale that claims them."""
    return f"received:{gln}", "L"


def tender(type: str, gln: str) -> Account:
    """Cash, cards, vouchers and other means taken at a store."""
    return f"tender:{type}:{gln}", "A"


def sales(gln: str) -> Account:
    """What a store sold, net of VAT."""
    return f"sales:{gln}", "I"


def vat(gln: str) -> Account:
    """The VAT in what a store sold."""
    return f"vat:{gln}", "L"


def rounding(gln: str) -> Account:
    """What a store forgoes, or gains, by rounding cash."""
    return f"rounding:{gln}", "E"


def discount(gln: str) -> Account:
    """The retailer's own share of discounts that a wallet gave: paid amount less what the wallet owes for it."""
    return f"discount:{gln}", "E"


def fee(wallet: str) -> Account:
    """What a wallet keeps for its service, by its bill."""
    return f"fee:{wallet}", "E"


def brand_payable(brand: str) -> Account:
    """What is to be passed on to a brand (its code)."""
    return f"brand_payable:{brand}", "L"


def brand_share(brand: str) -> Account:
    """The share of sales that is a brand's."""
    return f"brand_share:{brand}", "E"


def authorised(account: int) -> Account:
    """What payers have put aside for the retailer; only pending entries."""
    return f"authorised:{account}", "A"


def authorised_contra(account: int) -> Account:
    """The other side of ``authorised``."""
    return f"authorised:contra:{account}", "L"


SUSPENSE_LONG: Account = ("suspense:long", "L")
"""Money that the wallet has taken and no sale knows, until it is given back or found."""
SUSPENSE_SHORT: Account = ("suspense:short", "A")
"""Money that our books have and the wallet's bill does not."""
SUSPENSE_DIFFERENCE: Account = ("suspense:difference", "A")
"""Differences in amounts that people have to explain."""
