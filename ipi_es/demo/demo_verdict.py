"""What the demo says of itself: which incidents were found, and what else was critical."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ipi_es.cluster.port import Document
from ipi_es.demo.company import Simulation
from ipi_es.demo.incidents import Incident
from ipi_es.results.store import ResultStore
from ipi_es.results.words import CRITICAL, SCORE_FIELDS

HARD = "D"
"""The incident that isn't expected to be found: one address of a network that colleagues use too."""

_MOST = 10_000
"""Results looked at; ten days have a few thousand."""


@dataclass(frozen=True, slots=True)
class DemoVerdict:
    """Scores are 0–100, as they were when they were written (``initial_*``): what alerts go by.

    Renormalization moves scores later: only what says so goes by those of now.
    """

    scores: dict[str, float]
    """Incident → the highest score of a record or influencer of its entities or addresses, in its hours."""
    bucket_scores: dict[str, float]
    """Incident → the highest score of a bucket in its hours."""
    other_critical: tuple[str, ...]
    """Other entities and IPs with a critical record or influencer in the scored days, by initial scores."""
    now_critical: tuple[str, ...]
    """The same by the scores of now, after renormalization."""
    other_critical_buckets: tuple[int, ...]
    """Starts (epoch seconds) of critical buckets outside the incidents' hours."""

    @property
    def expected(self) -> tuple[str, ...]:
        """The incidents that should be found."""
        return tuple(id_ for id_ in self.scores if id_ != HARD)

    @property
    def found(self) -> tuple[str, ...]:
        """Those of them that were."""
        return tuple(id_ for id_ in self.expected if self.scores[id_] >= CRITICAL)


def judge(results: ResultStore, simulation: Simulation) -> DemoVerdict:
    """Compare what stands in the result index with what was planted."""
    incidents = simulation.incidents
    scores = {incident.id: 0.0 for incident in incidents}
    others: set[str] = set()
    now: set[str] = set()
    for names, start, end, score, current in _results(results):
        theirs = [incident for incident in incidents if concerns(incident, names, start, end)]
        for incident in theirs:
            scores[incident.id] = max(scores[incident.id], score)
        if score >= CRITICAL and not theirs:
            others |= names
        if current >= CRITICAL and not theirs:
            now |= names
    buckets = {incident.id: 0.0 for incident in incidents}
    other_buckets = []
    for found in results.read("bucket", size=_MOST):
        start, score = found.source["timestamp"] // 1_000, found.source["initial_anomaly_score"]
        at = [incident for incident in incidents if overlaps(incident, start, start + found.source["bucket_span"])]
        for incident in at:
            buckets[incident.id] = max(buckets[incident.id], score)
        if score >= CRITICAL and not at:
            other_buckets.append(start)
    return DemoVerdict(scores, buckets, tuple(sorted(others)), tuple(sorted(now)), tuple(sorted(other_buckets)))


def _results(results: ResultStore) -> Iterator[tuple[set[str], int, int, float, float]]:
    """(entities and IPs that a result is about, start, end of its bucket, initial score, score of now)."""
    for kind in ("record", "influencer"):
        for found in results.read(kind, size=_MOST):
            source = found.source
            start = source["timestamp"] // 1_000
            score = SCORE_FIELDS[kind]
            initial, current = float(source[f"initial_{score}"]), float(source[score])
            yield names_in(found), start, start + source["bucket_span"], initial, current


def names_in(found: Document) -> set[str]:
    """The entity and the IP of a record, or the one that an influencer is."""
    source = found.source
    if source["result_type"] == "influencer":
        return {source["influencer_field_value"]}
    return {source["partition_field_value"], source["by_field_value"]}


def overlaps(incident: Incident, start: int, end: int) -> bool:
    """Whether a bucket [start, end), epoch seconds, has hours of the incident."""
    return start < incident.end and end > incident.start


def concerns(incident: Incident, names: set[str], start: int, end: int) -> bool:
    """Whether a result in [start, end) about ``names`` is about the incident."""
    return overlaps(incident, start, end) and bool(names & {*incident.entities, *incident.addresses})
