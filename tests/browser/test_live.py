"""What happens is on the page at once, and what a person does can be undone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.broker import Publisher
from tests.browser.conftest import OpenPage, settled
from tests.system.platform import Platform, Source, await_that

numbers = iter(range(1000))


@pytest.fixture
def source(publisher: Publisher) -> Iterator[Source]:
    """A host of one test's own, well at its end."""
    source = Source(f"live-{next(numbers)}")
    publisher.publish(source, 0.1)
    yield source
    publisher.publish(source, 0.1)


def row(page: Page, source: Source) -> Locator:
    return page.locator(".alert").filter(has_text=source.name)


def test_a_new_value_is_on_the_hosts_tile(open_page: OpenPage, publisher: Publisher, source: Source) -> None:
    page = settled(open_page())
    publisher.publish(source, 0.42)
    expect(page.locator(".tile").filter(has_text=source.name)).to_contain_text("42 %")


def test_an_alert_appears_with_its_value_and_threshold(
    open_page: OpenPage, publisher: Publisher, source: Source
) -> None:
    page = settled(open_page())
    publisher.fire(source, 0.97)
    expect(row(page, source)).to_contain_text("97 %, threshold > 95 %")
    expect(row(page, source)).to_contain_text("Critical")


def test_a_resolved_alert_is_gone(open_page: OpenPage, publisher: Publisher, source: Source) -> None:
    page = settled(open_page())
    publisher.fire(source)
    expect(row(page, source)).to_have_count(1)
    publisher.publish(source, 0.1)
    expect(row(page, source)).to_have_count(0)


def test_an_alert_costs_health_and_the_page_says_why(
    open_page: OpenPage, publisher: Publisher, source: Source
) -> None:
    page = settled(open_page())
    publisher.fire(source)
    expect(page.locator(".deductions").filter(has_text=source.name)).to_contain_text("Critical: CPU of")


def test_an_alert_is_acknowledged_in_one_click_and_that_undone(
    open_page: OpenPage, publisher: Publisher, source: Source
) -> None:
    page = settled(open_page())
    publisher.fire(source)
    row(page, source).get_by_role("button", name="Acknowledge").click()
    expect(row(page, source)).to_contain_text("acknowledged by")
    assert violations(page) == []  # with what is said of it, too
    page.get_by_role("button", name="Undo").last.click()
    expect(row(page, source)).not_to_contain_text("acknowledged by")


def test_an_alert_is_silenced_in_one_click_and_that_undone(
    open_page: OpenPage, publisher: Publisher, source: Source
) -> None:
    page = settled(open_page())
    publisher.fire(source)
    row(page, source).get_by_role("button", name="Silence").click()
    expect(row(page, source)).to_contain_text("silenced")
    page.get_by_role("button", name="Undo").last.click()
    expect(row(page, source)).not_to_contain_text("silenced")


def test_resolving_can_be_undone_and_then_nothing_was_resolved(
    open_page: OpenPage, publisher: Publisher, platform: Platform, source: Source
) -> None:
    page = settled(open_page())
    publisher.fire(source)
    row(page, source).get_by_role("button", name="Resolve").click()
    expect(row(page, source)).to_have_count(0)
    page.keyboard.press("u")
    expect(row(page, source)).to_have_count(1)
    _, body = platform.get(f"/alerts?state=firing&source={source.name}")
    assert len(body["alerts"]) == 1


def test_whoever_resolves_and_leaves_has_resolved(
    open_page: OpenPage, publisher: Publisher, platform: Platform, source: Source
) -> None:
    page = settled(open_page())
    publisher.fire(source)
    row(page, source).get_by_role("button", name="Resolve").click()
    expect(row(page, source)).to_have_count(0)
    page.goto("about:blank")
    await_that(
        lambda: not platform.get(f"/alerts?state=firing&source={source.name}")[1]["alerts"],
        what="the alert resolved",
    )


def test_an_alerts_page_tells_its_story(open_page: OpenPage, publisher: Publisher, source: Source) -> None:
    page = settled(open_page())
    publisher.fire(source)
    row(page, source).locator(".what a").click()
    publisher.publish(source, 0.1)
    story = page.locator(".events")
    expect(story).to_contain_text("Fired")
    expect(story).to_contain_text("recovered by itself")
    expect(page.locator(".chart")).to_be_visible()
    assert violations(page) == []


def test_alerts_are_found_by_source_and_the_link_says_so(
    open_page: OpenPage, publisher: Publisher, source: Source
) -> None:
    publisher.fire(source)
    page = settled(open_page("#/alerts"))
    page.get_by_label("Source").fill(source.name)
    page.get_by_label("Source").blur()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert f"source={source.name}" in page.url
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
