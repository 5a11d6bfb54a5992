"""Ranges longer than the stream keeps, from a real Prometheus; and from one that fails."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atalaia.errors import Invalid, Refused, Transient
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.events.series import spell
from atalaia.stats import Histogram
from services.api.adapters import prometheus as adapter
from services.api.adapters.probes import http_probe
from services.api.adapters.prometheus import PrometheusRanges
from services.api.domain.openmetrics import Accumulated, render
from services.api.domain.ranges import Range
from tests.system.platform import Platform, await_that
from tests.system.prometheus import prometheus
from tests.system.receiver import Server

EVERY_S = 15
MOMENTS = 200  # 50 minutes
AWKWARD = 'a "b" \\c\nd'
DEPTH = spell("queue.depth", {"queue.name": AWKWARD, "job": "night"})
DONE = spell("jobs.done", {"queue.name": AWKWARD})
TOOK = spell("http.server.request.duration", {"http.route": "/a"})


@dataclass
class Told:
    """What a source told: a moment each 15 s, two jobs a second, a request of 0.1 s each second."""

    began: datetime = field(
        default_factory=lambda: (
            datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=EVERY_S * MOMENTS)
        )
    )

    def batch(self, moment: int) -> MetricsBatch:
        requests = Histogram(scale=4)
        requests.record(0.1, EVERY_S)
        return MetricsBatch(
            source="kept",
            kind="app",
            group="shop",
            at=self.began + timedelta(seconds=moment * EVERY_S),
            interval_s=EVERY_S,
            start=self.began,
            gauges={DEPTH: float(moment)},
            counters={DONE: 2.0 * EVERY_S * moment},
            histograms={TOOK: HistogramDelta.of(requests)},
        )

    def scraped(self) -> bytes:
        """Return all that a gateway's `/metrics` showed, each moment with its time."""
        sums = Accumulated(self.began)
        lines: list[str] = []
        for moment in range(MOMENTS):
            batch = self.batch(moment)
            sums.histogram.record(0.1, EVERY_S)
            text = render([batch], [(batch, TOOK, sums)])
            at_s = batch.at.timestamp()
            lines += [f"{line} {at_s}" for line in text.splitlines() if not line.startswith("#")]
        return ("\n".join(lines) + "\n# EOF\n").encode()


def _whole_second() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Door:
    """Stands before Prometheus. `way`: through to it, or how it fails."""

    def __init__(self) -> None:
        self.way = "through"
        self.behind = ""
        self.shown = b""
        self.forms: list[dict[str, str]] = []
        self.server = Server(self._handle)
        self.server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ")[1]
        sizes = [
            line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length:")
        ]
        form = await reader.readexactly(int(sizes[0])) if sizes else b""
        if path == "/metrics":
            writer.write(_answer(200, self.shown, "application/openmetrics-text; version=1.0.0"))
        elif path.endswith("query_range"):
            self.forms.append(dict(urllib.parse.parse_qsl(form.decode())))
            await self._query(writer, path, form)
        else:
            writer.write(_answer(200, b"healthy"))
        await writer.drain()

    async def _query(self, writer: asyncio.StreamWriter, path: str, form: bytes) -> None:
        match self.way:
            case "through":
                found = await asyncio.to_thread(_forwarded, self.behind + path, form)
                writer.write(_answer(200, found))
            case "silent":
                await asyncio.sleep(3600)
            case "trickle":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "another protocol":
                writer.write(b"SSH-2.0-something\r\n")
            case "half":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            case "nonsense":
                writer.write(_answer(200, b"<html>log in here</html>"))
            case status:
                writer.write(_answer(int(status), b'{"status":"error","error":"too many samples"}'))


def _answer(status: int, body: bytes, content_type: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _forwarded(url: str, form: bytes) -> bytes:
    with urllib.request.urlopen(url, form, timeout=10) as answer:
        found: bytes = answer.read()
    return found


@contextmanager
def door() -> Iterator[Door]:
    made = Door()
    try:
        yield made
    finally:
        made.server.stop()


@dataclass
class Setting:
    platform: Platform
    door: Door
    began_s: float

    def history(self, metric: str, back_s: float = EVERY_S * MOMENTS, **more: str) -> tuple[str, Any]:
        """Return (where it is from, the answer)."""
        more = {name.rstrip("_"): value for name, value in more.items()}
        asked = urllib.parse.urlencode({"source": "kept", "since": time.time() - back_s, **more})
        url = f"http://127.0.0.1:{self.platform.http_port}/api/v1/monitoring/metrics/{metric}?{asked}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.headers["Atalaia-Source"], json.loads(answer.read())

    def from_prometheus(self, metric: str, back_s: float = EVERY_S * MOMENTS, **more: str) -> Any:
        def asked() -> Any:
            origin, answer = self.history(metric, back_s, **more)
            return answer if origin == "prometheus" else None

        # a circuit that a failure has opened closes again by itself
        return await_that(asked, within_s=30, what=f"{metric} from Prometheus")


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """The stream has only the newest five moments of what Prometheus has scraped, at two replicas."""
    told = Told()
    folder = tmp_path_factory.mktemp("ranges")
    with door() as one, door() as other:
        one.shown = other.shown = told.scraped()
        targets = [made.url.removeprefix("http://") for made in (one, other)]
        with prometheus(folder, targets) as url:
            one.behind = url
            platform = Platform(folder / "platform", PROMETHEUS_URL=one.url)
            platform.start()
            try:
                asyncio.run(
                    _publish(platform, [told.batch(moment) for moment in range(MOMENTS - 5, MOMENTS)])
                )
                await_that(lambda: platform.get("/metrics?source=kept")[1]["sources"], what="the source")
                yield Setting(platform, one, told.began.timestamp())
            finally:
                platform.stop()


async def _publish(platform: Platform, batches: list[MetricsBatch]) -> None:
    async with platform.nats() as client:
        for batch in batches:
            await client.publish("atalaia.metrics.app.shop.kept", batch.body())
        await client.flush()


def test_a_gauge_reaches_back_as_far_as_prometheus_under_its_own_labels(setting: Setting) -> None:
    answer = setting.from_prometheus("queue.depth")
    (series,) = answer["series"]
    assert series["labels"] == {"queue.name": AWKWARD, "job": "night"}
    assert (series["source"], series["kind"]) == ("kept", "app")
    points = series["points"]
    assert 190 <= len(points) <= 1000
    assert points[0][0] < setting.began_s + 60
    for at_s, value in points:
        assert value == min((at_s - setting.began_s) // EVERY_S, MOMENTS - 1)


def test_a_counter_is_a_rate_a_second_or_its_readings(setting: Setting) -> None:
    (rates,) = setting.from_prometheus("jobs.done")["series"]
    assert [rate for _, rate in rates["points"][10:100]] == pytest.approx([2.0] * 90)
    (raw,) = setting.from_prometheus("jobs.done", as_="raw")["series"]
    assert raw["points"][-1][1] == 2.0 * EVERY_S * (MOMENTS - 1)


def test_a_histogram_has_count_sum_and_percentiles_of_each_step(setting: Setting) -> None:
    (series,) = setting.from_prometheus("http.server.request.duration")["series"]
    assert series["labels"] == {"http.route": "/a"}
    _, count, total, p50, p95, p99 = series["points"][50]
    assert (count, total) == (pytest.approx(15), pytest.approx(1.5))
    assert 0.08 < p50 <= p95 <= p99 <= 0.126


def test_a_label_is_asked_for_however_awkward(setting: Setting) -> None:
    answer = setting.from_prometheus("queue.depth", label=f"queue.name={AWKWARD}")
    assert len(answer["series"]) == 1
    _, none = setting.history("queue.depth", label="queue.name=other")
    assert none["series"] == []


def test_a_limit_is_kept_over_the_whole_range(setting: Setting) -> None:
    (series,) = setting.from_prometheus("queue.depth", limit="10")["series"]
    points = series["points"]
    assert 9 <= len(points) <= 10
    assert points[0][0] < setting.began_s + 700


def test_a_range_far_longer_than_what_there_is_comes_in_fine_steps(setting: Setting) -> None:
    # the first answer in steps of a week, the last one in what that leaves
    (series,) = setting.from_prometheus("queue.depth", back_s=20 * 365 * 86400)["series"]
    assert len(series["points"]) >= 190


def test_what_the_stream_holds_is_not_asked_of_prometheus(setting: Setting) -> None:
    before = len(setting.door.forms)
    origin, answer = setting.history("queue.depth", back_s=EVERY_S * 3)
    assert (origin, len(setting.door.forms)) == ("stream", before)
    assert len(answer["series"][0]["points"]) >= 2


def test_buckets_stay_with_the_stream(setting: Setting) -> None:
    origin, answer = setting.history("http.server.request.duration", as_="buckets")
    assert (origin, len(answer["series"][0]["points"])) == ("stream", 5)


@pytest.mark.parametrize("way", ["silent", "nonsense", "422", "503", "another protocol"])
def test_without_prometheus_the_stream_answers_and_again_afterwards(setting: Setting, way: str) -> None:
    setting.from_prometheus("queue.depth")
    setting.door.way = way
    try:
        origin, answer = setting.history("queue.depth")
    finally:
        setting.door.way = "through"
    assert origin == "stream"
    assert [value for _, value in answer["series"][0]["points"]] == [195, 196, 197, 198, 199]
    setting.from_prometheus("queue.depth")


ASKED = Range(1000.0, 2000.0, 15)


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("silent", Transient),
        ("trickle", Transient),
        ("half", Transient),
        ("another protocol", Transient),
        ("503", Transient),
        ("nonsense", Invalid),
        ("422", Invalid),
    ],
)
async def test_each_failure_is_one_of_ours(
    way: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "WITHIN_S", 0.3)
    with door() as made:
        made.way = way
        with pytest.raises(error):
            await PrometheusRanges(made.url).lines("up", ASKED)


async def test_a_prometheus_that_is_away_is_soon_left_alone() -> None:
    with door() as made:
        url = made.url
    ranges = PrometheusRanges(url)
    for _ in range(2):
        with pytest.raises(Transient, match="refused"):
            await ranges.lines("up", ASKED)
    with pytest.raises(Refused):
        await ranges.lines("up", ASKED)


async def test_more_than_fits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "MOST_BYTES", 10)
    with door() as made:
        made.way = "nonsense"
        with pytest.raises(Invalid, match="over 10 bytes"):
            await PrometheusRanges(made.url).lines("up", ASKED)


async def test_a_watched_address_that_speaks_something_else_is_down_and_ends_nothing() -> None:
    with door() as made:
        made.way = "another protocol"
        with pytest.raises(Transient):
            await http_probe(f"{made.url}/query_range")()
