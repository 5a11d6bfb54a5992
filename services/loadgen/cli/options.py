"""From arguments to a plan: what fits together, and what is missing."""

from __future__ import annotations

import argparse
import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from atalaia.errors import Invalid
from services.loadgen.adapters.names import new_run_id
from services.loadgen.adapters.outputs import KINDS, refuse_unwritable
from services.loadgen.adapters.prepared import split
from services.loadgen.domain.hosts import refuse_foreign
from services.loadgen.domain.plan import (
    OPEN_CONNECTIONS,
    OPEN_USERS,
    Arrival,
    Closed,
    Open,
    Plan,
    Request,
    Stage,
    Step,
)
from services.loadgen.domain.slo import Slo
from services.loadgen.domain.slo import parse as parse_slo
from services.loadgen.domain.spoken import duration_s, rates, share, stages, stress_steps

TRIAL_S = 3.0
TRIAL_RPS = 10.0
HEALTH = "/api/v1/monitoring/health"
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Options:
    """What a test from the command line is, beside its plan."""

    plan: Plan
    slos: tuple[Slo, ...]
    abort_on_fail: bool
    warmup_s: float | None  # None: found after the run
    workers: int
    outputs: tuple[tuple[str, str], ...]
    plain: bool
    quiet: bool
    baseline: tuple[str, ...]
    threshold: float
    find_capacity: bool
    most_rps: float | None
    nats: str | None


def options(given: argparse.Namespace) -> Options:
    """Return what the arguments mean.

    Raises:
        Invalid: they do not fit together; says which, and what would.
    """
    slos = tuple(parse_slo(text) for text in given.slo)
    if given.find_capacity and not slos:
        raise Invalid("--find-capacity needs an --slo to hold: --slo 'p99<100ms'")
    if given.abort_on_fail and not slos:
        raise Invalid("--abort-on-fail needs an --slo that could fail")
    load = _load(given)
    workers = _positive(given.workers, "--workers")
    users = load.most_users if isinstance(load, Closed) else 0
    connections = given.connections or users or (OPEN_USERS if given.scenario else OPEN_CONNECTIONS)
    if users and connections < users:
        raise Invalid(f"--connections {connections}: each of {users} users needs one of its own")
    _keep_below(given.max_rps, load)
    allowed = (*given.allow_host, *own_hosts())
    requests = _requests(given)
    for request in requests:
        refuse_foreign(split(request.url).hostname or "", allowed)
    plan = Plan(
        run_id=_run_id(given.run_id),
        requests=requests,
        load=load,
        connections=max(_positive(connections, "--connections"), workers),
        timeout_s=duration_s(given.timeout),
        keep_alive=not given.no_keepalive,
        follow_redirects=given.follow_redirects,
        verify_tls=not given.insecure,
        scenario=given.scenario and str(Path(given.scenario).absolute()),
        max_in_flight=given.max_in_flight and _positive(given.max_in_flight, "--max-in-flight"),
        allowed_hosts=allowed,
        shares=workers,
    )
    return Options(
        plan,
        slos,
        given.abort_on_fail,
        _warmup_s(given, load),
        workers,
        _outputs(given.out),
        given.plain,
        given.quiet,
        tuple(given.baseline),
        share(given.threshold),
        given.find_capacity,
        given.max_rps,
        given.nats,
    )


def own_hosts() -> tuple[str, ...]:
    """Return the names under which the platform on this machine is reached."""
    named = os.environ.get("ATALAIA_ALLOWED_HOSTS", "")
    return (socket.gethostname(), *(name.strip() for name in named.split(",") if name.strip()))


def _load(given: argparse.Namespace) -> Closed | Open:
    if given.stress:
        most = _positive(given.max_users or 100, "--max-users")
        return Closed(stress_steps(most, duration_s(given.step)), None, _think_s(given))
    if given.max_users is not None:
        raise Invalid("--max-users belongs to --stress")
    if given.stages:
        return Open(stages(given.stages), _arrival(given), given.seed)
    if given.find_capacity:
        return _trial(given)
    if given.rps is not None or given.endurance:
        if given.users is not None:
            raise Invalid("--users is the closed model, --rps and --endurance are the open one: choose")
        first, last = rates(given.rps if given.rps is not None else "50")
        if given.duration is None:
            raise Invalid("how long? --duration 30s")
        return Open((Stage(duration_s(given.duration), first, last),), _arrival(given), given.seed)
    if given.users is None:
        raise Invalid(
            "say how much: --users 20 --requests 10, --stress, or --endurance --duration 30 --rps 50"
        )
    if given.requests is None and given.duration is None:
        raise Invalid("how much of it? --requests 10 (of each user) or --duration 30s")
    users = _positive(given.users, "--users")
    length = duration_s(given.duration) if given.duration else None
    each = None if given.requests is None else _positive(given.requests, "--requests")
    return Closed((Step(users, length),), each, _think_s(given))


def _trial(given: argparse.Namespace) -> Open:
    """Return the first trial of a search; the others differ in their rate."""
    length_s = duration_s(given.duration) if given.duration else TRIAL_S
    first, _ = rates(given.rps) if given.rps is not None else (TRIAL_RPS, TRIAL_RPS)
    return Open((Stage(length_s, first, first),), _arrival(given), given.seed)


def _arrival(given: argparse.Namespace) -> Arrival:
    """Return the law of arrivals: evenly spaced ones compare best, and flatter a queue near its limit."""
    asked: Arrival | None = given.arrival
    return asked or ("poisson" if given.find_capacity else "constant")


def _think_s(given: argparse.Namespace) -> float:
    return 0.0 if given.think.strip("0") in ("", "ms", "s") else duration_s(given.think)


def _warmup_s(given: argparse.Namespace, load: Closed | Open) -> float | None:
    if given.warmup != "auto":
        return 0.0 if given.warmup in ("0", "none") else duration_s(given.warmup)
    if not load.is_steady or given.find_capacity:
        raise Invalid("--warmup auto looks for where a steady load has settled; this one moves: --warmup 10s")
    if given.abort_on_fail:
        raise Invalid("--abort-on-fail has to know what is judged while it runs: --warmup 10s, not auto")
    return None


def _keep_below(most: float | None, load: Closed | Open) -> None:
    if most is None:
        return
    if isinstance(load, Closed):
        raise Invalid("--max-rps limits the open model; users send as fast as they are answered")
    if load.most_rps > most:
        raise Invalid(f"the plan has {load.most_rps:g} requests a second, --max-rps allows {most:g}")


def _requests(given: argparse.Namespace) -> tuple[Request, ...]:
    body = given.body or ""
    if body.startswith("@"):
        try:
            body = Path(body[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"--body {given.body}: {error}") from error
    method = (given.method or ("POST" if body else "GET")).upper()
    if not method.isalpha():
        raise Invalid(f"--method {given.method!r} is none")
    headers = tuple(_header(text) for text in given.header)
    if given.openapi:
        from services.loadgen.cli.openapi import requests_of  # it is slow to import

        base = given.url[0] if given.url else default_url().removesuffix(HEALTH)
        return requests_of(Path(given.openapi), base, headers)
    urls = given.url or [default_url()]
    return tuple(
        Request(url, method, headers, body, weight) for url, weight in (_weighted(url) for url in urls)
    )


def default_url() -> str:
    """Return the gateway's health on this machine."""
    return f"http://127.0.0.1:{os.environ.get('ATALAIA_HTTP_PORT') or 8000}{HEALTH}"


def _weighted(text: str) -> tuple[str, float]:
    match = re.fullmatch(r"(.+)@(\d+(?:\.\d+)?)", text)
    if match is None or "/" not in match[1].partition("://")[2]:  # an @ before the path is user info
        return text, 1.0
    weight = float(match[2])
    if weight <= 0:
        raise Invalid(f"--url {text}: a weight is more than 0")
    return match[1], weight


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Invalid(f"--header {text!r} is none; write 'Name: value'")
    return name.strip(), value.strip()


def _positive(number: int, name: str) -> int:
    if number < 1:
        raise Invalid(f"{name} {number}: at least 1")
    return number


def _run_id(given: str | None) -> str:
    if given is None:
        return new_run_id(datetime.now(UTC))
    if not _RUN_ID.fullmatch(given):
        raise Invalid(f"--run-id {given!r}: letters, digits, _ and -, at most 64")
    return given


def _outputs(given: list[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for text in (part for one in given for part in one.split(",")):
        kind, equals, path = text.partition("=")
        if kind not in KINDS or not equals or not path:
            raise Invalid(f"--out {text!r}: KIND=FILE, where KIND is one of {', '.join(KINDS)}")
        refuse_unwritable(path)
        found.append((kind, path))
    return tuple(found)
