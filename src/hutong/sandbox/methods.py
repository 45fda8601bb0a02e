"""Brings every method's handler along, so that the gateway knows them."""

from hutong.sandbox import agreements, authorisations, bills, downloads, faces, paying, refunds, splits, trades

__all__ = ["agreements", "authorisations", "bills", "downloads", "faces", "paying", "refunds", "splits", "trades"]
