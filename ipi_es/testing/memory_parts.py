"""The parts of the in-memory cluster besides documents: templates and aliases, alerting, pipelines, and lifecycles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ipi_es.cluster.admin import FROM_FILES, blocked, winner
from ipi_es.cluster.answers import answers
from ipi_es.cluster.port import Json
from ipi_es.errors import NotFound, RequestRejected
from ipi_es.testing.memory_index import MemoryIndex
from ipi_es.testing.memory_names import WHERE, index_settings, matching


class MemoryAdmin:
    """:class:`ipi_es.cluster.port.Admin` in memory.

    ``simulates`` False imitates credentials without the right to simulate templates. ``calendars``: what Elastic ML
    would answer, calendars and events.
    """

    def __init__(
        self,
        indices: Callable[[], dict[str, MemoryIndex]],
        templates: Callable[[], Mapping[str, Json]],
        called: Callable[[str, str], None],
    ) -> None:
        self._indices, self._templates, self._called = indices, templates, called
        self.simulates = True
        self.calendars: tuple[Json, Json] | None = None

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
        return blocked({name: each.settings for name, each in found.items()})

    def elastic_calendars(self) -> tuple[Json, Json]:
        """See the port."""
        self._called("elastic_calendars", "")
        if self.calendars is None:
            raise NotFound(f"{WHERE} has no calendars of Elastic ML", hint=FROM_FILES)
        return copy.deepcopy(self.calendars)

    def set(self, index: str, settings: Mapping[str, Any]) -> None:
        """Change an index's settings, as ``PUT INDEX/_settings`` does; None removes a block. Not part of the port."""
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


class MemoryAlerting:
    """:class:`ipi_es.cluster.port.Alerting` in memory: definitions are stored, never run.

    Unavailable unless ``there``.
    """

    def __init__(self) -> None:
        self.there = False
        self.definitions: dict[str, Json] = {}
        self.channels: dict[str, str] = {}
        """``{id: URL}``."""

    def available(self) -> bool:
        """See the port."""
        return self.there

    def write(self, id: str, body: Mapping[str, Any]) -> bool:  # noqa: A002
        """See the port."""
        created = id not in self.definitions
        self.definitions[answers.exact_name(id)] = copy.deepcopy(dict(body))
        return created

    def write_channel(self, id: str, name: str, url: str) -> bool:  # noqa: A002, ARG002
        """See the port."""
        created = id not in self.channels
        self.channels[answers.exact_name(id)] = url
        return created


class MemoryIngest:
    """:class:`ipi_es.cluster.port.Ingest` in memory: no pipeline runs, so it is never available."""

    def available(self) -> bool:
        """See the port."""
        return False

    def write(self, name: str, body: Mapping[str, Any]) -> None:
        """See the port."""
        raise RequestRejected(f"{WHERE} runs no pipeline: {name} was not written ({len(body)} keys)")

    def delete(self, name: str) -> None:
        """See the port."""
        raise NotFound(f"{WHERE} has no pipeline {name}")

    def last_of_indices(self, pattern: str) -> dict[str, str | None]:  # noqa: ARG002
        """See the port."""
        return {}

    def attach_last(self, name: str | None, index: str) -> None:
        """See the port."""
        raise NotFound(f"{WHERE} has no pipeline {name} for {index}")

    def run(self, name: str, index: str, query: Mapping[str, Any], most: int) -> int:  # noqa: ARG002
        """See the port."""
        raise NotFound(f"{WHERE} has no pipeline {name} for {index}")


class MemoryLifecycles:
    """:class:`ipi_es.cluster.port.Lifecycles` in memory: policies are stored, and no index is deleted.

    ``indices`` gives the names of the existing indices that match a pattern. Unavailable unless ``there``.
    """

    def __init__(self, indices: Callable[[str], list[str]], *, there: bool = False) -> None:
        self.there = there
        self.renewed: list[str] = []
        """Indices in the order in which they were renewed."""
        self._indices = indices
        self.failures: dict[str, str] = {}
        """``{index: reason}`` that :meth:`stuck` answers for matching indices; a test fills it."""
        self._policies: dict[str, Json] = {}
        self._of: dict[str, str] = {}

    def available(self) -> bool:
        """See the port."""
        return self.there

    def read(self, name: str) -> Json | None:
        """See the port."""
        return copy.deepcopy(self._policies.get(name))

    def write(self, name: str, policy: Mapping[str, Any]) -> None:
        """See the port."""
        self._policies[answers.exact_name(name)] = copy.deepcopy(dict(policy))

    def of_indices(self, pattern: str) -> dict[str, str | None]:
        """See the port."""
        return {index: self._of.get(index) for index in self._indices(pattern)}

    def attach(self, name: str, index: str) -> None:
        """See the port."""
        self._of[index] = name

    def renew(self, name: str, index: str) -> None:
        """See the port."""
        self._of[index] = name
        self.renewed.append(index)

    def stuck(self, pattern: str) -> dict[str, str]:
        """See the port."""
        return {index: self.failures[index] for index in self._indices(pattern) if index in self.failures}
