"""The parameter `filter_path`: parts of an answer, by dotted paths with ``*`` and ``**``; ``-`` leaves parts out.

The fields of one name at one depth have the same paths inside, which are found once: the time doesn't grow with the
product of paths and results.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from ipi_es.errors import RequestInvalid

Steps = tuple[str, ...]

MOST_STEPS = 200
"""Parts of all paths together."""


def filtered(answer: Any, paths: str) -> Any:
    """Return the parts of an answer that the comma-separated ``paths`` name. Raises RequestInvalid for too many."""
    keep, drop = list[Steps](), list[Steps]()
    for path in paths.split(","):
        if path.strip("-"):
            (drop if path.startswith("-") else keep).append(tuple(path.removeprefix("-").split(".")))
    if sum(map(len, (*keep, *drop))) > MOST_STEPS:
        raise RequestInvalid(
            f"[filter_path] has more than {MOST_STEPS} parts", hint="name fewer paths, or use wildcards"
        )
    kept = _kept(answer, Paths(keep)) if keep else answer
    kept = {} if kept is None else kept
    return _without(kept, Paths(drop)) if drop else kept


class Paths:
    """Paths that apply to a value, and those that apply inside each of its fields."""

    def __init__(self, paths: Iterable[Steps]) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self.ends = () in self._paths
        self.takes_all = self.ends or ("**",) in self._paths
        self._inside: dict[str, Paths] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def inside(self, name: str) -> Paths:
        """Return what follows in the paths after a field."""
        found = self._inside.get(name)
        if found is None:
            found = self._inside[name] = Paths(_following(name, self._paths))
        return found


def _kept(value: Any, paths: Paths) -> Any:
    """Return what the paths name of a value, None where they name nothing."""
    if paths.takes_all:
        return value
    if isinstance(value, list):
        found = [part for each in value if (part := _kept(each, paths)) is not None]
        return found or None
    if not isinstance(value, dict):
        return None
    parts = {name: _kept(each, inner) for name, each in value.items() if (inner := paths.inside(name))}
    return {name: part for name, part in parts.items() if part is not None} or None


def _without(value: Any, paths: Paths) -> Any:
    if isinstance(value, list):
        return [_without(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    inside = {name: paths.inside(name) for name in value}
    return {
        name: _without(each, inside[name]) if inside[name] else each
        for name, each in value.items()
        if not inside[name].ends
    }


def _following(name: str, paths: Iterable[Steps]) -> list[Steps]:
    """Return what follows in the paths after a field; a field's name may have dots of its own."""
    found: list[Steps] = []
    own = name.split(".")
    for path in paths:
        if path[:1] == ("**",):
            found += [path, *_following(name, [path[1:]])] if path[1:] else [()]
        elif len(path) >= len(own) and all(map(fnmatchcase, own, path)):
            found.append(path[len(own) :])
        elif path and fnmatchcase(name, path[0]):
            found.append(path[1:])
    return found
