"""What a process and those below it hold of the memory."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def held_bytes(pid: int) -> int | None:
    """Return what a family holds, what they share counted once; None where one of it is gone.

    The kernel walks their pages for it, some milliseconds: off the loop.
    """
    try:
        return sum(_share_of(one) for one in _family(pid))
    except OSError:
        return None


def _share_of(pid: int) -> int:
    """Return a process's own pages, and its part of those that it shares."""
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def _family(pid: int) -> list[int]:
    """Return a process and all below it, without a look at every process of the machine.

    Raises:
        OSError: one of them is gone.
    """
    family = [pid]
    for one in family:
        threads = [*(PROC / str(one) / "task").glob("*/children")]
        if not threads:  # it is gone, or the kernel does not say
            raise ProcessLookupError(one)
        for children in threads:
            family += map(int, children.read_text().split())
    return family
