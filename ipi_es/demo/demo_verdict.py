"""Evaluation of the demo: the incidents found, and the other critical results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ipi_es.cluster.port import Document
from ipi_es.demo.company import Simulation
from ipi_es.demo.incidents import Incident
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import CRITICAL, SCORE_FIELDS
from ipi_es.times import from_ms

HARD = "D"
"""The incident that isn't expected to be found: one address of a network that colleagues use too."""

_MOST = 10_000
"""Results read at most; ten days have a few thousand."""


@dataclass(frozen=True, slots=True)
class DemoVerdict:
    """Scores are 0–100 as first written (``initial_*``), which alerts use.

    Renormalization changes scores later; only ``now_critical`` uses the present ones.
    """

    scores: dict[str, float]
    """Incident → the highest score of a record or influencer of its entities or addresses, in its hours."""
    bucket_scores: dict[str, float]
    """Incident → the highest score of a bucket in its hours."""
    other_critical: tuple[str, ...]
    """Other entities and IPs with a critical record or influencer in the scored days, by initial scores."""
    now_critical: tuple[str, ...]
    """The same by present scores, after renormalization."""
    other_critical_buckets: tuple[int, ...]
    """Starts (epoch seconds) of critical buckets outside the incidents' hours."""

    @property
    def expected(self) -> tuple[str, ...]:
        """The incidents that should be found."""
        return tuple(id_ for id_ in self.scores if id_ != HARD)

    @property
    def found(self) -> tuple[str, ...]:
        """The expected incidents that were found."""
        return tuple(id_ for id_ in self.expected if self.scores[id_] >= CRITICAL)


def judge(results: ResultReader, simulation: Simulation) -> DemoVerdict:
    """Compare the stored results with the planted incidents."""
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
        start, score = from_ms(found.source["timestamp"]), found.source["initial_anomaly_score"]
        at = [incident for incident in incidents if overlaps(incident, start, start + found.source["bucket_span"])]
        for incident in at:
            buckets[incident.id] = max(buckets[incident.id], score)
        if score >= CRITICAL and not at:
            other_buckets.append(start)
    return DemoVerdict(scores, buckets, tuple(sorted(others)), tuple(sorted(now)), tuple(sorted(other_buckets)))


def _results(results: ResultReader) -> Iterator[tuple[set[str], int, int, float, float]]:
    """Yield (entities and IPs of a result, start and end of its bucket in epoch seconds, initial and present score)."""
    for kind in ("record", "influencer"):
        for found in results.read(kind, size=_MOST):
            source = found.source
            start = from_ms(source["timestamp"])
            score = SCORE_FIELDS[kind]
            initial, current = float(source[f"initial_{score}"]), float(source[score])
            yield names_in(found), start, start + source["bucket_span"], initial, current


def names_in(found: Document) -> set[str]:
    """Return the entity and the IP of a record, or the name of an influencer."""
    source = found.source
    if source["result_type"] == "influencer":
        return {source["influencer_field_value"]}
    return {source["partition_field_value"], source["by_field_value"]}


def overlaps(incident: Incident, start: int, end: int) -> bool:
    """Decide whether a bucket [start, end), epoch seconds, overlaps the incident."""
    return start < incident.end and end > incident.start


def concerns(incident: Incident, names: set[str], start: int, end: int) -> bool:
    """Decide whether a result about ``names`` in [start, end), epoch seconds, is about the incident."""
    return overlaps(incident, start, end) and bool(names & {*incident.entities, *incident.addresses})
