import re

from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.subjects import metrics_subject, partition_in, partition_of, token


@given(st.text(min_size=1))
def test_every_name_becomes_one_token(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", token(name))


def test_names_that_are_tokens_stay_and_others_are_told_apart() -> None:
    assert token("web-1") == "web-1"
    assert token("web 1") != token("web_1") != token("web.1")
    assert token("a.b").startswith("a_b_")
    assert len(token("é" * 500)) == 128


def test_subjects_hold_kind_group_and_source() -> None:
    assert metrics_subject("host", "shop", "web-1") == "atalaia.metrics.host.shop.web-1"


def test_partitions_are_64() -> None:
    assert {partition_of(f"group-{n}") for n in range(2000)} == set(range(64))


def test_the_partition_is_the_last_token() -> None:
    assert partition_in("atalaia.metrics.host.web-1.web-1.7") == 7
    assert partition_in("atalaia.metrics.host.web-1.web-1") == -1
