"""Limits on the contents of a file: a file of a few hundred bytes must not become a document that fills the memory."""

from __future__ import annotations

from typing import Any

import yaml

from ipi_es.errors import ConfigError

MAX_BYTES = 8 * 1024 * 1024
"""Maximum number of bytes of a file; a job file has a few kilobytes, an exported list of filters a megabyte."""

MAX_DEPTH = 100
"""Maximum number of levels of nested mappings and lists; Elasticsearch accepts 20 levels of a query by default."""

MAX_ALIASED = 10_000
"""Maximum number of values that the aliases (`*name`) of a YAML file may add to those that are written out."""

PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "merge", "seq", "map")
)
"""Allowed tags of values: those of JSON's types, and YAML's merge key. A date or a set can't be sent to a server."""

TOO_DEEP = f"is nested too deeply: more than {MAX_DEPTH} mappings and lists in each other"
_FLATTER = "write it with fewer levels; if a program wrote it, look at what that program did"


def check_size(size: int, name: str) -> None:
    """Raise ConfigError for a file of more than :data:`MAX_BYTES`."""
    if size > MAX_BYTES:
        raise ConfigError(
            f"has more than {MAX_BYTES // 1024**2} MiB, too much for a configuration file",
            place=name,
            hint="check the path: this seems to be another kind of file",
        )


def check_nodes(root: yaml.Node, name: str) -> None:
    """Raise ConfigError for a document that is nested too deeply, or whose aliases make it too large.

    Each node is visited once, however many aliases name it. The caller must find nodes that refer to themselves.
    """
    sizes: dict[int, int] = {}  # by id: number of values of a node, with aliases written out
    depths: dict[int, int] = {}
    entered: set[int] = set()
    stack = [root]
    while stack:
        node = stack[-1]
        children = _children(node)
        if id(node) not in entered:
            entered.add(id(node))
            stack += [child for child in children if id(child) not in entered]
            continue
        stack.pop()
        if id(node) not in sizes:
            sizes[id(node)] = 1 + sum(sizes.get(id(child), 0) for child in children)
            depths[id(node)] = 1 + max((depths.get(id(child), 0) for child in children), default=0)
    if depths[id(root)] > MAX_DEPTH:
        raise ConfigError(TOO_DEEP, place=name, hint=_FLATTER)
    if sizes[id(root)] - len(sizes) > MAX_ALIASED:
        raise ConfigError(
            f"is too large: its aliases (`*name`) stand for more than {MAX_ALIASED:,} values",
            place=name,
            hint="write the values out instead of referring to lists of lists",
        )


def check_data(data: Any, name: str) -> None:
    """Raise ConfigError for plain values that are nested too deeply."""
    level = [data]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise ConfigError(TOO_DEEP, place=name, hint=_FLATTER)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return []


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []
