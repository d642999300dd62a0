"""Annotations: what a person should know of a stretch of a job's time, beside its scores.

The id of an annotation follows from its type, its start and its ``parts``: saying the same again overwrites it, and one
that is there already isn't written at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ipi_es.results.documents.result_documents import ResultContext, ResultDocument, Stamp, annotation
from ipi_es.results.reading.queries import Query, between
from ipi_es.results.words import AnnotationType


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark on [start, end), epoch seconds. ``parts`` tell several of one type and start apart.

    ``fields`` are what programs read of it, as (name, value): :data:`BLIND_FIELDS`.
    """

    type: AnnotationType
    start: int
    end: int
    text: str
    parts: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    def document(self, context: ResultContext, stamp: Stamp) -> ResultDocument:
        """As it is stored."""
        return annotation(
            context,
            stamp,
            start=self.start,
            end=self.end,
            annotation_type=self.type,
            text=self.text,
            parts=self.parts,
            fields=dict(self.fields),
        )


OF_SNAPSHOTS: tuple[AnnotationType, ...] = ("model_snapshot", "warm_up")
"""What is said of the job's snapshots: from when on each is used."""

OF_BUCKETS: tuple[AnnotationType, ...] = ("delayed_data", "blind")
"""What is said of buckets: it goes with them."""


BLIND_FIELDS = ("blind_state", "blind_reason", "blind_field")
"""Of an annotation of type `blind`: `blind`, `half_blind` or `ended`; the reason; the field of the events, if any."""

GOES_ON = ("blind", "half_blind")
"""Values of `blind_state` while it lasts: what alerts look for."""


def said_since(job_id: str, types: Sequence[AnnotationType], start: int) -> Query:
    """Annotations of these types that begin at or after ``start``, epoch seconds."""
    query = annotations_query(job_id, None, None, types)
    return {"bool": {"filter": [*query["bool"]["filter"], *between(start, None)]}}


def said_of(job_id: str, snapshot_ids: Sequence[str]) -> Query:
    """What was said of these snapshots when they came into use."""
    query = annotations_query(job_id, None, None, OF_SNAPSHOTS)
    return {"bool": {"filter": [*query["bool"]["filter"], {"terms": {"snapshot_id": list(snapshot_ids)}}]}}


def annotations_query(job_id: str, start: int | None, end: int | None, types: Sequence[AnnotationType] = ()) -> Query:
    """Annotations of a job that overlap [start, end), epoch seconds; of these types, if any are given."""
    filters: list[Query] = [{"term": {"job_id": job_id}}, {"term": {"result_type": "annotation"}}]
    if start is not None:
        filters.append({"range": {"end_timestamp": {"gt": start * 1_000, "format": "epoch_millis"}}})
    if end is not None:
        filters.append({"range": {"timestamp": {"lt": end * 1_000, "format": "epoch_millis"}}})
    if types:
        filters.append({"terms": {"annotation_type": list(types)}})
    return {"bool": {"filter": filters}}
