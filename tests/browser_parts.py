"""Headless Chromium for tests of pages, and axe-core's judgement of one.

Chromium is the machine's own (``IPI_ES_CHROMIUM`` or found by name); without one these tests are skipped visibly.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("IPI_ES_CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: set IPI_ES_CHROMIUM")

PHONE, SCREEN, WIDE = 390, 1_200, 1_920
"""Widths in CSS pixels."""
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
"""What axe-core is asked for; contrast of at least 4.5 : 1 is among it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra dev isn't installed")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def violations(tab: Any) -> list[str]:
    """What axe-core finds: rule, element and why."""
    import axe_playwright_python

    tab.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate("rules => axe.run(document, rules)", RULES)
    assert any(rule["id"] == "color-contrast" for rule in found["passes"])
    return [
        f"{rule['id']}: {node['html']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
