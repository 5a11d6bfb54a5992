"""Where the machine that is measured shows itself: here, or mounted into a container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HERE = Path("/proc")


@dataclass(frozen=True, slots=True)
class Host:
    """`proc`, `sys` and `root` as mounted; those of this machine itself unless said otherwise."""

    proc: Path = HERE
    sys: Path = Path("/sys")
    root: Path = Path("/")

    @property
    def elsewhere(self) -> bool:
        """Return whether the machine is looked at from inside a container."""
        return self.proc != HERE

    @property
    def first_process(self) -> Path:
        """Return where the first process's files are: it sees the machine's network and mounts."""
        return self.proc / "1"


class Mount(NamedTuple):
    """A line of `mounts`, as psutil names its parts."""

    device: str
    mountpoint: str
    fstype: str
    opts: str


def read_mounts(text: str) -> list[Mount]:
    """Return the lines of a `mounts` file (fstab's format: blanks are written as `\\040`)."""
    lines = (line.split(" ") for line in text.splitlines())
    return [Mount(*(_unescaped(part) for part in parts[:4])) for parts in lines if len(parts) >= 4]


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
