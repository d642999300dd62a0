"""The parameter `filter_path`: parts of an answer, by dotted paths with ``*`` and ``**``; ``-`` leaves parts out."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

Steps = tuple[str, ...]


def filtered(answer: Any, paths: str) -> Any:
    """Return the parts of an answer that the comma-separated ``paths`` name."""
    split = [tuple(path.removeprefix("-").split(".")) for path in paths.split(",") if path.strip("-")]
    left_out = [path.startswith("-") for path in paths.split(",") if path.strip("-")]
    keep = [steps for steps, out in zip(split, left_out, strict=True) if not out]
    drop = [steps for steps, out in zip(split, left_out, strict=True) if out]
    kept = _kept(answer, keep) if keep else answer
    return _without({} if kept is None else kept, drop) if drop else ({} if kept is None else kept)


def _kept(value: Any, paths: Sequence[Steps]) -> Any:
    """Return what the paths name of a value, None where they name nothing."""
    if any(not path or path == ("**",) for path in paths):
        return value
    if isinstance(value, list):
        found = [part for each in value if (part := _kept(each, paths)) is not None]
        return found or None
    if not isinstance(value, dict):
        return None
    parts = {name: _kept(each, inner) for name, each in value.items() if (inner := _inside(name, paths))}
    return {name: part for name, part in parts.items() if part is not None} or None


def _without(value: Any, paths: Sequence[Steps]) -> Any:
    if isinstance(value, list):
        return [_without(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    inside = {name: _inside(name, paths) for name in value}
    return {
        name: _without(each, inside[name]) if inside[name] else each
        for name, each in value.items()
        if () not in inside[name]
    }


def _inside(name: str, paths: Sequence[Steps]) -> list[Steps]:
    """Return what follows in the paths after a field; a field's name may have dots of its own."""
    found: list[Steps] = []
    own = name.split(".")
    for path in paths:
        if path[:1] == ("**",):
            found += [path, *_inside(name, [path[1:]])] if path[1:] else [()]
        elif len(path) >= len(own) and all(map(fnmatchcase, own, path)):
            found.append(path[len(own) :])
        elif path and fnmatchcase(name, path[0]):
            found.append(path[1:])
    return found
