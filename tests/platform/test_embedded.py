"""The embedded PostgreSQL: shared by programs, ended by the last, and back again after anything that kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from hutong.platform.embedded import EmbeddedPostgres

SOURCE = Path(__file__).resolve().parents[2] / "src"
HOLD = """
import sys, time
from pathlib import Path
from hutong.platform.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print("ready", flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder for all tests here (it takes seconds to make); whatever still runs in it is ended."""
    folder = tmp_path_factory.mktemp("embedded") / "pg"
    folder.parent.chmod(0o755)
    yield folder
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    assert postmaster(folder) is None


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedPostgres]:
    """A server in the shared folder, stopped with the test."""
    opened = EmbeddedPostgres(home)
    yield opened
    opened.stop()


def postmaster(folder: Path) -> psutil.Process | None:
    """The running postmaster of a folder."""
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().splitlines()[0]))
    except (OSError, IndexError, psutil.NoSuchProcess):
        return None
    return process if process.name() == "postgres" else None


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another program that uses the server until its input ends."""
    program = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


def answer(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from pg_database where datname = 'hutong'").fetchone()
    assert row is not None
    return int(row[0])


def until_gone(process: psutil.Process, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_starts_in_an_empty_folder_and_leaves_nothing_running(server: EmbeddedPostgres, home: Path) -> None:
    assert answer(server.start()) == 1
    running = postmaster(home)
    assert running is not None
    server.stop()
    assert postmaster(home) is None
    until_gone(running)


def test_it_goes_on_while_another_program_uses_it(server: EmbeddedPostgres, home: Path) -> None:
    server.start()
    other = holder(home)
    server.stop()
    assert server.is_used()
    assert postmaster(home) is not None
    other.communicate("")
    assert other.returncode == 0
    assert postmaster(home) is None
    assert not server.is_used()


def test_a_server_whose_program_was_killed_is_taken_over_and_then_ended(server: EmbeddedPostgres, home: Path) -> None:
    other = holder(home)
    left = postmaster(home)
    other.kill()
    other.wait()
    assert left is not None
    assert left.is_running()
    assert answer(server.start()) == 1
    assert postmaster(home) == left
    server.stop()
    assert postmaster(home) is None


def test_committed_rows_are_there_after_the_postmaster_was_killed(server: EmbeddedPostgres, home: Path) -> None:
    url = server.start()
    with psycopg.connect(url) as connection:
        connection.execute("create table if not exists kept (at int)")
        connection.execute("insert into kept values (1)")
    killed = postmaster(home)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    until_gone(killed)
    again = EmbeddedPostgres(home)
    with psycopg.connect(again.start()) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
        connection.execute("drop table kept")
    again.stop()
    assert row == (1,)


def test_a_backend_that_outlives_its_killed_postmaster_does_not_hinder_the_next_start(server: EmbeddedPostgres, home: Path) -> None:
    url = server.start()
    busy = psycopg.connect(url, autocommit=True)
    backend = psutil.Process(busy.info.backend_pid)
    os.kill(backend.pid, signal.SIGSTOP)  # busy in the sense that it will not notice anything
    killed = postmaster(home)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    until_gone(killed)
    assert backend.is_running()
    assert answer(server.start()) == 1
    until_gone(backend)
    busy.close()


def test_a_stale_pid_file_that_names_somebody_elses_process_is_passed_over(server: EmbeddedPostgres, home: Path) -> None:
    server.start()
    lines = (home / "postmaster.pid").read_text().splitlines()
    server.stop()
    (home / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert answer(server.start()) == 1


def test_a_pid_file_that_was_cut_short_is_passed_over(server: EmbeddedPostgres, home: Path) -> None:
    server.stop()
    (home / "postmaster.pid").write_text("1\n")
    assert answer(server.start()) == 1


def test_a_folder_whose_making_was_interrupted_is_set_aside(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folder = tmp_path / "pg"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("18\n")
    (folder / "base").mkdir()
    server = EmbeddedPostgres(folder)
    try:
        assert answer(server.start()) == 1
    finally:
        server.stop()
    assert (tmp_path / "pg.unfinished-1" / "base").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' folders to open")
def test_root_lets_the_servers_user_pass_through_folders_but_not_read_them(server: EmbeddedPostgres, home: Path) -> None:
    home.parent.chmod(0o700)
    assert answer(server.start()) == 1
    assert home.parent.stat().st_mode & 0o777 == 0o711
