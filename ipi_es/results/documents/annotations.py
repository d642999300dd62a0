"""Annotations: what a person should know about an interval of a job's time, besides its scores.

The id of an annotation follows from its type, its start and its ``parts``: a changed one overwrites the stored one, and
an unchanged one isn't written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ipi_es.results.documents.result_documents import ResultContext, ResultDocument, Stamp, annotation
from ipi_es.results.reading.queries import Query, between
from ipi_es.results.words import AnnotationType
from ipi_es.times import to_ms


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation of [start, end), epoch seconds. ``parts`` distinguish several of one type and start.

    ``fields`` are (name, value) for programs to read: :data:`BLIND_FIELDS`.
    """

    type: AnnotationType
    start: int
    end: int
    text: str
    parts: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    def document(self, context: ResultContext, stamp: Stamp) -> ResultDocument:
        """Return the document to store."""
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
"""Annotations about the job's snapshots: from when on each is used."""

OF_BUCKETS: tuple[AnnotationType, ...] = ("delayed_data", "blind", "rules")
"""Annotations about buckets: deleted together with them."""


BLIND_FIELDS = ("blind_state", "blind_reason", "blind_field")
"""Fields of a `blind` annotation: state (`blind`, `half_blind`, `ended`); reason; field of the events, if any."""

GOES_ON = ("blind", "half_blind")
"""Values of `blind_state` while the blindness lasts: alerts search for them."""


def said_since(job_id: str, types: Sequence[AnnotationType], start: int) -> Query:
    """Select annotations of these types that begin at or after ``start``, epoch seconds."""
    query = annotations_query(job_id, None, None, types)
    return {"bool": {"filter": [*query["bool"]["filter"], *between(start, None)]}}


def said_of(job_id: str, snapshot_ids: Sequence[str]) -> Query:
    """Select the annotations about these snapshots."""
    query = annotations_query(job_id, None, None, OF_SNAPSHOTS)
    return {"bool": {"filter": [*query["bool"]["filter"], {"terms": {"snapshot_id": list(snapshot_ids)}}]}}


def annotations_query(job_id: str, start: int | None, end: int | None, types: Sequence[AnnotationType] = ()) -> Query:
    """Select annotations of a job that overlap [start, end), epoch seconds; of these types, if any are given."""
    filters: list[Query] = [{"term": {"job_id": job_id}}, {"term": {"result_type": "annotation"}}]
    if start is not None:
        filters.append({"range": {"end_timestamp": {"gt": to_ms(start), "format": "epoch_millis"}}})
    if end is not None:
        filters.append({"range": {"timestamp": {"lt": to_ms(end), "format": "epoch_millis"}}})
    if types:
        filters.append({"terms": {"annotation_type": list(types)}})
    return {"bool": {"filter": filters}}
