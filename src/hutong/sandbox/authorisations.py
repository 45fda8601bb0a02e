"""Money frozen in a person's wallet, captured or released later."""

from hutong.sandbox.calls import Call, Refused
from hutong.sandbox.records import Person, Trade


def capture(call: Call, trade: Trade) -> Person:
    """Pay the trade out of the call's authorisation; answers whose money it was. Raises Refused."""
    raise Refused("ACQ.AUTH_NO_ERROR")
