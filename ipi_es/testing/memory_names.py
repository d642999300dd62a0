"""Names in memory: the indices that an expression means, and settings in the servers' form."""

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
    """Return the indices of an expression (patterns, aliases, exclusions), ordered by name.

    Raises NotFound for a missing index where ``options`` don't allow it, and for a remote cluster.
    """
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
    """Leave closed indices out; raise RequestRejected for a closed one that is named, as the servers do."""
    found = [each for each in matched if not each.closed]
    if refused and len(found) < len(matched):
        raise RequestRejected(f"index [{part}] of {WHERE} is closed", status=400)
    return found


def matching(indices: Mapping[str, MemoryIndex], part: str, *, hidden: bool) -> list[MemoryIndex]:
    """Return the indices of one name or pattern; hidden ones by their exact name, or by a pattern with ``hidden``.

    A pattern that matches an alias which isn't hidden itself finds the hidden indices behind it.
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
    """Convert settings to the servers' form: nested below ``index``, every value as text."""
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
