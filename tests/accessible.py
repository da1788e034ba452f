"""What axe says of a page."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def violations(page: Page) -> list[dict[str, Any]]:
    """What breaks a rule of WCAG or good practice: the rule, and the first element that does."""
    found = Axe().run(page).response["violations"]
    return [
        {"rule": rule["id"], "where": rule["nodes"][0]["html"], "why": rule["nodes"][0]["failureSummary"]}
        for rule in found
    ]
