"""``hutong bench``: runs the checkout's benchmarks, each of which prints one line of JSON last."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

from hutong.cli.say import note, said


def bench(
    context: typer.Context,
    name: str = typer.Argument(..., help="A benchmark's name, such as capture-batch; or all, or list."),
    folder: Path | None = typer.Option(None, help="Folder of benchmarks; default: benchmarks/ of this checkout."),
) -> None:
    """
    Measure this machine: run one benchmark, or all, in a PostgreSQL of their own.

    Options behind the name go to the benchmark. Each prints what it measures and, as its last line, JSON with value, unit, the
    bound it is compared with in the same run, their ratio, and the machine's load before and after.

    Examples:

      hutong bench list

      hutong bench capture-batch

      hutong bench growth --lines 20000000
    """
    found = benchmarks(folder)
    if name == "list":
        for each, path in found.items():
            said(f"{each:20} {_first_sentence(path)}")
        return
    if name != "all" and name not in found:
        raise RuntimeError(f"There is no benchmark {name}; there are {', '.join(found)}.")
    failed = [each for each in (found if name == "all" else [name]) if not _run(each, found[each], context.args)]
    if failed:
        raise RuntimeError(f"Failed: {', '.join(failed)}")


def benchmarks(folder: Path | None = None) -> dict[str, Path]:
    """The benchmarks by name: files of the folder that do not start with an underscore and are not support."""
    places = [folder] if folder else [Path(__file__).parents[3] / "benchmarks", Path("benchmarks")]
    for place in places:
        if place.is_dir():
            return {
                path.stem.replace("_", "-"): path
                for path in sorted(place.glob("*.py"))
                if not path.name.startswith("_") and _is_runnable(path)
            }
    raise RuntimeError("Benchmarks stand in a checkout of hutong, and there is none here; --folder names one.")


def _run(name: str, path: Path, arguments: list[str]) -> bool:
    note(f"── {name}: {_first_sentence(path)}")
    root = path.parent.parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    }
    process = subprocess.Popen([sys.executable, str(path), *arguments], stdout=subprocess.PIPE, text=True, env=environment)
    last = ""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            print(line, end="", flush=True)  # noqa: T201 - passed through
            last = line.strip() or last
        process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode != 0 or not _is_result(last):
        note(f"{name} ended with {process.returncode}" + ("" if process.returncode else " and without a line of JSON"))
        return False
    return True


def _is_result(line: str) -> bool:
    try:
        result: Any = json.loads(line)
    except ValueError:
        return False
    return isinstance(result, dict) and "bench" in result


def _is_runnable(path: Path) -> bool:
    return "__main__" in path.read_text()


def _first_sentence(path: Path) -> str:
    first = next((line for line in path.read_text().splitlines() if line.startswith(('"""', "'''"))), "")
    return first.strip("\"'").strip()
