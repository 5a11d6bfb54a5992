"""Network interfaces as the kernel writes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counted:
    """What one interface counted, under psutil's names."""

    bytes_recv: int
    packets_recv: int
    errin: int
    dropin: int
    bytes_sent: int
    packets_sent: int
    errout: int
    dropout: int


def read_interfaces(text: str) -> dict[str, Counted]:
    """Return the interfaces of a `net/dev`, by name: eight numbers received, then eight sent each."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(part) for part in rest.split()]
        if len(numbers) >= 12:
            found[name.strip()] = Counted(*numbers[:4], *numbers[8:12])
    return found
