"""One sale's story: a till, its cashiers and customers, two server processes with workers, the bill of the next day."""

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from hutong.kernel.ids import uuid7
from hutong.payments.driver import Driver, Origin
from hutong.payments.machine import OPEN, Answered, Attempt, CancelAsked, Noticed, State, begin
from hutong.payments.refunds import Refund, begin_refund
from hutong.payments.wallet import Charge
from tests.simulation.payments.clock import Clock, Process, pause
from tests.simulation.payments.gateway import BEGINNING, DAY, Gateway, Letter, Notify, Payer, moment
from tests.simulation.payments.network import Rates, SimulatedWallet
from tests.simulation.payments.store import MemoryStore

MILLISECONDS = int(BEGINNING.timestamp() * 1000)
LONGEST = 20 * DAY
METHODS = ("code",) * 12 + ("qr",) * 3 + ("agreement",) * 3 + ("authorisation",) * 2
BILL_AT = 300
"""Stories begin at 01:00 UTC, 09:00 in Beijing; the bill of a day is there five minutes past that hour the next day."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What kind of stories are told; tests narrow it to find one thing."""

    times: float = 1.0
    methods: tuple[str, ...] = METHODS
    refunds: float = 0.2
    """Share of paid sales of which something is given back."""
    store: type[MemoryStore] = MemoryStore
    notices: bool = True
    bill: bool = True
    passwords: float = 0.25
    cancels: float = 0.06
    """Share of attempts that somebody tries to stop."""
    longest: float = LONGEST
    """Seconds after which a story that still goes on is wrong."""
    intent_first: bool = True


@dataclass(slots=True)
class Till:
    """What the people at the till were told, and what they did."""

    sale: UUID
    amount: int
    cashiers: int = 0
    goods_left: bool = False
    cash: bool = False
    paid_by: list[UUID] = field(default_factory=list)
    told_unpaid: set[UUID] = field(default_factory=set)


class Story:
    """A world of its own, drawn from a seed and a number: the same both times it is told."""

    def __init__(self, seed: int, number: int, setting: Setting, *, tell: bool = False) -> None:
        random = self.random = Random(seed * 1_000_003 + number)
        self.setting, self.rates = setting, Rates(setting.times)
        clock = self.clock = Clock(random)
        clock.trace = [] if tell else None
        self.notify = Notify(clock)
        self.notify.lost, self.notify.deliver = self.rates.notice_lost, self._noticed
        self.notify.silent = not setting.notices or random.random() < 0.15
        self.gateway = Gateway(clock, self.notify)
        self.wallet = SimulatedWallet(clock, self.gateway, self.rates)
        self.store = setting.store(clock)
        self.store.wake, self.store.unheard = self._wake_worker, self.rates.unheard
        self.driver = Driver(self.store, self._wallet_for, lambda: moment(clock.now))
        self.processes = (Process("process 1"), Process("process 2"))
        self._misfortunes()
        amount = random.randrange(1, 50_000) if random.random() < 0.9 else random.randrange(1, 5)
        self.till = Till(self._id(), amount)
        self.asked_refunds: list[Refund] = []
        self.bills = 0
        clock.spawn(self._sale(self.till))
        if random.random() < 0.02:  # the same sale is open at a second till
            clock.spawn(self._sale(self.till), None, random.uniform(0, 20))

    def run(self) -> bool:
        """Tell it to its end, bills of the days included; False if it has none."""
        clock = self.clock
        for day in range(1, 19):
            if not clock.run(self.setting.longest):
                return False
            if not self.setting.bill or not self._missing_in_books():
                return True
            clock.at(max(clock.now, day * DAY + BILL_AT), self._bill)
        return False

    def forget(self) -> None:
        """Let go of what refers back to the story, so that it needs no garbage collector."""
        self.clock.forget()
        self.notify.deliver = lambda letter: None
        self.store.wake = lambda when: None
        del self.driver

    # what is drawn -------------------------------------------------------------------------------------------------------

    def _misfortunes(self) -> None:
        random, rates = self.random, self.rates
        if random.random() < rates.outage:
            start = random.uniform(-20, 60)
            self.wallet.outage = (start, start + (random.uniform(20, 900) if random.random() < 0.95 else random.uniform(3600, 30 * 3600)))
        if random.random() < rates.outage:
            start = random.uniform(-20, 60)
            self.wallet.unverifiable = (start, start + random.uniform(5, 300))
        if random.random() < 10 * rates.outage:
            start = random.uniform(0, 3_000)
            self.gateway.balance_short = (start, start + random.uniform(60, 6 * 3600))
        if random.random() < 5 * rates.outage:
            start = random.uniform(0, 3_000)
            self.gateway.frozen = (start, start + random.uniform(10, 600))
        if random.random() < 5 * rates.outage:
            self.gateway.refusing_refunds = 0.5
        if random.random() < 0.1:
            self.gateway.accepting_refunds = 0.5
        self.wallet.breaker = random.random() < 0.5

    def _payer(self, method: str) -> Payer:
        random = self.random
        payer = Payer()
        if random.random() < 0.05:
            payer.discount = random.randrange(1, 500)
        if random.random() < 0.03:
            payer.refused = random.choice((0.5, 1.0))
        if method == "code":
            payer.code_lives = 60.0 if random.random() < 0.8 else random.uniform(20, 120)
        elif method == "qr":
            payer.scans_after = None if random.random() < 0.1 else random.expovariate(0.08)
        if method == "qr" or random.random() < self.setting.passwords:
            payer.password = True
            payer.declines = random.random() < 0.15
            payer.closes_by_declining = random.random() < 0.5
            payer.types_after = random.expovariate(0.12) if random.random() < 0.9 else random.uniform(20, 140)
        return payer

    def _id(self) -> UUID:
        return uuid7(MILLISECONDS + int(self.clock.now * 1000), self.random.randbytes(10))

    def _process(self) -> Process:
        return self.processes[0] if self.random.random() < 0.5 else self.processes[1]

    def _tempt_fate(self) -> None:
        """Decide whether a process dies or stands still during the attempt (or refund) that begins now, and at which await."""
        random, clock = self.random, self.clock
        if random.random() < self.rates.crash:
            clock.crash_at = clock.points + random.randrange(1, 20)
        if random.random() < self.rates.stall:
            clock.stall_at = clock.points + random.randrange(1, 20)

    async def _wallet_for(self, account_id: int) -> SimulatedWallet:
        return self.wallet

    # the till ------------------------------------------------------------------------------------------------------------

    async def _sale(self, till: Till) -> None:
        random = self.random
        if till.cash:
            return
        till.cashiers += 1
        for _ in range(3):
            method = random.choice(self.setting.methods)
            state = await self._attempt(till, method)
            if state is State.PAID:
                till.goods_left = True
                await self._refunds(till)
                return
            if state is None or random.random() < 0.3:
                break
            await pause(random.uniform(1, 30))
        if not till.goods_left and random.random() < 0.5:
            till.cash = till.goods_left = self._take_cash(till)

    def _take_cash(self, till: Till) -> bool:
        """Cash is taken only while no attempt of the sale is open or paid, and no second till has the sale open."""
        sale = self.store.sales.get(till.sale)
        return till.cashiers == 1 and (sale is None or (sale.open_payment is None and not sale.paid))

    async def _attempt(self, till: Till, method: str) -> State | None:
        """Ask for the money until the till knows; the state it was told, None if it never got through."""
        clock, random = self.clock, self.random
        payment_id = self._id()
        number = f"S1T1_{payment_id.hex}"
        made = clock.now
        attempt = Attempt(payment_id, 1, 1, 1, 1, till.sale, method, till.amount, number, moment(made))
        payer = self.gateway.payers[number] = self._payer(method)
        charge = Charge(
            number, till.amount, "", "6901234500007", "1",
            code=repr(made) if method == "code" else "", agreement="A" if method == "agreement" else "",
            authorisation="F" if method == "authorisation" else "", expires_after=180 if method == "qr" else 120,
        )  # fmt: skip
        self._tempt_fate()
        if random.random() < self.setting.cancels:
            for _ in range(1 + (random.random() < 0.3)):
                clock.spawn(self._press_cancel(payment_id), self._process(), random.expovariate(0.08))
        if random.random() < 0.02:
            clock.spawn(self._operator_looks(payment_id), self._process(), random.uniform(0, 120))
        asked: list[tuple[str, UUID | None]] = []
        clock.spawn(self._take(attempt, charge, asked), self._process())
        if random.random() < 0.03:  # the till's request is sent twice
            clock.spawn(self._take(attempt, charge, []), self._process(), random.uniform(0, 12))
        return await self._await_outcome(till, attempt, charge, asked, payer)

    async def _await_outcome(self, till: Till, attempt: Attempt, charge: Charge, asked: list[Any], payer: Payer) -> State | None:
        waited, scanned = 0.0, False
        looked_for = attempt.id
        while waited < 7_200:
            pause_now = 0.4 if waited < 1 else 1.0 if waited < 60 else 5.0
            waited += pause_now
            await pause(pause_now)
            if asked and asked[0][0] in ("busy", "paid"):
                assert asked[0][1] is not None
                looked_for = asked[0][1]  # another attempt of this sale: the till shows that one
            payment = self.store.payments.get(looked_for)
            if payment is None:
                if waited % 5 < pause_now:  # no answer and nothing there: the till asks again, with the same id
                    self.clock.spawn(self._take(attempt, charge, asked), self._process())
                continue
            state = payment.attempt.state
            if state not in OPEN:
                return self._told(till, looked_for, state)
            if payment.attempt.qr and payer.scans_after is not None and not scanned:
                scanned = True
                self.clock.at(self.clock.now + payer.scans_after, lambda: self.gateway.scan(attempt.number))
        return None

    def _told(self, till: Till, payment_id: UUID, state: State) -> State:
        self.clock.say(f"the till shows {state}")
        if state is State.PAID:
            if payment_id not in till.paid_by:
                till.paid_by.append(payment_id)
        else:
            till.told_unpaid.add(payment_id)
        return state

    async def _take(self, attempt: Attempt, charge: Charge, asked: list[tuple[str, UUID | None]]) -> None:
        """What the server does with a request to pay."""
        if not self.setting.intent_first:
            result = await self.wallet.pay(charge)
            if (await self.store.begin(attempt, begin(attempt).due or attempt.made_at))[0] == "new":
                await self.driver.learn(attempt, Answered(result), Origin("answer"))
            return
        outcome, other = await self.store.begin(attempt, begin(attempt).due or attempt.made_at)
        asked.append((outcome, other))
        if outcome == "new":
            await self.driver.pay(attempt, charge)

    async def _press_cancel(self, payment_id: UUID) -> None:
        if payment_id in self.store.payments:
            attempt = await self.store.load(1, payment_id)
            await self.driver.learn(attempt, CancelAsked("cashier"), Origin("operator", "cashier"))

    async def _operator_looks(self, payment_id: UUID) -> None:
        """An operator asks what is true, of whatever state the attempt is in."""
        if payment_id in self.store.payments:
            attempt = await self.store.load(1, payment_id)
            await self.driver.learn(attempt, Noticed(await self.wallet.query(attempt.number), "operator"), Origin("operator"))

    # refunds by the till -------------------------------------------------------------------------------------------------

    async def _refunds(self, till: Till) -> None:
        random = self.random
        if random.random() >= self.setting.refunds or len(till.paid_by) != 1:
            return
        wanted = till.amount
        for _ in range(random.choice((1, 1, 2, 3))):
            amount = wanted if random.random() < 0.4 else random.randrange(1, wanted + 1)
            at_once = random.random() < 0.3
            await pause(0.001 if at_once else random.expovariate(1 / 600))
            self._tempt_fate()
            refund = self._refund(till.paid_by[0], amount)
            self.clock.spawn(self._give_back(refund), self._process())
            if random.random() < 0.2:
                self.clock.spawn(self._give_back(refund), self._process(), random.expovariate(0.1))
            self.clock.spawn(self._refund_again(refund))

    def _refund(self, payment_id: UUID, amount: int) -> Refund:
        number = f"S1T1_{payment_id.hex}"
        refund = Refund(self._id(), 1, 1, payment_id, 1, number, amount, "returned goods", moment(self.clock.now))
        self.asked_refunds.append(refund)
        return refund

    async def _give_back(self, refund: Refund) -> None:
        """What the server does with a request to refund."""
        step = begin_refund(refund)
        assert step.due is not None
        if await self.store.begin_refund(refund, step.due) == "new":
            await self.driver.refund(refund)

    async def _refund_again(self, refund: Refund) -> None:
        """A till that finds its request nowhere asks again with the same id; one that is told ``refused`` with a new one."""
        for _ in range(40):
            await pause(self.random.uniform(5, 30))
            there = self.store.refunds.get(refund.id)
            if there is None:
                self.clock.spawn(self._give_back(refund), self._process())
                return
            if there.state.value == "refused":
                await self._give_back(self._refund(refund.payment_id, refund.amount))
                return
            if there.state.value == "done":
                return

    # workers, notifications, the bill ------------------------------------------------------------------------------------

    def _wake_worker(self, when: float) -> None:
        clock = self.clock
        clock.at(max(when, clock.now) + 0.01 + 0.49 * self.random.random(), self._turn)

    def _turn(self) -> None:
        if self.store.is_due():
            self.clock.at(self.clock.now + 1, self._turn)  # another process looks too, should this one die before it has leased
            process = self._process()
            self.clock.spawn(self._work(process), process)

    async def _work(self, process: Process) -> None:
        for due in await self.store.claim(32):
            self.clock.spawn(self.driver.look(due), process)
            if self.random.random() < self.rates.two_workers:
                self.clock.spawn(self.driver.look(due), self._process(), self.random.uniform(0, 3))

    def _noticed(self, letter: Letter) -> None:
        self.clock.spawn(self._read(letter), self._process())

    async def _read(self, letter: Letter) -> None:
        """What the server does with a notification (payments/notify.py)."""
        if UUID(letter.number[-32:]) not in self.store.payments:
            return  # not ours, or not yet: never ``success``
        attempt = await self.store.load(1, UUID(letter.number[-32:]))
        if (attempt.id, letter.id) not in self.store.notices:
            if letter.result.returned:
                await self.store.wake_refunds(attempt.id)
            await self.driver.learn(attempt, Noticed(letter.result), Origin("notice"))
            await self.store.keep_notice(attempt.id, letter.id)
        letter.answered = True

    def _missing_in_books(self) -> list[str]:
        """Numbers that the wallet's bill has as paid, and our books do not know."""
        return [
            number
            for number, trade in self.gateway.trades.items()
            if trade.paid_at is not None and (ours := self.store.payments.get(UUID(number[-32:]))) is not None and not ours.bookings
        ]

    def _bill(self) -> None:
        """What is in the bill and not in the books comes to the machine as evidence."""
        self.bills += 1
        for number in self._missing_in_books():
            self.clock.say(f"the bill has {number[-6:]}")
            self.clock.spawn(self._reconcile(number), self._process())

    async def _reconcile(self, number: str) -> None:
        attempt = await self.store.load(1, UUID(number[-32:]))
        paid = self.gateway._paid(self.gateway.trades[number])
        await self.driver.learn(attempt, Noticed(paid, "bill"), Origin("bill"))
