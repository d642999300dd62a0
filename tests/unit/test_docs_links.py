"""Links between the Markdown files lead somewhere, and every page can be found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipi_es import errors

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("kibana/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
EVERYWHERE = re.compile(r"[a-z]+:")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The names by which headings can be linked: lower case, spaces as dashes, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[str]:
    yield from (target for target in LINK.findall(CODE.sub("", text_of(page))) if not EVERYWHERE.match(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_resolve(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.is_relative_to(ROOT), target
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), target


def test_every_page_is_linked_from_another() -> None:
    linked = {(page.parent / target.partition("#")[0]).resolve() for page in PAGES for target in links(page)}
    alone = {page.name for page in ROOT.glob("docs/**/*.md") if page not in linked}
    assert not alone


def error_classes(base: type[errors.IpiEsError]) -> Iterator[type[errors.IpiEsError]]:
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from error_classes(each)


def test_troubleshooting_names_every_error_once_in_a_table() -> None:
    named = re.findall(r"^\| `(\w+)` \|", text_of(ROOT / "docs" / "troubleshooting.md"), flags=re.MULTILINE)
    assert sorted(named) == sorted(each.__name__ for each in error_classes(errors.IpiEsError))
