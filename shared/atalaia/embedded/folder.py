"""The data folder: one owner at a time, its secrets, its id."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from atalaia.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Secrets:
    """Generated once for a data folder. `id` tells one folder from another."""

    id: str
    nats: str
    subscriber: str
    postgres: str
    redis: str


@contextmanager
def owned(folder: Path) -> Iterator[Secrets]:
    """Hold the folder for as long as the context lasts, and yield its secrets.

    Raises:
        Misconfigured: another platform holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Misconfigured(f"ATALAIA_DATA_DIR is {str(folder)!r}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            raise Misconfigured(
                f"another platform (process {holder}) uses the data folder {folder}; "
                "stop it, or set ATALAIA_DATA_DIR to another folder"
            ) from None
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield _secrets(folder / "secrets.json")
    finally:
        os.close(lock)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.rename(path)


def _secrets(path: Path) -> Secrets:
    if not path.exists():
        made = Secrets(secrets.token_hex(4), *(secrets.token_urlsafe(24) for _ in range(4)))
        write_private(path, json.dumps(asdict(made)))
    try:
        return Secrets(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"{path} is damaged ({error}); restore it, or remove the data folder") from error
