from __future__ import annotations

import pytest

from atalaia.errors import Invalid
from services.loadgen.cli.arguments import parser
from services.loadgen.cli.options import Options, options
from services.loadgen.domain.plan import Open


def given(*arguments: str) -> Options:
    return options(parser().parse_args(arguments))


@pytest.mark.parametrize(
    ("text", "warmup_s"), [("auto", None), ("none", 0.0), ("0", 0.0), ("10s", 10.0), ("1m", 60.0)]
)
def test_a_warm_up_is_given_found_or_not_there(text: str, warmup_s: float | None) -> None:
    assert given("--rps=50", "--duration=60", f"--warmup={text}").warmup_s == warmup_s
    assert given("--users=5", "--duration=60", f"--warmup={text}").warmup_s == warmup_s


def test_arrivals_are_even_unless_a_queue_would_be_flattered_by_it() -> None:
    def arrival(*line: str) -> str:
        load = given(*line).plan.load
        assert isinstance(load, Open)
        return load.arrival

    assert arrival("--rps=5", "--duration=9") == "constant"
    assert arrival("--rps=5", "--duration=9", "--arrival=poisson") == "poisson"
    assert arrival("--find-capacity", "--slo=p50<1s") == "poisson"
    assert arrival("--find-capacity", "--slo=p50<1s", "--arrival=constant") == "constant"


@pytest.mark.parametrize(
    "load",
    [
        ("--rps=10:100", "--duration=60"),
        ("--stages=30s:50,1m:200",),
        ("--stress",),
        ("--find-capacity", "--slo=p50<1s"),
        ("--rps=50", "--duration=60", "--abort-on-fail", "--slo=p50<1s"),
    ],
)
def test_a_warm_up_is_not_looked_for_where_the_load_moves_or_the_end_hangs_on_it(
    load: tuple[str, ...],
) -> None:
    with pytest.raises(Invalid, match="--warmup 10s"):
        given(*load, "--warmup=auto")
