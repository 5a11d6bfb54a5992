"""A circuit breaker: after failures in a row, calls are refused until one probe has succeeded."""

from __future__ import annotations

from atalaia.errors import Refused
from atalaia.resilience.backoff import delay_s


class Breaker:
    """Closed, open, half open. Mutable, one owner; `now_s` is any monotonic clock's.

    ```
    closed ──failures in a row──► open ──cool-down over, one probe──► half open
       ▲                            ▲                                    │
       └──────────success───────────┼────────────failure─────────────────┤
       └────────────────────────────┴───────────success──────────────────┘
    ```
    The cool-down doubles with every failed probe, up to `most_s`.
    """

    def __init__(self, *, failures: int = 2, first_s: float = 1.0, most_s: float = 15.0) -> None:
        self._allowed = failures
        self._first_s, self._most_s = first_s, most_s
        self._failures = 0
        self._opened = 0
        self._until_s = 0.0
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._failures < self._allowed

    def enter(self, now_s: float) -> None:
        """Ask to make a call; one that was let in ends with `succeeded`, `failed` or `abandoned`.

        Raises:
            Refused: the circuit is open; says for how long.
        """
        if self.closed:
            return
        if now_s < self._until_s or self._probing:
            raise Refused("circuit open", retry_in_s=max(0.0, self._until_s - now_s))
        self._probing = True

    def succeeded(self) -> None:
        self._failures = self._opened = 0
        self._probing = False

    def failed(self, now_s: float, *, dice: float = 0.5) -> None:
        """Count a failure. `dice` in 0..1 spreads the probes of many processes."""
        self._failures += 1
        self._probing = False
        if not self.closed:
            self._opened += 1
            self._until_s = now_s + delay_s(
                self._opened, first_s=self._first_s, most_s=self._most_s, dice=dice
            )

    def abandoned(self) -> None:
        """The call ended without saying anything about the dependency (it was cancelled)."""
        self._probing = False
