"""Actions beside the outcomes of a log: sign-ins, and log-offs, token refreshes, challenges among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ipi_es.cluster.port import Cluster, Json
from ipi_es.setup.contents.action_words import Action, action
from ipi_es.setup.facts.document_sample import FILLED, Sample, Scope
from ipi_es.setup.facts.facts_events import terms_of
from ipi_es.setup.facts.facts_outcomes import MAX_WORDS
from ipi_es.setup.facts.field_roles import OUTCOME, FieldTypes, readable

LONGEST = 80
"""Characters of an action; longer values are messages."""

OUTCOMES = 5
"""Outcomes of an action that are counted, those with the most events."""


@dataclass(frozen=True, slots=True)
class Actions:
    """The words of a field of actions, with their events: ``{word: events}`` and ``{word: {outcome: events}}``."""

    name: str
    events: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def of(self, kind: Action) -> dict[str, int]:
        """Return the words of one kind of action, with their events."""
        return {word: count for word, count in self.events.items() if action(self.name, word) == kind}

    @property
    def no_sign_ins(self) -> dict[str, int]:
        """The words that are clearly no sign-ins, with their events; none where no word clearly is one."""
        kinds = {word: action(self.name, word) for word in self.events}
        if "sign-in" not in kinds.values():
            return {}
        return {word: self.events[word] for word, kind in kinds.items() if kind not in (None, "sign-in")}

    @property
    def total(self) -> int:
        """All events that have the field."""
        return sum(self.events.values())


def action_field(sample: Sample, types: FieldTypes) -> str | None:
    """Return the readable field whose few words tell sign-ins from other actions; None: there is none."""
    found = dict[str, tuple[float, str]]()
    for name in sample.names:
        held, one = sample.held(name), readable(OUTCOME, name, types)
        if one is not None and held.filled >= FILLED * len(sample.documents) and _is_of_actions(sample, name):
            unknown = sum(count for word, count in held.values.items() if action(name, word) is None)
            found[one] = (unknown / held.filled, one)
    return min(found, key=found.__getitem__, default=None)


def count_actions(
    cluster: Cluster, scope: Scope, name: str, outcome_field: str | None, query: Json | None = None
) -> Actions:
    """Count the actions in ``name``, each with its outcomes, with one search; ``query`` replaces the scope's own."""
    terms: Json = {"terms": {"field": name, "size": MAX_WORDS}}
    if outcome_field is not None and outcome_field != name:
        terms["aggs"] = {"outcomes": {"terms": {"field": outcome_field, "size": OUTCOMES}}}
    found = scope.aggregate(cluster, {"actions": terms}, query)
    rows = found.get("actions", {}).get("buckets", ())
    return Actions(
        name,
        terms_of(found, "actions"),
        {str(row.get("key_as_string", row["key"])): terms_of(row, "outcomes") for row in rows if "outcomes" in row},
    )


def other_actions(cluster: Cluster, scope: Scope, sample: Sample, query: Json) -> Actions | None:
    """Count the actions of the events that ``query`` chooses, where some are no sign-ins; else None."""
    asked = [each for name in sample.names for each in (name, f"{name}.keyword") if _is_of_actions(sample, name)]
    if not asked:
        return None
    name = action_field(sample, cluster.field_types(list(scope.spec.indices), asked))
    if name is None:
        return None
    if name == scope.spec.outcome_field:
        return None  # its words are judged as outcomes
    found = count_actions(cluster, scope, name, None, query)
    return found if found.no_sign_ins else None


def _is_of_actions(sample: Sample, name: str) -> bool:
    words = sample.held(name).values
    if not 2 <= len(words) <= MAX_WORDS or any(len(word) > LONGEST for word in words):
        return False
    kinds = {action(name, word) for word in words}
    return "sign-in" in kinds and bool(kinds - {None, "sign-in"})
