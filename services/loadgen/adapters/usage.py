"""What this process takes of the machine, and what the machine keeps from it."""

from __future__ import annotations

import gc
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

NS = 1_000_000_000
_SCHEDSTAT = Path("/proc/self/schedstat")
_STATM = Path("/proc/self/statm")
_SNMP = Path("/proc/self/net/snmp")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Used:
    """Since the last look: shares of the time; bytes now; the longest pause of the garbage collector;
    TCP segments that this machine, all of its programs, sent again."""

    cpu_share: float
    cpu_wait_share: float
    rss_bytes: int
    gc_pause_s: float
    retransmits: int


class Usage:
    """Looks at this process. It listens to the garbage collector until it is closed."""

    def __init__(self) -> None:
        self._at_ns = time.monotonic_ns()
        self._cpu_s = time.process_time()
        self._wait_ns = _wait_ns()
        self._retransmits = _retransmits()
        self._gc_began_ns = self._gc_longest_ns = 0
        gc.callbacks.append(self._on_gc)

    def take(self, at_ns: int) -> Used:
        """Return what was used since the last call."""
        cpu_s, wait_ns, again = time.process_time(), _wait_ns(), _retransmits()
        past_ns = max(1, at_ns - self._at_ns)
        used = Used(
            (cpu_s - self._cpu_s) * NS / past_ns,
            (wait_ns - self._wait_ns) / past_ns,
            _rss_bytes(),
            self._gc_longest_ns / NS,
            again - self._retransmits,
        )
        self._at_ns, self._cpu_s, self._wait_ns = at_ns, cpu_s, wait_ns
        self._retransmits, self._gc_longest_ns = again, 0
        return used

    def close(self) -> None:
        gc.callbacks.remove(self._on_gc)

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        at_ns = time.monotonic_ns()
        if phase == "start":
            self._gc_began_ns = at_ns
        else:
            self._gc_longest_ns = max(self._gc_longest_ns, at_ns - self._gc_began_ns)


def _wait_ns() -> int:
    """Return how long the main thread has waited for a CPU; 0 where the system does not say."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _rss_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # its peak, elsewhere


def _retransmits() -> int:
    """Return how many TCP segments were sent again since the machine started; 0 where it does not say."""
    try:
        names, values = (line.split() for line in _SNMP.read_text().splitlines() if line.startswith("Tcp:"))
        return int(values[names.index("RetransSegs")])
    except (OSError, ValueError, IndexError):
        return 0
