"""A platform whose stream has only the end of what a Prometheus has, and a door between them."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.events.series import spell
from atalaia.stats import Histogram
from services.api.domain.openmetrics import Accumulated, render
from tests.containers.prometheus import prometheus
from tests.system.platform import Platform, await_that
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


@contextmanager
def beside_prometheus(folder: Path) -> Iterator[Setting]:
    """The stream has only the newest five moments of what Prometheus has scraped, at two replicas."""
    told = Told()
    with door() as one, door() as other:
        one.shown = other.shown = told.scraped()
        targets = [made.url.removeprefix("http://") for made in (one, other)]
        with prometheus(folder, targets) as url:
            one.behind = url
            platform = Platform(folder / "platform", PROMETHEUS_URL=one.url)
            platform.start()
            try:
                newest = [told.batch(moment) for moment in range(MOMENTS - 5, MOMENTS)]
                with ThreadPoolExecutor(1) as beside:  # a browser's tests have a loop running here
                    beside.submit(lambda: asyncio.run(_publish(platform, newest))).result(20)
                await_that(lambda: platform.get("/metrics?source=kept")[1]["sources"], what="the source")
                yield Setting(platform, one, told.began.timestamp())
            finally:
                platform.stop()


async def _publish(platform: Platform, batches: list[MetricsBatch]) -> None:
    async with platform.nats() as client:
        for batch in batches:
            await client.publish("atalaia.metrics.app.shop.kept", batch.body())
        await client.flush()
