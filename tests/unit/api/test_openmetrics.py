"""Names and sums as Prometheus expects them."""

from __future__ import annotations

from datetime import UTC, datetime

from atalaia.events.metrics import MetricsBatch
from atalaia.stats import Histogram
from services.api.domain.openmetrics import Accumulated, cumulative, family_name, render

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_names_get_their_unit_and_counters_their_total() -> None:
    assert family_name("system.cpu.utilization", "gauge")[0] == "system_cpu_utilization_ratio"
    assert family_name("system.cpu.time", "counter")[0] == "system_cpu_time_seconds"
    assert family_name("system.network.io", "counter")[0] == "system_network_io_bytes"
    assert (
        family_name("http.server.request.duration", "histogram")[0] == "http_server_request_duration_seconds"
    )


def test_a_whole_exposition() -> None:
    batch = MetricsBatch(
        source='a"b',
        kind="host",
        at=T0,
        interval_s=1,
        start=T0,
        gauges={"system.cpu.utilization": 0.5},
        counters={'system.network.io{network.interface.name="eth0"}': 7},
    )
    labels = '{source="a\\"b",kind="host",group="a\\"b",network_interface_name="eth0"}'
    assert render([batch], []).splitlines() == [
        "# TYPE system_cpu_utilization_ratio gauge",
        "# UNIT system_cpu_utilization_ratio ratio",
        'system_cpu_utilization_ratio{source="a\\"b",kind="host",group="a\\"b"} 0.5',
        "# TYPE system_network_io_bytes counter",
        "# UNIT system_network_io_bytes bytes",
        f"system_network_io_bytes_total{labels} 7",
        f"system_network_io_bytes_created{labels} {int(T0.timestamp())}",
        "# EOF",
    ]


def test_buckets_are_cumulative_and_exact() -> None:
    histogram = Histogram()
    for value in (0.0, 0.001, 0.5, 0.5, 3.0, 100.0):
        histogram.record(value)
    buckets = dict(cumulative(histogram, seconds=True))
    assert buckets[0.5] == 4
    assert buckets[4.0] == 5
    assert list(buckets.values()) == sorted(buckets.values())


def test_a_histogram_ends_with_its_count() -> None:
    batch = MetricsBatch(source="a", kind="app", at=T0, interval_s=1)
    histogram = Histogram()
    histogram.record(0.25, 3)
    text = render([batch], [(batch, "http.server.request.duration", Accumulated(T0, histogram))])
    assert 'le="+Inf"} 3' in text
    assert 'http_server_request_duration_seconds_sum{source="a",kind="app",group="a"} 0.75' in text
