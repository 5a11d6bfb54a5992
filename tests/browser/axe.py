"""What axe finds against WCAG 2.2 AA on a page as it is now."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.system.platform import ROOT

AXE = ROOT / "page" / "node_modules" / "axe-core" / "axe.min.js"
AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """Return each violation with where it is."""
    page.evaluate(AXE.read_text())
    found: Any = page.evaluate("tags => axe.run(document, {runOnly: tags})", AA)
    return [
        f"{one['id']}: {node['html'][:200]}: {node.get('failureSummary', '')}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
