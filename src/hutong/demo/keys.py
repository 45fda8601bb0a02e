"""The keys that the demonstration's tills and programs hold, kept in the data folder for nobody but its owner to read."""

import json
import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from hmac import digest
from pathlib import Path


@dataclass(slots=True)
class Keys:
    """What the player signs its requests with. ``secret`` makes the key of every till; ``retailers`` are API keys by code."""

    secret: str
    password: str
    retailers: dict[str, str] = field(default_factory=dict)

    def till(self, gln: str, till: str) -> str:
        """The bearer key of a till: always the same, so that 17,000 of them need no file."""
        return "ht_" + urlsafe_b64encode(digest(self.secret.encode(), f"{gln} {till}".encode(), "sha256")).decode().rstrip("=")


def stored(key: str) -> bytes:
    """What the directory keeps of a bearer key."""
    return sha256(key.encode()).digest()


def folder_of(data_dir: Path) -> Path:
    """The demonstration's own folder, made if absent; only its owner may look into it."""
    folder = data_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def read_keys(data_dir: Path) -> Keys:
    """The kept keys, or new ones with a new password where there are none."""
    file = folder_of(data_dir) / "keys.json"
    if file.exists():
        return Keys(**json.loads(file.read_text()))
    return Keys(secrets.token_urlsafe(32), "-".join(["lane", *(f"{secrets.randbelow(10_000):04d}" for _ in range(3))]))


def write_keys(data_dir: Path, keys: Keys) -> None:
    """Keep the keys; the file is there whole or not at all, and readable by its owner alone."""
    write_whole(folder_of(data_dir) / "keys.json", json.dumps(asdict(keys), indent=1))


def write_whole(file: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone."""
    unfinished = file.with_name(file.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    unfinished.replace(file)
