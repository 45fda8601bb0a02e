"""Starts ``hutong`` in processes of their own without each importing the program anew: they are forked from one that has.

A server that is started this way differs from one started by the shell in nothing but the second of processor time that imports cost.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PRELOADED = ["tests.support.preloaded", "tests.support.launching"]


class Launched:
    """A started program with what tests use of ``subprocess.Popen``."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("hutong", timeout or 0)
        return self.returncode


def launch(arguments: Sequence[str], *, environment: Mapping[str, str], log: Path, folder: Path) -> Launched | subprocess.Popen[bytes]:
    """Start ``hutong ARGUMENTS`` in a session and working ``folder`` of its own; what it prints is added to ``log``.

    A server of several processes starts them itself, each with imports of its own, for which it must have been started by a command.
    """
    if "--workers" in arguments and arguments[arguments.index("--workers") + 1] != "1":
        command = [sys.executable, "-m", "hutong.cli", *arguments]
        with log.open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder, start_new_session=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run, args=(list(arguments), dict(environment), str(log), str(folder)), daemon=True)
    process.start()
    return Launched(process)


def _run(arguments: list[str], environment: dict[str, str], log: str, folder: str) -> None:
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    os.setsid()
    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    sys.stdin, sys.stdout, sys.stderr = (
        sys.__stdin__,
        os.fdopen(1, "w", buffering=1, closefd=False),
        os.fdopen(2, "w", buffering=1, closefd=False),
    )
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["hutong", *arguments]

    from hutong.cli import main

    main()
