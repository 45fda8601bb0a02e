"""Lets two foreign clients judge the sandbox: makes an environment for each (they clash in one), starts a sandbox, and runs the errand.

``make conformance`` calls this. The official SDK has 36,000 files; its environment is made once and takes a minute or two.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".venv-conformance"
CLIENTS = {"official": "alipay-sdk-python==3.7.1411", "community": "python-alipay-sdk==3.4.0"}
RUNS = (("official", "key"), ("community", "key"), ("community", "certificate"))
ask_open = build_opener(ProxyHandler({})).open


def main() -> int:
    """Answers the exit code: 0 if every client verified every answer."""
    for name, requirement in CLIENTS.items():
        make(name, requirement)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [sys.executable, "-m", "hutong.cli", "sandbox", "alipay", "--port", str(port), "--no-people", "--seed", "3"]
        sandbox = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
        try:
            wait(f"http://127.0.0.1:{port}", sandbox)
            passed = [drive(f"http://127.0.0.1:{port}", name, mode, Path(folder)) for name, mode in RUNS]
            return 0 if all(passed) else 1
        finally:
            sandbox.terminate()
            sandbox.wait(20)


def make(name: str, requirement: str) -> None:
    """An environment with one client, unless it is there."""
    folder = ENVIRONMENTS / name
    stamp = folder / f".{requirement}"
    if stamp.exists():
        return
    print(f"making an environment for {requirement} (once)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-qq", requirement], check=True)
    stamp.touch()


def drive(url: str, name: str, mode: str, folder: Path) -> bool:
    """Run one client through the errand as an app of its own; says what came of it."""
    body = json.dumps({"mode": mode, "balance": 100_000}).encode()
    with ask_open(Request(f"{url}/admin/apps", body), timeout=60) as answer:
        settings = json.loads(answer.read()) | {"sandbox": url}
    if name == "official":
        settings["app_private_key"] = pkcs1(settings["app_private_key"])
    path = folder / f"{name}-{mode}.json"
    path.write_text(json.dumps(settings))
    environment = os.environ | {"TZ": "Asia/Shanghai", "PYTHONPATH": ""}  # both stamp their requests with the machine's own zone
    command = [str(ENVIRONMENTS / name / "bin" / "python"), "-W", "ignore", str(ROOT / "conformance" / f"drive_{name}.py"), str(path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        said = json.loads(ended.stdout.splitlines()[-1])
        print(f"{CLIENTS[name]} in {mode} mode: {said['verified']} answers verified, {len(said['methods'])} methods", flush=True)
        return True
    print(f"{CLIENTS[name]} in {mode} mode: FAILED\n{ended.stdout[-2000:]}{ended.stderr[-3000:]}", flush=True)
    return False


def pkcs1(private: str) -> str:
    """The key as the official SDK wants it."""
    key = load_der_private_key(base64.b64decode(private), None)
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())).decode()


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the sandbox answers. Raises RuntimeError if it ends."""
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the sandbox ended with {process.returncode}")
        try:
            with ask_open(f"{url}/admin/clock", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the sandbox did not come up")


if __name__ == "__main__":
    sys.exit(main())
