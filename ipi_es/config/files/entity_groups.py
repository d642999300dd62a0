"""Who belongs to which group, for results and allow rules: by a file of lines `entity,group`, or a field of events."""

from __future__ import annotations

import csv
import re
from collections import ChainMap, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.config.types import FieldName, ReadableFile, Section
from ipi_es.errors import UsageError
from ipi_es.pseudonyms import Pseudonyms

GROUPS_FIELD = "entity_groups"
"""The field of results with the groups of their entity."""

WILDCARDS = "*?["
"""Characters that make an entity a shell-style pattern."""

HEADER = ["entity", "group"]
MAX_NAME = 256
"""The most characters of a group's name: it is in every result of its entities."""
_SHOWN = 5
"""Mistakes of a file that one message names."""
_HINT = "write one `entity,group` a line, in UTF-8; several lines for several groups; `*`, `?` and `[…]` as in a shell"


class EntityGroupsSource(Section):
    """Who belongs to which group: from a file, from a field of the events, or from both. Ours."""

    file: ReadableFile | None = Field(
        default=None,
        description="A file of lines `entity,group`, in UTF-8: entities after `entity_normalize`, with `*`, `?` and "
        "`[…]` as in a shell (`svc-*,services`); several lines for several groups; `#` begins a comment. It is read "
        "again when it has changed.",
    )
    field: FieldName | None = Field(
        default=None,
        description="A field of the events with the groups of their entity, one value or several (`user.roles`, "
        "`user.group.name`): an entity is in a bucket in the groups that its events of this bucket name.",
    )

    @model_validator(mode="after")
    def _names_something(self) -> EntityGroupsSource:
        if self.file is None and self.field is None:
            raise ValueError("needs file or field: where it stands who belongs to which group")
        return self


@dataclass(frozen=True, slots=True)
class EntityGroups:
    """The groups of entities. ``named``: entity → its groups; ``patterns``: group → the patterns of its entities."""

    named: MutableMapping[str, Collection[str]] = field(default_factory=dict)
    patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = True
    """Whether these are all groups; False: events name more."""
    pseudonyms: Pseudonyms | None = None
    """What entities are given by; ``named`` and ``patterns`` have their names. None: these too."""

    @property
    def names(self) -> list[str]:
        """The names of all groups, sorted."""
        return sorted({*self.patterns, *(group for groups in self.named.values() for group in groups)})

    def of(self, entity: str) -> tuple[str, ...]:
        """Return the groups of an entity, sorted; ``entity`` is spelled as in results."""
        (entity,) = self._names([entity])
        by_pattern = (group for group, them in self.patterns.items() if _compiled(them).match(entity))
        return tuple(sorted({*self.named.get(entity, ()), *by_pattern}))

    def with_named(self, more: Mapping[str, Collection[str]]) -> EntityGroups:
        """Return a copy in which entities belong to these groups too: ``more`` is entity → its groups."""
        if not more:
            return self
        both: dict[str, Collection[str]] = {
            name: {*self.named.get(name, ()), *groups}
            for name, groups in zip(self._names(more), more.values(), strict=True)
        }
        return EntityGroups(ChainMap(both, self.named), self.patterns, pseudonyms=self.pseudonyms)

    def members(self, group: str, entities: Sequence[str]) -> NDArray[np.bool_]:
        """Return which of the entities, spelled as in results, are in a group: bool[entities]."""
        them = self.patterns.get(group)
        compiled = None if them is None else _compiled(them)
        found = (
            group in self.named.get(name, ()) or (compiled is not None and compiled.match(name) is not None)
            for name in self._names(entities)
        )
        return np.fromiter(found, dtype=np.bool_, count=len(entities))

    def _names(self, entities: Iterable[str]) -> Iterable[str]:
        return entities if self.pseudonyms is None else self.pseudonyms.names(entities)


def read_groups(file: Path, steps: Sequence[EntityStep]) -> EntityGroups:
    """Read a file of groups, its entities normalized by ``steps``; once as long as it doesn't change.

    Raises UsageError for a file that can't be read, with the lines that are wrong.
    """
    try:
        found = file.stat()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error}", hint=_HINT) from error
    return _read(file, (found.st_mtime_ns, found.st_size), tuple(steps))


@lru_cache(maxsize=8)
def _read(file: Path, _version: tuple[int, int], steps: tuple[EntityStep, ...]) -> EntityGroups:
    named, patterns, mistakes = defaultdict[str, set[str]](set), defaultdict[str, dict[str, None]](dict), list[str]()
    for number, cells in _lines(file):
        mistake = _mistake(cells)
        if mistake is not None:
            mistakes.append(f"line {number} {mistake}")
            continue
        entity, group = normalize_entity(cells[0], steps), cells[1]
        if any(character in entity for character in WILDCARDS):
            patterns[group][entity] = None
        else:
            named[entity].add(group)
    if mistakes:
        more = f"; and {len(mistakes) - _SHOWN:,} more" if len(mistakes) > _SHOWN else ""
        raise UsageError(f"{file}: {'; '.join(mistakes[:_SHOWN])}{more}", hint=_HINT)
    if not named and not patterns:
        raise UsageError(f"{file} names no entity", hint=_HINT)
    return EntityGroups(
        {entity: frozenset(groups) for entity, groups in named.items()},
        {group: tuple(each) for group, each in patterns.items()},
    )


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line's number, cells without white space around them); no empty line, comment or header."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, skipinitialspace=True, strict=True)
            for cells in reader:
                stripped = [cell.strip() for cell in cells]
                first = stripped[0] if stripped else ""
                if not any(stripped) or first.startswith("#") or (reader.line_num == 1 and stripped == HEADER):
                    continue
                yield reader.line_num, stripped
    except csv.Error as error:
        raise UsageError(f"{file}: line {reader.line_num} can't be read: {error}", hint=_HINT) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} can't be read: {error}", hint=_HINT) from error


def _mistake(cells: list[str]) -> str | None:
    """Say what is wrong with a line; None: nothing."""
    if len(cells) != len(HEADER):
        return f"has {len(cells)} value{'' if len(cells) == 1 else 's'} instead of an entity and a group"
    entity, group = cells
    if not entity or not group:
        return f"has no {'group' if entity else 'entity'}"
    if len(group) > MAX_NAME or not group.isprintable():
        return f"has a group's name of more than {MAX_NAME} characters, or with a control character"
    return None


@lru_cache(maxsize=1_024)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))
