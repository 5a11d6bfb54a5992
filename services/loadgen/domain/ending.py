"""What a share says of its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from services.loadgen.domain.histogram import NOTHING, Delta, merged


@dataclass(frozen=True, slots=True)
class Ending:
    """`censored`: the ages of what had not ended, in flight or unsent. `sending_s`: until the last send."""

    in_flight: int = 0
    unsent: int = 0
    censored: Delta = NOTHING
    sending_s: float = 0.0
    ended_s: float = 0.0
    stopped: bool = False
    precise_timer: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "in_flight": self.in_flight,
            "unsent": self.unsent,
            "censored": self.censored.to_json(),
            "sending_s": self.sending_s,
            "ended_s": self.ended_s,
            "stopped": self.stopped,
            "precise_timer": self.precise_timer,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(**{**body, "censored": Delta.from_json(body["censored"])})


def altogether(endings: list[Ending]) -> Ending:
    """Return the end of the whole."""
    return Ending(
        sum(ending.in_flight for ending in endings),
        sum(ending.unsent for ending in endings),
        merged([ending.censored for ending in endings]),
        max((ending.sending_s for ending in endings), default=0.0),
        max((ending.ended_s for ending in endings), default=0.0),
        any(ending.stopped for ending in endings),
        all(ending.precise_timer for ending in endings),
    )
