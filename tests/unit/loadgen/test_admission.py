from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import pytest

from atalaia.errors import Forbidden, Invalid
from atalaia.events.loadtests import LoadTestRequest
from services.loadgen.adapters.prepared import Origin, Prepared, mix
from services.loadgen.cli.arguments import parser
from services.loadgen.cli.options import options
from services.loadgen.domain.admission import Limits, admitted, plan_of
from services.loadgen.domain.plan import Closed, Open, Request, Stage, Step

LIMITS = Limits(("ours.example",), most_rps=100, most_users=50, longest_s=60)


def asked(**fields: object) -> object:
    request = LoadTestRequest.model_validate(fields)
    return plan_of(request, "r", "http://127.0.0.1/health", LIMITS).load


def test_requests_become_plans() -> None:
    assert asked(users=20, requests=10) == Closed((Step(20, LIMITS.longest_s),), 10)
    assert asked(users=20) == Closed((Step(20, LIMITS.longest_s),), 10)
    assert asked(users=20, duration_s=5) == Closed((Step(20, 5),), None)
    assert asked(rps=50, duration_s=30) == Open((Stage(30, 50, 50),))
    assert asked(max_users=3, step_s=2, url="http://ours.example/") == Closed(
        (Step(1, 2), Step(2, 2), Step(3, 2))
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"users": 1, "rps": 1, "duration_s": 1},
        {"rps": 1},
        {"rps": 101, "duration_s": 1},
        {"users": 51, "requests": 1},
        {"rps": 1, "duration_s": 61},
        {"users": 1, "duration_s": 61},
    ],
)
def test_what_does_not_fit_or_is_too_much(fields: dict[str, object]) -> None:
    with pytest.raises(Invalid):  # Forbidden is one
        asked(**fields)


def test_a_plan_that_brings_its_own_allowed_hosts_gets_ours() -> None:
    request = LoadTestRequest(users=1, requests=1, url="http://ours.example/")
    plan = plan_of(request, "r", "", LIMITS)
    assert admitted(dataclasses.replace(plan, allowed_hosts=("evil.example",)), LIMITS).allowed_hosts == (
        "ours.example",
    )
    foreign = dataclasses.replace(
        plan,
        requests=(dataclasses.replace(plan.requests[0], url="http://evil.example/"),),
        allowed_hosts=("evil.example",),
    )
    with pytest.raises(Forbidden):
        admitted(foreign, LIMITS)
    with pytest.raises(Invalid):
        admitted(dataclasses.replace(plan, scenario="/etc/passwd"), LIMITS)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--users 20",
        "--users 0 --requests 1",
        "--users 20 --rps 5 --duration 1",
        "--rps 50",
        "--endurance",
        "--max-users 5 --users 5 --requests 1",
        "--rps 50 --duration 1 --max-rps 10",
        "--users 5 --requests 1 --connections 4",
        "--rps 1 --duration 1 --slo p99",
        "--rps 1 --duration 1 --abort-on-fail",
        "--find-capacity",
        "--rps 1 --duration 1 --out json",
        "--rps 1 --duration 1 --out pdf=x",
        "--rps 1 --duration 1 --header nonsense",
        "--rps 1 --duration 1 --run-id a/b",
        "--rps 1 --duration 1 --openapi /nowhere.json",
        "--rps 1 --duration 1 --workers 0",
    ],
)
def test_arguments_that_do_not_fit_are_said_not_to(line: str) -> None:
    with pytest.raises(Invalid):
        options(parser().parse_args(line.split()))


def test_the_commands_of_the_plan_are_what_they_say() -> None:
    def load(line: str) -> object:
        return options(parser().parse_args(line.split())).plan.load

    assert load("--users 20 --requests 10") == Closed((Step(20),), 10)
    assert load("--endurance --duration 30 --rps 50") == Open((Stage(30, 50, 50),))
    stress = load("--stress --max-users 100")
    assert isinstance(stress, Closed)
    assert [(step.users, step.duration_s) for step in stress.steps] == [
        (users, 5.0) for users in (1, 2, 4, 8, 16, 32, 64, 100)
    ]


def test_urls_have_weights_headers_and_bodies() -> None:
    line = ["--users=1", "--requests=1", "--url=http://127.0.0.1/a@3", "--url=http://127.0.0.1/b", "--body=x"]
    made = options(parser().parse_args([*line, "-H", "A: b"])).plan.requests
    assert [(r.url, r.weight, r.method, r.headers) for r in made] == [
        ("http://127.0.0.1/a", 3.0, "POST", (("A", "b"),)),
        ("http://127.0.0.1/b", 1.0, "POST", (("A", "b"),)),
    ]


def test_each_url_is_asked_for_as_often_as_its_weight_says() -> None:
    origin = Origin("127.0.0.1", 80, "127.0.0.1", None)
    prepared = [
        Prepared(origin, b"", name, False, Request(name, weight=weight))
        for name, weight in (("a", 3), ("b", 1))
    ]
    asked = Counter(one.url for one in itertools.islice(mix(prepared, seed=1), 4000))
    assert asked["a"] / 4000 == pytest.approx(0.75, abs=0.03)
