import json
from typing import Any

import pytest

from atalaia.errors import Invalid
from atalaia.events.metrics import check_series, check_subject, read_batch


def body(**fields: Any) -> bytes:
    return json.dumps(
        {"source": "web-1", "kind": "host", "at": "2026-11-24T03:36:00Z", "interval_s": 1.0} | fields
    ).encode()


def test_group_defaults_to_source_and_unknown_fields_are_ignored() -> None:
    assert read_batch(body(colour="blue")).group == "web-1"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": ""}, "source"),
        ({"at": "2026-11-24T03:36:00"}, "at"),
        ({"interval_s": 0}, "interval_s"),
        ({"gauges": {"m": "high"}}, "gauges.m"),
        ({"gauges": {"m": None}}, "gauges.m"),
        ({"histograms": {"m": {"count": 2, "sum": 1, "scale": 4, "counts": [1]}}}, "histograms.m"),
        ({"histograms": {"m": {"count": 0, "sum": 0, "scale": 3}}}, "histograms.m.scale"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_batch(body(**change))
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_only_finite_numbers(text: str) -> None:
    with pytest.raises(Invalid):
        read_batch(body(gauges={"m": 1}).replace(b'"m": 1', f'"m": {text}'.encode()))


@pytest.mark.parametrize("nonsense", [b"", b"[]", b"\xff\xfe", b"{", b"null"])
def test_what_is_no_batch_is_invalid(nonsense: bytes) -> None:
    with pytest.raises(Invalid):
        read_batch(nonsense)


def test_a_batch_survives_its_own_body() -> None:
    batch = read_batch(body(gauges={"m": 0.5}, resource={"host.name": "web-1"}))
    assert read_batch(batch.body()) == batch


def test_a_series_in_another_spelling_is_invalid() -> None:
    with pytest.raises(Invalid, match="sorted"):
        check_series(read_batch(body(gauges={'m{b="1",a="2"}': 1})))


def test_the_subject_must_say_what_the_body_says() -> None:
    batch = read_batch(body(source="web 1", group="shop"))
    check_subject(batch, "atalaia.metrics.host.shop.web_1_" + batch_tail("web 1") + ".07")
    with pytest.raises(Invalid):
        check_subject(batch, "atalaia.metrics.host.shop.web-1.07")


def batch_tail(name: str) -> str:
    from hashlib import sha256

    return sha256(name.encode()).hexdigest()[:6]
