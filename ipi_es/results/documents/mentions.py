"""Where results name an entity, and what a result says without that name. Pure.

A record and an influencer *of* an entity are its own. Others name it: a bucket and an address's influencer among their
entities, a record of another entity as the compromised account near it, an annotation in its text, an incident among
its entities and in its sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.results.documents.explanation import sentence
from ipi_es.results.documents.members import bucket_sentence, influencer_sentence
from ipi_es.results.words import INCIDENT

ERASED = "[erased]"
"""Stands where a field must have a value and named an erased entity, or a rule that named it."""

LISTS = ("top_entities", "unlearned_entities")
"""Fields of buckets and influencers that list entities."""

_EXPLANATION, _NEAR, _RULE = "anomaly_score_explanation", "endangered_by", "suppressed_by"
_BY_PROGRAM = ("delayed_data", "blind", "model_snapshot", "warm_up", "results_missing")
"""Annotations that name no entity: fields, counts and times only."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of an entity in one job."""

    entity: str
    """As results spell it."""
    written: frozenset[str] = frozenset()
    """As people and tools wrote it in verdicts, where ``entity_normalize`` makes ``entity`` of it."""
    rules: frozenset[str] = frozenset()
    """Names of rules that are deleted with it."""

    def own(self, source: Mapping[str, Any]) -> bool:
        """Return whether a result is the entity's own record or influencer."""
        return source.get("partition_field_value") == self.entity

    def said(self, text: object) -> bool:
        """Return whether a text that people wrote has one of the names."""
        return any(says(text, name) for name in {self.entity, *self.written})


def says(text: object, name: str) -> bool:
    """Return whether a text that people wrote has the name as a word, in any case: ``ann`` isn't in ``ann@x.example``.

    A dot ends a sentence, or is a part of another name (``ann.lee``).
    """
    found = rf"(?<![\w@-])(?<!\w\.){re.escape(name)}(?![\w@-])(?!\.\w)"
    return isinstance(text, str) and re.search(found, text, re.IGNORECASE) is not None


def mentioned_in(source: Mapping[str, Any], names: Names) -> list[str]:
    """Return the fields of a result in which it names an entity whose own it isn't, or one of the rules."""
    kind = source.get("result_type")
    if kind == "annotation":
        said = source.get("annotation_type") not in _BY_PROGRAM and names.said(source.get("annotation"))
        return ["annotation"] if said else []
    if kind == INCIDENT:
        texts = any(map(names.said, source["reasons"]))
        return [name for name, found in (("entities", names.entity in source["entities"]), ("reasons", texts)) if found]
    found = [name for name in LISTS if names.entity in (source.get(name) or ())]
    if _near(source).get("entity") == names.entity:
        found.append(f"{_EXPLANATION}.{_NEAR}.entity")
    return [*found, _RULE] if source.get(_RULE) in names.rules else found


def without_entity(source: Mapping[str, Any], names: Names, entity_field: str, ip_field: str) -> dict[str, Any]:
    """Return a record, influencer or bucket without the entity's name; its ``reason`` is said again.

    Counts and scores stay: they are those of all entities together.
    """
    changed, entity = dict(source), names.entity
    for name in LISTS:
        if entity in (source.get(name) or ()):
            changed[name] = [each for each in source[name] if each != entity]
    if changed.get("unlearned_entities") == []:
        del changed["unlearned_entities"]
    near = _near(source)
    if near.get("entity") == entity:
        changed[_EXPLANATION] = {**source[_EXPLANATION], _NEAR: {**near, "entity": ERASED}}
    if source.get(_RULE) in names.rules:
        changed[_RULE] = ERASED
    if "reason" in source:
        say: dict[str, Callable[[], str | None]] = {
            "record": lambda: sentence(changed),
            "influencer": lambda: influencer_sentence(changed, ip_field if "ip_count" in changed else entity_field),
            "bucket": lambda: bucket_sentence(changed, entity_field, ip_field),
        }
        changed["reason"] = say[source["result_type"]]()
    return changed


def _near(source: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (source.get(_EXPLANATION) or {}).get(_NEAR) or {}
    return found
