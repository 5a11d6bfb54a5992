"""Spans longer than the stream keeps, where Prometheus is there to ask: it needs a Docker engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, settled
from tests.system.platform import Platform
from tests.system.ranges import MOMENTS, Setting, beside_prometheus


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with beside_prometheus(tmp_path_factory.mktemp("ranges")) as setting:
        setting.from_prometheus("queue.depth")
        yield setting


@pytest.fixture
def platform(setting: Setting) -> Platform:
    return setting.platform


def test_a_day_reaches_back_as_far_as_prometheus_and_is_in_the_link(
    open_page: OpenPage, setting: Setting
) -> None:
    page = settled(open_page("#/hosts/kept?kind=app&metric=queue.depth"))
    plot = page.locator(".chart").get_by_role("slider").first
    held_s = int(plot.get_attribute("aria-valuemin") or 0)
    assert held_s > setting.began_s + 15 * (MOMENTS - 6)
    page.get_by_role("button", name="24 h", exact=True).click()
    expect(plot).not_to_have_attribute("aria-valuemin", str(held_s))
    assert int(plot.get_attribute("aria-valuemin") or 0) < setting.began_s + 300
    assert "span=86400" in page.url
    page.reload()
    expect(page.get_by_role("button", name="24 h", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="7 d", exact=True)).to_be_visible()
