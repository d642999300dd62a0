"""The pages for contributors name what exists: paths, walks through the code, places of changes, tasks, terms."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DECISIONS = ROOT / "docs" / "decisions"
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [CONTRIBUTING, GLOSSARY, *sorted(DECISIONS.glob("*.md"))]
AUTOMATION = [
    ROOT / ".pre-commit-config.yaml",
    ROOT / ".devcontainer" / "devcontainer.json",
    *sorted((ROOT / ".github").rglob("*.*ml")),
    *sorted((ROOT / ".github").rglob("*.md")),
]

CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
SUFFIXES = (".py", ".md", ".toml", ".lock", ".yml", ".yaml", ".json", ".ndjson", ".svg")
NOT_COMMITTED = (".venv/",)
MOST_FILES = 10
WALKS = ("An event to its record", "A job's file to a tick", "A verdict to the next score")
CHANGES = (
    "another server difference",
    "a new annotation kind",
    "a pair feature",
    "another alert console",
    "a new setting",
    "a new command",
    "a new check finding",
    "a field of a result",
    "another attack of the evaluation",
    "a new metric",
    "another lifecycle rule",
    "a new address translation prefix",
)


def paths_in(text: str) -> Iterator[str]:
    """The words in code style that are paths of this repository: by their first folder, or by their suffix."""
    top = {each.name for each in ROOT.iterdir()}
    for block, inline in CODE.findall(text):
        for word in re.findall(r"[\w.][\w./-]*", block or inline):
            path = word.rstrip(".")
            if path.startswith(NOT_COMMITTED):
                continue
            if ("/" in path and path.split("/")[0] in top) or path.endswith(SUFFIXES):
                yield path


def section(title: str) -> str:
    """The text of CONTRIBUTING.md below a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", CONTRIBUTING.read_text("utf-8"), re.M | re.S)
    assert found, title
    return found[1]


def walk(title: str) -> list[tuple[str, bool]]:
    """(file, whether it is marked to be in a higher layer than the one before), in order."""
    text = section("Three walks through the code")
    found = re.search(rf"^\*\*{re.escape(title)}\*\*\n((?:\d+\. .*\n?)+)", text, re.M)
    assert found, title
    steps = re.findall(r"^(\d+)\. `([^`]+)`( ↑)?: .+$", found[1], re.M)
    assert [int(number) for number, _, _ in steps] == list(range(1, len(found[1].splitlines()) + 1)), title
    return [(path, bool(mark)) for _, path, mark in steps]


def layer(path: str) -> int:
    """The layer of a file of the package by import-linter's contract; 0 is the lowest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contract = next(each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    name = path.split("/")[1].removesuffix(".py")
    rows = [[room.strip() for room in row.split("|")] for row in reversed(contract["layers"])]
    return next(height for height, rooms in enumerate(rows) if name in rooms)


def changes() -> dict[str, tuple[str, list[str]]]:
    """Change → (folder, files) of the table “Where is it”."""
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \| (.+) \|$", section("Where is it"), re.M)
    return {change: (folder, list(paths_in(files))) for change, folder, files in rows}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_on_a_page_exist(page: Path) -> None:
    assert not [path for path in paths_in(page.read_text("utf-8")) if not (ROOT / path).exists()]


def test_paths_are_found_at_all() -> None:
    assert list(paths_in("`ipi_es/nowhere.py` and `missing.md`, not `alice/admin` or `.venv/bin/x`")) == [
        "ipi_es/nowhere.py",
        "missing.md",
    ]
    assert len(list(paths_in(CONTRIBUTING.read_text("utf-8")))) > 60


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_has_few_files_and_each_once(title: str) -> None:
    files = [path for path, _ in walk(title)]
    assert 1 < len(files) <= MOST_FILES
    assert len(set(files)) == len(files)
    assert all((ROOT / path).is_file() for path in files)


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_goes_up_once_and_only_where_it_is_marked(title: str) -> None:
    steps = walk(title)
    rises = [path for (before, _), (path, _) in pairwise(steps) if layer(path) > layer(before)]
    assert rises == [path for path, marked in steps if marked]
    assert len(rises) <= 1


def test_the_twelve_changes_have_a_place() -> None:
    assert tuple(changes()) == CHANGES


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_has_an_existing_folder_and_file(change: str) -> None:
    folder, files = changes()[change]
    assert (ROOT / folder).is_dir()
    assert files
    assert files[0].startswith(folder)
    assert all((ROOT / path).exists() for path in files)


def test_every_page_of_decisions_is_listed_and_gives_reasons() -> None:
    listed = re.findall(r"^\| \[(.+?)\]", (DECISIONS / "README.md").read_text("utf-8"), re.M)
    pages = [page for page in sorted(DECISIONS.glob("*.md")) if page.name != "README.md"]
    assert sorted(listed) == [page.name for page in pages]
    for page in pages:
        decisions = re.findall(r"^- (.*(?:\n  .*)*)", page.read_text("utf-8"), re.M)
        assert decisions, page.name
        for each in decisions:
            assert re.fullmatch(r"\*\*.+?[.]\*\* \S.+", " ".join(each.split())), each


def test_the_glossary_has_every_term_once_in_order() -> None:
    terms = re.findall(r"^\*\*(.+?)\*\*: ", GLOSSARY.read_text("utf-8"), re.M)
    assert len(terms) > 60
    assert terms == sorted(set(terms), key=str.lower)


@pytest.mark.parametrize("file", [CONTRIBUTING, *AUTOMATION], ids=lambda file: str(file.relative_to(ROOT)))
def test_tasks_and_test_files_that_are_run_exist(file: Path) -> None:
    text, tasks = file.read_text("utf-8"), (ROOT / "run.py").read_text("utf-8")
    assert not [task for task in re.findall(r"run\.py (\w+)", text) if f'"{task}"' not in tasks]
    assert not [path for path in re.findall(r"tests/[\w/]+\.py", text) if not (ROOT / path).exists()]
