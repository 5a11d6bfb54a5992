"""What this process takes of the machine, and what the machine keeps from it."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

NS = 1_000_000_000
_SCHEDSTAT = Path("/proc/self/schedstat")
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage:
    """Shares of the time since the last look."""

    def __init__(self) -> None:
        self._at_ns = time.monotonic_ns()
        self._cpu_s = time.process_time()
        self._wait_ns = _wait_ns()

    def take(self, at_ns: int) -> tuple[float, float, int]:
        """Return (CPU share, share spent ready but without a CPU, resident bytes)."""
        cpu_s, wait_ns = time.process_time(), _wait_ns()
        past_ns = max(1, at_ns - self._at_ns)
        shares = ((cpu_s - self._cpu_s) * NS / past_ns, (wait_ns - self._wait_ns) / past_ns)
        self._at_ns, self._cpu_s, self._wait_ns = at_ns, cpu_s, wait_ns
        return (*shares, _rss_bytes())


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
