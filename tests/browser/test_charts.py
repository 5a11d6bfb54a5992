"""Charts: fed live, without a gap after an absence, moved and zoomed by keys, their view in the link."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.broker import Publisher
from tests.browser.conftest import OpenPage, settled
from tests.system.platform import Platform, Source, await_that
from tests.system.shop import Shop


def chart(page: Page, title: str = "CPU in use") -> Locator:
    return page.locator(".chart").filter(has=page.get_by_role("heading", name=title, exact=True))


def spoken(page: Page, title: str = "CPU in use") -> str:
    return chart(page, title).get_by_role("slider").get_attribute("aria-valuetext") or ""


def values(page: Page, count: int) -> list[int]:
    """Return the newest values, in percent, as someone reads them who moves the cursor back by keys."""
    plot = chart(page).get_by_role("slider")
    plot.focus()
    plot.press("End")
    found: list[int] = []
    before = ""
    for _ in range(count):
        await_that(lambda: spoken(page) != before, what="the cursor moved")  # noqa: B023
        before = spoken(page)
        found.append(int(re.findall(r"(\d+) %", before)[0]))
        plot.press("ArrowLeft")
    return found[::-1]


def test_a_chart_shows_what_was_and_what_comes(open_page: OpenPage, publisher: Publisher) -> None:
    source = Source("chart-live")
    publisher.publish(source, 0.11, 0.12)
    page = settled(open_page(f"#/hosts/{source.name}"))
    expect(chart(page).locator(".legend")).to_contain_text("12 %")
    publisher.publish(source, 0.13)
    expect(chart(page).locator(".legend")).to_contain_text("13 %")
    assert values(page, 3) == [11, 12, 13]


def test_after_the_gateway_was_killed_the_page_heals_and_its_charts_have_no_gap(
    open_page: OpenPage, publisher: Publisher, platform: Platform
) -> None:
    source = Source("chart-gap")
    publisher.publish(source, 0.21, 0.22)
    page = settled(open_page(f"#/hosts/{source.name}", may_complain=True))
    expect(chart(page).locator(".legend")).to_contain_text("22 %")
    platform.child("services.api").kill()
    expect(page.locator(".banner")).to_contain_text("Disconnected since")
    publisher.publish(source, 0.23, 0.24)
    settled(page)
    expect(page.locator(".banner")).to_have_count(0)
    publisher.publish(source, 0.25)
    expect(chart(page).locator(".legend")).to_contain_text("25 %")
    assert values(page, 5) == [21, 22, 23, 24, 25]


def test_zooming_by_keys_is_in_the_link_and_outlives_a_reload(
    open_page: OpenPage, hosts: list[Source]
) -> None:
    page = settled(open_page(f"#/hosts/{hosts[0].name}"))
    plot = chart(page).get_by_role("slider")
    plot.focus()
    plot.press("ArrowLeft")
    plot.press("+")
    expect(page.get_by_role("button", name="Show all")).to_be_visible()
    assert "from=" in page.url
    page.reload()
    expect(page.get_by_role("button", name="Show all")).to_be_visible()
    chart(page).get_by_role("slider").press("0")
    expect(page.get_by_role("button", name="Show all")).to_have_count(0)
    assert "from=" not in page.url


def test_dragging_over_a_chart_zooms_all_of_them(open_page: OpenPage, hosts: list[Source]) -> None:
    page = settled(open_page(f"#/hosts/{hosts[0].name}"))
    box = chart(page).locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 50, steps=5)
    page.mouse.up()
    expect(page.get_by_role("button", name="Show all")).to_be_visible()


def test_endpoints_are_sorted_by_what_hurts_and_the_link_says_so(
    open_page: OpenPage, platform: Platform, shop: Shop
) -> None:
    for path in ("/products", "/products/7", "/reports/categories"):
        shop.get(path)
    await_that(
        lambda: "/reports" in str(platform.get("/performance?service=shop")), within_s=15, what="requests"
    )
    page = settled(open_page("#/apps/shop"))
    page.get_by_role("button", name="p99").click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("p99")
    assert "sort=p99_s" in page.url


def test_keys_go_from_page_to_page(open_page: OpenPage) -> None:
    page = settled(open_page())
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", name="Health")).to_be_visible()


def test_the_first_tab_skips_to_the_content(open_page: OpenPage) -> None:
    page = settled(open_page())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
