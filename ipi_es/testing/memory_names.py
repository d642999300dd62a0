"""Names in memory: which indices an expression means, and settings as the servers give them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ipi_es.cluster.port import IndexOptions, Json
from ipi_es.errors import NotFound, RequestRejected
from ipi_es.testing.memory_index import MemoryIndex

WHERE = "the cluster in memory"


def resolve(
    indices: Mapping[str, MemoryIndex], expression: str | Sequence[str], options: IndexOptions
) -> list[MemoryIndex]:
    """The indices that an expression names (patterns, aliases, exclusions), in the order of their names."""
    expands = set(options.expand_wildcards.split(","))
    found: dict[str, MemoryIndex] = {}
    for part in (expression if isinstance(expression, str) else ",".join(expression)).split(","):
        if ":" in part:
            raise NotFound(f"{WHERE} knows no remote cluster {part.partition(':')[0]}", status=404)
        matched = matching(indices, part.removeprefix("-"), hidden=bool(expands & {"hidden", "all"}))
        is_pattern = "*" in part or part == "_all"
        if not expands & {"closed", "all"}:
            matched = _open_only(part, matched, refused=not is_pattern and not options.ignore_unavailable)
        if not matched and not (options.allow_no_indices if is_pattern else options.ignore_unavailable):
            raise NotFound(f"no such index [{part}] in {WHERE}", status=404)
        for each in matched:
            if part.startswith("-"):
                found.pop(each.name, None)
            else:
                found[each.name] = each
    return [found[name] for name in sorted(found)]


def _open_only(part: str, matched: list[MemoryIndex], *, refused: bool) -> list[MemoryIndex]:
    """Leave closed indices out; or refuse them, as the servers do where one is named."""
    found = [each for each in matched if not each.closed]
    if refused and len(found) < len(matched):
        raise RequestRejected(f"index [{part}] of {WHERE} is closed", status=400)
    return found


def matching(indices: Mapping[str, MemoryIndex], part: str, *, hidden: bool) -> list[MemoryIndex]:
    """The indices behind one name or pattern; what is hidden is found by its exact name, or if asked for.

    An alias that isn't hidden itself shows hidden indices.
    """
    pattern = "*" if part == "_all" else part
    if "*" not in pattern:
        return [each for each in indices.values() if pattern == each.name or pattern in each.aliases]
    return [
        each
        for each in indices.values()
        if (fnmatchcase(each.name, pattern) and (hidden or not each.hidden))
        or any(
            fnmatchcase(alias, pattern) and (hidden or not how.get("is_hidden")) for alias, how in each.aliases.items()
        )
    ]


def index_settings(settings: Mapping[str, Any]) -> Json:
    """Settings as the servers give them back: nested below ``index``, every value as text."""
    nested: Json = {}

    def place(path: list[str], value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                place([*path, *key.split(".")], inner)
            return
        at = nested
        for part in path[:-1]:
            at = at.setdefault(part, {})
        at[path[-1]] = str(value).lower() if isinstance(value, bool) else str(value)

    for key, value in settings.items():
        path = key.split(".")
        place(path if path[0] == "index" else ["index", *path], value)
    return {"index": nested.get("index", {})}
