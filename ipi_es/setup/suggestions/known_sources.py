"""Suggest jobs of known sources, by their own fields and by the events that their queries match."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import check_job
from ipi_es.config.files.yaml_documents import parse_yaml
from ipi_es.config.job_config import Job
from ipi_es.config.presets.preset import Variant, load_preset, preset_names
from ipi_es.setup.facts.facts_events import EventFacts, event_facts
from ipi_es.setup.facts.field_roles import FieldTypes
from ipi_es.setup.preset_choice import lacking
from ipi_es.setup.suggestions.event_streams import EventStream
from ipi_es.setup.suggestions.result_index import ResultFields
from ipi_es.setup.suggestions.suggestion import JobNames, Suggestion

GENERAL = "ecs"
"""The source of all logs in ECS: any other source that fits says more."""

ECS_ROOTS = frozenset({"@timestamp", "event", "user", "source", "client", "destination"})
"""First parts of fields that any log in ECS may have, so that they don't tell one source from another."""

SHIPPERS = frozenset({"logs", "filebeat", "winlogbeat"})
"""Beginnings of indices that many sources share."""

LEAST_FIELDS = 3
"""Fields that must fit where an index's name doesn't tell its source."""


def known_sources(
    cluster: Cluster, stream: EventStream, types: FieldTypes, names: JobNames, results: ResultFields, now: int
) -> Iterator[Suggestion]:
    """Yield the jobs of the sources whose fields are mapped and whose queries match, the most specific first.

    The general source counts only where no other does; of two sources with the same events, the more specific one.
    """
    presets = {name: load_preset(name) for name in preset_names()}
    fitting = [
        (name, variant)
        for name, preset in presets.items()
        if (variant := next((each for each in preset.variants if not lacking(each, types)), None)) is not None
        and (name == GENERAL or _is_specific(variant, stream.pattern))
    ]
    seen = set[tuple[Any, ...]]()
    for name, variant in sorted(fitting, key=lambda each: (each[0] == GENERAL, -len(each[1].fields), each[0])):
        if name == GENERAL and seen:
            return
        probe = variant.made("probe", (stream.pattern,))
        events = cluster.count([stream.pattern], probe.datafeed_config.query)
        what = (probe.entity_source_fields, probe.ip_field, events)
        if events and what not in seen:
            seen.add(what)
            job_id = names.take(stream.pattern, name)
            text, notes = variant.text(job_id, (stream.pattern,)), [*presets[name].pitfalls, *variant.pitfalls]
            if reason := results.conflict(cluster, variant.made(job_id, (stream.pattern,))):
                text = f"{text.rstrip()}\n\n# {reason}\nresults_index_name: {json.dumps(job_id)}\n"
                notes.append(f"results in an index of their own (results_index_name): {reason}")
            job = check_job(parse_yaml(text, name=job_id).data, name=job_id)
            facts, _ = event_facts(cluster, job, now, count_teaching=False)
            notes += _not_scored(job, facts)
            title = f"{presets[name].title}, variant “{variant.name}”"
            yield Suggestion(stream.pattern, title, job, text, facts, tuple(notes))


def _not_scored(job: Job, facts: EventFacts) -> list[str]:
    """Return a note where most events have an outcome that isn't scored, as on a host that the internet tries."""
    scored, all_ = set(job.datafeed_config.score_outcomes), sum(facts.outcomes.values())
    others = {word: count for word, count in facts.outcomes.items() if word not in scored}
    if sum(others.values()) * 2 <= all_:
        return []
    word, count = max(others.items(), key=lambda each: each[1])
    settings = f"datafeed_config.score_outcomes: [{', '.join([*sorted(scored), word])}]"
    return [f"{count:,} of {all_:,} events are {word}, and not scored; {settings} finds guesses, too"]


def _is_specific(variant: Variant, pattern: str) -> bool:
    """Return whether the name of the place, or the fields that it maps, tell that this is the variant's source."""
    stems = {each.rstrip("*").rstrip("-") for each in variant.indices} - SHIPPERS
    if any(pattern.startswith(stem) for stem in stems):
        return True
    own = [name for name in variant.fields if name.partition(".")[0] not in ECS_ROOTS]
    return bool(own) and len(variant.fields) >= LEAST_FIELDS
