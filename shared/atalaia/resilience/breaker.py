"""A circuit breaker: after failures in a row, calls are refused until one probe has succeeded."""

from __future__ import annotations

from enum import Enum

from atalaia.errors import Refused
from atalaia.resilience.backoff import delay_s


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Closed, open, half open. Mutable, one owner; `now_s` is any monotonic clock's.

    ```
    closed ──failures in a row──► open ──cool-down over, one probe──► half open
       ▲                            ▲                                    │
       │                            └────────────failure─────────────────┤
       └─────────────────────────────────────────success─────────────────┘
    ```
    The cool-down doubles with every failed probe, up to `most_s`. Calls that were let in before the circuit
    opened and end afterwards change nothing: they tell of the past.
    """

    def __init__(self, *, failures: int = 2, first_s: float = 1.0, most_s: float = 15.0) -> None:
        self._allowed = failures
        self._first_s, self._most_s = first_s, most_s
        self._failures = 0
        self._opened = 0
        self._until_s = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """Open until a probe is under way, however long the cool-down has been over."""
        if self.closed:
            return State.CLOSED
        return State.HALF_OPEN if self._probing else State.OPEN

    @property
    def closed(self) -> bool:
        return self._failures < self._allowed

    def retry_in_s(self, now_s: float) -> float:
        """Return how long no probe is let in; 0.0 when one is due, or under way, or the circuit is closed."""
        return 0.0 if self.closed else max(0.0, self._until_s - now_s)

    def enter(self, now_s: float) -> bool:
        """Ask to make a call, and return whether it is the probe; tell the end of it how it went.

        A call that was let in ends with `succeeded`, `failed` or `abandoned`.

        Raises:
            Refused: the circuit is open; says for how long.
        """
        if self.closed:
            return False
        if now_s < self._until_s or self._probing:
            raise Refused("circuit open", retry_in_s=self.retry_in_s(now_s))
        self._probing = True
        return True

    def succeeded(self, *, probe: bool = False) -> None:
        if probe or self.closed:
            self._failures = self._opened = 0
            self._probing = False

    def failed(self, now_s: float, *, probe: bool = False, dice: float = 0.5) -> None:
        """Count a failure. `dice` in 0..1 spreads the probes of many processes."""
        if not (probe or self.closed):
            return
        self._failures += 1
        if not self.closed:
            self.trip(now_s, dice=dice)

    def trip(self, now_s: float, *, dice: float = 0.5) -> None:
        """Open the circuit, or keep it open for longer, whatever was counted."""
        self._failures = max(self._failures, self._allowed)
        self._probing = False
        self._opened += 1
        self._until_s = now_s + delay_s(self._opened, first_s=self._first_s, most_s=self._most_s, dice=dice)

    def abandoned(self, *, probe: bool = False) -> None:
        """The call ended without saying anything about the dependency (it was cancelled)."""
        if probe:
            self._probing = False
