"""The site's navigation (mkdocs.yml) has every page of docs/ once, in the four kinds of documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
KINDS = ["Tutorial", "How-to guides", "Reference", "Explanation"]


def pages_of(entry: Any) -> Iterator[str]:
    """Yield the paths below an entry of the navigation: a path, a title with its entries, or a list of entries."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for below in entry.values():
            yield from pages_of(below)
    else:
        for below in entry:
            yield from pages_of(below)


def test_every_page_is_in_the_navigation_once() -> None:
    listed = Counter(pages_of(SITE["nav"]))
    assert listed == Counter(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_every_entry_of_the_navigation_exists() -> None:
    assert not [page for page in pages_of(SITE["nav"]) if not (DOCS / page).is_file()]


def test_the_navigation_has_the_four_kinds() -> None:
    titles = [next(iter(entry)) for entry in SITE["nav"]]
    assert titles == ["Home", *KINDS]


def test_broken_links_and_anchors_fail_a_strict_build() -> None:
    assert set(SITE["validation"]["nav"].values()) == {"warn"}
    assert set(SITE["validation"]["links"].values()) == {"warn"}
