"""The processes that ``hutong demo`` starts: watched, started again when they die, and gone when it is."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from hutong.cli.say import note

STEADY_SECONDS = 30.0
LONGEST_PAUSE = 30.0
GRACE_SECONDS = 12.0


class Child:
    """One process, under the name that people know it by. It is in a session of its own: Ctrl-C reaches it through ``stop`` alone."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path | None, pid_file: Path) -> None:
        self.name = name
        self._command, self._environment, self._log, self._pid_file = list(command), dict(environment), log, pid_file
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._pause = 0.5
        self._again_at: float | None = None

    def start(self) -> None:
        """Start it. What it prints goes to its log, if it has one, else to where ours goes."""
        output = None if self._log is None else self._log.open("ab")
        try:
            self._process = subprocess.Popen(
                self._command, env=os.environ | self._environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=None if output is None else subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        finally:
            if output is not None:
                output.close()
        self._began, self._again_at = time.monotonic(), None
        self._pid_file.write_text(json.dumps({"pid": self._process.pid, "created": psutil.Process(self._process.pid).create_time()}))

    def ended(self) -> int | None:
        """Its exit code if it is not running, minus the signal's number if that killed it."""
        return None if self._process is None else self._process.poll()

    def look_after(self) -> None:
        """Report it if it died, and start it again: at once at first, then after longer and longer pauses."""
        code = self.ended()
        if code is None:
            return
        if self._again_at is None:
            self._pause = 0.5 if time.monotonic() - self._began > STEADY_SECONDS else min(self._pause * 2, LONGEST_PAUSE)
            self._again_at = time.monotonic() + self._pause
            note(f"The {self.name} ended ({how(code)}) and is started again{self.last_words()}")
        elif time.monotonic() >= self._again_at:
            self.start()

    def last_words(self) -> str:
        """The end of its log, to be put behind a message."""
        if self._log is None or not self._log.exists():
            return ""
        lines = self._log.read_text(errors="replace").splitlines()[-4:]
        return "".join(f"\n    {line[:200]}" for line in lines) + f"\n  ({self._log})"

    def stop(self) -> None:
        """Ask it to end and wait; kill it if it does not."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                note(f"The {self.name} did not end by itself and is killed")
                process.kill()
                process.wait()
        self._pid_file.unlink(missing_ok=True)


def end_left_over(pid_file: Path) -> None:
    """End the process that a killed ``hutong demo`` left behind, if it is still that one."""
    with suppress(OSError, ValueError, KeyError, TypeError, psutil.Error):
        noted = json.loads(pid_file.read_text())
        process = psutil.Process(noted["pid"])
        if abs(process.create_time() - noted["created"]) < 0.01:
            process.terminate()
            try:
                process.wait(GRACE_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(GRACE_SECONDS)
    pid_file.unlink(missing_ok=True)


def python(*arguments: str) -> list[str]:
    """A command line that runs one of our own modules."""
    return [sys.executable, "-m", *arguments]


def how(code: int) -> str:
    """An exit code for people."""
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
