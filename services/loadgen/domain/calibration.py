"""What the generator can do and what it adds, on a machine: measured against a server that does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

FLOOR_RPS = 1000.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ceiling`: requests a second of one core. The floor: response times that nothing can be below here.

    The floor, at a thousand a second, holds the generator, loopback, and a null server's own work.
    `disturbed`: others had the CPU meanwhile, so that the floor is this moment's, not this machine's.
    """

    ceiling: float
    floor_p50_s: float
    floor_p99_s: float
    disturbed: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(
            float(body["ceiling"]),
            float(body["floor_p50_s"]),
            float(body["floor_p99_s"]),
            bool(body["disturbed"]),
        )


def weakest(calibrations: Sequence[Calibration | None]) -> Calibration | None:
    """Return the worst of several machines in each respect; None where none is known."""
    known = [one for one in calibrations if one is not None]
    if not known:
        return None
    return Calibration(
        min(one.ceiling for one in known),
        max(one.floor_p50_s for one in known),
        max(one.floor_p99_s for one in known),
        any(one.disturbed for one in known),
    )
