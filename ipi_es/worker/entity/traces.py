"""All that is stored of one entity in one job, each with the place where it is stored. Reading only.

The job's results are read whole: an index doesn't find a name inside a text, nor one that is too long to be indexed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.port import Document
from ipi_es.results.documents.mentions import Names, mentioned_in
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX
from ipi_es.times import from_ms, iso
from ipi_es.worker.entity.learned_parts import learned_parts, profile_facts
from ipi_es.worker.entity.rules import TEXTS, RulesNaming, texts_naming
from ipi_es.worker.history.history_keeper import HistoryId, load_history
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.verdicts.known_verdicts import network_of

VERDICT_TEXTS = ("by", "comment", "revoked_by")
"""What people wrote in a verdict."""

_SHOWN = ("result_type", "timestamp", "influencer_field_name", "influencer_field_value", "annotation")
"""Fields that say which other result names the entity; other entities' names are left out."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that is stored of an entity. ``fields``: where another document names it."""

    job_id: str | None
    kind: str
    stored_in: str
    id: str
    content: Mapping[str, Any]
    fields: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        found = {"job_id": self.job_id, "kind": self.kind, "stored_in": self.stored_in, "id": self.id}
        return found | ({"fields": list(self.fields)} if self.fields else {}) | {"content": dict(self.content)}


def traces(resources: JobResources, entity: str, blobs_in: str = SNAPSHOT_INDEX) -> Iterator[Trace]:
    """Yield all that is stored of an entity in a job: results, verdicts, what was learned.

    ``entity`` is the name as the job spells it; ``blobs_in`` is the place of snapshots and history. Raises
    AnswerIncomplete, SnapshotDamaged or SnapshotForeign where something can't be read whole.
    """
    yield from result_traces(resources, entity)
    yield from verdict_traces(resources, entity)
    yield from _learned(resources, entity, blobs_in)


def result_traces(resources: JobResources, entity: str) -> Iterator[Trace]:
    """Yield the entity's results, its holds, and the results and annotations that name it."""
    job_id, names = resources.job.job_id, names_of(resources, entity)
    holds: dict[tuple[str, int], tuple[int, Document]] = {}
    for each in resources.stores.results.every():
        source = each.source
        if names.own(source):
            yield Trace(job_id, str(source["result_type"]), each.index, each.id, source)
            if source.get("held_until"):
                place = network_of(str(source["by_field_value"])), from_ms(source["held_until"])
                holds[place] = min(holds.get(place, (2**63, each)), (from_ms(source["timestamp"]), each), key=_time)
        elif fields := mentioned_in(source, names):
            yield Trace(job_id, "mention", each.index, each.id, _mention(source), tuple(fields))
    for (network, until), (begin, record) in holds.items():
        content = {"network": network, "from": iso(begin), "until": iso(until)}
        yield Trace(job_id, "hold", record.index, record.id, content)


def verdict_traces(resources: JobResources, entity: str) -> Iterator[Trace]:
    """Yield the verdicts on the entity, and others in which people wrote its name."""
    job_id = resources.job.job_id
    for each in resources.stores.verdicts.documents():
        if verdict_is_on(each, entity, resources):
            yield Trace(job_id, "verdict", each.index, each.id, each.source)
        elif fields := texts_naming(each.source, resources.job.spellings(entity), VERDICT_TEXTS):
            content = {name: each.source[name] for name in fields}
            yield Trace(job_id, "mention", each.index, each.id, content, tuple(fields))


def names_of(resources: JobResources, entity: str, rules: Collection[str] = ()) -> Names:
    """Return the names of an entity in a job, with those that verdicts have."""
    verdicts = [each for each in resources.stores.verdicts.documents() if verdict_is_on(each, entity, resources)]
    written = {*resources.job.spellings(entity), *(str(each.source["entity"]) for each in verdicts)}
    return Names(entity, frozenset(written), frozenset(rules))


def verdict_is_on(document: Document, entity: str, resources: JobResources) -> bool:
    """Return whether a verdict's document names the entity as its own, in any spelling that the job takes for it."""
    name = document.source.get("entity")
    return isinstance(name, str) and resources.folded_job().stored_entity(name) == entity


def rule_traces(found: RulesNaming, names: Collection[str]) -> Iterator[Trace]:
    """Yield the rules that name an entity; ``names``: as jobs, or people, spell it."""
    for each in (*found.alone, *found.elsewhere):
        yield Trace(None, "rule", each.index, each.id, each.source)
    for each in found.by_pattern:
        yield Trace(None, "rule_pattern", each.index, each.id, each.source)
    for each in found.in_text:
        fields = texts_naming(each.source, names, TEXTS)
        yield Trace(None, "mention", each.index, each.id, {name: each.source[name] for name in fields}, tuple(fields))


def _learned(resources: JobResources, entity: str, blobs_in: str) -> Iterator[Trace]:
    job_id, stores = resources.job.job_id, resources.stores
    state = stores.states.read(job_id)
    if state is not None and state.history_id is not None:
        history = load_history(stores.blobs, job_id, HistoryId.parse(state.history_id))
        for facts in profile_facts(history, entity):
            content = {**facts, "as_of": iso(history.day * 86_400)}
            yield Trace(job_id, "history", blobs_in, state.history_id, content)
    for part in learned_parts(stores.blobs, job_id, entity):
        for facts in part.facts:
            yield Trace(job_id, part.info.kind, blobs_in, part.info.id, facts)


def _mention(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an export shows of a result that names the entity: which one it is, and no other entity."""
    return {name: source[name] for name in _SHOWN if name in source}


def _time(found: tuple[int, Document]) -> int:
    return found[0]
