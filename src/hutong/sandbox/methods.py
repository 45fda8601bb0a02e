"""Brings every method's handler along, so that the gateway knows them."""

from hutong.sandbox import agreements, authorisations, paying, refunds, trades

__all__ = ["agreements", "authorisations", "paying", "refunds", "trades"]
