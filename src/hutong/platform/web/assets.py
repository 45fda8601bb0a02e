"""Static files of all modules: ``/static/<module>/…``, kept for a year where the address carries the content's hash."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hutong.platform.web.i18n import SOURCE

SHELL = Path(__file__).parent / "static"


@lru_cache
def static_folders() -> Mapping[str, Path]:
    """The folder behind each ``/static/<name>``: the shell's own, ``vendor``, and ``<module>/static/<module>``."""
    folders = {"web": SHELL / "web", "vendor": SHELL / "vendor"}
    for folder in sorted(SOURCE.glob("*/static/*")):
        if folder.is_dir() and folder.name == folder.parents[1].name:
            folders[folder.name] = folder
    return folders


def static_url(path: str) -> str:
    """The address of ``monitor/live.js``, with its content's hash, so that browsers may keep it until it changes."""
    version = content_hash(path)
    return f"/static/{path}?v={version}" if version else f"/static/{path}"


def content_hash(path: str) -> str:
    """Ten letters of the content's hash, or nothing where there is no such file."""
    module, _, rest = path.partition("/")
    folder = static_folders().get(module)
    file = folder / rest if folder else None
    return _hash(file, file.stat().st_mtime_ns) if file and file.is_file() else ""


@lru_cache(maxsize=1024)
def _hash(file: Path, _changed_at: int) -> str:
    return blake2b(file.read_bytes(), digest_size=8).hexdigest()[:10]


class KeptFiles:
    """Adds caching to a folder's files: for ever if the address carries the right hash, else ask again each time."""

    def __init__(self, app: ASGIApp, module: str) -> None:
        self.app = app
        self.module = module

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].split("/", 3)[-1]
        version = content_hash(f"{self.module}/{path}") if ".." not in path else ""
        kept = bool(version) and scope.get("query_string", b"") == b"v=" + version.encode()

        async def send_kept(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 206, 304):
                headers = MutableHeaders(scope=message)
                headers["cache-control"] = "public, max-age=31536000, immutable" if kept else "no-cache"
            await send(message)

        await self.app(scope, receive, send_kept)


def static_routes() -> list[Mount]:
    """One mount a folder."""
    return [
        Mount(f"/static/{module}", KeptFiles(StaticFiles(directory=folder, check_dir=False), module), name=f"static-{module}")
        for module, folder in static_folders().items()
    ]
