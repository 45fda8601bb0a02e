"""Seeded stories of sales, on virtual time, in which the real payment machine, driver and refunds meet a gateway at its worst."""
