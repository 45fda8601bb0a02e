"""The sandbox Alipay: payments by code a second on one core, and what one costs, against RSA signatures alone."""

import argparse
import asyncio
import base64
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import psutil
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from benchmarks._support import Load, Result, free_port, percentile, say, send_all, wait_until_ready

ask_open = build_opener(ProxyHandler({})).open


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pays", type=int, default=3_000, help="payments a run")
    parser.add_argument("--clients", type=int, default=32)
    options = parser.parse_args()
    result = Result("sandbox")
    folder = Path(tempfile.mkdtemp(prefix="hutong-bench-"))
    port = free_port()
    command = [sys.executable, "-m", "hutong.cli", "sandbox", "alipay", "--port", str(port), "--data", str(folder / "alipay.sqlite")]
    process = subprocess.Popen(
        [*command, "--switch", "code_seconds=86400", "--switch", "timestamp_tolerance=86400"], stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{url}/admin/clock", process)
        app = ask(url, "POST", "/apps", {"balance": 0})
        key = load_der_private_key(base64.b64decode(app["app_private_key"]), None)
        assert isinstance(key, RSAPrivateKey)
        signs = sign_rate(key)
        plain = run(url, process.pid, prepared(url, app, key, "p", options.pays, ""), options.clients)
        receiver = multiprocessing.get_context("fork").Process(target=receive, args=(sink := free_port(),), daemon=True)
        receiver.start()
        told = run(url, process.pid, prepared(url, app, key, "n", options.pays, f"http://127.0.0.1:{sink}/notify"), options.clients)
        wait_until_told(url, options.pays)
        receiver.terminate()
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
    say(
        f"{plain['rate']:,.0f} payments/s at {plain['cpu_ms']:.2f} ms CPU; with notifications {told['rate']:,.0f}/s at {told['cpu_ms']:.2f} ms"
    )
    result.show(
        1000 / plain["cpu_ms"], "payments/core-second", signs, wanted=0.2, rate=round(plain["rate"]), cpu_ms=round(plain["cpu_ms"], 3), p99_ms=round(plain["p99_ms"], 1),
        with_notifications={name: round(value, 2) for name, value in told.items()}, clients=options.clients,
        bound_is="RSA signatures of 2048 bits a second of CPU: each answer needs one",
    )  # fmt: skip


def ask(url: str, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, str]:
    data = None if body is None else json.dumps(body).encode()
    with ask_open(Request(f"{url}/admin{path}", data, method=method), timeout=30) as answer:
        return json.loads(answer.read())


def sign_rate(key: RSAPrivateKey) -> float:
    started, count = time.process_time(), 0
    while time.process_time() - started < 0.5:
        key.sign(b"x" * 500, PKCS1v15(), SHA256())
        count += 1
    return count / (time.process_time() - started)


def prepared(url: str, app: dict[str, str], key: RSAPrivateKey, letter: str, pays: int, notify_url: str) -> list[bytes]:
    """Signed requests, each with a code of its own."""
    requests = []
    for each in range(pays):
        person = ask(url, "POST", "/people", {"balance": 100_000})["id"]
        code = ask(url, "POST", f"/people/{person}/code", {})["code"]
        business = {
            "out_trade_no": f"{letter}{each}",
            "total_amount": "12.50",
            "subject": "早餐",
            "scene": "bar_code",
            "auth_code": code,
            "store_id": "0017",
        }
        parameters = {
            "app_id": app["app_id"], "method": "alipay.trade.pay", "charset": "utf-8", "sign_type": "RSA2", "version": "1.0",
            "timestamp": (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S"), "biz_content": json.dumps(business, ensure_ascii=False),
        } | ({"notify_url": notify_url} if notify_url else {})  # fmt: skip
        text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        parameters["sign"] = base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()
        body = urlencode(parameters).encode()
        head = f"POST /gateway.do HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    return requests


def run(url: str, pid: int, requests: list[bytes], clients: int) -> dict[str, float]:
    """Send all of them from a process of its own."""
    server = psutil.Process(pid)
    before = server.cpu_times()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        load: Load = pool.apply(_send, (url, requests, clients))
    after = server.cpu_times()
    assert load.statuses == {200: len(requests)}, load.statuses
    cpu = after.user + after.system - before.user - before.system
    return {"rate": len(requests) / load.seconds, "cpu_ms": cpu * 1000 / len(requests), "p99_ms": percentile(load.latencies, 0.99) * 1000}


def _send(url: str, requests: list[bytes], clients: int) -> Load:
    return asyncio.run(send_all(url, requests, clients))


def receive(port: int) -> None:
    """A merchant that says success to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsuccess")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def forever() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
            await server.serve_forever()

    asyncio.run(forever())


def wait_until_told(url: str, pays: int) -> None:
    """Every payment's notification was answered success."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with ask_open(f"{url}/admin/notifications?limit=1000000", timeout=30) as answer:
            states = [each["state"] for each in json.loads(answer.read())]
        if states.count("delivered") == pays:
            return
        time.sleep(0.5)
    raise RuntimeError(f"{states.count('delivered')} of {pays} notifications were delivered")


if __name__ == "__main__":
    main()
