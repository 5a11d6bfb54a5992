"""The README's pictures: made from the real page, each of them small."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.broker import Publisher
from tests.browser.conftest import PATHS, OpenPage, settled
from tests.system.platform import ROOT, Platform, Source, await_that
from tests.system.shop import Shop

FOLDER = Path(ROOT) / "docs" / "screenshots"
MOST_BYTES = 150 * 1024
BUSY_S = 20.0


@pytest.fixture(scope="module", autouse=True)
def a_day_with_trouble(platform: Platform, publisher: Publisher, hosts: list[Source], shop: Shop) -> None:
    """Two of eight hosts in trouble, nothing that other tests left, and a shop that was busy for a while."""
    ours = {host.name for host in hosts}
    for one in platform.get("/metrics?kind=host&name=system.cpu.utilization")[1]["sources"]:
        if one["source"] not in ours | {socket.gethostname()}:
            platform.request("DELETE", f"/sources/{one['source']}")
    for host in hosts:
        host.at = max(host.at, datetime.now(UTC) - timedelta(seconds=100))
        publisher.publish(host, 0.35)
    publisher.fire(hosts[3], 0.97)
    publisher.fire(hosts[1], 0.86)
    until_s = time.monotonic() + BUSY_S
    number = 0
    while time.monotonic() < until_s:
        shop.get(PATHS[number % len(PATHS)] if number % 4 else f"/products/{number % 200 + 1}")
        number += 1
    await_that(lambda: "/reports" in str(platform.get("/performance?service=shop")), within_s=15)


def take(page: Page, name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    assert file.stat().st_size <= MOST_BYTES, f"{file.name} has {file.stat().st_size} bytes"


def test_overview(open_page: OpenPage) -> None:
    page = settled(open_page(height=820))
    expect(page.locator(".alert")).not_to_have_count(0)
    take(page, "overview")


def test_host_in_trouble(open_page: OpenPage, hosts: list[Source]) -> None:
    page = settled(open_page(f"#/hosts/{hosts[3].name}", height=640))
    expect(page.locator(".u-over")).not_to_have_count(0)
    take(page, "host")


def test_application_in_the_dark(open_page: OpenPage) -> None:
    page = settled(open_page("#/apps/shop", theme="dark", height=900))
    expect(page.locator(".u-over")).not_to_have_count(0)
    take(page, "application-dark")


def test_overview_on_a_telephone(open_page: OpenPage) -> None:
    page = settled(open_page(width=360, height=740, locale="pt-BR"))
    expect(page.locator(".alert")).not_to_have_count(0)
    take(page, "overview-narrow-pt")
