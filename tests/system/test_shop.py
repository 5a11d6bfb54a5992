"""The shows of the example: exact counts whatever happens to its workers; no platform; alerts on its data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.system.platform import ROOT, Platform, await_that, free_ports
from tests.system.servers import Servers
from tests.system.shop import Shop, running

ORDER = json.dumps({"customer": "ana", "lines": [{"product_id": 7, "quantity": 1}]})
ASKED = {
    ("GET", "/products"): "/products?after=24",
    ("GET", "/products/{product_id}"): "/products/%d",
    ("GET", "/reports/categories"): "/reports/categories",
    ("POST", "/orders"): "/orders",
    ("GET", "_unmatched"): "/nothing/%d",
}


class Customers:
    """A few customers at once. `answered` counts what each endpoint answered, as they saw it."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.answered: Counter[tuple[str, str]] = Counter()
        self.failed: list[str] = []
        self._lock = threading.Lock()

    def ask(self, rounds: int, *, at_once: int = 4) -> None:
        threads = [threading.Thread(target=self._rounds, args=(rounds, number)) for number in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _rounds(self, rounds: int, number: int) -> None:
        for turn in range(rounds):
            for endpoint, path in ASKED.items():
                full = path % (1 + number * rounds + turn) if "%d" in path else path
                try:
                    status = self._shop.get(full, body=ORDER if endpoint[0] == "POST" else None)
                except OSError as error:  # a worker ended before it took the request: it was never counted
                    with self._lock:
                        self.failed.append(repr(error))
                    continue
                with self._lock:
                    self.answered[endpoint] += 1
                    if status >= 500:
                        self.failed.append(f"{full}: {status}")


def shop_of(platform: Platform, **more: Any) -> Shop:
    return Shop(ATALAIA_DATA_DIR=str(platform.data_dir), ATALAIA_APP_INTERVAL_S="0.5", **more)


def counted(platform: Platform) -> Counter[tuple[str, str]]:
    _, answer = platform.get("/performance?service=shop&window_s=3600")
    return Counter({(one["method"], one["route"]): one["requests"] for one in answer["endpoints"]})


@pytest.fixture
def fresh(tmp_path: Path) -> Any:
    """A platform of one test's own: what others did to the shop does not count."""
    platform = Platform(tmp_path)
    platform.start()
    yield platform
    assert platform.stop() == 0


def test_four_workers_of_which_one_is_terminated_are_counted_exactly(fresh: Platform) -> None:
    with running(shop_of(fresh, workers=4), "/products") as shop:
        await_that(lambda: len(shop.workers()) == 4, what="four workers")
        customers = Customers(shop)
        victim = shop.workers()[0]
        asking = threading.Thread(target=customers.ask, args=(30,))
        asking.start()
        await_that(lambda: sum(customers.answered.values()) > 100, what="the first hundred answers")
        victim.send_signal(signal.SIGTERM)
        asking.join()
        await_that(lambda: not psutil.pid_exists(victim.pid), what="the worker's end")
        customers.ask(5)
        assert sum(customers.answered.values()) >= 500
        expected = customers.answered + Counter({("GET", "/products"): 1})  # the one that said ready
        await_that(lambda: counted(fresh) == expected or None, what=f"{expected}, not {counted(fresh)}")
        shop.stop()
    assert counted(fresh) == expected
    _, answer = fresh.get("/performance?service=shop&window_s=3600")
    assert {one["error_rate"] for one in answer["endpoints"]} == {0.0}, (customers.failed, shop.output)


def test_workers_that_are_recycled_again_and_again_are_counted_exactly(platform: Platform) -> None:
    shop = Shop(
        workers=2,
        module="tests.system.troubled:create",
        NATS_URL=platform.urls()["NATS_URL"],
        ATALAIA_APP_INTERVAL_S="0.5",
        TROUBLED_SERVICE="recycled",
        UVICORN_LIMIT_MAX_REQUESTS="40",
    )
    with running(shop, "/fine"):
        answered = 1  # the one that said ready
        for _ in range(300):
            try:
                answered += shop.get("/fine") == 200
            except OSError:
                continue  # a worker ended before it took the request
        shop.stop()
    _, answer = platform.get("/performance?service=recycled&window_s=3600")
    assert [(one["route"], one["requests"]) for one in answer["endpoints"]] == [("/fine", answered)]


def test_ten_thousand_unmatched_paths_are_at_most_200_series(platform: Platform) -> None:
    with running(shop_of(platform), "/products") as shop:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=10)
        for number in range(10_000):
            connection.request("GET", f"/made/up/{number}")
            connection.getresponse().read()
        connection.close()
        expected = Counter({("GET", "_unmatched"): 10_000})
        await_that(lambda: (counted(platform) & expected) == expected or None, what="ten thousand")
        series = {series for batch in stored(platform, "shop") for series in batch}
        shop.stop()
    assert len(series) <= 200


def stored(platform: Platform, group: str) -> list[set[str]]:
    """Return the series of each message that the broker holds of a group."""
    import asyncio

    async def read() -> list[set[str]]:
        async with platform.nats() as client:
            stream = client.jetstream()
            last = (await stream.stream_info("ATALAIA_METRICS")).state.last_seq
            found = []
            for sequence in range(1, last + 1):
                message = await stream.get_msg("ATALAIA_METRICS", sequence)
                if message.subject and message.subject.split(".")[3] == group:
                    body = json.loads(message.data or b"")
                    found.append({*body["gauges"], *body["counters"], *body["histograms"]})
            return found

    return asyncio.run(read())


def test_without_a_platform_the_same_answers_and_one_line(servers: Servers) -> None:
    (closed,) = free_ports(1)
    shop = Shop(DATABASE_URL=servers.postgres.url, NATS_URL=f"nats://127.0.0.1:{closed}")
    with running(shop, "/products"):
        customers = Customers(shop)
        customers.ask(5)
        assert shop.stop() < 2.0
    assert not customers.failed
    spoken = [line for line in shop.output if "the shop is at" not in line]
    assert len(spoken) == 1, spoken
    assert "broker" in spoken[0]


def test_without_anything_running_it_says_what_is_missing(tmp_path: Path) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ATALAIA_") and not name.endswith("_URL")
    }
    done = subprocess.run(
        [sys.executable, "-m", "examples.shop"],
        cwd=ROOT,
        env=environment | {"ATALAIA_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT / "shared")},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    assert "no platform is running" in done.stderr
    assert "Traceback" not in done.stderr
