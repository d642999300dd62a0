"""What an index of a name is made with, aliases, and write blocks: over REST, and in memory.

Both servers have the same paths for them. A server that lacks the simulation of index templates answers 400, 404 or
405; where credentials may not ask for it, a caller compares priorities and looks at the index afterwards.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ipi_es.cluster import answers, proofs
from ipi_es.cluster.asking import Request
from ipi_es.cluster.by_index import by_index
from ipi_es.cluster.memory_index import MemoryIndex
from ipi_es.cluster.memory_names import WHERE, index_settings, matching
from ipi_es.cluster.port import Json
from ipi_es.errors import NotFound, PermissionDenied, RequestRejected

LASTING_BLOCKS = ("write", "read_only")
"""Blocks that a person or a lifecycle policy sets. The one of a full disk goes away by itself and isn't among them."""


def covers(patterns: Iterable[str], index: str) -> bool:
    """Whether index patterns take an index name; only ``*`` is special in them."""
    return any(
        re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), index, re.DOTALL)
        for pattern in patterns
    )


def priority_of(template: Mapping[str, Any]) -> int:
    """A composable template's priority; 0 where it names none."""
    return int(template.get("priority") or 0)


class RestAdmin:
    """:class:`ipi_es.cluster.port.Admin` on Elasticsearch and OpenSearch."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def index_templates(self) -> dict[str, Json]:
        """See the port."""
        answer = self._request("GET", "/_index_template", proof=proofs.templates)
        return {str(each["name"]): dict(each["index_template"]) for each in answer["index_templates"]}

    def simulate_index(self, name: str) -> Json | None:
        """See the port."""
        try:
            path = f"/_index_template/_simulate_index/{answers.exact_name(name)}"
            # where no template matches, nothing is answered: that it is made without one is told, never passed over
            answer = self._request("POST", path, proof=proofs.anything)
        except (NotFound, PermissionDenied, RequestRejected):
            return None
        return dict(answer.get("template") or {})

    def add_alias(self, index: str, alias: str) -> None:
        """See the port."""
        action = {"add": {"index": answers.exact_name(index), "alias": answers.exact_name(alias)}}
        self._request("POST", "/_aliases", body={"actions": [action]}, proof=proofs.acknowledged)

    def write_blocks(self, pattern: str) -> dict[str, str]:
        """See the port."""
        found = by_index(self._request, pattern, "settings", ["blocks"])
        return _blocked({index: each["index"] for index, each in found.items()})


class MemoryAdmin:
    """:class:`ipi_es.cluster.port.Admin` in memory; ``simulates`` False: as where credentials may not simulate."""

    def __init__(
        self,
        indices: Callable[[], dict[str, MemoryIndex]],
        templates: Callable[[], Mapping[str, Json]],
        called: Callable[[str, str], None],
    ) -> None:
        self._indices, self._templates, self._called = indices, templates, called
        self.simulates = True

    def index_templates(self) -> dict[str, Json]:
        """See the port."""
        self._called("index_templates", "")
        return copy.deepcopy(dict(self._templates()))

    def simulate_index(self, name: str) -> Json | None:
        """See the port."""
        answers.exact_name(name)
        self._called("simulate_index", name)
        if not self.simulates:
            return None
        return copy.deepcopy(dict(winner(self._templates(), name).get("template") or {}))

    def add_alias(self, index: str, alias: str) -> None:
        """See the port."""
        self._called("add_alias", index)
        self._one(index).aliases[alias] = {}

    def write_blocks(self, pattern: str) -> dict[str, str]:
        """See the port."""
        self._called("write_blocks", pattern)
        found = {
            each.name: each
            for part in pattern.split(",")
            for each in matching(self._indices(), part, hidden=True)
            if "blocks" in each.settings
        }
        return _blocked({name: each.settings for name, each in found.items()})

    def set(self, index: str, settings: Mapping[str, Any]) -> None:
        """Change an index's settings, as ``PUT INDEX/_settings`` does; None takes one out. Not of the port."""
        one = self._one(index)
        for key, value in settings.items():
            nested = index_settings({key: value})["index"]
            for name, inner in nested.items():
                here = one.settings.setdefault(name, {}) if isinstance(inner, dict) else one.settings
                here |= inner if isinstance(inner, dict) else {name: inner}
        blocks = one.settings.get("blocks", {})
        one.settings["blocks"] = {name: value for name, value in blocks.items() if value != "None"}

    def _one(self, index: str) -> MemoryIndex:
        if index not in self._indices():
            raise NotFound(f"no such index [{index}] in {WHERE}", status=404)
        return self._indices()[index]


def winner(templates: Mapping[str, Json], index: str) -> Json:
    """The template that an index of this name is made with: the one of the highest priority; empty if none matches."""
    found = [template for template in templates.values() if covers(template["index_patterns"], index)]
    return max(found, key=priority_of, default={})


def _blocked(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    found = {}
    for index, each in sorted(settings.items()):
        blocks = each.get("blocks") or {}
        names = [name for name in LASTING_BLOCKS if str(blocks.get(name, "")).lower() == "true"]
        if names:
            found[index] = f"index.blocks.{names[0]}"
    return found
