"""What customers of the wallet do: they come into being, approve and decline. Used by the wallet's pages and by the operator alike."""

from hutong.sandbox import agreements, authorisations, paying
from hutong.sandbox.calls import Refused
from hutong.sandbox.records import Agreement, Authorisation, Coupon, Person, Trade
from hutong.sandbox.state import World
from hutong.sandbox.trades import complete, decline, refresh

INVENTED = (
    ("林小满", "xiaoman@example.cn", 500_000, None),
    ("周一鸣", "13800000028", 20_000, 1_000_000),
    ("Ada Brook", "ada@example.com", 88_800, None),
)
"""Name, logon id, balance and card of the people that a new sandbox starts with."""


def add_person(world: World, name: str, balance: int, logon_id: str = "") -> Person:
    """A new customer."""
    digits = world.mint(12)
    person = Person(
        id=f"2088{digits}", open_id=f"0{world.mint(20)}fAe1cB7d", name=name, balance=balance, logon_id=logon_id or f"138{digits[-8:]}"
    )
    world.people[person.id] = person
    world.save(person)
    return person


def invent_people(world: World) -> None:
    """Somebody to try the wallet with."""
    for name, logon_id, balance, card in INVENTED:
        person = add_person(world, name, balance, logon_id)
        person.card = card
    person.coupons.append(Coupon(name="满50减5", amount=500, minimum=5_000))
    person.red_packet = 200


def waiting_trade(world: World, trade_no: str) -> Trade:
    """A trade that waits for its payer. Raises Refused."""
    trade = world.trades.get(trade_no)
    if trade is None:
        raise Refused("ACQ.TRADE_NOT_EXIST")
    if refresh(world, trade).state != "WAIT_BUYER_PAY" or not trade.buyer_id or trade.source == "agreement":
        raise Refused("ACQ.TRADE_STATUS_ERROR")
    return trade


def scan(world: World, code: str, person: Person) -> Trade | Authorisation:
    """A person scans the QR code of a payment or of a freeze. Raises Refused."""
    if code in world.qr_orders:
        return paying.scan(world, code, person)
    return authorisations.scan(world, code, person)


def check_password(person: Person, password: str | None) -> None:
    """Raises Refused for a wrong password; None is taken as right."""
    if password is not None and password != person.password:
        raise Refused("PASSWORD_WRONG", "支付密码错误")


def approve_freeze(world: World, auth_no: str, password: str | None = None) -> Authorisation:
    """The payer lets money be frozen. Raises Refused."""
    found = authorisations.waiting(world, auth_no)
    person = world.people[found.person_id]
    check_password(person, password)
    authorisations.freeze(world, found, person)
    return found


def refuse_freeze(world: World, auth_no: str) -> Authorisation:
    """The payer lets nothing be frozen. Raises Refused."""
    found = authorisations.waiting(world, auth_no)
    authorisations.close(world, found)
    return found


def sign(world: World, token: str, person: Person, password: str | None = None) -> Agreement:
    """The person signs an agreement. Raises Refused."""
    check_password(person, password)
    return agreements.sign(world, token, person)


def end_agreement(world: World, token: str, person: Person) -> Agreement:
    """The person ends an agreement of theirs. Raises Refused."""
    found = world.agreements.get(token)
    if found is None or found.person_id != person.id or found.state != "NORMAL":
        raise Refused("ACQ.AGREEMENT_STATUS_NOT_NORMAL")
    agreements.end(world, found)
    return found


def approve(world: World, trade_no: str, password: str | None = None) -> Trade:
    """The payer types the password (None: it is taken as right) and the money is taken. Raises Refused."""
    trade = waiting_trade(world, trade_no)
    person = world.people[trade.buyer_id]
    check_password(person, password)
    complete(world, trade, person)
    return trade


def refuse(world: World, trade_no: str) -> Trade:
    """The payer declines. Raises Refused."""
    trade = waiting_trade(world, trade_no)
    decline(world, trade)
    return trade
