"""``hutong serve``: the network's web server, with a PostgreSQL of its own unless one is named."""

import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import typer

from hutong.cli.running import ending_on_sigterm, running_database
from hutong.cli.say import note
from hutong.platform.config import Settings

VENDOR_FILES = ("htmx.min.js", "uPlot.iife.min.js", "uPlot.min.css")
PORT_WAIT_SECONDS = 8
GRACE_SECONDS = 5
EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what the operator may ask for; the default is loopback
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1", *EVERY_INTERFACE}


def serve(
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for every interface."),
    port: int = typer.Option(8000, min=1, max=65535, help="Port to listen on."),
    workers: int = typer.Option(1, min=1, max=64, help="Server processes; one a CPU core is right."),
) -> None:
    """
    Run the network.

    Without HUTONG_DATABASE_URL this starts a PostgreSQL of its own in .data and stops it again at the end. The schema is
    brought up to date first. Ctrl-C (or SIGTERM) ends it: requests in flight are answered, nothing is left running.

    Examples:

      hutong serve

      hutong serve --port 9000 --workers 2

      HUTONG_DATABASE_URL=postgresql://hutong@db.example/hutong hutong serve --host 0.0.0.0
    """
    with ending_on_sigterm():
        wait_for_port(host, port)
        settings = settings_for(host, port)
        missing = missing_browser_files()
        if missing:
            note(f"Browser files are missing ({', '.join(missing)}): pages will not be live. In a checkout, `make setup` fetches them.")
        with running_database(settings, watched=True) as url:
            run_server(settings.model_copy(update={"database_url": url}), host, port, workers)


def settings_for(host: str, port: int) -> Settings:
    """Settings from the environment; the base URL follows the port unless it is set."""
    settings = Settings()
    if "base_url" not in settings.model_fields_set:
        shown = "localhost" if host in LOCAL_HOSTS else host
        settings = settings.model_copy(update={"base_url": f"http://{shown}:{port}"})
    return settings


def run_server(settings: Settings, host: str, port: int, workers: int = 1, announce: str | None = None) -> None:
    """Serve until SIGINT or SIGTERM. ``settings`` name a migrated database; ``announce`` is said once it answers."""
    import uvicorn

    threading.Thread(
        target=_announce, args=(host, port, announce or f"hutong is at {settings.base_url} (Ctrl-C ends it)"), daemon=True
    ).start()
    options: dict[str, Any] = {
        "host": host, "port": port, "loop": "uvloop", "http": "httptools", "ws": "none", "access_log": False, "log_config": None, "log_level": "warning",
        "server_header": False, "timeout_keep_alive": 65, "timeout_graceful_shutdown": GRACE_SECONDS, "backlog": 2048,
    }  # fmt: skip
    try:
        if workers == 1:
            from hutong.app import create_app

            server = uvicorn.Server(uvicorn.Config(create_app(settings, long_lived=True), **options))
            server.run()
            if not server.started:
                raise RuntimeError("The server did not start; what hindered it stands above.")
        else:
            os.environ |= environment_for_workers(settings)
            uvicorn.run("hutong.cli.serve:worker_app", factory=True, workers=workers, **options)
    except KeyboardInterrupt:  # how one ends a server, and uvicorn has shut down in order before it hands the signal on
        pass
    except SystemExit as end:
        if end.code != 128 + signal.SIGTERM:
            raise


def environment_for_workers(settings: Settings) -> dict[str, str]:
    """What worker processes, which read their settings anew, need in their environment."""
    metrics = (settings.data_dir / "metrics").resolve()
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    return {
        "HUTONG_DATABASE_URL": settings.database_url or "",
        "HUTONG_DATA_DIR": str(settings.data_dir.resolve()),
        "HUTONG_BASE_URL": settings.base_url,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }


def worker_app() -> Any:
    """The application in a worker process, which ends when its parent is killed."""
    from hutong.app import create_app

    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return create_app(Settings(), long_lived=True)


def missing_browser_files() -> list[str]:
    """The third-party browser files that are not where the pages look for them."""
    vendor = Path(__file__).parents[1] / "platform" / "web" / "static" / "vendor"
    return [name for name in VENDOR_FILES if not (vendor / name).exists()]


def wait_for_port(host: str, port: int, patience: float = PORT_WAIT_SECONDS) -> None:
    """Wait up to ``patience`` seconds for the port to be free (processes of a killed server go away by themselves). Raises RuntimeError."""
    deadline = time.monotonic() + patience
    while True:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            return
        except socket.gaierror:
            raise RuntimeError(f"There is no address {host} here; --host 127.0.0.1 or --host 0.0.0.0 are usual.") from None
        except PermissionError:
            raise RuntimeError(f"Port {port} is for root alone here; choose one above 1023 with --port.") from None
        except OSError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"Port {port} of {host} cannot be used ({error.strerror}); choose another with --port (make: PORT=)."
                ) from None
            time.sleep(0.2)


def _announce(host: str, port: int, text: str) -> None:
    deadline = time.monotonic() + 120
    target = EVERY_INTERFACE.get(host, host)
    while time.monotonic() < deadline:
        try:
            socket.create_connection((target, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            note(text)
            sys.stderr.flush()
            return


def _end_with(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
