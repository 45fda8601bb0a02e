"""One trial: a till's story in which something is killed or cut at a point; then everything is started again, and the books are judged."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from hutong.kernel.ids import uuid7
from tests.faults.payments_processes import Point, Processes
from tests.payments.noticing import pass_time
from tests.support.sandbox import RunningSandbox

AMOUNT, BACK = 1_990, 990
ABANDONED_SECONDS = 0.5
DECIDED = {"paid", "declined", "closed", "cancelled", "refunded"}


@dataclass
class Verdict:
    """What became of a trial. ``seconds``: virtual ones, the longest time that it was not known with all processes up again."""

    lost: bool = False
    doubled: bool = False
    unresolved: bool = False
    reached: bool = True
    seconds: float = 0.0
    why: str = ""


@dataclass
class Trial:
    """A network with an account at the sandbox, and processes that may die."""

    processes: Processes
    revive_postgres: Callable[[], None]
    key: str
    store: str

    @property
    def sandbox(self) -> RunningSandbox:
        return self.processes.sandbox()

    def revive(self) -> None:
        """Start again what is dead."""
        self.revive_postgres()
        self.processes.start()

    # the till -----------------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, document: dict[str, Any] | None = None, within: float = 40) -> httpx.Response:
        """As a till asks: again and again until an answer comes that is one. What is dead meanwhile is started again."""
        deadline = time.monotonic() + within
        while True:
            with contextlib.suppress(httpx.TransportError):
                with httpx.Client(base_url=self.processes.server, headers={"Authorization": f"Bearer {self.key}"}, timeout=15) as client:
                    answer = client.request(method, path, json=document)
                if answer.status_code < 500:
                    return answer
            assert time.monotonic() < deadline, f"{method} {path} gets no answer"
            time.sleep(0.01)
            self.revive()

    def hang_up(self, path: str, document: dict[str, Any], after: float) -> None:
        """Ask, and cut the line before the answer comes."""
        with contextlib.suppress(httpx.TransportError), httpx.Client(
            base_url=self.processes.server, headers={"Authorization": f"Bearer {self.key}"}, timeout=after
        ) as client:  # fmt: skip
            client.post(path, json=document)

    def wish(self, customer: str) -> dict[str, Any]:
        return {"id": str(uuid7()), "sale": str(uuid7()), "amount": AMOUNT, "method": {"type": "code", "code": self.sandbox.code(customer)}}

    # the stories --------------------------------------------------------------------------------------------------------------

    def pay(self, customer: str, point: Point | None) -> dict[str, Any]:
        wish = self.wish(customer)
        self.arm(point)
        self.ask("POST", "/v1/payments", wish)
        return wish

    def hung_up(self, customer: str, point: Point | None) -> dict[str, Any]:
        wish = self.wish(customer)
        self.sandbox.fault("delay_after", method="alipay.trade.pay", seconds=0.3, times=1)
        self.arm(point)
        self.hang_up("/v1/payments", wish, 0.1)
        self.ask("POST", "/v1/payments", wish)
        return wish

    def pay_unheard(self, customer: str, point: Point | None) -> dict[str, Any]:
        """The answer to the payment is lost: a notification, or the worker, finds out."""
        self.sandbox.fault("drop_after", method="alipay.trade.pay", times=1)
        return self.pay(customer, point)

    def pay_unsent(self, customer: str, point: Point | None) -> dict[str, Any]:
        """The payment never arrives: it is given up after its time."""
        self.sandbox.fault("drop_before", method="alipay.trade.pay", times=1)
        return self.pay(customer, point)

    def cancel(self, customer: str, point: Point | None) -> dict[str, Any]:
        """The cashier stops a payment whose answer was lost: it was paid, so the cancel gives it back."""
        wish = self.pay_unheard(customer, None)
        self.arm(point)
        self.ask("POST", f"/v1/payments/{wish['id']}:cancel")
        return wish

    def late(self, customer: str, point: Point | None) -> dict[str, Any]:
        """A payment arrives half a minute after it was cancelled, and goes back."""
        self.sandbox.fault("late", method="alipay.trade.pay", seconds=30, times=1)
        wish = self.pay(customer, None)
        self.ask("POST", f"/v1/payments/{wish['id']}:cancel")
        self.arm(point)
        return wish

    def refund(self, customer: str, point: Point | None) -> dict[str, Any]:
        wish = self.pay(customer, None)
        self.arm(point)
        self.ask("POST", "/v1/refunds", {"id": str(uuid7()), "payment": wish["id"], "amount": BACK, "reason": "came back"})
        return wish

    def refund_unheard(self, customer: str, point: Point | None) -> dict[str, Any]:
        self.sandbox.fault("drop_after", method="alipay.trade.refund", times=1)
        return self.refund(customer, point)

    def arm(self, point: Point | None) -> None:
        if point is not None:
            self.processes.arm(point)
            if point.act == "kill postgres":  # it comes back by itself, while the till still waits for its answer
                threading.Thread(target=self._bring_back, daemon=True).start()

    def _bring_back(self) -> None:
        deadline = time.monotonic() + 60
        while not self.processes.armed.fired and time.monotonic() < deadline:
            time.sleep(0.02)
        self.revive_postgres()

    # after it -----------------------------------------------------------------------------------------------------------------

    def run(self, story: str, point: Point | None, fault: dict[str, Any] | None = None) -> Verdict:
        """Tell a story with a point in it, start again what is dead, let time pass until all is known, and judge."""
        self.processes.armed.clear()
        self.revive()
        self.sandbox.no_faults()
        self.sandbox.switch(barcode_notifies=story in ("pay_unheard", "pay"))
        self.ask(
            "POST", "/v1/payments", self.wish(self.sandbox.person(balance=1_000_000, password_above=100_000_000))
        )  # the gateway answers
        customer = self.sandbox.person(balance=1_000_000, password_above=100_000_000)
        if fault:
            self.sandbox.fault(**fault)
        wish = getattr(self, story)(customer, point)
        verdict = self.settle(wish)
        verdict.reached = point is None or self.processes.armed.fired
        self.sandbox.no_faults()
        return self.judge(wish, customer, verdict)

    def settle(self, wish: dict[str, Any], most: float = 12_000) -> Verdict:
        """Let virtual time pass until nothing of this payment is due any more."""
        verdict, passed = Verdict(), 0.0
        open_since: float | None = 0.0
        deadline, leased_since = time.monotonic() + 60, 0.0
        while passed < most:
            assert time.monotonic() < deadline, f"it does not settle: {passed:.0f} s have passed"
            self.revive()
            with contextlib.suppress(psycopg.OperationalError, OSError), psycopg.connect(self.processes.url, autocommit=True) as owner:
                waits, leased = owner.execute(
                    """select extract(epoch from min(greatest(due_at, coalesce(leased_until, due_at)) - now())), count(*) filter (where leased_until > now())
                       from payment_due"""
                ).fetchone()  # type: ignore[misc]
                if not self.decided(owner, wish):
                    open_since = passed if open_since is None else open_since
                elif open_since is not None:
                    verdict.seconds, open_since = max(verdict.seconds, passed - open_since), None
                if waits is None and open_since is None:
                    break
                # Time passes while nobody is at work: virtual seconds are those of waiting. A lease that stands for a while is a dead worker's.
                leased_since = (leased_since or time.monotonic()) if leased else 0.0
                abandoned = not leased or time.monotonic() - leased_since > ABANDONED_SECONDS
                if waits is not None and waits > 0.02 and abandoned and self.processes.armed.idle():
                    pass_time(owner, float(waits))
                    self.sandbox.advance(float(waits))
                    passed += float(waits)
            time.sleep(0.01)
        verdict.unresolved = open_since is not None or verdict.seconds > 90
        return verdict

    def decided(self, owner: psycopg.Connection[Any], wish: dict[str, Any]) -> bool:
        """Whether the payment and all its refunds are known."""
        row = owner.execute(
            """select p.state, (select count(*) from payment_refund r where r.payment_id = p.id and r.state in ('sending', 'unknown', 'short'))
               from payment p where p.id = %s""",
            [wish["id"]],
        ).fetchone()
        return row is not None and row[0] in DECIDED and row[1] == 0

    def judge(self, wish: dict[str, Any], customer: str, verdict: Verdict) -> Verdict:
        """The wallet's books against ours and the ledger's, to the fen."""
        with psycopg.connect(self.processes.url, autocommit=True) as owner:
            row = owner.execute(
                "select number, state, amount, refunded, refund_pending from payment where id = %s", [wish["id"]]
            ).fetchone()
            assert row is not None, "the payment is not there"
            number, state, amount, refunded, pending = row
            kept = amount - refunded if state == "paid" else 0
            ledger = owner.execute(
                """select coalesce(sum(e.amount), 0)::bigint from entry e join posting p on p.id = e.posting_id and p.retailer_id = e.retailer_id
                   join account a on a.id = e.account_id where not e.pending and a.code like 'alipay:clearing:%%'
                   and (p.reference = %(id)s or p.reference in (select id from payment_refund where payment_id = %(id)s))""",
                {"id": wish["id"]},
            ).fetchone()[0]  # type: ignore[index]
            refunds = owner.execute("select state from payment_refund where payment_id = %s", [wish["id"]]).fetchall()
        trades = self.sandbox.trades(number)
        taken = sum(each["total"] for each in trades if each["paid_at"])
        returned = sum(back["amount"] for each in trades for back in each["refunds"] if back["done"])
        charged = 1_000_000 - self.sandbox.people()[customer]["balance"]
        verdict.lost = not (charged == taken - returned == kept == ledger) or bool(pending) or state not in DECIDED
        verdict.doubled = len(trades) > 1 or charged > amount or returned > taken or len(refunds) > 1
        if verdict.lost or verdict.doubled or verdict.unresolved:
            verdict.why = f"{number}: {state}, charged {charged}, taken {taken}, returned {returned}, ours {kept}, ledger {ledger}, {refunds}, {verdict.seconds:.0f} s"
        return verdict
