"""What a request over the broker may ask for: its plan, within limits that it cannot move."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from atalaia.errors import Forbidden, Invalid
from atalaia.events.loadtests import LoadTestRequest
from services.loadgen.domain.hosts import refuse_foreign
from services.loadgen.domain.plan import OPEN_CONNECTIONS, Closed, Open, Plan, Request, Stage, Step
from services.loadgen.domain.spoken import stress_steps

REQUESTS_EACH = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's, from the settings."""

    hosts: tuple[str, ...]
    most_rps: float
    most_users: int
    longest_s: float


def plan_of(request: LoadTestRequest, run_id: str, default_url: str, limits: Limits) -> Plan:
    """Return the plan of a request.

    Raises:
        Forbidden: the host is not one of those allowed here, or it asks for more than is.
        Invalid: it asks for nothing that fits together.
    """
    load = _load(request, limits)
    users = load.most_users if isinstance(load, Closed) else 0
    plan = Plan(
        run_id,
        (Request(request.url or default_url, request.method, body=request.body),),
        load,
        connections=users or OPEN_CONNECTIONS,
        timeout_s=request.timeout_s,
    )
    return admitted(plan, limits)


def admitted(plan: Plan, limits: Limits) -> Plan:
    """Return the plan with our hosts in place of any that it brought.

    Raises:
        Forbidden, Invalid: as above.
    """
    if plan.scenario is not None:
        raise Invalid("a scenario is code: it comes from the command line, not over the broker")
    for request in plan.requests:
        try:
            host = urlsplit(request.url).hostname or ""
        except ValueError as error:
            raise Forbidden(f"{request.url!r} is no address: {error}", field="url") from error
        refuse_foreign(host, limits.hosts)
    load = plan.load
    if isinstance(load, Open) and load.most_rps > limits.most_rps:
        raise Forbidden(f"at most {limits.most_rps:g} requests a second here", field="rps")
    if isinstance(load, Closed) and load.most_users > limits.most_users:
        raise Forbidden(f"at most {limits.most_users} users here", field="users")
    length_s = plan.duration_s()
    if length_s is not None and length_s > limits.longest_s:
        raise Forbidden(f"at most {limits.longest_s:g} s here", field="duration_s")
    return replace(plan, allowed_hosts=limits.hosts)


def _load(request: LoadTestRequest, limits: Limits) -> Closed | Open:
    asked = [name for name in ("users", "max_users", "rps") if getattr(request, name) is not None]
    if len(asked) != 1:
        raise Invalid("one of users, max_users and rps, not several and not none", field="users")
    if request.max_users is not None:
        return Closed(stress_steps(request.max_users, request.step_s))
    if request.rps is not None:
        if request.duration_s is None:
            raise Invalid("a rate needs a duration_s", field="duration_s")
        return Open((Stage(request.duration_s, request.rps, request.rps),), request.arrival)
    assert request.users is not None
    each = request.requests or (REQUESTS_EACH if request.duration_s is None else None)
    length_s = request.duration_s or limits.longest_s  # requests alone may take for ever
    return Closed((Step(request.users, length_s),), each)
