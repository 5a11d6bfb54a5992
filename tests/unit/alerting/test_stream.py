"""Which subjects of the metrics stream are asked for."""

from __future__ import annotations

from atalaia.events.subjects import PARTITIONS
from services.alerting.adapters.stream import filters


def test_whoever_judges_all_partitions_has_no_subject_matched() -> None:
    assert filters([*range(PARTITIONS)]) is None


def test_whoever_judges_some_partitions_asks_for_these() -> None:
    assert filters([3, 5]) == ["atalaia.metrics.*.*.*.3", "atalaia.metrics.*.*.*.5"]
