"""A running sandbox Alipay for tests: in a thread, or with ``process=True`` in a process of its own that can be killed.

    with running_sandbox(tmp_path) as sandbox:
        person = sandbox.person(balance=10_000)
        sandbox.code(person)            # what the till scans
        sandbox.fault("drop_after", method="alipay.trade.pay", times=1)

Every method asks the sandbox over HTTP and waits. A test whose own event loop serves the notifications calls the slow ones through
``await asyncio.to_thread(sandbox.advance, 240)``, or the loop could not answer them.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from tests.support.server import CHECKOUT, free_port

_open = build_opener(ProxyHandler({})).open


@cache
def app_keys() -> tuple[str, str]:
    """A merchant's private and public key, made once a test process: making one takes a good part of a second."""
    from hutong.sandbox import signing

    key = signing.new_key()
    return signing.private_text(key), signing.public_text(key.public_key())


@cache
def wallet_key() -> str:
    """The wallet's private key, made once a test process."""
    from hutong.sandbox import signing

    return signing.private_text(signing.new_key())


class RunningSandbox:
    """What a test can do with the sandbox. Amounts are fen; times are virtual seconds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.gateway = f"{url}/gateway.do"
        self.app_id = self.seller_id = self.private_key = self.alipay_public_key = ""
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the operator's API. Raises AssertionError with what it said if it refuses."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with _open(Request(f"{self.url}/admin{path}", data, method=method), timeout=60) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def add_app(self, **fields: Any) -> dict[str, Any]:
        """Another app, with keys of its own that the sandbox makes unless ``public_key`` is given."""
        made: dict[str, Any] = self.ask("POST", "/apps", fields)
        return made

    def person(self, **fields: Any) -> str:
        """A new customer (``balance``, ``card``, ``password``, ``password_above``, ``reaction``, …); answers the id."""
        return str(self.ask("POST", "/people", fields)["id"])

    def change_person(self, person: str, **fields: Any) -> None:
        """Change what ``person`` takes."""
        self.ask("PATCH", f"/people/{person}", fields)

    def people(self) -> dict[str, dict[str, Any]]:
        """All customers by id, with their balances."""
        return {each["id"]: each for each in self.ask("GET", "/people")}

    def code(self, person: str, face: bool = False) -> str:
        """The code that the person's wallet shows now; with ``face`` a camera's token."""
        return str(self.ask("POST", f"/people/{person}/code", {"face": face})["code"])

    def scan(self, person: str, qr_code: str) -> dict[str, Any]:
        """The person scans a QR code; answers the trade, which waits for ``approve``."""
        trade: dict[str, Any] = self.ask("POST", f"/people/{person}/scan", {"qr_code": qr_code})
        return trade

    def approve(self, trade_no: str, password: str | None = None) -> dict[str, Any]:
        """The payer approves."""
        trade: dict[str, Any] = self.ask("POST", f"/trades/{trade_no}/approve", {"password": password})
        return trade

    def decline(self, trade_no: str) -> dict[str, Any]:
        """The payer declines."""
        trade: dict[str, Any] = self.ask("POST", f"/trades/{trade_no}/decline", {})
        return trade

    def sign(self, person: str, page: str, password: str | None = None) -> dict[str, Any]:
        """The person signs the agreement whose page has this address."""
        agreement: dict[str, Any] = self.ask(
            "POST", f"/agreements/{page.rpartition('/')[2]}/sign", {"person": person, "password": password}
        )
        return agreement

    def end_agreement(self, person: str, token: str) -> None:
        """The person ends an agreement."""
        self.ask("POST", f"/agreements/{token}/end", {"person": person})

    def approve_freeze(self, auth_no: str, password: str | None = None) -> dict[str, Any]:
        """The payer lets money be frozen."""
        authorisation: dict[str, Any] = self.ask("POST", f"/authorisations/{auth_no}/approve", {"password": password})
        return authorisation

    def fault(self, kind: str, **fields: Any) -> None:
        """Add a fault (``method``, ``number``, ``store``, ``rate``, ``times``, ``seconds``, ``sub_code``); see sandbox/faults.py."""
        self.ask("POST", "/faults", {"kind": kind, **fields})

    def no_faults(self) -> None:
        """End all faults."""
        self.ask("DELETE", "/faults")

    def decisions(self) -> list[dict[str, Any]]:
        """The faults that hit."""
        found: list[dict[str, Any]] = self.ask("GET", "/decisions")
        return found

    def switch(self, **values: Any) -> None:
        """Set switches; see sandbox/switches.py."""
        self.ask("PATCH", "/switches", values)

    def unplug(self, how: str = "cut") -> None:
        """Cut every request of merchants (``silent``: give no answer), and every notification, until ``plug``."""
        self.ask("POST", "/plug", {"plugged": False, "how": how})

    def plug(self) -> None:
        """The line is back."""
        self.ask("POST", "/plug", {"plugged": True})

    def advance(self, seconds: float) -> None:
        """Move the virtual clock; what falls due on the way has happened, notifications sent and answered, when this returns."""
        self.ask("POST", "/clock", {"advance": seconds})

    def speed(self, factor: float) -> None:
        """How many virtual seconds pass in a real one; 0 stops the clock."""
        self.ask("POST", "/clock", {"speed": factor})

    def seller_balance(self, amount: int) -> None:
        """Set what the merchant has at the wallet."""
        self.ask("PATCH", f"/apps/{self.app_id}", {"balance": amount})

    def trades(self, number: str | None = None) -> list[dict[str, Any]]:
        """All trades, or those of a merchant's number."""
        found: list[dict[str, Any]] = self.ask("GET", "/trades" + (f"?number={number}" if number else ""))
        return found

    def notifications(self) -> list[dict[str, Any]]:
        """All notifications and how their sending went."""
        found: list[dict[str, Any]] = self.ask("GET", "/notifications")
        return found


@contextmanager
def running_sandbox(folder: Path, *, process: bool = False, port: int | None = None, **options: Any) -> Iterator[RunningSandbox]:
    """Start a sandbox with one app (key mode) and its data in ``folder``; ``options`` are those of ``hutong.sandbox.Options``."""
    options = {"data": folder / "sandbox.sqlite", "people": False} | options
    with (_in_process if process else _in_thread)(options, port or free_port()) as sandbox:
        sandbox.private_key, public = app_keys()
        known = sandbox.ask("GET", "/apps")
        made = known[0] if known else sandbox.add_app(public_key=public)
        sandbox.app_id, sandbox.seller_id = made["app_id"], made["seller_id"]
        sandbox.alipay_public_key = sandbox.ask("GET", "/keys")["alipay_public_key"]
        yield sandbox


@contextmanager
def _in_thread(options: dict[str, Any], port: int) -> Iterator[RunningSandbox]:
    from hutong.sandbox import create_sandbox
    from hutong.sandbox.serving import server_of

    sandbox = create_sandbox(**{"wallet_key": wallet_key()} | options)
    server = server_of(sandbox, "127.0.0.1", port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        running = RunningSandbox(f"http://127.0.0.1:{port}")
        _wait_until_up(running, thread.is_alive)
        yield running
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the sandbox did not end"


@contextmanager
def _in_process(options: dict[str, Any], port: int) -> Iterator[RunningSandbox]:
    command = [sys.executable, "-m", "hutong.cli", "sandbox", "alipay", "--port", str(port), "--no-people"]
    for name, value in options.items():
        if name == "switches":
            command += [part for switch in value.items() for part in ("--switch", "=".join(map(str, switch)))]
        elif name != "people":
            command += [f"--{name.replace('_', '-')}", str(value)]
    started = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(CHECKOUT / "src")}, start_new_session=True)
    running = RunningSandbox(f"http://127.0.0.1:{port}")
    running.process = started
    try:
        _wait_until_up(running, lambda: started.poll() is None)
        yield running
    finally:
        if started.poll() is None:
            started.terminate()
            started.wait(20)


def _wait_until_up(sandbox: RunningSandbox, alive: Any, within: float = 60) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and alive():
        try:
            sandbox.ask("GET", "/clock")
        except (URLError, ConnectionError):
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the sandbox did not come up")
