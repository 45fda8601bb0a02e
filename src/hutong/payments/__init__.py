"""Payments: taken through wallets by a machine that loses and doubles nothing, booked to the fen, reconciled every morning."""
