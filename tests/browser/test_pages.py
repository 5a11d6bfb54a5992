"""Every page: in both languages and themes, narrow, without complaints, and open to everybody."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.broker import Publisher
from tests.browser.conftest import OpenPage, settled
from tests.system.platform import Platform, Source, await_that
from tests.system.shop import Shop

PLACES = {
    "overview": "#/",
    "host": "#/hosts/web-1",
    "application": "#/apps/shop",
    "endpoint": "#/apps/shop/GET/%2Fproducts",
    "alerts": "#/alerts",
    "load tests": "#/loadtests",
    "services": "#/services",
    "cache": "#/cache",
    "system": "#/system",
    "nowhere": "#/nowhere",
}
everywhere = pytest.mark.parametrize("name", PLACES)


@pytest.fixture(scope="module", autouse=True)
def something_to_see(platform: Platform, publisher: Publisher, hosts: list[Source], shop: Shop) -> None:
    publisher.fire(Source("burning"), 0.93)
    for path in ("/products", "/products/7", "/reports/categories"):
        shop.get(path)
    await_that(
        lambda: "/products" in str(platform.get("/performance?service=shop")), within_s=15, what="requests"
    )


@everywhere
def test_a_page_is_open_to_everybody_in_english_and_light(open_page: OpenPage, name: str) -> None:
    assert violations(settled(open_page(PLACES[name]))) == []


@everywhere
def test_a_page_is_open_to_everybody_in_portuguese_and_dark(open_page: OpenPage, name: str) -> None:
    assert violations(settled(open_page(PLACES[name], locale="pt-BR", theme="dark"))) == []


@everywhere
def test_a_page_fits_a_narrow_screen(open_page: OpenPage, name: str) -> None:
    page = settled(open_page(PLACES[name], width=360))
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wider <= 0


def test_the_languages_own_words_are_shown(open_page: OpenPage) -> None:
    page = settled(open_page(locale="pt-BR"))
    expect(page.get_by_role("link", name="Visão geral")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")


def test_a_chosen_language_and_theme_outlive_a_reload(open_page: OpenPage) -> None:
    page = settled(open_page())
    page.get_by_role("button", name="Português").click()
    page.get_by_role("button", name="Tema: Escuro").click()
    page.reload()
    expect(page.get_by_role("link", name="Alertas", exact=False).first).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_first_view_is_small(open_page: OpenPage, platform: Platform) -> None:
    page = settled(open_page())
    own: Any = page.evaluate(
        """() => [...performance.getEntriesByType('resource'), performance.getEntriesByType('navigation')[0]]
            .filter(one => !one.name.includes('/api/'))
            .map(one => [one.name, one.encodedBodySize])"""
    )
    assert sum(size for _, size in own) <= 150 * 1024, own


def test_nothing_is_asked_of_another_host(open_page: OpenPage, platform: Platform) -> None:
    page = settled(open_page())
    names: Any = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    assert [one for one in names if not one.startswith(f"http://127.0.0.1:{platform.http_port}/")] == []


def test_a_page_without_its_stream_says_so_and_is_open_to_everybody(open_page: OpenPage) -> None:
    page = open_page(may_complain=True, without="**/stream?*")
    expect(page.locator(".banner")).to_contain_text("Disconnected since")
    assert violations(page) == []
