"""Where the worker writes: found in the code, so that a new write can't be forgotten, and noted when it happens.

A write point is a call in a store of a write of the port, or a call in the worker of what writes in a store:
``worker/scoring/batch.py: StoredSink.write → save``. What writes is found by names alone.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import ipi_es

ROOT = Path(ipi_es.__file__).parent
STORES, WORKERS = ("results/", "state/", "worker/fenced_writer.py"), ("worker/", "service/")
"""Rooms: where things are stored, and who stores them. Commands go through the same."""
OF_THE_PORT = frozenset(
    {"put", "bulk", "delete", "create_index", "delete_index", "put_mapping", "put_index_template"},
)
"""The port's methods that change something, see :class:`ipi_es.cluster.port.Cluster`."""
OF_THE_LEASE = frozenset({"check", "renew"})
"""What lengthens the lease and changes nothing else."""
LOCKS = frozenset({"_at_work", "places"})
"""Attributes that are released too, and are locks of this process."""


class WritePoint(NamedTuple):
    """``function`` of ``file`` calls ``callee``, which writes."""

    file: str
    function: str
    callee: str

    def __str__(self) -> str:
        return f"{self.file}: {self.function} → {self.callee}"


class _Calls(ast.NodeVisitor):
    """The calls of one file, by the qualified name of the function that makes them, as frames know it."""

    def __init__(self, file: str) -> None:
        self.file, self.found, self._place = file, list[WritePoint](), list[str]()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for each in (*node.decorator_list, *node.args.defaults):
            self.visit(each)
        self._within(node.name, [*node.body], function=True)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._within("<lambda>", [node.body], function=True)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._within("<genexpr>", [node.elt, *node.generators], function=True)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._within(node.name, [*node.body], function=False)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
        of = getattr(getattr(node.func, "value", None), "attr", None)
        if name is not None and of not in LOCKS:
            function = ".".join(self._place).removesuffix(".<locals>")
            self.found.append(WritePoint(self.file, function, name))
        self.generic_visit(node)

    def _within(self, name: str, body: list[ast.AST], *, function: bool) -> None:
        parts = [name, "<locals>"] if function else [name]
        self._place += parts
        for each in body:
            self.visit(each)
        del self._place[len(self._place) - len(parts) :]


@cache
def write_points() -> frozenset[WritePoint]:
    """All of them."""
    calls: list[WritePoint] = []
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        if file.startswith((*STORES, *WORKERS)):
            visitor = _Calls(file)
            visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
            calls += visitor.found
    in_stores = [each for each in calls if each.file.startswith(STORES)]
    writing: set[str] = set(OF_THE_PORT)
    while more := _callers(in_stores, writing) - writing - OF_THE_LEASE:
        writing |= more
    return frozenset(
        each for each in calls if each.callee in (OF_THE_PORT if each.file.startswith(STORES) else writing)
    )


def _callers(calls: Iterable[WritePoint], callees: Collection[str]) -> set[str]:
    return {each.function.rpartition(".")[2] for each in calls if each.callee in callees}


def under_way() -> Iterator[WritePoint]:
    """The write points on the stack of whoever asks, the innermost first."""
    frame: FrameType | None = sys._getframe(1)
    callee = ""
    while frame is not None:
        code = frame.f_code
        path = Path(code.co_filename)
        name = code.co_name
        file = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        if callee and file.startswith((*STORES, *WORKERS)):
            point = WritePoint(file, code.co_qualname, callee)
            if point in write_points():
                yield point
        callee, frame = name, frame.f_back
