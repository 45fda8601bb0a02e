"""Fails where a file passes 400 lines or a function 70 lines: it wants splitting by noun."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "tests", "benchmarks", "scripts")
SUFFIXES = {".py", ".js", ".css", ".html", ".sql"}
FILE_LIMIT, FUNCTION_LIMIT = 400, 70
# What is data or a list of declarations rather than something to be read from top to bottom.
FREE = {"hutong.css"}


def main() -> int:
    """Print each thing that is too long; answers the exit code."""
    found = [line for path in sorted(files()) for line in too_long(path)]
    print("\n".join(found) if found else "sizes: all files and functions are within their limits")
    return 1 if found else 0


def files() -> Iterator[Path]:
    """Every file of ours that the limits hold for."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in SUFFIXES and "vendor" not in path.parts and path.name not in FREE:
                yield path


def too_long(path: Path) -> Iterator[str]:
    """A line for the file and for each function in it that is too long."""
    text, name = path.read_text(), path.relative_to(ROOT)
    lines = len(text.splitlines())
    if lines > FILE_LIMIT:
        yield f"{name}: {lines} lines, at most {FILE_LIMIT}"
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LIMIT:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LIMIT}"


if __name__ == "__main__":
    sys.exit(main())
