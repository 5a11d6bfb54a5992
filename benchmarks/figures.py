"""How a benchmark prints what it found: one figure a line, and the machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Figure:
    """One figure. `ratio` is ours over the peer's, in the same run and unit."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    peer: str = ""

    def __str__(self) -> str:
        compared = "" if self.ratio is None else f"  {self.ratio:8.3f} × {self.peer}"
        return f"{self.name:<56} {self.value:>12,.3f} {self.unit:<10}{compared}"


def show(title: str, figures: list[Figure]) -> None:
    """Print the title, the machine and the figures."""
    print(f"\n{title}\n{describe_machine()}")
    for figure in figures:
        print(figure)


def describe_machine() -> str:
    """Return the CPU, how many cores this process may use, the Python and the kernel, on one line."""
    return (
        f"{_cpu()}, {os.cpu_count()} cores, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.release()}"
    )


def _cpu() -> str:
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
