"""Find a field that says which sign-ins failed, for a job that names none, by the contents of documents."""

from __future__ import annotations

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.setup.checks.check_outcomes import OutcomeField
from ipi_es.setup.contents.outcome_words import meaning_in
from ipi_es.setup.facts.document_sample import FILLED, FieldContents, Sample, Scope
from ipi_es.setup.facts.facts_events import TOP_OUTCOMES, terms_of
from ipi_es.setup.facts.field_roles import OUTCOME, readable

USUAL = "event.outcome"
"""The field of ECS; it is always tried, even if the sample has no failure in it."""

MAX_WORDS = 30
"""Maximum number of different values that a field of outcomes may have; more are messages, names or numbers."""

MAX_WORD = 40
"""Maximum number of characters of an outcome."""

CANDIDATES = 3
"""Maximum number of fields whose values are counted, besides :data:`USUAL`."""

_NO_OUTCOMES = ("log.", "tags", "agent.", "host.", "ecs.", "data_stream.", "related.", "user_agent.", "url.", "error.")
"""Fields in which words of failure concern the shipper or the log line and not the sign-in."""


def failure_field(cluster: Cluster, job: Job, scope: Scope, sample: Sample) -> OutcomeField | None:
    """Find a field that most documents have and that holds words of failure, with its words; None: there is none.

    Failures may be too rare for the sample: fields that hold words of success in it are counted too.
    """
    names = [name for name in sample.names if name not in (job.entity_field, job.ip_field) and _may_be(sample, name)]
    names = sorted(names, key=lambda name: _rank(name, sample.held(name)))[:CANDIDATES]
    asked = list(dict.fromkeys([USUAL, *names]))
    types = cluster.field_types(
        list(scope.spec.indices), [each for name in asked for each in (name, f"{name}.keyword")]
    )
    for name in asked:
        there = readable(OUTCOME, name, types)
        if there is None:
            continue
        found = scope.aggregate(cluster, {"words": {"terms": {"field": there, "size": TOP_OUTCOMES}}})
        other = OutcomeField(there, terms_of(found, "words"))
        if other.of("failure"):
            return other
    return None


def _may_be(sample: Sample, name: str) -> bool:
    held = sample.held(name)
    if name.startswith(_NO_OUTCOMES) or len(held.values) > MAX_WORDS or held.filled < FILLED * len(sample.documents):
        return False
    if any(len(word) > MAX_WORD for word in held.values):
        return False
    return any(meaning_in(name, word) for word in held.values)


def _rank(name: str, held: FieldContents) -> tuple[int, bool, int, str]:
    """Return the sort key of a field: first those with both outcomes, those with failures, those that more have."""
    said = {meaning_in(name, word) for word in held.values} - {None}
    return -len(said), "failure" not in said, -held.filled, name
