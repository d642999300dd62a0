"""Match the pairs of an event bucket against a job's allow list."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, within
from ipi_es.config.allow_rule import WILDCARDS, AllowRule
from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.config.files.entity_groups import NO_GROUPS, EntityGroups
from ipi_es.config.job_config import Job

NO_RULE = -1
"""Index that :meth:`AllowList.match` gives a row without a matching rule."""

REMEMBERED_PATTERNS = 4_096
"""Maximum number of compiled patterns kept from one event bucket to the next: far more than a person writes rules."""


@lru_cache(maxsize=REMEMBERED_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@dataclass(frozen=True, slots=True)
class AllowList:
    """A job's rules, ready to match; a row that rule i matches gets ``names[i]`` as ``suppressed_by``."""

    rules: tuple[AllowRule, ...]
    steps: tuple[EntityStep, ...] = ()
    groups: EntityGroups | None = None

    @classmethod
    def of(cls, job: Job) -> AllowList:
        """Make the allow list of a job. Raises UsageError where its file of groups can't be read."""
        return cls(job.allow_list, job.datafeed_config.entity_normalize, job.read_entity_groups())

    @property
    def names(self) -> tuple[str, ...]:
        """The rules' names, in their order; stable when other rules come or go."""
        return tuple(rule.name for rule in self.rules)

    def match(
        self,
        entities: Sequence[str],
        addresses: Addresses,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        named: Mapping[str, Collection[str]] = NO_GROUPS,
    ) -> NDArray[np.int32]:
        """Return the index (int32[rows]) of the first rule that matches each row, or -1.

        Row i is the pair (``entities[entity[i]]``, ``addresses[ip[i]]``): ``entities`` are distinct and normalized,
        ``addresses`` is uint8[ips, 16], ``entity`` and ``ip`` are int32[rows]. ``named`` holds the groups that events
        name, by entity. A rule with entity and cidr matches where both do.
        """
        found = np.full(len(entity), NO_RULE, dtype=np.int32)
        if not self.rules:
            return found
        positions = {name: position for position, name in enumerate(entities)}
        groups = None if self.groups is None else self.groups.with_named(named)
        for index, rule in enumerate(self.rules):
            matches = found == NO_RULE
            if rule.entity is not None:
                matches &= self._entities(rule.entity, entities, positions)[entity]
            if rule.group is not None:
                matches &= groups.members(rule.group, entities)[entity] if groups is not None else False
            if rule.cidr is not None:
                matches &= within(addresses, rule.cidr)[ip]
            found[matches] = index
        return found

    def _entities(self, pattern: str, entities: Sequence[str], positions: dict[str, int]) -> NDArray[np.bool_]:
        """Return which entities (bool[entities]) the pattern matches; it is normalized as the events' entities are."""
        pattern = normalize_entity(pattern, self.steps)
        result = np.zeros(len(entities), dtype=np.bool_)
        if any(character in pattern for character in WILDCARDS):
            compiled = _compiled(pattern)
            result[[position for position, name in enumerate(entities) if compiled.match(name)]] = True
        elif pattern in positions:
            result[positions[pattern]] = True
        return result
