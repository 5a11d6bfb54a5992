"""How soon the page and an alert on it are there, and what 200 live series cost: `python -m benchmarks.page`.

The browser is the system's Chromium, headless and without a GPU: it paints on the CPU, where a desktop
has a graphics card for that.
"""

from __future__ import annotations

import json
import math
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from benchmarks.figures import Figure, show
from tests.browser.broker import Publisher
from tests.browser.chromium import executable, flags
from tests.system.platform import Platform, Source

SOURCE, METRICS, SERIES_EACH, POINTS = "bench-page", 5, 40, 1000
OBSERVED_S = 30.0
VIEWS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, _running(Platform(Path(folder))) as platform:
        publisher = Publisher(platform)
        _fill(publisher)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=flags())
            firsts = sorted(_first_view_s(browser, platform) for _ in range(VIEWS))
            alerts = sorted(_alert_s(browser, platform, publisher))
            with _publishing(publisher):
                share = _cpu_share(browser, platform)
            browser.close()
        publisher.close()
        show(
            "the page",
            [
                Figure("first view, from the request to the score shown, median", firsts[VIEWS // 2], "s"),
                Figure("from the last value to its alert on the page, median", alerts[VIEWS // 2], "s"),
                Figure(f"browser, {METRICS * SERIES_EACH} live series at 1 s", share, "of a core"),
            ],
        )


@contextmanager
def _running(platform: Platform) -> Iterator[Platform]:
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()


def _body(number: int, at: datetime) -> bytes:
    series = {
        f'bench.m{metric}{{n="{one:02}"}}': _value(number, metric, one)
        for metric in range(METRICS)
        for one in range(SERIES_EACH)
    }
    said = {"source": SOURCE, "kind": "host", "at": at.isoformat(), "interval_s": 1.0, "gauges": series}
    return json.dumps(said).encode()


def _value(number: int, metric: int, one: int) -> float:
    """A level, a slow wave and some noise: as a share of CPU goes."""
    noise = (number * 7919 + one * 104_729 + metric) % 1000 / 1000
    return one / 40 + 0.2 * math.sin(number / 60 + one) + 0.05 * noise


def _publish(publisher: Publisher, number: int, at: datetime) -> None:
    publisher.raw(f"atalaia.metrics.host.{SOURCE}.{SOURCE}", _body(number, at))


def _fill(publisher: Publisher) -> None:
    now = datetime.now(UTC)
    for number in range(POINTS):
        _publish(publisher, number, now - timedelta(seconds=POINTS - number))


@contextmanager
def _publishing(publisher: Publisher) -> Iterator[None]:
    """Publish all series once a second meanwhile."""
    over = threading.Event()

    def run() -> None:
        number = POINTS
        while not over.wait(1.0):
            number += 1
            _publish(publisher, number, datetime.now(UTC))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _first_view_s(browser: Browser, platform: Platform) -> float:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        """new MutationObserver(() => {
            if (!window.seenAt && document.querySelector('.score .value')) window.seenAt = performance.now();
        }).observe(document, {childList: true, subtree: true});"""
    )
    page.goto(f"http://127.0.0.1:{platform.http_port}/")
    page.locator(".score .value").wait_for()
    seen_ms = float(page.evaluate("window.seenAt"))
    context.close()
    return seen_ms / 1000


def _alert_s(browser: Browser, platform: Platform, publisher: Publisher) -> list[float]:
    """Return how long alerts took, each from the publishing of the value that fires it."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        """window.alertsAt = {};
        new MutationObserver(() => {
            for (const one of document.querySelectorAll('.alert .facts a'))
                window.alertsAt[one.textContent] ??= Date.now();
        }).observe(document, {childList: true, subtree: true});"""
    )
    page.goto(f"http://127.0.0.1:{platform.http_port}/")
    page.locator(".score .value").wait_for()
    took_s = []
    for number in range(VIEWS):
        source = Source(f"bench-alert-{number}")
        publisher.publish(source, *[0.99] * 6)
        sent_s = time.time()
        publisher.publish(source, 0.99)
        page.locator(".alert").filter(has_text=source.name).wait_for()
        took_s.append(float(page.evaluate("window.alertsAt")[source.name]) / 1000 - sent_s)
    context.close()
    return took_s


def _cpu_share(browser: Browser, platform: Platform) -> float:
    """Return the CPU time of all of Chromium's processes a second, of one core."""
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    page = context.new_page()
    metrics = ",".join(f"bench.m{metric}" for metric in range(METRICS))
    page.goto(f"http://127.0.0.1:{platform.http_port}/#/hosts/{SOURCE}?metric={metrics}")
    page.locator(".u-over").nth(METRICS - 1).wait_for()
    page.wait_for_timeout(5000)
    before_s, began_s = _cpu_s(), time.monotonic()
    page.wait_for_timeout(OBSERVED_S * 1000)
    used_s, took_s = _cpu_s() - before_s, time.monotonic() - began_s
    context.close()
    return used_s / took_s


def _cpu_s() -> float:
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        if "chrom" in child.name():
            times = child.cpu_times()
            total += times.user + times.system
    return total


if __name__ == "__main__":
    main()
