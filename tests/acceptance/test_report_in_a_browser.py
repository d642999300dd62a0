"""The report as people open it: light, dark, on a telephone and printed, judged by axe-core in headless Chromium.

Without a Chromium these tests are skipped visibly (:mod:`browser_parts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_parts import PHONE, SCREEN, browser, needs_chromium, violations
from report_parts import DAY, START, YOUNG, bucket, findings, hostile

from ipi_es.report.page import page

__all__ = ["browser"]

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    made = {
        "hostile": page(hostile(), YOUNG, made_at=START + DAY),
        "quiet": page(findings(), YOUNG, made_at=START + DAY),
        "gaps": page(findings(buckets=[bucket(hour) for hour in (0, 1, 9, 10, 23)]), YOUNG, made_at=START + DAY),
        "empty": page(findings(buckets=[]), YOUNG, made_at=START + DAY),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Opens a page in a colour scheme and width; at the end no console line and no request may have been seen."""
    said: list[str] = []
    contexts = []

    def open_page(name: str, scheme: str = "light", width: int = SCREEN) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True, offline=True
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.on("request", lambda request: said.append(request.url) if request.url != pages[name].as_uri() else None)
        tab.goto(pages[name].as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("width", [SCREEN, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["hostile", "quiet", "gaps", "empty"])
def test_axe_finds_nothing_in_light_and_dark_on_screen_and_phone(
    opened: Any, name: str, scheme: str, width: int
) -> None:
    assert violations(opened(name, scheme, width)) == []


def test_contrast_holds_on_paper_also_where_the_screen_is_dark(opened: Any) -> None:
    tab = opened("hostile", "dark")
    tab.emulate_media(media="print")
    assert violations(tab) == []
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", ["hostile", "quiet", "gaps", "empty"])
@pytest.mark.parametrize("width", [320, PHONE, 768, SCREEN])
def test_nothing_runs_over_the_edge(opened: Any, name: str, width: int) -> None:
    assert opened(name, width=width).evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_prints(opened: Any, tmp_path: Path) -> None:
    opened("hostile").pdf(path=tmp_path / "report.pdf", format="A4")
    text = (tmp_path / "report.pdf").read_bytes()
    assert text.startswith(b"%PDF")
    # the bound holds for ten incidents and 25 cards, which don't break
    assert 2 <= len(re.findall(rb"/Type /Page\b", text)) <= 14


def test_the_keyboard_reaches_the_findings_and_every_link_is_seen_when_it_is_reached(opened: Any) -> None:
    tab = opened("hostile")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    assert tab.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "content"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.tagName") == "A"
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.querySelector(':target').classList.contains('card')")


def test_a_screen_reader_hears_the_lanes_as_a_table_with_a_sentence_each(opened: Any) -> None:
    tab = opened("hostile", width=PHONE)
    lanes = tab.get_by_role("table", name="Scores over time")
    assert lanes.get_by_role("row").count() > 10
    assert lanes.get_by_role("img", name="highest 90 critical").count() == 1
    assert tab.get_by_role("article").count() == 7
