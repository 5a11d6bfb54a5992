from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atalaia.errors import Forbidden, Invalid
from services.loadgen.domain import spoken
from services.loadgen.domain.hosts import refuse_foreign
from services.loadgen.domain.plan import (
    Closed,
    Open,
    Plan,
    Request,
    Stage,
    Step,
    from_json,
    share_of,
    to_json,
)

PLANS = [
    Plan("r", (Request("http://127.0.0.1/"),), Closed((Step(20),), 10, 0.5)),
    Plan(
        "r",
        (Request("http://[::1]/", "POST", (("a", "b"),), "body", 2.0),),
        Open((Stage(1, 2, 3), Stage(4, 3, 0)), "poisson", 9),
        allowed_hosts=("a", "b"),
        keep_alive=False,
        max_in_flight=7,
    ),
]


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_survives_json(plan: Plan) -> None:
    assert from_json(json.loads(json.dumps(to_json(plan)))) == plan


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 16))
def test_shares_of_a_number_add_up_and_differ_by_one_at_most(number: int, shares: int) -> None:
    parts = [share_of(number, share, shares) for share in range(shares)]
    assert sum(parts) == number
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("5m", 300), ("8h", 28800), ("1h30m", 5400), ("500ms", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert spoken.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "5x", "1h30", "ten", "999h", "1e3", "nan"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Invalid):
        spoken.duration_s(text)


def test_stages_go_from_where_the_last_one_ended() -> None:
    assert spoken.stages("30s:50,1m:200,30s:0") == (Stage(30, 0, 50), Stage(60, 50, 200), Stage(30, 200, 0))


def test_stress_doubles_its_users_up_to_the_last_step() -> None:
    assert [step.users for step in spoken.stress_steps(100, 5)] == [1, 2, 4, 8, 16, 32, 64, 100]
    assert [step.users for step in spoken.stress_steps(64, 5)] == [1, 2, 4, 8, 16, 32, 64]
    assert [step.users for step in spoken.stress_steps(1, 5)] == [1]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST.", "mine.example"])
def test_hosts_that_may_be_loaded(host: str) -> None:
    refuse_foreign(host, ["Mine.Example"])


@pytest.mark.parametrize(
    "host", ["example.com", "10.0.0.1", "0.0.0.0", "localhost.evil.example", "", "127.1"]
)
def test_hosts_that_may_not(host: str) -> None:
    with pytest.raises(Forbidden):
        refuse_foreign(host, ["mine.example"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.0, "0 µs"), (3.7e-5, "37 µs"), (0.0124, "12.4 ms"), (0.212, "212 ms"), (1.4, "1.4 s")],
)
def test_times_are_read_in_the_unit_that_suits_them(seconds: float | None, text: str) -> None:
    assert spoken.time_text(seconds) == text
