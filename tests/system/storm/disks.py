"""A small disk that can be filled to the last byte: a tmpfs, where one may be mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# JetStream wants three quarters of its disk to hold what its streams may grow to
SIZE_MIB = {"nats": 1700, "postgres": 400}
BALLAST = "ballast"


def may_mount() -> bool:
    """Return whether this process may mount a small disk."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def small_disk(path: Path, size_mib: int) -> Iterator[Path]:
    """Mount an empty disk at a folder for as long as the context lasts."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=755", "atalaia-storm", str(path)], check=True
    )
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path) -> None:
    """Take every free byte of the disk at `path`."""
    with (path / BALLAST).open("wb", buffering=0) as ballast:
        for size in (2**20, 2**12):
            try:
                while ballast.write(b"\0" * size) == size:
                    continue
            except OSError:
                continue


def free(path: Path) -> None:
    """Give it back."""
    (path / BALLAST).unlink(missing_ok=True)
