"""The sandbox's world: everything it knows, in memory and on disk, and the chance that is the same for the same seed."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import TypeVar

import msgspec

from hutong.sandbox.agenda import Agenda
from hutong.sandbox.clock import BEIJING, Clock
from hutong.sandbox.records import (
    Agreement,
    App,
    Authorisation,
    BillLink,
    Code,
    Movement,
    Notification,
    Person,
    QrOrder,
    Record,
    Seller,
    Setting,
    Trade,
    UnseenCancel,
)
from hutong.sandbox.storage import Storage
from hutong.sandbox.switches import Switches

Kept = TypeVar("Kept", bound=Record)
_encode = msgspec.json.Encoder().encode


class World:
    """All records by key, the clock and the switches. Whoever changes a record says ``save``; ``commit`` writes what was saved, at once."""

    def __init__(self, storage: Storage, clock: Clock, switches: Switches, seed: int) -> None:
        self.storage, self.clock, self.switches, self.seed = storage, clock, switches, seed
        self.agenda = Agenda(clock)
        self.outbox: list[Notification] = []
        self.release: Callable[[list[Notification]], None] = lambda _: None
        self._changed: dict[tuple[str, str], Record] = {}
        self._minted = 0
        self.settings = self._load(Setting)
        self._run = self._next_run()
        self.apps = self._load(App)
        self.sellers = self._load(Seller)
        self.people = self._load(Person)
        self.codes = self._load(Code)
        self.trades = self._load(Trade)
        self.shown: dict[tuple[str, str], Code] = {}
        self.qr_orders = self._load(QrOrder)
        self.unseen_cancels = self._load(UnseenCancel)
        self.notifications = self._load(Notification)
        self.movements = self._load(Movement)
        self.agreements = self._load(Agreement)
        self.authorisations = self._load(Authorisation)
        self.base_url = ""
        self.bill_links: OrderedDict[str, BillLink] = OrderedDict()
        self.certificate: Callable[[str], str | None] = lambda _: None
        self.bill_delay: Callable[[str, str], float] = lambda _app, _day: 0.0
        self.numbers: dict[tuple[str, str], Trade] = {(trade.seller_id, trade.number): trade for trade in self.trades.values()}
        self.trades_of_buyer: dict[str, list[Trade]] = {}
        for trade in self.trades.values():
            self._index_buyer(trade)
        self.qr_numbers: dict[tuple[str, str], QrOrder] = {(qr.trade.seller_id, qr.trade.number): qr for qr in self.qr_orders.values()}

    def _load(self, kind: type[Kept]) -> dict[str, Kept]:
        decoder = msgspec.json.Decoder(kind)
        return {record.key(): record for record in map(decoder.decode, self.storage.load(kind.table))}

    def _next_run(self) -> str:
        """Six digits that no earlier process on the same file had, and higher: numbers that are minted sort by their time."""
        last = self.kept("run")
        run = max((last if isinstance(last, int) else -1) + 1, int(time.time() / 10) % 10**6)
        self.keep("run", run)
        return f"{run % 10**6:06d}"

    def save(self, *records: Record) -> None:
        """These were made or changed; the next ``commit`` writes them."""
        for record in records:
            self._changed[record.table, record.key()] = record

    def commit(self) -> None:
        """Write all that was saved since the last time, in one transaction."""
        if self._changed:
            rows = [(table, key, _encode(record)) for (table, key), record in self._changed.items()]
            self._changed.clear()
            self.storage.write(rows)

    def done(self) -> None:
        """The end of every change: write what was saved, then let go out what it gave rise to."""
        self.commit()
        if self.outbox:
            waiting, self.outbox = self.outbox, []
            self.release(waiting)

    def later(self, moment: datetime, action: Callable[[], None]) -> None:
        """Change something at a virtual moment."""

        def run() -> None:
            action()
            self.done()

        self.agenda.at(moment, run)

    def keep(self, name: str, value: object) -> None:
        """Remember a setting."""
        setting = Setting(name=name, value=_encode(value).decode())
        self.settings[name] = setting
        self.save(setting)

    def kept(self, name: str) -> object:
        """A setting's value, or None."""
        setting = self.settings.get(name)
        return None if setting is None else msgspec.json.decode(setting.value)

    def mint(self, digits: int) -> str:
        """Digits that no earlier call, of this process or another, has answered: a serial number behind six of this process."""
        self._minted += 1
        return f"{self._run}{self._minted:0{digits - 6}d}"

    def mint_dated(self, middle: str, digits: int) -> str:
        """A number in the wallet's style: the date in Beijing, ``middle``, then unique digits; ``digits`` in all."""
        head = self.clock.now().astimezone(BEIJING).strftime("%Y%m%d") + middle
        return head + self.mint(digits - len(head))

    def chance(self, *parts: object) -> float:
        """From 0 up to 1, always the same for the same seed and parts."""
        text = "\x1f".join([str(self.seed), *map(str, parts)])
        return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56

    def add_trade(self, trade: Trade) -> None:
        """The wallet knows of this trade from now on."""
        self.trades[trade.trade_no] = trade
        self.numbers[trade.seller_id, trade.number] = trade
        self._index_buyer(trade)
        self.save(trade)

    def _index_buyer(self, trade: Trade) -> None:
        if trade.buyer_id:
            self.trades_of_buyer.setdefault(trade.buyer_id, []).append(trade)

    def trades_of(self, seller_id: str) -> Iterator[Trade]:
        """A seller's trades in the order of their making."""
        return (trade for trade in self.trades.values() if trade.seller_id == seller_id)

    def move_money(
        self, seller: Seller, amount: int, kind: str, trade: Trade | None = None, note: str = "", refund_number: str = ""
    ) -> None:
        """Put ``amount`` fen (negative: take) on a seller's account, with a line that says why."""
        seller.balance += amount
        movement = Movement(
            id=self.mint_dated("30", 28), seller_id=seller.id, at=self.clock.now(), amount=amount, balance=seller.balance, kind=kind,
            trade_no=trade.trade_no if trade else "", number=trade.number if trade else "", other=trade.buyer_id if trade else "",
            subject=trade.subject if trade else "", note=note, refund_number=refund_number,
        )  # fmt: skip
        self.movements[movement.id] = movement
        self.save(seller, movement)
