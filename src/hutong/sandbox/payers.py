"""Who pays: the codes that wallets show and cameras are given, each good for one use within a minute."""

import secrets
from datetime import timedelta

from hutong.sandbox.calls import Refused
from hutong.sandbox.records import Code, Person
from hutong.sandbox.state import World

FACE_LENGTH = 33


def current_code(world: World, person: Person, face: bool = False) -> Code:
    """The code that this person's wallet shows now (18 digits), or the token of a face camera; a used or old one is replaced."""
    kind = "face" if face else "code"
    code = world.shown.get((person.id, kind))
    if code is None or code.used or code.expires_at <= world.clock.now():
        text = f"fp{secrets.token_hex(17)[:FACE_LENGTH]}" if face else f"28{secrets.randbelow(10**16):016d}"
        code = Code(text=text, person_id=person.id, expires_at=world.clock.now() + timedelta(seconds=world.switches.code_seconds))
        world.codes[code.text] = world.shown[person.id, kind] = code
        world.save(code)
    return code


def use_code(world: World, text: str) -> Person:
    """Whose code this is. It is used up by that, whatever becomes of the payment. Raises Refused for a wrong, used or old one."""
    code = world.codes.get(text)
    if code is None or code.used or code.expires_at <= world.clock.now():
        raise Refused("ACQ.PAYMENT_AUTH_CODE_INVALID")
    code.used = True
    world.save(code)
    return world.people[code.person_id]


def named(world: World, person: Person) -> dict[str, str]:
    """How answers and notifications name a payer."""
    by = world.switches.payer_named_by
    fields = {"buyer_logon_id": person.masked()}
    if by in ("user_id", "both"):
        fields["buyer_user_id"] = person.id
    if by in ("open_id", "both"):
        fields["buyer_open_id"] = person.open_id
    return fields
