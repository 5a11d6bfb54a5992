"""What a run shall do: requests, load, limits. Plain data that travels to workers as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

OPEN_CONNECTIONS = 64
OPEN_USERS = 1000  # of a scenario: they think, too
Arrival = Literal["constant", "poisson"]


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to send; chosen among others in proportion to its weight."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """A closed model's stretch: so many users for so long, or until they have done their requests."""

    users: int
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """Users who wait for each answer, and think before the next request."""

    steps: tuple[Step, ...]
    requests_each: int | None = None
    think_s: float = 0.0

    @property
    def is_steady(self) -> bool:
        return len(self.steps) == 1

    @property
    def most_users(self) -> int:
        return max(step.users for step in self.steps)


@dataclass(frozen=True, slots=True)
class Stage:
    """An open model's stretch: from one rate to another, in a straight line."""

    duration_s: float
    from_rps: float
    to_rps: float


@dataclass(frozen=True, slots=True)
class Open:
    """Arrivals that wait for nobody."""

    stages: tuple[Stage, ...]
    arrival: Arrival = "constant"
    seed: int = 1

    @property
    def duration_s(self) -> float:
        return sum(stage.duration_s for stage in self.stages)

    @property
    def is_steady(self) -> bool:
        return len({rate for stage in self.stages for rate in (stage.from_rps, stage.to_rps)}) == 1

    @property
    def most_rps(self) -> float:
        return max(max(stage.from_rps, stage.to_rps) for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a worker must know. `share` of `shares` is its part of the load."""

    run_id: str
    requests: tuple[Request, ...]
    load: Closed | Open
    connections: int = OPEN_CONNECTIONS
    timeout_s: float = 10.0
    keep_alive: bool = True
    follow_redirects: bool = False
    verify_tls: bool = True
    max_in_flight: int | None = None
    scenario: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    share: int = 0
    shares: int = 1

    @property
    def model(self) -> Literal["open", "closed"]:
        return "open" if isinstance(self.load, Open) else "closed"

    @property
    def target(self) -> str:
        """Return what is shown as the target: the first address, and how many more there are."""
        if not self.requests:
            return self.scenario or ""
        more = len(self.requests) - 1
        return self.requests[0].url + (f" and {more} more" if more else "")

    def duration_s(self) -> float | None:
        """Return how long sending lasts; None where the users' requests decide."""
        if isinstance(self.load, Open):
            return self.load.duration_s
        durations = [step.duration_s for step in self.load.steps]
        return None if None in durations else sum(d for d in durations if d is not None)

    def part(self, share: int, shares: int) -> Plan:
        """Return one worker's part of the plan."""
        return replace(self, share=share, shares=shares)


def share_of(number: int, share: int, shares: int) -> int:
    """Return one share's part of a number of things; all shares' parts add up to it."""
    return number // shares + (1 if share < number % shares else 0)


def to_json(plan: Plan) -> dict[str, Any]:
    return {**asdict(plan), "model": plan.model}


def from_json(body: dict[str, Any]) -> Plan:
    """Return the plan that `to_json` wrote."""
    given = dict(body)
    load = given.pop("load")
    built: Closed | Open
    if given.pop("model") == "open":
        built = Open(tuple(Stage(**stage) for stage in load["stages"]), load["arrival"], load["seed"])
    else:
        steps = tuple(Step(**step) for step in load["steps"])
        built = Closed(steps, load["requests_each"], load["think_s"])
    requests = tuple(
        Request(**{**one, "headers": tuple((name, value) for name, value in one["headers"])})
        for one in given.pop("requests")
    )
    return Plan(requests=requests, load=built, allowed_hosts=tuple(given.pop("allowed_hosts")), **given)
