"""Load tests: started on the page, watched live, compared; refusals are said in words."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, settled
from tests.system.shop import Shop


def start(page: Page, url: str, seconds: int = 4) -> str:
    """Start a load test, await its end, and return its id."""
    page.get_by_label("URL").fill(url)
    page.get_by_label("Users", exact=True).fill("2")
    page.get_by_label("Seconds").fill(str(seconds))
    page.get_by_label("Goals").fill("p95 < 5 s")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile(r"#/loadtests/[^/]+$"))
    return page.url.rsplit("/", 1)[1]


def test_a_load_test_is_started_watched_and_compared(open_page: OpenPage, shop: Shop) -> None:
    page = settled(open_page("#/loadtests"))
    first = start(page, f"http://127.0.0.1:{shop.port}/products")
    expect(page.locator(".legend").first).to_contain_text("OK")  # seconds come while it runs
    expect(page.get_by_role("heading", name="Goals")).to_be_visible()  # its end came by itself
    page.get_by_role("link", name="Load tests").last.click()
    second = start(page, f"http://127.0.0.1:{shop.port}/products/7")
    expect(page.get_by_role("heading", name="Goals")).to_be_visible()
    page.get_by_role("link", name="Load tests").last.click()
    page.get_by_label(f"Choose {first}").check()
    page.get_by_label(f"Choose {second}").check()
    page.get_by_role("link", name="Compare the two chosen").click()
    expect(page.get_by_role("row").filter(has_text="p95")).to_contain_text(re.compile(r"\d"))
    assert violations(page) == []


def test_what_is_allowed_is_said_and_a_refusal_too(open_page: OpenPage) -> None:
    page = settled(open_page("#/loadtests", may_complain=True))
    expect(page.get_by_text("Allowed: hosts")).to_contain_text("200 requests/s")
    page.get_by_label("URL").fill("http://example.invalid/")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("example.invalid")
