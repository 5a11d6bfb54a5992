"""A real platform with something to see, and a real Chromium to see it in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.broker import Publisher
from tests.browser.chromium import executable, flags
from tests.system.platform import Platform, Source
from tests.system.shop import Shop, running

WITHIN_MS = 15_000
OpenPage = Callable[..., Page]
PATHS = ("/products", "/products/7", "/products/12", "/reports/categories", "/products?category=tea")

expect.set_options(timeout=WITHIN_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform"))
    platform.start()
    yield platform
    assert platform.stop() == 0


@pytest.fixture(scope="session")
def publisher(platform: Platform) -> Iterator[Publisher]:
    publisher = Publisher(platform)
    yield publisher
    publisher.close()


@pytest.fixture(scope="session")
def shop(platform: Platform) -> Iterator[Shop]:
    """The example, with some requests behind it."""
    with running(Shop(ATALAIA_DATA_DIR=str(platform.data_dir)), "/products") as shop:
        yield shop
        shop.stop()


class Machine(Source):
    """A source with memory and a disk, too."""

    def body(self, value: float, *, after_s: float = 10.0) -> bytes:
        said = json.loads(super().body(value, after_s=after_s))
        said["gauges"]["system.memory.utilization"] = 0.35 + value / 4
        said["gauges"]['system.filesystem.utilization{system.filesystem.mountpoint="/"}'] = 0.61
        return json.dumps(said).encode()


@pytest.fixture(scope="session")
def hosts(publisher: Publisher) -> list[Source]:
    """Eight quiet hosts with a quarter of an hour behind them."""
    names = ("web-1", "web-2", "web-3", "db-1", "db-2", "cache-1", "jobs-1", "jobs-2")
    hosts: list[Source] = [Machine(name) for name in names]
    for number, host in enumerate(hosts):
        host.at = datetime.now(UTC) - timedelta(seconds=1300)  # leaves room for eight values that fire
        level = 0.2 + 0.06 * number
        wave = [
            level + 0.1 * math.sin(step / 9 + number) + 0.04 * math.sin(step * 1.7) for step in range(120)
        ]
        publisher.publish(host, *wave)
    return hosts


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=flags())
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, platform: Platform) -> Iterator[OpenPage]:
    """Open views in contexts of their own. What the console complains of fails the test."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def complain(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                complaints.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

        def open_page(
            place: str = "#/",
            *,
            width: int = 1280,
            height: int = 800,
            locale: str = "en-GB",
            theme: str = "light",
            may_complain: bool = False,
            without: str = "",
        ) -> Page:
            """`may_complain`: requests will fail, which the console tells. `without`: these never arrive."""
            context: BrowserContext = browser.new_context(
                viewport={"width": width, "height": height},
                locale=locale,
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(WITHIN_MS)
            if not may_complain:
                page.on("console", complain)
            if without:
                page.route(without, lambda route: route.abort())
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"http://127.0.0.1:{platform.http_port}/{place}")
            return page

        yield open_page
    assert complaints == []


def settled(page: Page) -> Page:
    """Await that the page is live and shows what it was asked for."""
    expect(page.locator(".tools .mark")).to_have_text("Live" if is_english(page) else "Ao vivo")
    expect(page.get_by_text("Loading …" if is_english(page) else "Carregando …")).to_have_count(0)
    return page


def is_english(page: Page) -> bool:
    return bool(page.locator("html").get_attribute("lang") == "en")
