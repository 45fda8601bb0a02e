"""Fails where a committed file names a registry's address or a place on somebody's machine."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Written in two halves, so that this file does not find itself.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"registry\.npm" + r"js\.org",
            r"files\.python" + r"hosted\.org",
            r"(?<![\w.])py" + r"pi\.org/simple",
            r"--(?:extra-)?index-" + r"url\s+\S*://",
            r"--find-" + r"links",
            r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot)/(?!\s)",
            r"file" + r":///(?!\s)",
        ]
    )
)
LIMIT = 2_000_000


def main() -> int:
    """Print each such place; answers the exit code."""
    found = [line for path in files() for line in findings(path)]
    print("\n".join(found) if found else "text: no registry's address and no machine's path in any file")
    return 1 if found else 0


def files() -> list[Path]:
    """Every file that git tracks or would track."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in sorted(set(listed.splitlines()))]


def findings(path: Path) -> Iterator[str]:
    """A line for each forbidden text in this file; binary and huge files are passed over."""
    if not path.is_file() or path.stat().st_size > LIMIT:
        return
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, 1):
        found = FORBIDDEN.search(line)
        if found:
            yield f"{path.relative_to(ROOT)}:{number}: {found.group()}"


if __name__ == "__main__":
    sys.exit(main())
