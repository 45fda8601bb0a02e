"""Agreements by which a merchant may charge a person without asking each time."""

from hutong.sandbox.calls import Call, Refused
from hutong.sandbox.records import Person, Trade
from hutong.sandbox.state import World


def payer_of_charge(call: Call, trade: Trade) -> Person:
    """Who pays by the call's agreement. Raises Refused."""
    raise Refused("ACQ.AGREEMENT_NOT_EXIST")


def charged(world: World, trade: Trade) -> None:
    """Count a charge."""
