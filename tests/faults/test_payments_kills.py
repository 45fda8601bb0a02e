"""Processes killed and lines cut at every step of a payment's life: nothing lost, nothing doubled, everything known within 90 seconds.

A few points run with every test; ``make test-slow`` runs each one RUNS times (HUTONG_KILL_RUNS) and prints the table. What is done is
kept in the file that HUTONG_KILL_TABLE names, so that a run that was broken off goes on where it was. HUTONG_KILL_POINTS is a regular
expression of the points to run, where two runs are to share them.
"""

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hutong.directory import Principal
from hutong.payments import LEDGER_INVARIANTS, AlipayAccount, add_alipay_account, check_ledger
from hutong.platform.database import Database
from tests.faults.payments_processes import Point, Processes
from tests.faults.payments_trial import Trial
from tests.faults.support import own_postgres
from tests.support.network import insert_network
from tests.support.sandbox import app_keys

RUNS, POINTS = int(os.environ.get("HUTONG_KILL_RUNS", "50")), os.environ.get("HUTONG_KILL_POINTS", "")
PAY, REFUND, CANCEL, QUERY = ("alipay.trade.pay", "alipay.trade.refund", "alipay.trade.cancel", "alipay.trade.query")


def held(kind: str, method: str) -> dict[str, Any]:
    """The gateway takes 0.3 s over one call: it is executed at once (``delay_after``) or at the end."""
    return {"kind": kind, "method": method, "seconds": 0.3, "times": 1}


Case = tuple[str, Point | None, dict[str, Any] | None]


def kills(process: str = "server") -> dict[str, Case]:
    """The process itself dies, at every step."""

    def at(step: str, when: str, nth: int = 1) -> Point:
        return Point(process, step, when, "kill", nth)

    return {
        "server, before the intent is committed": ("pay", at("begin", "before"), None),
        "server, the intent committed, nothing sent": ("pay", at("begin", "after"), None),
        "server, while the gateway has not begun": ("pay", at("pay", "within"), held("delay_before", PAY)),
        "server, while the gateway holds its answer": ("pay", at("pay", "within"), held("delay_after", PAY)),
        "server, answered, not committed": ("pay", at("save", "before"), None),
        "server, committed, the till not told": ("pay", at("save", "after"), None),
        "server, a notification not judged yet": ("pay_unheard", at("notice", "before"), None),
        "server, a notification judged, not kept": ("pay_unheard", at("keep notice", "before"), None),
        "server, a notification kept, not answered": ("pay_unheard", at("keep notice", "after"), None),
        "server, before a cancel is committed": ("cancel", at("save", "before"), None),
        "server, a cancel committed, not sent": ("cancel", at("cancel", "before"), None),
        "server, while the gateway cancels": ("cancel", at("cancel", "within"), held("delay_after", CANCEL)),
        "server, cancelled, not committed": ("cancel", at("cancel", "after"), None),
        "server, before a refund is reserved": ("refund", at("begin refund", "before"), None),
        "server, a refund reserved, not sent": ("refund", at("refund", "before"), None),
        "server, while the gateway refunds": ("refund", at("refund", "within"), held("delay_after", REFUND)),
        "server, refunded, not committed": ("refund", at("save refund", "before"), None),
        "server, refund committed, the till not told": ("refund", at("save refund", "after"), None),
    }


def worker_kills() -> dict[str, Case]:
    """The worker dies."""

    def at(step: str, when: str, nth: int = 1) -> Point:
        return Point("worker", step, when, "kill", nth)

    return {
        "worker, leased, not looked at": ("pay_unsent", at("save", "before"), None),
        "worker, before it asks": ("pay_unsent", at("query", "before"), None),
        "worker, asked, not committed": ("pay_unsent", at("query", "after", 2), None),
        "worker, giving up, before the cancel is committed": ("pay_unsent", at("cancel", "before"), None),
        "worker, given up, the cancel's answer not committed": ("pay_unsent", at("cancel", "after"), None),
        "worker, a late success seen, not committed": ("late", at("query", "after"), None),
        "worker, giving back, before it is sent": ("late", at("refund", "before"), None),
        "worker, given back, not committed": ("late", at("save refund", "before", 2), None),
        "worker, asking about a refund": ("refund_unheard", at("refund query", "after"), None),
    }


def others() -> dict[str, Case]:
    """PostgreSQL and the gateway die; connections and lines are cut."""
    cases: dict[str, Case] = {"the till hangs up while the gateway works": ("hung_up", None, None)}
    for name, story, step, method in (
        ("pays", "pay", "pay", PAY),
        ("refunds", "refund", "refund", REFUND),
        ("cancels", "cancel", "cancel", CANCEL),
    ):
        cases[f"PostgreSQL, while the gateway {name}"] = (
            story,
            Point("server", step, "within", "kill postgres"),
            held("delay_after", method),
        )
        cases[f"gateway killed, before it {name}"] = (story, Point("server", step, "within", "kill sandbox"), held("delay_before", method))
        cases[f"gateway killed, after it {name}"] = (story, Point("server", step, "within", "kill sandbox"), held("delay_after", method))
        cases[f"database connections cut, after it {name}"] = (story, Point("server", step, "after", "cut"), None)
    cases["PostgreSQL, before a result is committed"] = ("pay", Point("server", "save", "before", "kill postgres"), None)
    cases["PostgreSQL, as a result is committed"] = ("pay", Point("server", "save", "after", "kill postgres"), None)
    cases["PostgreSQL, as a refund is reserved"] = ("refund", Point("server", "begin refund", "after", "kill postgres"), None)
    cases["database connections cut, before the intent"] = ("pay", Point("server", "begin", "before", "cut"), None)
    cases["database connections cut, as the intent is committed"] = ("pay", Point("server", "begin", "after", "cut"), None)
    cases["database connections cut, while a worker asks"] = ("pay_unsent", Point("worker", "query", "after", "cut"), None)
    cases["the gateway's answer to a payment is cut"] = ("pay", None, {"kind": "drop_after", "method": PAY, "times": 1})
    cases["the gateway's answer to a refund is cut"] = ("refund", None, {"kind": "truncated", "method": REFUND, "times": 1})
    cases["the gateway's answer to a cancel is cut"] = ("cancel", None, {"kind": "drop_after", "method": CANCEL, "times": 1})
    return cases


CASES = kills() | worker_kills() | others()
QUICK = ("server, the intent committed, nothing sent", "server, refunded, not committed", "worker, giving back, before it is sent")


def open_trial(url: str, folder: Path, postgres_pids: Callable[[], list[int]], revive_postgres: Callable[[], None]) -> Trial:
    """A network in the database with its account at a sandbox of its own, and all processes up."""
    network = insert_network(url)
    processes = Processes(url, folder, postgres_pids)
    processes.start()
    sandbox = processes.sandbox()
    private, public = app_keys()
    made = sandbox.add_app(public_key=public)

    async def add() -> None:
        database = Database(url)
        account = AlipayAccount(
            app_id=made["app_id"], seller_id=made["seller_id"], gateway=sandbox.gateway, private_key=private,
            alipay_public_key=made["alipay_public_key"],
        )  # fmt: skip
        await add_alipay_account(database, Principal.system("test"), processes.settings(), network.one.id, "main", account)
        await database.close()

    asyncio.run(add())

    return Trial(processes, revive_postgres, network.till.key, network.store.gln)


def broken_rules(url: str) -> list[str]:
    """The rules of the ledger that do not hold."""

    async def check() -> list[str]:
        database = Database(url)
        try:
            return [found.invariant.name async for found in check_ledger(database, LEDGER_INVARIANTS) if found.broken]
        finally:
            await database.close()

    return asyncio.run(check())


@pytest.mark.timeout(120)
def test_a_few_kills_lose_and_double_nothing(database_url: str, tmp_path: Path) -> None:
    trial = open_trial(database_url, tmp_path, list, lambda: None)
    try:
        for name in QUICK:
            story, point, fault = CASES[name]
            verdict = trial.run(story, point, fault)
            assert verdict.reached, name
            assert (verdict.why, verdict.lost, verdict.doubled, verdict.unresolved) == ("", False, False, False), name
        assert broken_rules(database_url) == []
    finally:
        trial.processes.stop()


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Trial]:
    """A trial on a PostgreSQL of its own with durable commits, which may be killed."""
    with own_postgres() as postgres:
        one_at_a_time = threading.Lock()

        def revive() -> None:
            with one_at_a_time:
                try:
                    psycopg.connect(postgres.url, connect_timeout=5).close()
                except psycopg.OperationalError:
                    postgres.start()

        trial = open_trial(postgres.url, tmp_path, postgres.pids, revive)
        try:
            yield trial
        finally:
            trial.processes.stop()


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_kills_and_cuts_at_every_point_lose_and_double_nothing(killable: Trial) -> None:
    kept = Path(os.environ.get("HUTONG_KILL_TABLE", killable.processes.folder / "kills.json"))
    table: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    chosen = {name: case for name, case in CASES.items() if re.search(POINTS, name)}
    for round_number in range(1, RUNS + 1):
        for name, (story, point, fault) in chosen.items():
            row = table.setdefault(name, {"runs": 0, "missed": 0, "lost": 0, "doubled": 0, "unresolved": 0, "slowest": 0.0, "why": []})
            while row["runs"] < round_number and row["missed"] <= RUNS:
                verdict = killable.run(story, point, fault)
                row["runs" if verdict.reached else "missed"] += 1  # a story may end by another way, without its point: that is no run
                for what in ("lost", "doubled", "unresolved"):
                    row[what] += getattr(verdict, what)
                row["slowest"] = max(row["slowest"], round(verdict.seconds, 1))
                row["why"] += [verdict.why] if verdict.why else []
            kept.write_text(json.dumps(table, ensure_ascii=False, indent=1))
    print(written(table))  # noqa: T201 - the table is what this is for
    wrong = {name: row for name, row in table.items() if row["lost"] or row["doubled"] or row["unresolved"] or row["runs"] < RUNS}
    assert wrong == {}
    assert broken_rules(killable.processes.url) == []
    assert table.keys() >= chosen.keys() and len(CASES) >= 20


def written(table: dict[str, dict[str, Any]]) -> str:
    """The table for people."""
    head = f"{'point':58} {'runs':>5} {'lost':>5} {'doubled':>8} {'unresolved':>11} {'slowest s':>10}"
    rows = [f"{name:58} {r['runs']:5} {r['lost']:5} {r['doubled']:8} {r['unresolved']:11} {r['slowest']:10}" for name, r in table.items()]
    return "\n".join(["", head, *rows])
