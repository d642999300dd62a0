"""Match the pairs of an event bucket against a job's allow list, and keep the job's calendar beside it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import translate
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, within
from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.config.files.entity_groups import EntityGroups
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import WILDCARDS, AllowRule
from ipi_es.config.rules.rule_index import RuleIndex
from ipi_es.networks.network_types import type_bits
from ipi_es.networks.network_values import country_number
from ipi_es.pseudonyms import Pseudonyms
from ipi_es.scheduled_events import NO_EVENTS, Calendar

NO_RULE = -1
"""Index that :meth:`AllowList.match` gives a row without a matching rule."""

REMEMBERED_PATTERNS = 4_096
"""Maximum number of compiled patterns kept from one event bucket to the next: far more than a person writes rules."""


@lru_cache(maxsize=REMEMBERED_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@dataclass(frozen=True, slots=True, eq=False)
class Matchable:
    """The entities and addresses that rules are matched against, and what is known of them."""

    entities: Sequence[str]
    """Distinct, as results spell them."""
    addresses: Addresses
    """uint8[ips, 16]."""
    groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The groups that events name, by entity."""
    operator: NDArray[np.uint32] | None = None
    """[ips]: numbers of autonomous systems; 0, or None: unknown."""
    country: NDArray[np.uint16] | None = None
    """[ips]: two letters as (first << 8) | second."""
    network_types: NDArray[np.uint8] | None = None
    """[ips]: a set of types each."""
    time: int | None = None
    """Start of their event bucket, epoch seconds; None: rules act whenever they do."""

    def in_networks(self, rule: AllowRule) -> NDArray[np.bool_]:
        """Return which addresses (bool[ips]) have the rule's operator, country and type; what is unknown has none."""
        found = np.ones(len(self.addresses), dtype=np.bool_)
        for wanted, values in (
            (rule.operator, self.operator),
            (None if rule.country is None else country_number(rule.country), self.country),
        ):
            if wanted is not None:
                found &= False if values is None else values == wanted
        if rule.network_type is not None:
            types = self.network_types
            found &= False if types is None else (types & type_bits(rule.network_type)) > 0
        return found


@dataclass(frozen=True, slots=True)
class TimedRule:
    """A rule that acts in the event buckets that start in [start, end), epoch seconds; None: no limit."""

    rule: AllowRule
    start: int | None = None
    end: int | None = None

    def acts_at(self, time: int) -> bool:
        """Return whether the rule acts in the event bucket that starts at ``time``, epoch seconds."""
        return (self.start is None or self.start <= time) and (self.end is None or time < self.end)


@dataclass(frozen=True, slots=True)
class AllowList:
    """A job's rules, ready to match; a row that rule i matches gets ``name(i)`` as ``suppressed_by``.

    Rules allow pairs; the ``calendar`` says in which event buckets nothing raises an alarm or is learned.
    """

    rules: tuple[TimedRule, ...]
    steps: tuple[EntityStep, ...] = ()
    groups: EntityGroups | None = None
    calendar: Calendar = NO_EVENTS
    folds_groups: bool = False
    """Whether events name groups in lower case, whatever their spelling."""
    pseudonyms: Pseudonyms | None = None
    """What entities are given by; rules name them by their names. None: these too."""
    learns: NDArray[np.bool_] = field(init=False, compare=False, repr=False)
    """bool[rules]: whether what the rule allows is learned."""
    _index: RuleIndex = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        rules = [each.rule for each in self.rules]
        object.__setattr__(self, "learns", np.array([rule.learn for rule in rules], dtype=np.bool_))
        object.__setattr__(self, "_index", RuleIndex(rules, self.steps))

    @classmethod
    def of(cls, job: Job, more: Sequence[TimedRule] = (), calendar: Calendar = NO_EVENTS) -> AllowList:
        """Make the allow list of a job: the rules of its file, then ``more``; and its calendar.

        Raises UsageError where its file of groups can't be read.
        """
        rules = [*map(TimedRule, job.allow_list), *more]
        if job.pseudonyms is not None:
            rules = [replace(each, rule=_for_names(each.rule, job)) for each in rules]
        return cls(tuple(rules), job.entity_steps, job.read_entity_groups(), calendar, job.folds_groups, job.pseudonyms)

    def name(self, rule: int) -> str:
        """Return the name of a rule by its index; it stays the same when other rules come or go."""
        return self.rules[rule].rule.name

    def match(self, names: Matchable, entity: NDArray[np.int32], ip: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the index (int32[rows]) of the first rule that matches each row, or -1.

        Row i is the pair (``names.entities[entity[i]]``, ``names.addresses[ip[i]]``); ``entity`` and ``ip`` are
        int32[rows]. A rule matches where all do that it names.
        """
        found = np.full(len(entity), NO_RULE, dtype=np.int32)
        if not self.rules:
            return found
        entities = names.entities if self.pseudonyms is None else self.pseudonyms.names(names.entities)
        positions = {name: position for position, name in enumerate(entities)}
        groups = None if self.groups is None else self.groups.with_named(names.groups)
        for index in self._index.candidates(entities, names.addresses, names.operator):
            each = self.rules[index]
            if names.time is not None and not each.acts_at(names.time):
                continue
            rule = each.rule
            matches = found == NO_RULE
            if rule.entity is not None:
                matches &= self._entities(rule.entity, entities, positions)[entity]
            if rule.group is not None:
                matches &= self._members(groups, rule.group, names.entities)[entity] if groups is not None else False
            if rule.cidr is not None:
                matches &= within(names.addresses, rule.cidr)[ip]
            if rule.by_context:
                matches &= names.in_networks(rule)[ip]
            found[matches] = index
        return found

    def _members(self, groups: EntityGroups, group: str, entities: Sequence[str]) -> NDArray[np.bool_]:
        """Return which entities (bool[entities]) are in a group of the file, or in one that events name."""
        found = groups.members(group, entities)
        folded = group.lower() if self.folds_groups else group
        return found if folded == group else found | groups.members(folded, entities)

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


def _for_names(rule: AllowRule, job: Job) -> AllowRule:
    """Return a rule of a job with pseudonyms as it is matched: by names, and with a name for results that has none."""
    if rule.entity is None:
        return rule
    stored = job.stored_entity(rule.entity)
    named = rule.model_copy(update={"entity": stored}).name
    return rule.model_copy(update={"entity": job.plain_entity(stored), "id": named})
