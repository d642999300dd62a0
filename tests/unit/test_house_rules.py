"""Rules of the code that no linter knows: no import circles, small rooms, own names, and nobody else's attributes."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp

import ipi_es

ROOT = Path(ipi_es.__file__).parent
MOST_FILES = 15
"""Modules of a folder."""
ONE_PER_COMMAND = ROOT / "cli"
"""A module a command, found by the command's name: the one folder with more."""
PRIVATE_WORDS = {
    *("amid", "aside", "courier", "follower", "mend", "mender", "mended"),
    *("nobody", "shelf", "somebody", "tell", "telling", "told", "unsay"),
}
"""Words of an earlier private language; docs/glossary.md has the field's terms."""
MUTATING_ROOMS = ("worker", "service", "state", "datafeed", "results")
"""Where objects live for weeks, so that only their own methods may change them."""
TESTS = Path(__file__).parents[1]
MOST_REPLACED, MOST_PRIVATE = 34, 19
"""Places in the tests that replace a part of a module or an object (``setattr`` of pytest), and uses of private names
of the product. Tests hold what the product does, not how: these numbers may only go down."""


def modules() -> Iterator[Path]:
    return (path for path in sorted(ROOT.rglob("*.py")) if path.name not in {"__init__.py", "__main__.py"})


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("ipi_es")  # what is imported for types alone counts too
    circles = []
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            chain = graph.find_shortest_chain(imported, module)
            if chain is not None:
                circles.append((module, *chain))
    assert circles == []


def test_a_folder_has_at_most_fifteen_modules() -> None:
    count = Counter(path.parent for path in modules())
    assert {str(folder): n for folder, n in count.items() if n > MOST_FILES and folder != ONE_PER_COMMAND} == {}


def test_no_two_modules_have_the_same_name() -> None:
    count = Counter(path.name for path in modules())
    assert [name for name, n in count.items() if n > 1] == []


def test_only_methods_change_the_attributes_of_an_object() -> None:
    found = []
    for path in modules():
        if path.relative_to(ROOT).parts[0] in MUTATING_ROOMS:
            tree = tree_of(path)
            for function in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
                own = {"self", "cls"} | made_here(function)
                found += [
                    f"{path.relative_to(ROOT)}:{target.lineno}: {ast.unparse(target)}"
                    for target in attributes_assigned(function)
                    if root(target) not in own
                ]
    assert found == []


def made_here(function: ast.FunctionDef) -> set[str]:
    """Names that the function binds to what it makes, or to a part of its own object."""
    return {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and (isinstance(node.value, ast.Call) or (isinstance(node.value, ast.Attribute) and root(node.value) == "self"))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def attributes_assigned(function: ast.FunctionDef) -> Iterator[ast.Attribute]:
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else targets
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (part for part in parts if isinstance(part, ast.Attribute))


def root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_names_are_made_of_the_fields_words() -> None:
    found = set()
    for path in modules():
        for node in ast.walk(tree_of(path)):
            names = [getattr(node, attribute, None) for attribute in ("id", "attr", "arg", "name")]
            for name in (each for each in names if isinstance(each, str)):
                if PRIVATE_WORDS & set(re.findall(r"[a-z]+", re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())):
                    found.add(f"{path.relative_to(ROOT)}: {name}")
    assert sorted(found) == []


def test_tests_replace_few_parts_of_the_product() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in sorted(TESTS.rglob("*.py"))
        if "setattr" in path.read_text(encoding="utf-8")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr == "setattr"
    ]
    assert len(found) <= MOST_REPLACED, found


def test_tests_use_few_private_names_of_the_product() -> None:
    private = set().union(*(private_names(tree_of(path)) for path in modules()))
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in private
                and ast.unparse(node.value) not in {"self", "cls"}
            ):
                found.append(f"{path.relative_to(TESTS)}:{node.lineno}: {ast.unparse(node)}")
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ipi_es"):
                found += [
                    f"{path.relative_to(TESTS)}:{node.lineno}: {one.name}" for one in node.names if one.name in private
                ]
    assert len(found) <= MOST_PRIVATE, found


def private_names(tree: ast.Module) -> set[str]:
    """The names with one leading underscore that a module defines: of functions, classes, variables and attributes."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return {name for name in found if re.match("_[^_]", name)}
