"""The way between the program and the gateway, with its faults: a ``Wallet`` whose calls are lost, late, doubled or unanswered."""

from collections.abc import Callable
from datetime import date
from typing import Any

from hutong.payments.wallet import (
    CancelResult,
    Charge,
    Declined,
    PayResult,
    QrResult,
    QueryResult,
    RefundQueryResult,
    RefundResult,
    Unknown,
)
from tests.simulation.payments.clock import Clock, pause
from tests.simulation.payments.gateway import Gateway

TIME_OUT = 10.0
SILENCE = Unknown("no answer in time")
BROKEN = Unknown("502")
UNVERIFIABLE = Unknown("the signature does not hold")


class Rates:
    """How often what goes wrong, at ×1 and at ``times`` that; chances a call unless said otherwise."""

    def __init__(self, times: float) -> None:
        self.lost = 0.02 * times
        self.late = self.lost + 0.01 * times
        self.unanswered = self.late + 0.03 * times
        self.broken = self.unanswered + 0.02 * times
        self.doubled = self.broken + 0.02 * times
        self.slow = self.doubled + 0.01 * times
        self.notice_lost = min(0.5, 0.05 * times)
        self.crash = min(0.5, 0.02 * times)
        """An attempt."""
        self.stall = min(0.5, 0.01 * times)
        self.unheard = 0.002 * times
        """A commit, of which its process then does not hear."""
        self.two_workers = 0.02 * times
        """A turn of a worker."""
        self.outage = 0.01 * times
        """A sale; also of windows in which no answer can be verified, and of a balance too small for refunds (ten times as often)."""


class SimulatedWallet:
    """Implements ``payments.wallet.Wallet``."""

    def __init__(self, clock: Clock, gateway: Gateway, rates: Rates) -> None:
        self.clock, self.gateway, self.rates = clock, gateway, rates
        self.outage = (0.0, 0.0)
        self.unverifiable = (0.0, 0.0)
        self.breaker = True
        self.faults = 0
        self._failed: dict[str, list[float]] = {}
        """When calls about a number ended without an answer that says something."""

    async def pay(self, charge: Charge) -> PayResult:
        if self.breaker and self.outage[0] + 5 < self.clock.now < self.outage[1]:
            return Declined("GATEWAY_DOWN", "till")
        return await self._call("pay", charge.number, lambda: self.gateway.pay(charge))

    async def show_qr(self, charge: Charge) -> QrResult:
        return await self._call("show_qr", charge.number, lambda: self.gateway.show_qr(charge))

    async def query(self, number: str) -> QueryResult:
        return await self._call("query", number, lambda: self.gateway.query(number))

    async def cancel(self, number: str) -> CancelResult:
        return await self._call("cancel", number, lambda: self.gateway.cancel(number))

    async def refund(self, number: str, refund_number: str, amount: int, reason: str) -> RefundResult:
        return await self._call("refund", number, lambda: self.gateway.refund(number, refund_number, amount))

    async def refund_query(self, number: str, refund_number: str) -> RefundQueryResult:
        return await self._call("refund_query", number, lambda: self.gateway.refund_query(number, refund_number))

    async def fetch_bill(self, day: date) -> bytes | None:
        return None

    async def close(self) -> None:
        return None

    async def _call(self, what: str, number: str, execute: Callable[[], Any]) -> Any:
        await pause(0.0)  # committed, and not sent yet
        clock, random = self.clock, self.clock.random
        if self.outage[0] <= clock.now < self.outage[1]:
            result = await self._in_outage(execute)
        elif (chance := random.random()) >= self.rates.slow:
            result = await self._travel(execute, 0.02 + random.random() * 0.1)
            if self.unverifiable[0] <= clock.now < self.unverifiable[1]:
                self.faults += 1
                result = UNVERIFIABLE
        else:
            self.faults += 1
            result = await self._faulty(execute, chance)
        if clock.trace is not None:
            clock.say(f"{what} {number[-6:]}: {result!r}")
        if type(result) is Unknown:
            self._failed.setdefault(number, []).append(clock.now)
        return result

    def failed_at_before(self, number: str, until: float) -> float:
        """When, before ``until``, the last call about a number ended in silence."""
        return max((at for at in self._failed.get(number, ()) if at <= until), default=0.0)

    async def _travel(self, execute: Callable[[], Any], seconds: float, back: float = 0.05) -> Any:
        """A request that arrives whatever becomes of who sent it, and the way of the answer."""
        answers: list[Any] = []
        self.clock.at(self.clock.now + seconds, lambda: answers.append(execute()))
        await pause(seconds + back)
        return answers[0]

    async def _faulty(self, execute: Callable[[], Any], chance: float) -> Any:
        clock, random, rates = self.clock, self.clock.random, self.rates
        if chance < rates.lost:
            await pause(TIME_OUT)
            return SILENCE
        if chance < rates.late:
            clock.at(clock.now + random.uniform(11, 150), execute)
            await pause(TIME_OUT)
            return SILENCE
        if chance < rates.unanswered:
            await self._travel(execute, random.uniform(0.02, 3))
            await pause(random.choice((0.01, 6.9)))
            return SILENCE
        if chance < rates.broken:
            if random.random() < 0.5:
                await self._travel(execute, 0.1)
            else:
                await pause(0.2)
            return BROKEN
        if chance < rates.doubled:
            if random.random() < 0.5:  # the answer is to the copy that came first
                clock.at(clock.now + random.uniform(0.2, 5), execute)
                return await self._travel(execute, 0.1)
            clock.at(clock.now + 0.05, execute)
            return await self._travel(execute, random.uniform(0.06, 3))
        return await self._travel(execute, random.uniform(0.1, 2), random.uniform(2, 7.9))

    async def _in_outage(self, execute: Callable[[], Any]) -> Any:
        self.faults += 1
        fate = self.clock.random.random()
        if fate < 0.4:
            await pause(TIME_OUT)
        elif fate < 0.7:
            await pause(0.05)  # refused at once
        elif fate < 0.9:
            await self._travel(execute, 0.1)
            await pause(TIME_OUT - 0.2)
        else:
            self.clock.at(self.clock.now + self.clock.random.uniform(11, 150), execute)
            await pause(TIME_OUT)
        return SILENCE
